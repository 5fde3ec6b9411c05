/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Running out at every step of an allocation, by the traps' ids: whatever fails, everything is as
 * before.
 */
#include "mm/page.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_bag.h"
#include "tests/kernel/percpu_util.h"

/* Fails the hook at its n-th call. False: the request needs no n-th call. */
static bool fail_step(struct test_run *t, enum port_hook hook, unsigned long n, size_t size,
		      size_t align)
{
	struct footprint before = footprint_take();
	void __percpu *ptr;
	bool hit;

	port_fail_nth(hook, n);
	ptr = __alloc_percpu(size, align);
	hit = !port_fail_pending(hook);
	port_fail_nth(hook, 0);
	EXPECT(ptr != NULL || hit);
	if (ptr)
		free_percpu(ptr);
	else
		expect_unchanged(t, &before);
	return hit;
}

/* For every n until a request needs no n-th call. Returns that n. */
static unsigned long fail_every_step(struct test_run *t, enum port_hook hook, size_t size,
				     size_t align)
{
	unsigned long n = 1;

	while (n < 2000 && !test_failed(t) && fail_step(t, hook, n, size, align))
		n++;
	return n;
}

TEST(percpu_O1_each_allocation_of_chunk_making_may_fail, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	EXPECT(fail_every_step(t, PORT_HEAP, BIG, 8) > 3); /* chunk, books, record of pages */
	bag_fill(&bag, BIG, BIG);
	EXPECT_EQ(fail_every_step(t, PORT_RANGE, BIG, 8), 2);
	bag_empty(&bag);
}

/* The hook is called once for each page of each CPU's copy, those of zones included. */
static void expect_one_failure_a_page(struct test_run *t, enum port_hook hook, size_t size)
{
	size_t zones = pcpu_guard_on ? PAGE_SIZE + GUARD_ZONE : 0;
	unsigned long calls = PFN_UP(size + zones) * pcpu_nr_units;

	for (unsigned long n = 1; n < calls && !test_failed(t); n += test_stride())
		EXPECT(fail_step(t, hook, n, size, PAGE_SIZE));
	EXPECT(fail_step(t, hook, calls, size, PAGE_SIZE));
	EXPECT(!fail_step(t, hook, calls + 1, size, PAGE_SIZE));
}

TEST(percpu_O19_pages_run_out_on_every_cpu_in_turn, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, PAGE_SIZE);
	expect_one_failure_a_page(t, PORT_PAGE, 2 * PAGE_SIZE);
	bag_empty(&bag);
}

TEST(percpu_O19_mapping_fails_on_every_cpu_in_turn, TEST_QUICK)
{
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, PAGE_SIZE);
	expect_one_failure_a_page(t, PORT_MAP, PAGE_SIZE + 1);
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

TEST(percpu_O5_a_map_that_cannot_grow_is_passed_over, TEST_QUICK)
{
	unsigned long passed = 0;
	struct bag bag;

	if (test_lacks_area_map(t))
		return;
	REQUIRE(bag_init(&bag, 4096));
	bag_fill(&bag, BIG, 16);
	REQUIRE(bag_add(&bag, 16, 16)); /* a fresh chunk with a small map */
	for (int i = 0; i < 400 && !test_failed(t); i++) {
		port_fail_nth(PORT_HEAP,
			      pcpu_guard_on ? 2 : 1); /* the first is the area's record */
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
