/* SPDX-License-Identifier: GPL-2.0-only */
/* The front on real CPUs: hits there, frees in interrupts of other CPUs, and all of it given back; and many
 * areas at once, with the front or without. */
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
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

	for (unsigned int round = 0; round < ROUNDS / test_stride() && !test_failed(t); round++) {
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

/* Sizes of many classes, and one of none. */
static void come_and_go_in_bulk(void *arg)
{
	struct test_run *t = arg;
	void __percpu *ptrs[100];

	for (size_t size = 4; size <= 1200 && !test_failed(t); size = size * 3 + 1) {
		size_t wrong = 0;

		REQUIRE(alloc_percpu_many(size, 4, ARRAY_SIZE(ptrs), ptrs) == ARRAY_SIZE(ptrs));
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
			wrong += test_nonzero_bytes(ptrs[i], size);
			test_fill(ptrs[i], size, (unsigned int)i);
		}
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			wrong += test_wrong_bytes(ptrs[i], size, (unsigned int)i);
		EXPECT_EQ(wrong, 0);
		free_percpu_many(ptrs, ARRAY_SIZE(ptrs));
	}
}

TEST(percpu_many_at_once_are_zeroed_and_each_for_itself, TEST_QUICK)
{
	struct pcpu_stats before = stats_now();

	for (unsigned int i = 0; i < 2; i++)
		test_on_cpu(t, i == 0 ? smp_processor_id() : test_other_cpu(), come_and_go_in_bulk,
			    t);
	pcpu_quarantine_empty(CALLER());
	EXPECT_EQ(stats_now().live_areas, before.live_areas);
	test_expect_sound(t, "after bulk calls");
}

static void __percpu *many[40];

static void free_many_in_call(void *ok)
{
	free_percpu_many(many, ARRAY_SIZE(many));
	*(bool *)ok = alloc_percpu_many(8, 8, ARRAY_SIZE(many), many) == 0;
}

TEST(percpu_many_at_once_are_freed_but_not_had_in_interrupts, TEST_QUICK)
{
	unsigned long live = stats_now().live_areas, bad = stats_now().bad_allocs;
	bool refused = false;

	REQUIRE(alloc_percpu_many(40, 8, ARRAY_SIZE(many), many) == ARRAY_SIZE(many));
	EXPECT_EQ(stats_now().live_areas, live + ARRAY_SIZE(many));
	warn_expect_begin();
	smp_call(test_other_cpu(), free_many_in_call, &refused);
	EXPECT(warn_expect_end() <= 1); /* none if too many were in this second */
	EXPECT_EQ(stats_now().bad_allocs, bad + 1);
	EXPECT(refused);
	pcpu_quarantine_empty(CALLER());
	EXPECT_EQ(stats_now().live_areas, live);
	test_expect_sound(t, "after bulk calls in an interrupt");
}
