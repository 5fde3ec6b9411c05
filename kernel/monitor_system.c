/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's commands on the rest of the kernel: CPUs, memory, counters, replay, tests, the end. */
#include "arch/x86_64/arch.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp.h"
#include "kernel/bench.h"
#include "kernel/errno.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/replay.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"

static void print_percpu_stats(void)
{
	struct pcpu_stats stats;

	pcpu_stats_get(&stats);
	monitor_print("allocs=%lu", stats.allocs);
	monitor_print("frees=%lu", stats.frees);
	monitor_print("alloc_failures=%lu", stats.alloc_failures);
	monitor_print("bad_allocs=%lu", stats.bad_allocs);
	monitor_print("bad_frees=%lu", stats.bad_frees);
	monitor_print("chunks_made=%lu", stats.chunks_made);
	monitor_print("chunks_freed=%lu", stats.chunks_freed);
	monitor_print("live_areas=%lu", stats.live_areas);
	monitor_print("live_bytes=%lu", stats.live_bytes);
	monitor_print("populated_pages=%lu", stats.populated_pages);
	monitor_print("peak_pages=%lu", stats.peak_pages);
	monitor_print("pages_owned=%lu", stats.pages_owned);
	monitor_print("meta_bytes=%lu", stats.meta_bytes);
	monitor_print("map_growths=%lu", stats.map_growths);
	monitor_print("reclaim_runs=%lu", stats.reclaim_runs);
	monitor_print("scans=%lu", stats.scans);
	monitor_print("entries_touched=%lu", stats.entries_touched);
	monitor_print("chunks_visited=%lu", stats.chunks_visited);
	monitor_print("damages=%lu", stats.damages);
	monitor_print("idle_areas=%lu", stats.idle_areas);
	monitor_print("idle_bytes=%lu", stats.idle_bytes);
	monitor_print("front_allocs=%lu", stats.front_allocs);
	monitor_print("front_frees=%lu", stats.front_frees);
}

static bool run_stats(unsigned int argc __unused, char **argv __unused)
{
	print_percpu_stats();
	monitor_print("tlb_flushes=%lu", tlb_flush_count());
	monitor_print("input_lost=%lu", serial_lost());
	monitor_print("warnings=%lu", warn_unexpected());
	monitor_print("test_failures=%u", test_failures());
	monitor_print("replay_failures=%u", replay_failures());
	monitor_print("uptime_us=%lu", time_us());
	return true;
}

static void print_cpu(unsigned int cpu)
{
	uint32_t apic_id = smp_apic_id(cpu);
	char apic[12] = "-"; /* no processor stands behind the id */

	if (apic_id != ~0u)
		snprintf(apic, sizeof(apic), "%u", apic_id);
	monitor_print("cpu=%u apic=%s state=%s unit=0x%lx gs=0x%lx ready=%zu", cpu, apic,
		      cpu_online(cpu) ? "online" : "possible",
		      (uintptr_t)__per_cpu_start + __per_cpu_offset[cpu], __per_cpu_offset[cpu],
		      pcpu_ready_bytes(cpu));
}

static bool run_cpus(unsigned int argc __unused, char **argv __unused)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		print_cpu(cpu);
	return true;
}

static bool run_mem(unsigned int argc __unused, char **argv __unused)
{
	struct pcpu_stats stats;
	char line[400];
	size_t n;

	pcpu_stats_get(&stats);
	n = (size_t)snprintf(line, sizeof(line), "pages_total=%zu", page_total());
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " pages_%s=%zu",
				      page_owner_name(owner), page_count(owner));
	monitor_print("%s heap_bytes=%zu percpu_meta_bytes=%lu", line, kmalloc_bytes(),
		      stats.meta_bytes);
	return true;
}

/* Range names are for people and may have blanks; a field's value has none. */
static void print_range(const struct vm_range *range)
{
	char name[48];

	strlcpy(name, range->name ? range->name : "-", sizeof(name));
	for (char *c = name; *c != '\0'; c++) {
		if (*c == ' ')
			*c = '_';
	}
	monitor_print("range=0x%lx-0x%lx size=%zu name=%s", range->start,
		      range->start + range->size, range->size, name);
}

static bool run_vm(unsigned int argc __unused, char **argv __unused)
{
	struct vm_range range = {.start = 0};

	while (vm_range_next(range.start, &range))
		print_range(&range);
	return true;
}

static bool unknown_trace(const char *name)
{
	const struct trace_text *traces;
	char known[128] = "";
	size_t count, n = 0;

	traces = trace_list(&count);
	for (size_t i = 0; i < count && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, " %s", traces[i].name);
	return monitor_error("replay: there is no trace %s: there are%s", monitor_quote(name),
			     known);
}

static bool run_replay(unsigned int argc, char **argv)
{
	const struct trace_text *trace = argc == 2 ? trace_find(argv[1]) : trace_default();
	struct replay_report report;
	char line[REPLAY_LINE_SIZE];

	if (!trace)
		return unknown_trace(argv[1]);
	if (replay_run(trace, &report, monitor_stopped) == -EINTR)
		return monitor_error("%s", report.error);
	replay_format(trace->name, &report, line, sizeof(line));
	monitor_print("%s", line);
	return replay_good(&report);
}

static bool run_test(unsigned int argc, char **argv)
{
	const char *selection = argc == 2 ? argv[1] : "quick";
	struct test_totals totals;

	if (test_count(selection) == 0)
		return monitor_error("test: %s names no test%s: quick, all or a pattern of names",
				     monitor_quote(selection),
				     monitor_did_you_mean("GLOB", selection));
	totals = test_run_selection(selection, monitor_stopped);
	if (totals.fail > 0)
		return monitor_error("test: %u of %u tests failed", totals.fail,
				     totals.pass + totals.fail + totals.skip);
	if (monitor_stopped())
		return monitor_error("test: stopped: %u passed, %u skipped", totals.pass,
				     totals.skip);
	return true;
}

static bool unknown_bench(const char *name)
{
	char known[128] = "";
	size_t n = 0;

	for (size_t i = 0; bench_name(i) && n < sizeof(known); i++)
		n += (size_t)snprintf(known + n, sizeof(known) - n, " %s", bench_name(i));
	return monitor_error("bench: there is no benchmark %s: there are%s", monitor_quote(name),
			     known);
}

static bool run_bench(unsigned int argc, char **argv)
{
	const char *error;

	if (bench_run(argc == 2 ? argv[1] : NULL, monitor_print, &error))
		return true;
	if (error)
		return monitor_error("bench: %s", error);
	return unknown_bench(argv[1]);
}

static bool run_reboot(unsigned int argc __unused, char **argv __unused)
{
	arch_reboot();
}

static bool run_poweroff(unsigned int argc __unused, char **argv __unused)
{
	bool good = test_failures() == 0 && warn_unexpected() == 0 && replay_failures() == 0;

	arch_exit(good ? EXIT_GOOD : EXIT_FAILED);
}

const struct monitor_command monitor_system_commands[] = {
	{"stats", "", "counters, one a line", "stats", run_stats},
	{"cpus", "", "possible CPUs and their units", "cpus", run_cpus},
	{"mem", "", "pages by owner, heap bytes", "mem", run_mem},
	{"vm", "", "ranges of the vmalloc area", "vm", run_vm},
	{"replay", "[TRACE]", "replay a trace; by default the boot's", "replay pods", run_replay},
	{"test", "[GLOB]", "run tests now; quick by default", "test percpu_U*", run_test},
	{"bench", "[BENCH]", "run benchmarks now", "bench churn", run_bench},
	{"reboot", "", "start the machine anew", "reboot", run_reboot},
	{"poweroff", "", "end: 0x10 if all went well, else 0x11", "poweroff", run_poweroff},
	{NULL, NULL, NULL, NULL, NULL},
};
