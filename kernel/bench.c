// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmarks as a list, and what they share. While one is counted, the allocator's operations
 * are not recorded, and nothing interrupts: a tick more or less would show in the figures.
 */
#include "kernel/checks.h"
#include "kernel/bench.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/irqoff.h"
#include "kernel/bench_internal.h"
#include "kernel/records.h"
#include "kernel/string.h"

const char bench_no_memory[] = "out of memory: boot with more (MEM=)";

static const struct bench {
	const char *name;
	const char *(*run)(bench_print print);
	bool (*possible)(
		void); /* NULL: always; else without a name it only runs where this holds */
} benches[] = {
	{.name = "burst", .run = bench_burst},
	{.name = "bulk", .run = bench_bulk},
	{.name = "churn", .run = bench_churn},
	{.name = "mixed", .run = bench_mixed},
	{.name = "replay", .run = bench_replay},
	{.name = "thiscpu", .run = bench_thiscpu},
	{.name = "growth", .run = bench_growth},
	{.name = "packing", .run = bench_packing},
	{.name = "cpus", .run = bench_cpus},
	{.name = "irqoff", .run = bench_irqoff, .possible = irqoff_known},
};

void bench_quiet_begin(void)
{
	pcpu_sync();
	lapic_hold_devices();
	checks_set(false);
}

uint64_t bench_quiet_end(void)
{
	uint64_t start = bench_clock(), counts;

	pcpu_sync();
	counts = bench_clock() - start;
	checks_set(true);
	lapic_admit_devices();
	return counts;
}

const char *bench_name(size_t i)
{
	return i < ARRAY_SIZE(benches) ? benches[i].name : NULL;
}

static bool is_meant(const struct bench *bench, const char *name)
{
	if (name)
		return strcmp(bench->name, name) == 0;
	return !bench->possible || bench->possible();
}

bool bench_run(const char *name, bench_print print, const char **error)
{
	bool known = !name, watched = records_watch(false);

	*error = NULL;
	for (size_t i = 0; !*error && i < ARRAY_SIZE(benches); i++) {
		if (!is_meant(&benches[i], name))
			continue;
		known = true;
		*error = benches[i].run(print);
	}
	records_watch(watched);
	return known && !*error;
}
