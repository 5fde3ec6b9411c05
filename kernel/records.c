// SPDX-License-Identifier: GPL-2.0-only
/*
 * The allocator's operations as they pass: a tree of the live areas by address, and a ring of the last
 * operations. All memory is taken at boot, since a free in an interrupt handler can get none; one
 * lock covers everything.
 */
#define LOG_AREA "records"
#include "kernel/records.h"

#include "arch/x86_64/percpu.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/records_internal.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"

/* A live area; or a free record, with node.right the next one. */
struct record {
	struct rb_node node;
	struct area_record area;
	uint64_t trace_id; /* 0: not in the trace that is being recorded */
};

/* An operation of the ring. */
struct operation {
	struct pcpu_event event;
	uint64_t ns;
	unsigned int cpu;
};

struct spinlock records_lock = SPINLOCK_INIT("records", LOCK_CLASS_RECORDS);
static struct rb_root live;
static struct record *spare; /* free records */
static unsigned long forgotten;
static struct operation last[RECORDS_LAST];
static DEFINE_PER_CPU(unsigned long, nr_allocs); /* by that CPU */
static DEFINE_PER_CPU(unsigned long, nr_frees);
static unsigned long nr_operations; /* ever; the next goes to last[nr_operations % RECORDS_LAST] */

/* ---- The tree. records_lock held. ---- */

static struct record *record_of(struct rb_node *node)
{
	return rb_entry(node, struct record, node);
}

/* The record with the highest ptr at or below the given one. */
static struct record *find_below(uintptr_t ptr)
{
	struct record *found = NULL;

	for (struct rb_node *node = live.node; node;) {
		struct record *record = record_of(node);

		if (record->area.ptr > ptr) {
			node = node->left;
		} else {
			found = record;
			node = node->right;
		}
	}
	return found;
}

static void insert(struct record *record)
{
	struct rb_node **link = &live.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = record->area.ptr < record_of(parent)->area.ptr ? &parent->left
								      : &parent->right;
	}
	rb_insert(&live, &record->node, parent, link);
}

static void remember(const struct pcpu_event *event)
{
	struct record *record = spare;

	if (!record) {
		forgotten++;
		return;
	}
	spare = record->node.right ? record_of(record->node.right) : NULL;
	record->area = (struct area_record){
		.ptr = (uintptr_t)event->ptr,
		.caller = event->caller,
		.ns = time_ns(),
		.size = (uint32_t)event->size,
		.align = (uint32_t)event->align,
		.cpu = (uint16_t)smp_processor_id(),
		.reserved = event->reserved,
	};
	record->trace_id = record_trace_alloc(event);
	insert(record);
}

static void forget(const struct pcpu_event *event)
{
	struct record *record = find_below((uintptr_t)event->ptr);

	if (!record || record->area.ptr != (uintptr_t)event->ptr)
		return; /* allocated when there was no room, or unwatched */
	record_trace_free(record->trace_id, event);
	rb_erase(&live, &record->node);
	record->node.right = spare ? &spare->node : NULL;
	spare = record;
}

/* ---- Watching ---- */

static void observe(const struct pcpu_event *event)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);

	last[nr_operations % RECORDS_LAST] =
		(struct operation){*event, time_ns(), smp_processor_id()};
	WRITE_ONCE(nr_operations, nr_operations + 1);
	if (event->kind == PCPU_ALLOCATED) {
		this_cpu_inc(nr_allocs);
		remember(event);
	} else if (event->kind == PCPU_FREED) {
		this_cpu_inc(nr_frees);
		forget(event);
	}
	spin_unlock_irqrestore(&records_lock, flags);
}

bool records_watch(bool on)
{
	static bool watching;
	bool before = watching;

	watching = on;
	pcpu_observe(on ? observe : NULL);
	return before;
}

void records_init(void)
{
	struct record *pool = vmalloc(RECORDS_MAX_AREAS * sizeof(*pool), "records");

	if (!pool)
		log_warn("no memory for records of %u areas: who and sites will know none",
			 RECORDS_MAX_AREAS);
	for (size_t i = 0; pool && i < RECORDS_MAX_AREAS; i++)
		pool[i].node.right = i + 1 < RECORDS_MAX_AREAS ? &pool[i + 1].node : NULL;
	spare = pool;
	records_watch(true);
}

/* ---- Questions ---- */

bool records_find(uintptr_t ptr, struct area_record *out)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);
	const struct record *record = find_below(ptr);
	bool found = record && ptr - record->area.ptr < record->area.size;

	if (found)
		*out = record->area;
	spin_unlock_irqrestore(&records_lock, flags);
	return found;
}

void records_of_cpu(unsigned int cpu, unsigned long *allocs, unsigned long *frees)
{
	*allocs = READ_ONCE(per_cpu(nr_allocs, cpu));
	*frees = READ_ONCE(per_cpu(nr_frees, cpu));
}

/* Adds an area to its site, or to none when there are too many. */
static void add_to_site(struct site_record *sites, size_t *nr, const struct area_record *area)
{
	size_t i = 0;

	while (i < *nr && sites[i].caller != area->caller)
		i++;
	if (i == RECORDS_MAX_SITES)
		return;
	if (i == *nr)
		sites[(*nr)++] = (struct site_record){.caller = area->caller};
	sites[i].areas++;
	sites[i].bytes += area->size;
}

static void sort_by_bytes(struct site_record *sites, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		struct site_record site = sites[i];
		size_t at = i;

		for (; at > 0 && sites[at - 1].bytes < site.bytes; at--)
			sites[at] = sites[at - 1];
		sites[at] = site;
	}
}

size_t records_sites(struct site_record *out, struct records_total *total)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);
	size_t nr = 0;

	*total = (struct records_total){.forgotten = forgotten};
	for (struct rb_node *node = rb_first(&live); node; node = rb_next(node)) {
		const struct area_record *area = &record_of(node)->area;

		total->areas++;
		total->bytes += area->size;
		add_to_site(out, &nr, area);
	}
	spin_unlock_irqrestore(&records_lock, flags);
	total->sites = nr;
	sort_by_bytes(out, nr);
	return nr;
}

static void print_operation(const struct operation *op)
{
	static const char *const names[] = {
		[PCPU_ALLOCATED] = "alloc",
		[PCPU_FREED] = "free",
		[PCPU_ALLOC_FAILED] = "alloc failed",
		[PCPU_FREE_REFUSED] = "free refused",
	};
	const struct pcpu_event *event = &op->event;
	bool alloc = event->kind == PCPU_ALLOCATED || event->kind == PCPU_ALLOC_FAILED;
	char request[64] = "";

	if (alloc)
		snprintf(request, sizeof(request), " size=%zu align=%zu%s", event->size,
			 event->align, event->reserved ? " reserved" : "");
	log_error("  %lu.%06lu cpu%u %s ptr=0x%lx%s by %pS", op->ns / 1000000000,
		  op->ns / 1000 % 1000000, op->cpu, names[event->kind], (uintptr_t)event->ptr,
		  request, (void *)(event->caller - 1));
}

void records_print_last(void)
{
	unsigned long end = READ_ONCE(nr_operations);
	unsigned long from = end > RECORDS_LAST ? end - RECORDS_LAST : 0;

	if (end == 0)
		return;
	log_error("last %lu of %lu allocator operations:", end - from, end);
	for (unsigned long i = from; i < end; i++)
		print_operation(&last[i % RECORDS_LAST]);
}
