// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fail every step: everything that can run out is made to run out at its n-th use, for every n until
 * a request, or a whole recorded trace, needs no n-th. Afterwards all is as before, to the page and
 * byte. The four hooks of the port fail, and below them what they stand on: pages by owner, the heap
 * and the address ranges.
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/thread.h"
#include "kernel/trace.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_bag.h"
#include "tests/kernel/percpu_util.h"

/* ---- What can run out ---- */

enum layer { LAYER_PORT, LAYER_PAGES, LAYER_HEAP, LAYER_RANGES };

struct step {
	const char *name;
	enum layer layer;
	unsigned int which; /* enum port_hook, enum page_owner */
};

static const struct step steps[] = {
	{"port_pages_alloc", LAYER_PORT, PORT_PAGE},
	{"port_range_alloc", LAYER_PORT, PORT_RANGE},
	{"port_zalloc", LAYER_PORT, PORT_HEAP},
	{"port_map", LAYER_PORT, PORT_MAP},
	{"a chunk's page", LAYER_PAGES, PAGE_PERCPU},
	{"a page table", LAYER_PAGES, PAGE_PGTABLE},
	{"a page of the heap", LAYER_PAGES, PAGE_HEAP},
	{"kmalloc", LAYER_HEAP, 0},
	{"vm_range_alloc", LAYER_RANGES, 0},
};

#define NR_STEPS ARRAY_SIZE(steps)

/* The n-th use from now fails, once; 0: none. */
static void step_fail_nth(const struct step *step, unsigned long n)
{
	switch (step->layer) {
	case LAYER_PORT:
		port_fail_nth((enum port_hook)step->which, n);
		break;
	case LAYER_PAGES:
		page_fail_nth((enum page_owner)step->which, n);
		break;
	case LAYER_HEAP:
		kmalloc_fail_nth(n);
		break;
	case LAYER_RANGES:
		vm_range_fail_nth(n);
		break;
	}
}

/* Turns the failure off; whether it came to pass. */
static bool step_failed(const struct step *step)
{
	bool pending = step->layer == LAYER_PORT    ? port_fail_pending((enum port_hook)step->which)
		       : step->layer == LAYER_PAGES ? page_fail_pending()
		       : step->layer == LAYER_HEAP  ? kmalloc_fail_pending()
						    : vm_fail_pending();

	step_fail_nth(step, 0);
	return !pending;
}

/* ---- Addresses where there are no page tables ---- */

#define TABLE_SPAN ((size_t)2 << 20) /* of the addresses that one page table maps */
#define MAX_HOLES  256
#define MAX_HOLE   ((size_t)1 << 30)

static uintptr_t holes[MAX_HOLES];
static size_t nr_holes;

static uintptr_t last_range_end(void)
{
	struct vm_range range = {0};

	while (vm_range_next(range.start, &range))
		;
	return range.start + range.size;
}

/* Takes so many bytes of addresses; false if they would reach past `end`. */
static bool take_addresses(size_t size, uintptr_t end)
{
	uintptr_t start = nr_holes < MAX_HOLES ? vm_range_alloc(size, PAGE_SIZE, "test hole") : 0;

	if (start != 0 && start + size <= end) {
		holes[nr_holes++] = start;
		return true;
	}
	if (start != 0)
		vm_range_free(start);
	return false;
}

/* From now on a new chunk needs a page table: all addresses below are taken. */
static void take_mapped_addresses(void)
{
	uintptr_t end = ALIGN_UP(last_range_end(), TABLE_SPAN);

	for (size_t size = MAX_HOLE; size >= PAGE_SIZE; size /= 2) {
		while (take_addresses(size, end))
			;
	}
}

static void give_addresses_back(void)
{
	while (nr_holes > 0)
		vm_range_free(holes[--nr_holes]);
}

/* ---- Single requests ---- */

struct scenario {
	void (*prepare)(struct test_run *t); /* before each try, all older chunks being full */
	size_t size, align;
	bool reserved;
	uint16_t least[NR_STEPS]; /* failures of each step that the request meets, at least */
};

#define MAX_KEPT 64

/* Areas that must keep their bytes whatever happens beside them. */
static struct {
	void __percpu *ptr;
	size_t size;
} kept[MAX_KEPT];
static size_t nr_kept;

static void keep(struct test_run *t, size_t size, size_t align, bool reserved)
{
	void __percpu *ptr =
		reserved ? __alloc_reserved_percpu(size, align) : __alloc_percpu(size, align);

	REQUIRE(ptr != NULL && nr_kept < MAX_KEPT);
	kept[nr_kept].ptr = ptr;
	kept[nr_kept].size = size;
	test_fill(ptr, size, (unsigned int)nr_kept++);
}

static void expect_kept(struct test_run *t)
{
	for (size_t i = 0; i < nr_kept; i++)
		EXPECT_EQ(test_wrong_bytes(kept[i].ptr, kept[i].size, (unsigned int)i), 0);
}

static void drop_kept(void)
{
	while (nr_kept > 0)
		free_percpu(kept[--nr_kept].ptr);
}

/* One request with a failure set: either nothing has changed, or it was served all the same. */
static void request_or_nothing(struct test_run *t, const struct scenario *s, const char *step,
			       unsigned long n)
{
	struct footprint before = footprint_take();
	void __percpu *ptr = s->reserved ? __alloc_reserved_percpu(s->size, s->align)
					 : __alloc_percpu(s->size, s->align);

	if (ptr) {
		EXPECT_EQ(test_nonzero_bytes(ptr, s->size), 0);
		free_percpu(ptr);
	} else {
		expect_unchanged(t, &before);
	}
	expect_kept(t);
	if (test_failed(t))
		test_diag("%s, failure %lu, size %zu align %zu: got 0x%lx", step, n, s->size,
			  s->align, (uintptr_t)ptr);
}

static void fail_each_use(struct test_run *t, const struct scenario *s, const struct step *step,
			  unsigned long least)
{
	unsigned long n = 0;
	bool failed;

	do {
		test_chunks_exhaust(t);
		take_mapped_addresses();
		s->prepare(t);
		kmalloc_trim();
		step_fail_nth(step, ++n);
		request_or_nothing(t, s, step->name, n);
		failed = step_failed(step);
		drop_kept();
		give_addresses_back();
		test_chunks_release();
	} while (failed && !test_failed(t));
	if (n <= least)
		test_fail(t, __FILE__, __LINE__, "%s: got %lu failures, want %lu at least",
			  step->name, n - 1, least);
}

static void fail_every_step(struct test_run *t, const struct scenario *s)
{
	for (size_t i = 0; i < NR_STEPS && !test_failed(t); i++)
		fail_each_use(t, s, &steps[i], s->least[i]);
}

static void nothing(struct test_run *t __unused)
{
}

TEST(percpu_O1_O19_steps_of_a_request_that_makes_a_chunk, TEST_SLOW)
{
	fail_every_step(t, &(struct scenario){.prepare = nothing,
					      .size = 8,
					      .align = 8,
					      .least = {1, 1, 3, 1, 1, 1, 0, 4, 1}});
}

TEST(percpu_O19_steps_of_a_request_of_many_pages, TEST_SLOW)
{
	fail_every_step(t, &(struct scenario){.prepare = nothing,
					      .size = 5 * PAGE_SIZE,
					      .align = PAGE_SIZE,
					      .least = {5, 1, 3, 5, 5, 1, 0, 4, 1}});
}

/* In a new chunk, pages 0, 1 and 2 have memory and hold live areas, and there is room on 1 and 2. */
static void make_neighbours(struct test_run *t)
{
	keep(t, 6000, 8, false);
	keep(t, 100, PAGE_SIZE, false);
}

TEST(percpu_U5_steps_of_a_request_between_neighbours, TEST_SLOW)
{
	fail_every_step(t, &(struct scenario){.prepare = make_neighbours,
					      .size = 9000,
					      .align = 8,
					      .least = {2, 0, 0, 2, 2, 0, 0, 0, 0}});
}

/* In a new chunk, areas until its map has no entry to spare. */
static void fill_map(struct test_run *t)
{
	struct pcpu_chunk_info info;

	do {
		keep(t, 8, 8, false);
		REQUIRE(test_chunk_info(test_chunk_of(kept[0].ptr), &info));
	} while (info.nr_entries + 2 <= info.map_room && !test_failed(t));
}

TEST(percpu_O5_steps_of_a_request_that_grows_a_map, TEST_QUICK)
{
	if (test_lacks_area_map(t))
		return;
	fail_every_step(t, &(struct scenario){.prepare = fill_map,
					      .size = 16,
					      .align = 8,
					      .least = {0, 0, 1, 0, 0, 0, 0, 1, 0}});
}

TEST(percpu_steps_of_a_reserved_request, TEST_QUICK)
{
	if (!pcpu_reserved_chunk) {
		test_skip(t, "no reserved area: percpu_reserve= was not given");
		return;
	}
	fail_every_step(t, &(struct scenario){
				   .prepare = nothing, .size = 128, .align = 8, .reserved = true});
}

/* ---- Whole traces ---- */

struct live {
	void __percpu *ptr; /* NULL: not live, or its request failed */
	size_t size;
};

struct play {
	struct test_run *t;
	const char *name;
	size_t max_events;
	unsigned long stride; /* from one failure to the next */
	struct trace_event *events;
	struct live *areas;
	size_t nr_events, nr_areas;
	unsigned int cpus[NR_CPUS]; /* online ones */
	unsigned int nr_cpus;
	unsigned long runs;
};

/* Bytes of the text that hold so many events. */
static size_t prefix_of(const struct trace_text *trace, size_t max_events)
{
	size_t size = 0, events = 0;

	while (size < trace->size && events < max_events) {
		events += trace->text[size] != '#';
		while (size < trace->size && trace->text[size++] != '\n')
			;
	}
	return size;
}

static bool parse(struct play *p, const struct trace_text *trace, size_t size)
{
	size_t nr_ids = (p->nr_events + 1) * TRACE_IDS_PER_EVENT;
	struct trace_id *ids = vmalloc(nr_ids * sizeof(*ids), "test ids");
	struct trace_error error;
	bool good;

	p->events = vmalloc((p->nr_events + 1) * sizeof(*p->events), "test events");
	p->areas = vmalloc((p->nr_events + 1) * sizeof(*p->areas), "test areas");
	good = ids && p->events && p->areas &&
	       trace_parse(trace->text, size, p->events, p->nr_events, ids, &p->nr_areas, &error) ==
		       0;
	vfree(ids);
	return good;
}

static bool load(struct play *p)
{
	const struct trace_text *trace = trace_find(p->name);
	size_t size = trace ? prefix_of(trace, p->max_events) : 0;
	struct trace_error error;
	unsigned int cpu;

	for_each_online_cpu (cpu)
		p->cpus[p->nr_cpus++] = cpu;
	return size > 0 && trace_scan(trace->text, size, &p->nr_events, &error) == 0 &&
	       parse(p, trace, size);
}

static void unload(struct play *p)
{
	vfree(p->events);
	vfree(p->areas);
}

static void play_alloc(struct play *p, const struct trace_event *event)
{
	struct live *area = &p->areas[event->area];
	struct test_run *t = p->t;

	area->size = event->size;
	area->ptr = event->flags & TRACE_RESERVED
			    ? __alloc_reserved_percpu(area->size, event->align)
			    : __alloc_percpu(area->size, event->align);
	if (!area->ptr)
		return;
	EXPECT_EQ(test_nonzero_bytes(area->ptr, area->size), 0);
	test_fill(area->ptr, area->size, event->area);
}

static void play_free(struct play *p, uint32_t n, bool irqs_off)
{
	struct live *area = &p->areas[n];
	struct test_run *t = p->t;
	irqflags_t flags;

	if (!area->ptr)
		return;
	EXPECT_EQ(test_wrong_bytes(area->ptr, area->size, n), 0);
	flags = irq_save();
	if (!irqs_off)
		irq_restore(flags);
	free_percpu(area->ptr);
	if (irqs_off)
		irq_restore(flags);
	area->ptr = NULL;
}

/* Each event on its CPU, with one failure on the way; then everything is freed. Returns whether the
 * failure came to pass. */
static bool play_with_failure(struct play *p, const struct step *step, unsigned long n)
{
	unsigned int at = THREAD_ANY_CPU;
	bool failed;

	step_fail_nth(step, n);
	for (size_t i = 0; i < p->nr_events; i++) {
		const struct trace_event *event = &p->events[i];
		unsigned int cpu = p->cpus[event->cpu % p->nr_cpus];

		if (cpu != at)
			thread_pin(cpu);
		at = cpu;
		if (event->size > 0)
			play_alloc(p, event);
		else
			play_free(p, event->area, event->flags & TRACE_IRQS_OFF);
	}
	failed = step_failed(step);
	for (uint32_t i = 0; i < p->nr_areas; i++)
		play_free(p, i, false);
	return failed;
}

/* Makes a wholly free chunk; from then on there always is one. */
static void make_free_chunk(struct test_run *t)
{
	void __percpu *ptr;

	test_chunks_exhaust(t);
	ptr = __alloc_percpu(BIG, PAGE_SIZE);
	EXPECT(ptr);
	free_percpu(ptr);
	test_chunks_release();
}

/* Gives all of every chunk memory, so that what was used of it before makes no difference. */
static void settle(struct test_run *t)
{
	test_chunks_exhaust(t);
	test_chunks_release();
}

#define FIRST_FAILURES 16

/* The trace over and over, in chunks of its own, with the first use failing, the second … */
static void play_all(struct play *p, const struct step *step)
{
	struct test_run *t = p->t;
	struct footprint before;
	unsigned long n = 0;
	bool failed;

	make_free_chunk(t);
	settle(t);
	before = footprint_take();
	do {
		test_chunks_exhaust(t);
		take_mapped_addresses();
		n += n < FIRST_FAILURES ? 1 : p->stride;
		p->runs++;
		failed = play_with_failure(p, step, n);
		give_addresses_back();
		test_chunks_release();
		settle(t);
		expect_unchanged(t, &before);
		if (test_failed(t))
			test_diag("%s: %s, failure %lu", p->name, step->name, n);
	} while (failed && !test_failed(t));
	EXPECT(n > 1 || step->which == PAGE_HEAP);
}

static void play_thread(void *arg)
{
	struct play *p = arg;

	for (size_t i = 0; i < NR_STEPS && !test_failed(p->t); i++)
		play_all(p, &steps[i]);
}

/* The first max_events of a bundled trace, with the failures that they can meet: of each kind the first ones, and
 * then every stride-th. */
static void fail_steps_of_trace(struct test_run *t, const char *name, size_t max_events,
				unsigned long stride)
{
	struct play p = {.t = t, .name = name, .max_events = max_events, .stride = stride};

	if (load(&p))
		test_on_cpu(t, p.cpus[0], play_thread, &p);
	else
		test_fail(t, __FILE__, __LINE__, "%s: no such trace, or no memory", name);
	EXPECT(page_check());
	test_diag("failing steps of %s: %zu events played %lu times", name, p.nr_events, p.runs);
	unload(&p);
}

TEST(percpu_steps_of_the_start_of_a_trace, TEST_SLOW)
{
	/* With guards each area is one more use of the heap. */
	fail_steps_of_trace(t, "netns", pcpu_guard_on ? 60 : 500, 4);
}

TEST(percpu_soak_steps_of_netns, TEST_SOAK)
{
	fail_steps_of_trace(t, "netns", SIZE_MAX, 1);
}

TEST(percpu_soak_steps_of_nft, TEST_SOAK)
{
	fail_steps_of_trace(t, "nft", SIZE_MAX, 1);
}

TEST(percpu_soak_steps_of_pods, TEST_SOAK)
{
	fail_steps_of_trace(t, "pods", SIZE_MAX, 1);
}
