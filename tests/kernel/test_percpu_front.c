/* SPDX-License-Identifier: GPL-2.0-only */
/* The front on real CPUs: hits there, frees in interrupts of other CPUs, and all of it given back. */
#include "arch/x86_64/smp.h"
#include "percpu/front.h"
#include "tests/kernel/percpu_util.h"

#define NR_AREAS 200
#define ROUNDS	 50

static bool lacks_front(struct test_run *t)
{
	if (pcpu_front_on)
		return false;
	test_skip(t, "needs percpu_front=on");
	return true;
}

static struct pcpu_stats stats_now(void)
{
	struct pcpu_stats stats;

	pcpu_stats_get(&stats);
	return stats;
}

static void expect_nothing_ready(struct test_run *t)
{
	unsigned int cpu;

	EXPECT_EQ(stats_now().idle_areas, 0);
	EXPECT_EQ(stats_now().idle_bytes, 0);
	for_each_possible_cpu (cpu)
		EXPECT_EQ(pcpu_ready_bytes(cpu), 0);
}

/* Whatever the CPU has of these sizes, it has of them again, zeroed. */
static void go_up_and_down(void *arg)
{
	struct test_run *t = arg;
	void __percpu *ptrs[16];

	for (unsigned int round = 0; round < ROUNDS && !test_failed(t); round++) {
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
			ptrs[i] = __alloc_percpu(8 + 4 * i, 4);
			EXPECT(ptrs[i]);
			EXPECT_EQ(test_nonzero_bytes(ptrs[i], 8 + 4 * i), 0);
			test_fill(ptrs[i], 8 + 4 * i, round);
		}
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
			EXPECT_EQ(test_wrong_bytes(ptrs[i], 8 + 4 * i, round), 0);
			free_percpu(ptrs[i]);
		}
	}
	EXPECT(pcpu_ready_bytes(smp_processor_id()) > 0);
}

TEST(percpu_front_sync_gives_back_what_all_cpus_have_ready, TEST_QUICK)
{
	struct pcpu_stats before;
	uint64_t digest;

	if (lacks_front(t))
		return;
	pcpu_sync();
	before = stats_now();
	digest = test_used_books_digest();
	test_on_each_cpu(t, go_up_and_down, t);
	EXPECT(stats_now().front_allocs > before.front_allocs);
	EXPECT_EQ(stats_now().live_areas, before.live_areas);
	test_expect_sound(t, "with areas ready");
	pcpu_sync();
	expect_nothing_ready(t);
	EXPECT_EQ(test_used_books_digest(), digest);
	test_expect_sound(t, "after sync");
}

static void expect_refused(struct test_run *t, void __percpu *ptr)
{
	unsigned long bad = stats_now().bad_frees;
	struct pcpu_result result;

	pcpu_try_free(ptr, &result);
	EXPECT(result.error && result.warned);
	EXPECT_EQ(stats_now().bad_frees, bad + 1);
}

TEST(percpu_front_a_double_free_is_refused_before_and_after_the_sweep, TEST_QUICK)
{
	void __percpu *ready, *other;

	if (lacks_front(t))
		return;
	other = __alloc_percpu(24, 8);
	ready = __alloc_percpu(24, 8);
	free_percpu(ready);
	expect_refused(t, ready);
	pcpu_settle();
	expect_refused(t, ready);
	free_percpu(other);
	test_expect_sound(t, "after double frees");
}

static void __percpu *areas[NR_AREAS];

static void free_in_call(void *arg)
{
	void __percpu **ptr = arg;

	free_percpu(*ptr);
	*ptr = NULL;
}

TEST(percpu_front_interrupts_of_another_cpu_free, TEST_QUICK)
{
	unsigned long frees, front_frees;

	if (lacks_front(t))
		return;
	for (size_t i = 0; i < NR_AREAS; i++) {
		areas[i] = __alloc_percpu(40, 8);
		EXPECT(areas[i]);
		test_fill(areas[i], 40, (unsigned int)i);
	}
	frees = stats_now().frees;
	front_frees = stats_now().front_frees;
	for (size_t i = 0; i < NR_AREAS; i++) {
		EXPECT_EQ(test_wrong_bytes(areas[i], 40, (unsigned int)i), 0);
		smp_call(test_other_cpu(), free_in_call, &areas[i]);
	}
	EXPECT_EQ(stats_now().frees, frees + NR_AREAS);
	EXPECT_EQ(stats_now().front_frees, front_frees + NR_AREAS);
	test_expect_sound(t, "with dead areas");
	pcpu_sync();
	expect_nothing_ready(t);
	test_expect_sound(t, "after sync");
}
