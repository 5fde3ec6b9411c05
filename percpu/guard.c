/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guards of guard.h. Records live in a tree by pointer; freed ones also wait in a queue, oldest
 * first. Records are heap memory, and a free may come from an interrupt handler, so the records of areas
 * that are gone are only put aside there; the next allocation or sync gives them back.
 */
#include "percpu/guard.h"

#include "percpu/front.h"

bool pcpu_guard_on;

static struct rb_root guards;				    /* (L) by pointer */
static struct list_node quarantine = LIST_INIT(quarantine); /* (L) oldest first */
static struct list_node dead = LIST_INIT(dead);		    /* (L) records to give back */
static size_t quarantined_bytes;			    /* (L) */

bool pcpu_debug_enable(void)
{
	if (pcpu_counters.live_areas > 0)
		return false;
	pcpu_front_shut();
	pcpu_guard_on = true;
	port_info("percpu_debug: red zones of %d bytes or more around areas, up to %d bytes of "
		  "freed ones in quarantine",
		  GUARD_ZONE, GUARD_QUARANTINE_BYTES);
	return true;
}

/* Where a byte is from the caller's pointer; negative: before it. */
static ssize_t offset_from(const struct pcpu_guard *guard, const void __percpu *ptr)
{
	return (ssize_t)((uintptr_t)ptr - (uintptr_t)guard->ptr);
}

static ssize_t back_end(const struct pcpu_guard *guard)
{
	return (ssize_t)(guard->total - guard->front);
}

/* The record of the area that ptr points into, zones included; NULL if there is none. */
static struct pcpu_guard *guard_around(const void __percpu *ptr)
{
	struct rb_node *node = guards.node;

	while (node) {
		struct pcpu_guard *guard = rb_entry(node, struct pcpu_guard, node);
		ssize_t offset = offset_from(guard, ptr);

		if (offset >= -(ssize_t)guard->front && offset < back_end(guard))
			return guard;
		node = offset < 0 ? node->left : node->right;
	}
	return NULL;
}

static void guard_insert(struct pcpu_guard *guard)
{
	struct rb_node **link = &guards.node, *parent = NULL;

	while (*link) {
		struct pcpu_guard *other = rb_entry(*link, struct pcpu_guard, node);

		parent = *link;
		link = (uintptr_t)guard->ptr < (uintptr_t)other->ptr ? &parent->left
								     : &parent->right;
	}
	rb_insert(&guards, &guard->node, parent, link);
}

/* A CPU's copy of the byte at offset from the caller's pointer; negative ones are in the front zone. */
static uint8_t *guard_byte(const struct pcpu_guard *guard, unsigned int unit, ssize_t offset)
{
	uintptr_t addr = pcpu_ptr_to_addr(guard->ptr) + unit * pcpu_unit_size;

	return (uint8_t *)addr + offset;
}

static void fill(const struct pcpu_guard *guard, ssize_t from, ssize_t to, uint8_t value)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++)
		memset(guard_byte(guard, unit, from), value, (size_t)(to - from));
}

#define SYMBOL_SIZE 80
#define OWNER_SIZE  (2 * SYMBOL_SIZE + 32)

/* Who allocated the area and who freed it. */
static void owner_text(const struct pcpu_guard *guard, char *buf, size_t size)
{
	char allocated[SYMBOL_SIZE], freed[SYMBOL_SIZE];

	port_symbol(guard->alloc_caller, allocated, sizeof(allocated));
	if (!guard->free_caller) {
		port_format(buf, size, "allocated by %s, not freed yet", allocated);
		return;
	}
	port_symbol(guard->free_caller, freed, sizeof(freed));
	port_format(buf, size, "allocated by %s, freed by %s", allocated, freed);
}

static void describe(const struct pcpu_guard *guard, const char *what, unsigned int unit,
		     ssize_t offset, uint8_t want, char *buf, size_t size)
{
	char owner[OWNER_SIZE];

	owner_text(guard, owner, sizeof(owner));
	port_format(buf, size,
		    "%s: area 0x%lx of %zu bytes, CPU %u, byte %+zd is 0x%02x, not 0x%02x; %s",
		    what, (uintptr_t)guard->ptr, guard->size, pcpu_cpu_of[unit], offset,
		    *guard_byte(guard, unit, offset), want, owner);
}

/* Looks for a byte of [from, to) that is not value on some CPU; describes the first in buf. */
static bool damaged(const struct pcpu_guard *guard, const char *what, ssize_t from, ssize_t to,
		    uint8_t value, char *buf, size_t size)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		for (ssize_t offset = from; offset < to; offset++) {
			if (*guard_byte(guard, unit, offset) == value)
				continue;
			describe(guard, what, unit, offset, value, buf, size);
			return true;
		}
	}
	return false;
}

static bool zones_damaged(const struct pcpu_guard *guard, char *buf, size_t size)
{
	return damaged(guard, "write before an area", -(ssize_t)guard->front, 0, GUARD_ZONE_BYTE,
		       buf, size) ||
	       damaged(guard, "write past an area", (ssize_t)guard->size, back_end(guard),
		       GUARD_ZONE_BYTE, buf, size);
}

static bool filling_damaged(const struct pcpu_guard *guard, char *buf, size_t size)
{
	return damaged(guard, "write after free", -(ssize_t)guard->front, back_end(guard),
		       GUARD_FREED_BYTE, buf, size);
}

struct pcpu_guard *pcpu_guard_create(size_t size, size_t align, uintptr_t caller)
{
	struct pcpu_guard *guard = pcpu_mem_alloc(sizeof(*guard));

	pcpu_guard_bury();
	if (!guard)
		return NULL;
	guard->size = size;
	guard->front = max(align, (size_t)GUARD_ZONE);
	guard->total = guard->front + size + GUARD_ZONE;
	if (guard->total > PCPU_MIN_UNIT_SIZE) { /* the largest requests have no room for zones */
		guard->front = 0;
		guard->total = size;
	}
	guard->alloc_caller = caller;
	return guard;
}

void pcpu_guard_discard(struct pcpu_guard *guard)
{
	pcpu_mem_free(guard, sizeof(*guard));
}

void __percpu *pcpu_guard_attach(struct pcpu_guard *guard, void __percpu *area)
{
	irqflags_t flags;

	guard->ptr = (void __percpu *)((uintptr_t)area + guard->front);
	fill(guard, -(ssize_t)guard->front, 0, GUARD_ZONE_BYTE);
	fill(guard, (ssize_t)guard->size, back_end(guard), GUARD_ZONE_BYTE);
	flags = port_lock();
	guard_insert(guard);
	port_unlock(flags);
	return guard->ptr;
}

/* Why ptr, in this area, is not what may be freed. */
static void describe_bad_free(const struct pcpu_guard *guard, const void __percpu *ptr, char *text,
			      size_t size)
{
	char owner[OWNER_SIZE];

	owner_text(guard, owner, sizeof(owner));
	if (guard->ptr == ptr)
		port_format(text, size, "double free: 0x%lx is already free: area of %zu bytes, %s",
			    (uintptr_t)ptr, guard->size, owner);
	else
		port_format(text, size,
			    "0x%lx is inside an area%s: byte %+zd of 0x%lx, %zu bytes, %s",
			    (uintptr_t)ptr, guard->free_caller ? " that is already free" : "",
			    offset_from(guard, ptr), (uintptr_t)guard->ptr, guard->size, owner);
}

bool pcpu_guard_free(void __percpu *ptr, uintptr_t caller, char *text, size_t text_size,
		     struct pcpu_finding *finding)
{
	struct pcpu_guard *guard = guard_around(ptr);

	pcpu_assert_locked(__func__);
	text[0] = 0;
	if (!guard)
		return false;
	if (guard->ptr != ptr || guard->free_caller) {
		describe_bad_free(guard, ptr, text, text_size);
		return false;
	}
	guard->free_caller = caller;
	zones_damaged(guard, finding->text, sizeof(finding->text));
	fill(guard, -(ssize_t)guard->front, back_end(guard), GUARD_FREED_BYTE);
	list_add_back(&guard->fifo, &quarantine);
	quarantined_bytes += guard->total;
	return true;
}

void __percpu *pcpu_guard_release(size_t limit, struct pcpu_finding *finding)
{
	struct pcpu_guard *guard;

	pcpu_assert_locked(__func__);
	if (quarantined_bytes <= limit)
		return NULL;
	guard = list_first(&quarantine, struct pcpu_guard, fifo);
	filling_damaged(guard, finding->text, sizeof(finding->text));
	quarantined_bytes -= guard->total;
	rb_erase(&guards, &guard->node);
	list_del(&guard->fifo);
	list_add_back(&guard->fifo, &dead);
	return (void __percpu *)((uintptr_t)guard->ptr - guard->front);
}

void pcpu_guard_bury(void)
{
	struct list_node graves = LIST_INIT(graves);
	struct pcpu_guard *guard, *next;
	irqflags_t flags = port_lock();

	list_splice_back(&dead, &graves);
	port_unlock(flags);
	list_for_each_entry_safe (guard, next, &graves, fifo)
		pcpu_mem_free(guard, sizeof(*guard));
}

void pcpu_guard_check(char *buf, size_t size)
{
	pcpu_assert_locked(__func__);
	for (struct rb_node *node = rb_first(&guards); node; node = rb_next(node)) {
		const struct pcpu_guard *guard = rb_entry(node, struct pcpu_guard, node);

		if (guard->free_caller ? filling_damaged(guard, buf, size)
				       : zones_damaged(guard, buf, size))
			return;
	}
}
