/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 3: failed allocations by size class, and the monitor's command `failures`. */
#include "kernel/cpumask.h"
#include "kernel/lab.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

#define OUTPUT_SIZE 2048

/* The last size of each class but the last, which has none. */
static const size_t last_of[LAB_CLASSES - 1] = {
	1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

static char output[OUTPUT_SIZE], want[OUTPUT_SIZE];

static size_t first_of(unsigned int class)
{
	return class == 0 ? 0 : last_of[class - 1] + 1;
}

static unsigned long copy_of(unsigned int class, unsigned int cpu)
{
	return per_cpu(lab_failures[class], cpu);
}

static unsigned long sum_of(unsigned int class)
{
	unsigned long sum = 0;
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		sum += copy_of(class, cpu);
	return sum;
}

TEST(lab3_each_size_has_its_class, TEST_QUICK)
{
	for (unsigned int class = 0; class < LAB_CLASSES; class ++) {
		EXPECT_EQ(lab_class_of(first_of(class)), class);
		if (class < LAB_CLASSES - 1)
			EXPECT_EQ(lab_class_of(last_of[class]), class);
	}
	EXPECT_EQ(lab_class_of(~(size_t)0), LAB_CLASSES - 1);
}

/* One failure of the first and one of the last size of each class; the last class has one in all. */
static void fail_all(void *arg)
{
	struct test_run *t = arg;
	struct pcpu_result result;

	for (unsigned int class = 0; class < LAB_CLASSES; class ++) {
		EXPECT(!pcpu_try_alloc(first_of(class), 8, false, &result));
		if (class < LAB_CLASSES - 1)
			EXPECT(!pcpu_try_alloc(last_of[class], 8, false, &result));
	}
}

TEST(lab3_a_failure_counts_on_the_cpu_that_asked, TEST_QUICK)
{
	static unsigned long before[LAB_CLASSES][NR_CPUS];
	unsigned int cpu;

	test_chunks_exhaust(t);
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	for (unsigned int class = 0; class < LAB_CLASSES; class ++) {
		for_each_possible_cpu (cpu)
			before[class][cpu] = copy_of(class, cpu);
	}
	test_on_each_cpu(t, fail_all, t);
	for (unsigned int class = 0; class < LAB_CLASSES; class ++) {
		for_each_online_cpu (cpu)
			EXPECT_EQ(copy_of(class, cpu) - before[class][cpu],
				  class < LAB_CLASSES - 1 ? 2 : 1);
	}
	port_fail_nth(PORT_RANGE, 0);
	test_chunks_release();
}

TEST(lab3_what_succeeds_is_not_counted, TEST_QUICK)
{
	unsigned long before = sum_of(4);
	void __percpu *ptr = __alloc_percpu(16, 8);

	REQUIRE(ptr);
	free_percpu(ptr);
	EXPECT_EQ(sum_of(4), before);
}

static unsigned int run(const char *line)
{
	unsigned int failed;

	memset(output, 0, sizeof(output));
	monitor_capture(output, sizeof(output));
	failed = monitor_execute(line);
	monitor_capture(NULL, 0);
	return failed;
}

/* What `failures` has to print now. */
static void make_want(void)
{
	unsigned long sum = 0;
	size_t n = 0;

	for (unsigned int class = 0; class < LAB_CLASSES; class ++) {
		unsigned long failed = sum_of(class);

		sum += failed;
		if (failed > 0 && class < LAB_CLASSES - 1)
			n += (size_t)snprintf(want + n, sizeof(want) - n,
					      "from=%zu to=%zu failed=%lu\n", first_of(class),
					      last_of[class], failed);
		else if (failed > 0)
			n += (size_t)snprintf(want + n, sizeof(want) - n, "from=%zu failed=%lu\n",
					      first_of(class), failed);
	}
	snprintf(want + n, sizeof(want) - n, "failed=%lu\n", sum);
}

TEST(lab3_the_command_prints_the_classes_that_have_failures, TEST_QUICK)
{
	struct pcpu_result result;

	EXPECT(!pcpu_try_alloc(100000, 8, false, &result));
	EXPECT(!pcpu_try_alloc(24, 3, false, &result));
	per_cpu(lab_failures[9], test_other_cpu()) += 5;
	make_want();
	EXPECT_EQ(run("failures"), 0);
	if (strcmp(output, want) != 0)
		test_fail(t, __FILE__, __LINE__, "failures prints %s, want %s", output, want);
	per_cpu(lab_failures[9], test_other_cpu()) -= 5;
	EXPECT_EQ(run("failures 1"), 1);
	EXPECT(strncmp(output, "error: failures: too many", 25) == 0);
}
