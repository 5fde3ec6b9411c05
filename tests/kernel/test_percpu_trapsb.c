/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Known defects of this design, each by its id: those of addresses, counters, long runs and slots.
 */
#define LOG_AREA "test"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_bag.h"
#include "tests/kernel/percpu_util.h"

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

/* n operations of odd sizes and alignments, the checker after every one (it calls on every CPU: with many of them,
 * after every so many-th), everything freed at the end. */
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
		EXPECT((unsigned int)i % test_stride() != 0 || state_is_sound());
	}
	EXPECT(state_is_sound());
	bag_empty(&bag);
}

TEST(percpu_O18_U10_U19_U20_odd_sizes_keep_every_invariant, TEST_QUICK)
{
	struct footprint before = footprint_take(), after;

	random_operations(t, (uint32_t)test_seed(7), 300);
	after = footprint_take();
	EXPECT_EQ(after.bytes, before.bytes);
	EXPECT_EQ(after.areas, before.areas);
}

TEST(percpu_O18_odd_sizes_at_length, TEST_SLOW)
{
	for (uint32_t seed = 1; seed <= 4 && !test_failed(t); seed++)
		random_operations(t, (uint32_t)test_seed(seed), 1500);
}

TEST(percpu_U18_invariants_hold_with_chunk_making_forbidden, TEST_QUICK)
{
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	random_operations(t, (uint32_t)test_seed(11), 300);
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

	if (test_lacks_area_map(t))
		return;
	if (pcpu_guard_on) {
		test_skip(t, "percpu_debug: no two areas lie side by side");
		return;
	}
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

#define LEAF_RUNS 512 /* at most, in the 4 KiB that a leaf of the bitmap engine is for */

/* 4-byte areas at align 8: every second word stays free and never fits. */
static void four_at_eight(struct test_run *t, size_t n)
{
	size_t most = strcmp(pcpu_engine_name(), "bitmap") == 0 ? LEAF_RUNS : 4;
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
	/* An area costs the entry it is cut from and the gap before it; in a bitmap, the runs of one leaf. */
	EXPECT(after.entries_touched - before.entries_touched <= most * n + 1000);
	bag_empty(&bag);
}

TEST(percpu_U12_U13_O14_wrong_alignment_does_not_rescan, TEST_QUICK)
{
	four_at_eight(t, 8000);
}

TEST(percpu_U12_wrong_alignment_at_length, TEST_SLOW)
{
	if (pcpu_unit_size > 4 * PCPU_MIN_UNIT_SIZE) {
		test_skip(t, "with units so large each free moves a map of many entries");
		return;
	}
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
