/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The prompt after a panic: the commands that only read, on the one CPU that still runs, with interrupts
 * off. Locks hold nobody up (spin_break), input is polled, memory comes from a pool that each line finds
 * empty, and a command that faults on what is broken ends with a line that says so.
 */
#include "arch/x86_64/arch.h"
#include "arch/x86_64/smp.h"
#include "kernel/cmdline.h"
#include "kernel/monitor_internal.h"
#include "kernel/mutex.h"
#include "kernel/panic_internal.h"
#include "kernel/records.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "kernel/terminal.h"
#include "mm/vmalloc.h"

#define PROMPT	   "panic> "
#define POOL_SIZE  ((size_t)256 * 1024)
#define STACK_SIZE 32768

static bool on;
static char pool[POOL_SIZE] __aligned(16);
static size_t pool_used;

bool monitor_in_panic(void)
{
	return on;
}

void *monitor_alloc(size_t size, const char *name)
{
	void *memory = pool + pool_used;

	if (!on)
		return vmalloc(size, name);
	size = ALIGN_UP(size, (size_t)16);
	if (size > POOL_SIZE - pool_used)
		return NULL;
	pool_used += size;
	return memory;
}

void monitor_free(void *memory)
{
	if (!on)
		vfree(memory);
}

/* ---- Commands of its own ---- */

static bool run_bt(unsigned int argc, char **argv)
{
	uint64_t cpu = smp_processor_id();

	if (argc == 2 && !monitor_number("bt: CPU", argv[1], UINT64_MAX, &cpu))
		return false;
	if (cpu >= nr_cpu_ids || !cpu_possible((unsigned int)cpu) ||
	    !panic_print_trace((unsigned int)cpu))
		return monitor_error("bt: CPU %lu left no backtrace: cpus lists those online", cpu);
	return true;
}

static bool run_regs(unsigned int argc __unused, char **argv __unused)
{
	panic_print_registers();
	return true;
}

static bool run_locks(unsigned int argc __unused, char **argv __unused)
{
	unsigned int cpu;

	for_each_online_cpu (cpu)
		spin_print_held(cpu);
	mutex_print_held();
	return true;
}

static bool run_ops(unsigned int argc __unused, char **argv __unused)
{
	records_print_last();
	return true;
}

static bool run_end(unsigned int argc __unused, char **argv __unused)
{
	arch_exit(EXIT_FAILED);
}

/* Recording would need memory. */
static bool run_dump(unsigned int argc, char **argv)
{
	const struct monitor_command *trace = monitor_records_commands;

	if (strcmp(argv[1], "dump") != 0)
		return monitor_error("trace: only dump is there in a panic");
	while (strcmp(trace->name, argv[0]) != 0)
		trace++;
	return trace->run(argc, argv);
}

static const char *const reading[] = {"help", "chunks", "map",	"stats", "cpus",
				      "mem",  "vm",	"peek", "who",	 "sites"};

static const struct monitor_command own[] = {
	{"trace", "dump", "print the trace that was recorded", "trace dump", run_dump},
	{"bt", "[CPU]", "backtrace of a CPU; by default the one that panics", "bt 1", run_bt},
	{"regs", "", "registers where it panicked", "regs", run_regs},
	{"locks", "", "spinlocks by CPU, mutexes by thread", "locks", run_locks},
	{"ops", "", "the last operations of the allocator", "ops", run_ops},
	{"reboot", "", "end with 0x11", "reboot", run_end},
	{"poweroff", "", "end with 0x11", "poweroff", run_end},
};

static struct monitor_command commands[ARRAY_SIZE(reading) + ARRAY_SIZE(own) + 1];

static void make_commands(void)
{
	size_t n = 0;

	for (; n < ARRAY_SIZE(reading); n++)
		commands[n] = *monitor_command_find(reading[n]);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		commands[n++] = own[i];
}

/* ---- The prompt ---- */

static void read_line(void *line)
{
	*(const char **)line = monitor_read_line(PROMPT);
}

static void execute(void *line)
{
	monitor_stop_begin();
	monitor_execute(line);
}

static void prompt(void *unused __unused)
{
	const char *line;

	for (;;) {
		pool_used = 0;
		monitor_restart(commands);
		if (!panic_try("reading a line", read_line, &line))
			arch_exit(EXIT_FAILED);
		if (line)
			panic_try("the command", execute, (void *)line);
		else
			monitor_error("the line is too long");
	}
}

bool monitor_panic_wanted(void)
{
	const char *monitor = cmdline_get("monitor");

	return terminal_on() && (!monitor || strcmp(monitor, "off") != 0);
}

void monitor_panic(void)
{
	static char stack[STACK_SIZE] __aligned(16);
	uintptr_t here;

	make_commands();
	on = true;
	arch_context_switch(&here, arch_thread_stack((uintptr_t)stack + STACK_SIZE, prompt, NULL));
	arch_exit(EXIT_FAILED); /* nobody comes back */
}
