/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Known defects of this design, each by its id: those that need failing hooks, many areas or a
 * broken state. Every test leaves the allocator as it found it.
 */
#define LOG_AREA "test"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/percpu_internal.h"
#include "percpu/port_kernel.h"

#define BIG PCPU_MIN_UNIT_SIZE

/* A bag of areas that a test holds. */
struct bag {
	void __percpu **ptrs;
	size_t count, room;
};

static bool bag_init(struct bag *bag, size_t room)
{
	bag->ptrs = vmalloc(room * sizeof(*bag->ptrs), "test bag");
	bag->count = 0;
	bag->room = room;
	return bag->ptrs != NULL;
}

/* Allocates into the bag; false when the allocator or the bag has no more. */
static bool bag_add(struct bag *bag, size_t size, size_t align)
{
	void __percpu *ptr = bag->count < bag->room ? __alloc_percpu(size, align) : NULL;

	if (!ptr)
		return false;
	bag->ptrs[bag->count++] = ptr;
	return true;
}

/* Frees all from the last to the first. */
static void bag_empty(struct bag *bag)
{
	while (bag->count > 0)
		free_percpu(bag->ptrs[--bag->count]);
	vfree(bag->ptrs);
	pcpu_sync();
}

/* With chunk making forbidden, takes everything from size bytes down to `least`. */
static void bag_fill(struct bag *bag, size_t size, size_t least)
{
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	for (; size >= least; size /= 2) {
		while (bag_add(bag, size, min(size, (size_t)8)))
			;
	}
	port_fail_nth(PORT_RANGE, 0);
	pcpu_sync();
}

static size_t count_chunks(void)
{
	return pcpu_inspect_chunks(NULL, 0);
}

static bool state_is_sound(void)
{
	struct pcpu_check_result result;

	if (pcpu_check(&result))
		return true;
	log_warn("checker: %s", result.error);
	return false;
}

/* What must be the same before and after a failed request. */
struct footprint {
	size_t chunks, meta, areas, bytes, pages, owned;
};

static struct footprint footprint_take(void)
{
	struct pcpu_stats s;

	pcpu_sync();
	pcpu_stats_get(&s);
	return (struct footprint){count_chunks(), s.meta_bytes,	     s.live_areas,
				  s.live_bytes,	  s.populated_pages, page_count(PAGE_PERCPU)};
}

static void expect_unchanged(struct test_run *t, const struct footprint *before)
{
	struct footprint after = footprint_take();

	/* A chunk made for the request may stay as the one free chunk. */
	if (after.chunks == before->chunks)
		EXPECT_EQ(after.meta, before->meta);
	EXPECT(after.chunks <= before->chunks + 1);
	EXPECT_EQ(after.areas, before->areas);
	EXPECT_EQ(after.bytes, before->bytes);
	EXPECT_EQ(after.pages, before->pages);
	EXPECT_EQ(after.owned, before->owned);
	EXPECT(state_is_sound());
}

/*

 * Fails the hook at its n-th call for every n until a request needs no n-th call. Returns that n.

 */
static unsigned long fail_every_step(struct test_run *t, enum port_hook hook, size_t size,
				     size_t align)
{
	unsigned long needed = 0;

	for (unsigned long n = 1; n < 2000 && needed == 0 && !test_failed(t); n++) {
		struct footprint before = footprint_take();
		void __percpu *ptr;

		port_fail_nth(hook, n);
		ptr = __alloc_percpu(size, align);
		if (port_fail_pending(hook))
			needed = n;
		port_fail_nth(hook, 0);
		EXPECT(ptr != NULL || needed == 0);
		if (ptr)
			free_percpu(ptr);
		else
			expect_unchanged(t, &before);
	}
	return needed;
}

TEST(percpu_O1_each_allocation_of_chunk_making_may_fail, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	EXPECT(fail_every_step(t, PORT_HEAP, BIG, 8) > 5);
	bag_fill(&bag, BIG, BIG);
	EXPECT_EQ(fail_every_step(t, PORT_RANGE, BIG, 8), 2);
	bag_empty(&bag);
}

TEST(percpu_O19_pages_run_out_on_every_cpu_in_turn, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, PAGE_SIZE);
	EXPECT_EQ(fail_every_step(t, PORT_PAGE, 2 * PAGE_SIZE, PAGE_SIZE), 2 * pcpu_nr_units + 1);
	bag_empty(&bag);
}

TEST(percpu_O19_mapping_fails_on_every_cpu_in_turn, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, PAGE_SIZE);
	EXPECT_EQ(fail_every_step(t, PORT_MAP, PAGE_SIZE + 1, 4096), 2 * pcpu_nr_units + 1);
	bag_empty(&bag);
}

TEST(percpu_O19_page_tables_run_out_and_all_is_as_before, TEST_QUICK)
{
	void __percpu *ptr = NULL;
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	for (unsigned long n = 1; n < 100 && !ptr; n++) {
		struct footprint before = footprint_take();
		size_t tables = page_count(PAGE_PGTABLE);

		page_fail_nth(PAGE_PGTABLE, n);
		ptr = __alloc_percpu(BIG, 8);
		page_fail_nth(PAGE_PGTABLE, 0);
		if (ptr)
			continue;
		expect_unchanged(t, &before);
		EXPECT_EQ(page_count(PAGE_PGTABLE), tables);
	}
	free_percpu(ptr);
	bag_empty(&bag);
}

TEST(percpu_O2_the_static_area_cannot_be_freed, TEST_QUICK)
{
	size_t size = (size_t)(__per_cpu_end - __per_cpu_start);
	struct pcpu_stats before, after;

	pcpu_stats_get(&before);
	warn_expect_begin();
	for (size_t offset = 0; offset < size; offset += 64)
		free_percpu((void __percpu *)((uintptr_t)__per_cpu_start + offset));
	warn_expect_end(); /* how many lines were printed depends on the limit: bad_frees counts */
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_frees - before.bad_frees, (size + 63) / 64);
	EXPECT(state_is_sound());
}

TEST(percpu_O3_addresses_past_a_chunk_are_refused, TEST_QUICK)
{
	struct pcpu_result result;
	void __percpu *ptr = __alloc_percpu(64, 64);

	REQUIRE(ptr != NULL);
	for (unsigned int unit = 1; unit <= pcpu_nr_units; unit++) {
		uintptr_t other = (uintptr_t)ptr + unit * pcpu_unit_size;

		pcpu_try_free((void __percpu *)other, &result);
		EXPECT(result.error != NULL);
		EXPECT(unit == pcpu_nr_units || result.where.what == PCPU_OTHER_UNIT);
	}
	free_percpu(ptr);
	EXPECT(state_is_sound());
}

/* What the reader of O4 looks at. */
struct watch {
	volatile uint8_t *byte;
	uint8_t seen;
	bool stop;
	unsigned long reads, strange;
};

static void read_byte(void *arg)
{
	struct watch *watch = arg;

	watch->seen = *watch->byte;
}

static void watch_thread(void *arg)
{
	struct watch *watch = arg;
	uintptr_t addr;

	while (!READ_ONCE(watch->stop)) {
		if (trap_probe(read_byte, watch, &addr) && watch->seen != 0x5a && watch->seen != 0)
			watch->strange++;
		WRITE_ONCE(watch->reads, watch->reads + 1);
	}
}

/* Writes all over pages that are free now. */
static void dirty_free_pages(void)
{
	struct page *pages[64];
	size_t n = 0;

	while (n < ARRAY_SIZE(pages) && (pages[n] = page_alloc(0, PAGE_TEST)) != NULL)
		memset(page_address(pages[n++]), 0xa5, PAGE_SIZE);
	while (n > 0)
		page_free(pages[--n]);
}

/* One chunk dies while another CPU reads in it. */
static void read_while_reclaimed(struct test_run *t, unsigned int cpu)
{
	struct watch watch = {0};
	struct thread *reader;
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	REQUIRE(bag_add(&bag, BIG, 8) && bag_add(&bag, BIG, 8));
	watch.byte = per_cpu_ptr((uint8_t __percpu *)bag.ptrs[bag.count - 1], cpu);
	memset((uint8_t *)watch.byte, 0x5a, BIG);
	reader = thread_create("O4 reader", watch_thread, &watch, cpu);
	REQUIRE(reader != NULL);
	while (READ_ONCE(watch.reads) < 100)
		thread_yield();
	bag_empty(&bag);
	dirty_free_pages();
	WRITE_ONCE(watch.stop, true);
	thread_join(reader);
	EXPECT_EQ(watch.strange, 0);
}

TEST(percpu_O4_no_cpu_reads_a_page_after_it_was_given_back, TEST_QUICK)
{
	unsigned int cpu = cpumask_next(&cpu_online_mask, smp_processor_id() + 1);

	if (cpu >= nr_cpu_ids)
		cpu = cpumask_next(&cpu_online_mask, 0);
	for (int round = 0; round < 10 && !test_failed(t); round++)
		read_while_reclaimed(t, cpu);
}

TEST(percpu_O5_a_map_that_cannot_grow_is_passed_over, TEST_QUICK)
{
	unsigned long passed = 0;
	struct bag bag;

	REQUIRE(bag_init(&bag, 4096));
	bag_fill(&bag, BIG, 16);
	REQUIRE(bag_add(&bag, 16, 16)); /* a fresh chunk with a small map */
	for (int i = 0; i < 400 && !test_failed(t); i++) {
		port_fail_nth(PORT_HEAP, 1);
		EXPECT(bag_add(&bag, 16, 16)); /* another chunk serves it, if need be a new one */
		passed += !port_fail_pending(PORT_HEAP);
		port_fail_nth(PORT_HEAP, 0);
	}
	EXPECT(passed > 0);
	EXPECT(state_is_sound());
	bag_empty(&bag);
}

TEST(percpu_O6_a_hundred_failures_leave_no_hundred_chunks, TEST_QUICK)
{
	struct bag bag;
	size_t chunks;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	chunks = count_chunks();
	for (int i = 0; i < 100; i++) {
		port_fail_nth(PORT_PAGE, 1);
		EXPECT(__alloc_percpu(BIG, 8) == NULL);
	}
	port_fail_nth(PORT_PAGE, 0);
	pcpu_sync();
	EXPECT(count_chunks() <= chunks + 1);
	bag_empty(&bag);
}

TEST(percpu_O10_the_first_chunk_is_never_reclaimed, TEST_QUICK)
{
	struct pcpu_chunk_info info[64];
	size_t n, first = 0;

	for (int i = 0; i < 3; i++)
		pcpu_reclaim();
	n = min(pcpu_inspect_chunks(info, ARRAY_SIZE(info)), ARRAY_SIZE(info));
	for (size_t i = 0; i < n; i++)
		first += info[i].first;
	EXPECT_EQ(first, (pcpu_reserved_chunk != NULL) + (pcpu_first_chunk != NULL));
	EXPECT(state_is_sound());
}

TEST(percpu_O11_dynamic_areas_are_freed_whether_or_not_there_is_a_reserved_chunk, TEST_QUICK)
{
	struct footprint before = footprint_take(), after;

	for (size_t size = 1; size <= 512; size *= 2) {
		void __percpu *ptr = __alloc_percpu(size, 4);

		REQUIRE(ptr != NULL);
		free_percpu(ptr);
	}
	after = footprint_take();
	EXPECT_EQ(after.areas, before.areas);
	EXPECT_EQ(after.bytes, before.bytes);
}

TEST(percpu_O13_slot_table, TEST_QUICK)
{
	static const struct {
		size_t size;
		unsigned int slot;
	} table[] = {{1, 1},  {15, 1}, {16, 2},	   {31, 2},    {32, 3},
		     {63, 3}, {64, 4}, {4096, 10}, {32768, 13}};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT_EQ(pcpu_slot_of(table[i].size), table[i].slot);
	EXPECT_EQ(pcpu_slot_of(pcpu_unit_size), pcpu_nr_slots - 1);
	EXPECT(pcpu_slot_of(pcpu_unit_size - 1) < pcpu_nr_slots - 1);
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* n operations of odd sizes and alignments, the checker after every one, everything freed at the
 * end. */
static void random_operations(struct test_run *t, uint32_t seed, int n)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 256));
	for (int i = 0; i < n && !test_failed(t); i++) {
		if (bag.count == bag.room || (bag.count > 0 && next_random(&seed) % 5 < 2)) {
			size_t victim = next_random(&seed) % bag.count;

			free_percpu(bag.ptrs[victim]);
			bag.ptrs[victim] = bag.ptrs[--bag.count];
		} else {
			size_t size = 1 + next_random(&seed) % (next_random(&seed) % 8 ? 99 : 9999);

			bag_add(&bag, size, (size_t)1 << next_random(&seed) % 8);
		}
		EXPECT(state_is_sound());
	}
	bag_empty(&bag);
}

TEST(percpu_O18_U10_U19_U20_odd_sizes_keep_every_invariant, TEST_QUICK)
{
	struct footprint before = footprint_take(), after;

	random_operations(t, 7, 300);
	after = footprint_take();
	EXPECT_EQ(after.bytes, before.bytes);
	EXPECT_EQ(after.areas, before.areas);
}

TEST(percpu_O18_odd_sizes_at_length, TEST_SLOW)
{
	for (uint32_t seed = 1; seed <= 8 && !test_failed(t); seed++)
		random_operations(t, seed, 1500);
}

TEST(percpu_U18_invariants_hold_with_chunk_making_forbidden, TEST_QUICK)
{
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	random_operations(t, 11, 300);
	port_fail_nth(PORT_RANGE, 0);
}

TEST(percpu_O20_the_checker_sees_a_page_missing_on_one_cpu, TEST_QUICK)
{
	struct pcpu_chunk *chunk = pcpu_first_chunk ? pcpu_first_chunk : pcpu_reserved_chunk;
	struct page **slot = &chunk->memory->pages[(pcpu_nr_units - 1) * pcpu_unit_pages];
	struct page *page = *slot;
	struct pcpu_check_result result;

	*slot = NULL;
	EXPECT(!pcpu_check(&result));
	*slot = page;
	EXPECT(strstr(result.error, "some CPUs only") != NULL);
	EXPECT(state_is_sound());
}

TEST(percpu_U21_the_checker_recomputes_the_counters, TEST_QUICK)
{
	unsigned long *const counters[] = {
		&pcpu_counters.live_areas,	&pcpu_counters.live_bytes,
		&pcpu_counters.populated_pages, &pcpu_counters.pages_owned,
		&pcpu_counters.chunks_made,	&pcpu_counters.allocs};
	struct pcpu_check_result result;

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		(*counters[i])++;
		EXPECT(!pcpu_check(&result));
		(*counters[i])--;
	}
	EXPECT(state_is_sound());
}

TEST(percpu_O21_a_double_free_after_joining_is_named, TEST_QUICK)
{
	struct pcpu_result result;
	void __percpu *a = __alloc_percpu(64, 64), *b = __alloc_percpu(64, 64);

	REQUIRE(a != NULL && b != NULL);
	free_percpu(a);
	free_percpu(b);
	pcpu_try_free(b, &result);
	EXPECT(result.error != NULL && strstr(result.text, "already free") != NULL);
	pcpu_try_free(a, &result);
	EXPECT(result.error != NULL && strstr(result.text, "already free") != NULL);
	a = __alloc_percpu(200, 64);
	REQUIRE(a != NULL);
	pcpu_try_free((void __percpu *)((uintptr_t)a + 64), &result);
	EXPECT(result.error != NULL && strstr(result.text, "inside an area") != NULL);
	free_percpu(a);
}

TEST(percpu_O23_reclaim_is_woken_and_destroys_surplus_chunks, TEST_QUICK)
{
	struct pcpu_stats before, after;
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	for (int i = 0; i < 6; i++)
		EXPECT(bag_add(&bag, BIG, 8));
	pcpu_stats_get(&before);
	bag_empty(&bag);
	pcpu_stats_get(&after);
	EXPECT(after.chunks_freed > before.chunks_freed);
	EXPECT(after.reclaim_runs > before.reclaim_runs);
}

/* Index of the first of n areas that lie side by side, each `size` after the one before. */
static size_t find_run(const struct bag *bag, size_t n, size_t size)
{
	size_t run = 1;

	for (size_t i = 1; i < bag->count; i++) {
		uintptr_t before = (uintptr_t)bag->ptrs[i - 1];

		run = (uintptr_t)bag->ptrs[i] == before + size ? run + 1 : 1;
		if (run == n)
			return i + 1 - n;
	}
	return bag->count;
}

/* Fills the last holes with 2-byte areas and punches 2-byte holes whose hint still says 64. */
static void make_stale_hint(struct test_run *t, struct bag *small)
{
	size_t run;

	bag_fill(small, 2, 2);
	run = find_run(small, 32, 2);
	REQUIRE(run + 32 <= small->count);
	for (size_t i = run; i < run + 32; i++)
		free_percpu(small->ptrs[i]);
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	for (size_t i = run; i < run + 32; i++)
		small->ptrs[i] = __alloc_percpu(2, 2);
	for (size_t i = 0; i < small->count; i += 2) {
		free_percpu(small->ptrs[i]);
		small->ptrs[i] = NULL;
	}
}

TEST(percpu_O29_a_failed_scan_moves_its_chunk_and_the_walk_goes_on, TEST_QUICK)
{
	struct pcpu_chunk_info info[64];
	struct bag fill, small;
	void __percpu *ptr;
	size_t n;

	REQUIRE(bag_init(&fill, 4096) && bag_init(&small, 16384));
	bag_fill(&fill, 2048, 1024); /* so that the hole is small */
	REQUIRE(fill.count > 0);
	free_percpu(fill.ptrs[--fill.count]);
	make_stale_hint(t, &small);
	EXPECT(__alloc_percpu(50, 1) == NULL); /* every chunk is scanned in vain */
	port_fail_nth(PORT_RANGE, 0);
	EXPECT(state_is_sound());
	n = min(pcpu_inspect_chunks(info, ARRAY_SIZE(info)), ARRAY_SIZE(info));
	for (size_t i = 0; i < n; i++)
		EXPECT(info[i].hint < 50 || info[i].reserved);
	ptr = __alloc_percpu(50, 1);
	EXPECT(ptr != NULL);
	free_percpu(ptr);
	bag_empty(&small);
	bag_empty(&fill);
}

/* 4-byte areas at align 8: every second word stays free and never fits. */
static void four_at_eight(struct test_run *t, size_t n)
{
	struct pcpu_stats before, after;
	struct bag bag;

	REQUIRE(bag_init(&bag, n));
	pcpu_stats_get(&before);
	while (bag.count < n)
		REQUIRE(bag_add(&bag, 4, 8));
	pcpu_stats_get(&after);
	log_info("U12 U13 O14: %zu areas of 4 at align 8: %lu entries touched, %lu chunks visited",
		 n, after.entries_touched - before.entries_touched,
		 after.chunks_visited - before.chunks_visited);
	/* An area costs the entry it is cut from and the gap before it. */
	EXPECT(after.entries_touched - before.entries_touched <= 4 * n + 1000);
	bag_empty(&bag);
}

TEST(percpu_U12_U13_O14_wrong_alignment_does_not_rescan, TEST_QUICK)
{
	four_at_eight(t, 8000);
}

TEST(percpu_U12_wrong_alignment_at_length, TEST_SLOW)
{
	four_at_eight(t, 60000);
}

TEST(percpu_U6_the_largest_request_makes_one_chunk_at_most, TEST_QUICK)
{
	struct pcpu_stats before, after;
	void __percpu *ptr;

	pcpu_stats_get(&before);
	ptr = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	pcpu_stats_get(&after);
	EXPECT(ptr != NULL);
	EXPECT(after.chunks_made - before.chunks_made <= 1);
	warn_expect_begin();
	EXPECT(__alloc_percpu(PCPU_MIN_UNIT_SIZE + 1, 8) == NULL);
	EXPECT(warn_expect_end() <= 1); /* 0: the log had enough of them in this second */
	pcpu_stats_get(&before);
	EXPECT_EQ(before.bad_allocs, after.bad_allocs + 1);
	free_percpu(ptr);
}
