// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps of pages that come and go, each under its id: reclaim against populate (U4), translations
 * that outlive a page (U16), a ledger that comes back (U17), memory that was dirty (U23).
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

#define BIG PCPU_MIN_UNIT_SIZE

static void __percpu *areas[128];

/* ---- U4: the mutex is held until a chunk is gone ---- */

static struct thread *watched;
static unsigned int releases, mutex_releases, without_mutex;

static void watch_hook(enum port_unlock_kind kind)
{
	if (in_interrupt() || thread_current() != watched)
		return;
	if (kind == PORT_UNLOCKED_MUTEX) {
		mutex_releases++;
		return;
	}
	releases++;
	without_mutex += !port_mutex_held();
}

/* Reclaims in this thread, and the hook looks on. */
static void watched_reclaim(void)
{
	watched = thread_current();
	port_set_unlock_hook(watch_hook);
	pcpu_reclaim();
	port_set_unlock_hook(NULL);
	watched = NULL;
}

TEST(percpu_U4_reclaim_keeps_the_mutex_until_the_pages_are_gone, TEST_QUICK)
{
	unsigned int rounds = test_rounds(20);
	unsigned long freed;
	size_t n;

	test_chunks_exhaust(t);
	n = test_fill_chunk(areas, ARRAY_SIZE(areas), BIG);
	EXPECT(n >= 2);
	releases = 0;
	mutex_releases = 0;
	without_mutex = 0;
	/* The frees wake the worker too; whichever of the two comes first destroys the chunks. */
	for (unsigned int i = 0; i < rounds; i++) {
		freed = pcpu_sync();
		test_free_all(areas, n);
		watched_reclaim();
		pcpu_sync();
		EXPECT(pcpu_sync() > freed);
		n = test_fill_chunk(areas, ARRAY_SIZE(areas), BIG);
	}
	EXPECT(releases >= rounds * 2);
	EXPECT_EQ(mutex_releases, rounds); /* once a run, at its end */
	EXPECT_EQ(without_mutex, 0);
	test_free_all(areas, n);
	test_chunks_release();
}

static uint64_t deadline;

static void reclaim_loop(void *arg __unused)
{
	while (time_us() < deadline)
		pcpu_reclaim();
}

struct churn {
	struct test_run *t;
	unsigned int seed;
	size_t rounds, wrong;
};

/* Makes chunks, uses every page of them on every CPU, and leaves them to reclaim. */
static void churn_loop(void *arg)
{
	struct churn *churn = arg;
	void __percpu *mine[3];

	do { /* at least once, however busy the machine is */
		for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
			mine[i] = __alloc_percpu(BIG, PAGE_SIZE);
			if (mine[i])
				test_fill(mine[i], BIG, churn->seed);
		}
		for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
			if (mine[i])
				churn->wrong += test_wrong_bytes(mine[i], BIG, churn->seed);
			free_percpu(mine[i]);
		}
		churn->rounds++;
	} while (time_us() < deadline);
}

static void reclaim_against_populate(struct test_run *t, uint64_t us)
{
	struct churn churns[2] = {{t, 1, 0, 0}, {t, 2, 0, 0}};
	unsigned int here = smp_processor_id(), there = test_other_cpu();
	struct thread *threads[3];

	deadline = time_us() + us;
	threads[0] = thread_create("reclaim", reclaim_loop, NULL, there);
	threads[1] = thread_create("churn", churn_loop, &churns[0], here);
	threads[2] = thread_create("churn", churn_loop, &churns[1], there);
	while (time_us() < deadline) {
		thread_sleep_ms(10);
		test_expect_sound(t, "reclaim against populate");
	}
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		EXPECT(threads[i]);
		if (threads[i])
			thread_join(threads[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(churns); i++) {
		EXPECT(churns[i].rounds > 0);
		EXPECT_EQ(churns[i].wrong, 0);
	}
}

TEST(percpu_U4_reclaim_runs_against_populate, TEST_QUICK)
{
	reclaim_against_populate(t, 40000);
}

TEST(percpu_U4_reclaim_runs_long_against_populate, TEST_SLOW)
{
	reclaim_against_populate(t, 2000000);
}

/* ---- U16: old translations ---- */

struct look {
	struct test_run *t;
	void __percpu *ptr;
	unsigned int seed;
};

/* Reads all copies through this CPU's own TLB. */
static void look_at(void *arg)
{
	struct look *look = arg;
	size_t wrong = test_wrong_bytes(look->ptr, BIG, look->seed);

	if (wrong != 0)
		test_fail(look->t, __FILE__, __LINE__, "CPU %u sees %zu wrong bytes, want 0",
			  smp_processor_id(), wrong);
}

/* From now on the TLBs know these pages. All copies on all CPUs would be a square. */
static void look_everywhere(struct look *look)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		if (test_takes(cpu))
			test_on_cpu(look->t, cpu, look_at, look);
	}
}

#define POISON 0x9b
static struct list_node kept_pages = LIST_INIT(kept_pages);

/* Takes n free pages, so that whoever comes next gets others, and marks them. */
static void keep_pages(struct test_run *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct page *page = page_alloc(0, PAGE_TEST);

		EXPECT(page);
		if (!page)
			return;
		memset(page_address(page), POISON, PAGE_SIZE);
		list_add_back(&page->node, &kept_pages);
	}
}

/* Gives them back; how many of their bytes somebody has written to meanwhile. */
static size_t release_pages(void)
{
	struct page *page, *next;
	size_t written = 0;

	list_for_each_entry_safe (page, next, &kept_pages, node) {
		const unsigned char *bytes = page_address(page);

		for (size_t i = 0; i < PAGE_SIZE; i++)
			written += bytes[i] != POISON;
		list_del(&page->node);
		page_free(page);
	}
	return written;
}

TEST(percpu_U16_a_page_that_left_is_seen_by_no_cpu, TEST_QUICK)
{
	struct look look = {t, NULL, 0};
	size_t pages = 0, n;
	bool seen_again = false;
	uintptr_t bases[4] = {0};

	test_chunks_exhaust(t);
	for (unsigned int round = 0; round < 4; round++) {
		n = test_fill_chunk(areas, ARRAY_SIZE(areas), BIG);
		for (size_t i = 0; i < n; i++) {
			look = (struct look){t, areas[i], round + (unsigned int)i};
			test_fill(areas[i], BIG, look.seed);
			if (i % test_stride() == 0)
				look_everywhere(&look);
		}
		bases[round] = (uintptr_t)areas[n - 1];
		for (unsigned int k = 0; k < round; k++)
			seen_again |= bases[k] == bases[round];
		EXPECT_EQ(release_pages(), 0);
		pages = port_pages_owned();
		test_free_all(areas, n);
		pcpu_sync();
		keep_pages(t, pages - port_pages_owned());
	}
	EXPECT(seen_again); /* the same addresses were used with other pages */
	EXPECT_EQ(release_pages(), 0);
	test_chunks_release();
}

/* ---- U17: all of a chunk comes back ---- */

struct ledger {
	size_t percpu_pages, heap_bytes, meta_bytes, ranges;
};

static size_t count_ranges(void)
{
	struct vm_range range = {0};
	uintptr_t after = 0;
	size_t n = 0;

	for (; vm_range_next(after, &range); n++)
		after = range.start;
	return n;
}

/* Makes and destroys chunks; one wholly free chunk, populated throughout, stays in the end. */
static void cycle(struct test_run *t, struct ledger *ledger)
{
	struct pcpu_stats stats;
	size_t n = 0;

	for (unsigned int chunk = 0; chunk < 3; chunk++)
		n += test_fill_chunk(&areas[n], ARRAY_SIZE(areas) - n, BIG);
	EXPECT(n < ARRAY_SIZE(areas));
	test_free_all(areas, n);
	pcpu_sync();
	thread_reap_wait();
	kmalloc_trim();
	pcpu_stats_get(&stats);
	ledger->percpu_pages = page_count(PAGE_PERCPU);
	ledger->heap_bytes = kmalloc_bytes();
	ledger->meta_bytes = stats.meta_bytes;
	ledger->ranges = count_ranges();
}

TEST(percpu_U17_destroyed_chunks_give_everything_back, TEST_QUICK)
{
	unsigned int rounds = test_rounds(5);
	struct ledger first, last;
	struct pcpu_stats before, after;

	test_chunks_exhaust(t);
	cycle(t, &first);
	pcpu_stats_get(&before);
	for (unsigned int i = 0; i < rounds; i++)
		cycle(t, &last);
	pcpu_stats_get(&after);
	EXPECT(after.chunks_freed >= before.chunks_freed + rounds);
	EXPECT_EQ(after.chunks_made - after.chunks_freed, before.chunks_made - before.chunks_freed);
	EXPECT_EQ(last.percpu_pages, first.percpu_pages);
	EXPECT_EQ(last.meta_bytes, first.meta_bytes);
	EXPECT_EQ(last.heap_bytes, first.heap_bytes);
	EXPECT_EQ(last.ranges, first.ranges);
	test_chunks_release();
}

/* ---- U23: free pages full of old data ---- */

TEST(percpu_U23_fresh_areas_are_zero_whatever_the_free_pages_hold, TEST_QUICK)
{
	size_t nr_pages = 4 * pcpu_nr_units * pcpu_unit_pages, n;

	test_chunks_exhaust(t);
	keep_pages(t, min(nr_pages, page_count(PAGE_FREE) / 2));
	EXPECT_EQ(release_pages(), 0);
	n = test_fill_chunk(areas, ARRAY_SIZE(areas), BIG - 1);
	EXPECT(n >= 2);
	for (size_t i = 0; i < n; i++) {
		EXPECT_EQ(test_nonzero_bytes(areas[i], BIG - 1), 0);
		test_fill(areas[i], BIG - 1, 23);
		free_percpu(areas[i]);
	}
	/* Now the area's own pages are dirty. */
	for (size_t size = 1; size < BIG; size = size * 3 + 1) {
		void __percpu *ptr = __alloc_percpu(size, 1);

		EXPECT(ptr);
		if (ptr)
			EXPECT_EQ(test_nonzero_bytes(ptr, size), 0);
		free_percpu(ptr);
	}
	test_chunks_release();
}
