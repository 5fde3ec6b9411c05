/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's commands on what is remembered: who, sites, trace. */
#include "kernel/cpumask.h"
#include "kernel/ksyms.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/records.h"
#include "kernel/string.h"
#include "kernel/time.h"

#define SITE_SIZE 80

/* "function+0x1f" of a return address. */
static const char *site_name(uintptr_t caller, char *buf)
{
	size_t offset;
	const char *name = ksym_name(caller - 1, &offset, NULL);

	snprintf(buf, SITE_SIZE, "%s+0x%zx", name, offset + 1);
	return buf;
}

/* ---- who ---- */

static bool nobody(uintptr_t ptr)
{
	char text[PCPU_TEXT_SIZE];
	struct pcpu_where where;

	pcpu_where((void __percpu *)ptr, &where);
	pcpu_where_text((void __percpu *)ptr, &where, text, sizeof(text));
	if (where.what == PCPU_AREA || where.what == PCPU_INSIDE)
		return monitor_error("who: %s, and nothing is remembered of it: see forgotten= of "
				     "sites",
				     text);
	return monitor_error("who: %s", text);
}

/*
 * The area that holds ptr, a per-CPU pointer or the address of a CPU's copy. *cpu: whose copy, or
 * NR_CPUS for a per-CPU pointer; *inside: where in the area.
 */
static bool find_area(uintptr_t ptr, struct area_record *area, unsigned int *cpu, size_t *inside)
{
	bool found = records_find(ptr, area);

	*cpu = NR_CPUS;
	*inside = ptr - area->ptr;
	if (found)
		return true;
	for_each_possible_cpu (*cpu) {
		if (records_find(ptr - __per_cpu_offset[*cpu], area)) {
			*inside = ptr - __per_cpu_offset[*cpu] - area->ptr;
			return true;
		}
	}
	return false;
}

static bool run_who(unsigned int argc __unused, char **argv)
{
	char site[SITE_SIZE], copy[24] = "";
	struct area_record area = {0};
	struct pcpu_where where;
	unsigned int cpu;
	size_t inside;
	uint64_t ptr;

	if (!monitor_number("who: PTR", argv[1], UINT64_MAX, &ptr))
		return false;
	if (!find_area(ptr, &area, &cpu, &inside))
		return nobody(ptr);
	if (cpu != NR_CPUS)
		snprintf(copy, sizeof(copy), " copy_of=%u", cpu);
	pcpu_where((void __percpu *)area.ptr, &where);
	monitor_print("ptr=0x%lx chunk=%lu offset=%zu size=%u align=%u inside=%zu site=%s cpu=%u "
		      "age_ms=%lu%s%s",
		      area.ptr, where.chunk, where.offset, area.size, area.align, inside,
		      site_name(area.caller, site), area.cpu, (time_ns() - area.ns) / 1000000,
		      area.reserved ? " reserved=1" : "", copy);
	return true;
}

/* ---- sites ---- */

static bool run_sites(unsigned int argc __unused, char **argv __unused)
{
	struct site_record *sites =
		monitor_alloc(RECORDS_MAX_SITES * sizeof(*sites), "monitor sites");
	struct records_total total;
	char site[SITE_SIZE];
	size_t count;

	if (!sites)
		return monitor_error("sites: no memory for a table: free some areas first");
	count = records_sites(sites, &total);
	for (size_t i = 0; i < count; i++)
		monitor_print("bytes=%lu areas=%lu site=%s", sites[i].bytes, sites[i].areas,
			      site_name(sites[i].caller, site));
	monitor_print("bytes=%lu areas=%lu sites=%lu forgotten=%lu", total.bytes, total.areas,
		      total.sites, total.forgotten);
	monitor_free(sites);
	return true;
}

/* ---- trace ---- */

static void print_trace_status(void)
{
	struct record_trace_status status;

	record_trace_get(&status);
	monitor_print("trace=%s events=%zu dropped=%lu unknown_frees=%lu", status.on ? "on" : "off",
		      status.events, status.dropped, status.unknown);
}

/* A line of comment, then the events: what a file for TRACE= holds. */
static void dump_trace(void)
{
	struct record_trace_status status;
	char line[160];

	record_trace_get(&status);
	monitor_print("# recorded by the monitor: events=%zu dropped=%lu unknown_frees=%lu",
		      status.events, status.dropped, status.unknown);
	for (size_t n = 0; n < status.events && record_trace_line(n, line, sizeof(line)); n++)
		monitor_print("%s", line);
}

static bool run_trace(unsigned int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "dump") == 0) {
		dump_trace();
		return true;
	}
	if (strcmp(what, "on") == 0) {
		if (record_trace_start() != 0)
			return monitor_error("trace: no memory for %u events: free some areas "
					     "first",
					     RECORDS_TRACE);
	} else if (strcmp(what, "off") == 0) {
		record_trace_stop();
	} else if (strcmp(what, "drop") == 0) {
		record_trace_drop();
	} else if (argc > 1) {
		return monitor_error("trace: %s is none of on, off, dump and drop",
				     monitor_quote(what));
	}
	print_trace_status();
	return true;
}

const struct monitor_command monitor_records_commands[] = {
	{"who", "PTR", "who allocated the area that holds PTR, and when", "who 0x30001680",
	 run_who},
	{"sites", "", "live bytes by call site", "sites", run_sites},
	{"trace", "[on|off|dump|drop]", "record operations as a trace; print it; forget it",
	 "trace on", run_trace},
	{NULL, NULL, NULL, NULL, NULL},
};
