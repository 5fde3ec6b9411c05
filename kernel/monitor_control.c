/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's commands that run commands. A ';' ends what they run, as it ends any command. */
#include "kernel/monitor_internal.h"
#include "kernel/time.h"

#define MAX_TIMES 1000000

/* Ends at the first failure, which has printed its error. */
static bool run_repeat(unsigned int argc, char **argv)
{
	uint64_t times;

	if (!monitor_number("repeat: TIMES", argv[1], MAX_TIMES, &times))
		return false;
	for (uint64_t i = 0; i < times; i++) {
		if (monitor_stopped())
			return monitor_error("repeat: stopped after %lu of %lu times", i, times);
		if (!monitor_run_words(argc - 2, argv + 2))
			return false;
	}
	return true;
}

static bool run_time(unsigned int argc, char **argv)
{
	uint64_t start = time_us();

	if (!monitor_run_words(argc - 1, argv + 1))
		return false;
	monitor_print("time=%s us=%lu", argv[1], time_us() - start);
	return true;
}

const struct monitor_command monitor_control_commands[] = {
	{"repeat", "TIMES COMMAND...", "run a command again and again", "repeat 10 alloc 64",
	 run_repeat},
	{"time", "COMMAND...", "run a command, print how long it took", "time replay nft",
	 run_time},
	{NULL, NULL, NULL, NULL, NULL},
};
