/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 2: the monitor's command `hits`. */
#include "kernel/cpumask.h"
#include "kernel/lab.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/test.h"

#define OUTPUT_SIZE 2048

static char output[OUTPUT_SIZE], want[OUTPUT_SIZE];

static unsigned int run(const char *line)
{
	unsigned int failed;

	memset(output, 0, sizeof(output));
	monitor_capture(output, sizeof(output));
	failed = monitor_execute(line);
	monitor_capture(NULL, 0);
	return failed;
}

TEST(lab2_hits_prints_each_copy_and_the_sum, TEST_QUICK)
{
	unsigned long sum = 0;
	size_t length = 0;
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		per_cpu(lab_counter, cpu) = 7 * cpu + 3;
		sum += 7 * cpu + 3;
		length += (size_t)snprintf(want + length, sizeof(want) - length,
					   "cpu=%u hits=%u\n", cpu, 7 * cpu + 3);
	}
	snprintf(want + length, sizeof(want) - length, "hits=%lu\n", sum);
	EXPECT_EQ(run("hits"), 0);
	if (strcmp(output, want) != 0)
		test_fail(t, __FILE__, __LINE__, "hits prints %s, want %s", output, want);
	for_each_possible_cpu (cpu)
		per_cpu(lab_counter, cpu) = 0;
}

TEST(lab2_hits_takes_no_argument, TEST_QUICK)
{
	EXPECT_EQ(run("hits 1"), 1);
	EXPECT(strncmp(output, "error: hits: too many", 21) == 0);
}

TEST(lab2_hits_has_help_with_an_example, TEST_QUICK)
{
	const struct monitor_command *command;

	for (size_t i = 0; (command = monitor_command_at(i)); i++) {
		if (strcmp(command->name, "hits") == 0)
			break;
	}
	REQUIRE(command);
	EXPECT(command->help && command->help[0]);
	EXPECT(command->example && strncmp(command->example, "hits", 4) == 0);
}
