/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 1: a counter that each CPU has for itself. */
#include "kernel/cpumask.h"
#include "kernel/lab.h"
#include "tests/kernel/percpu_util.h"

#define TIMES 100000

static void count(void *arg)
{
	for (unsigned long n = *(unsigned long *)arg; n > 0; n--)
		lab_count();
}

TEST(lab1_each_cpu_counts_in_its_own_copy, TEST_QUICK)
{
	unsigned long before[NR_CPUS];
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		before[cpu] = per_cpu(lab_counter, cpu);
	for_each_online_cpu (cpu) {
		unsigned long times = cpu + 1;

		test_on_cpu(t, cpu, count, &times);
	}
	for_each_online_cpu (cpu)
		EXPECT_EQ(per_cpu(lab_counter, cpu) - before[cpu], cpu + 1);
}

TEST(lab1_the_sum_is_that_of_all_copies, TEST_QUICK)
{
	unsigned long before = lab_sum(), want = 0;
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		per_cpu(lab_counter, cpu) += 1000 + cpu;
		want += 1000 + cpu;
	}
	EXPECT_EQ(lab_sum() - before, want);
	for_each_possible_cpu (cpu)
		per_cpu(lab_counter, cpu) -= 1000 + cpu;
	EXPECT_EQ(lab_sum(), before);
}

TEST(lab1_no_count_is_lost, TEST_QUICK)
{
	unsigned long before = lab_sum(), times = TIMES;

	test_on_each_cpu(t, count, &times);
	EXPECT_EQ(lab_sum() - before, TIMES * test_nr_online());
}
