/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 6: how many free chunks reclaim keeps. */
#include "percpu/percpu_internal.h"
#include "tests/kernel/percpu_util.h"

#define NR_CHUNKS 5
#define MAX_INFO  64

static struct pcpu_chunk_info info[MAX_INFO];

static size_t free_chunks(void)
{
	size_t n = pcpu_inspect_chunks(info, MAX_INFO), found = 0;

	for (size_t i = 0; i < n && i < MAX_INFO; i++)
		found += !info[i].first && info[i].free_size == info[i].span;
	return found;
}

/* Fills five chunks and frees them, the worker done. */
static void up_and_down(struct test_run *t)
{
	void __percpu *areas[NR_CHUNKS];

	for (size_t i = 0; i < NR_CHUNKS; i++) {
		areas[i] = __alloc_percpu(PCPU_MIN_UNIT_SIZE, 8);
		EXPECT(areas[i]);
	}
	for (size_t i = 0; i < NR_CHUNKS; i++)
		test_free_now(areas[i]);
	pcpu_sync();
}

TEST(lab6_reclaim_keeps_as_many_as_wanted, TEST_QUICK)
{
	for (unsigned int kept = 0; kept <= 3; kept++) {
		pcpu_free_chunks_kept = kept;
		up_and_down(t);
		EXPECT_EQ(free_chunks(), kept);
	}
	pcpu_free_chunks_kept = 1;
	pcpu_reclaim();
	EXPECT_EQ(free_chunks(), 1);
}

TEST(lab6_the_worker_does_not_run_for_nothing, TEST_QUICK)
{
	unsigned long runs, made;

	pcpu_free_chunks_kept = NR_CHUNKS;
	up_and_down(t);
	runs = READ_ONCE(pcpu_counters.reclaim_runs);
	made = READ_ONCE(pcpu_counters.chunks_made);
	up_and_down(t);
	EXPECT_EQ(READ_ONCE(pcpu_counters.reclaim_runs), runs);
	EXPECT_EQ(READ_ONCE(pcpu_counters.chunks_made), made);
	pcpu_free_chunks_kept = 1;
	pcpu_reclaim();
}
