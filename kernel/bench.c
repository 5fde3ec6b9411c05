// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmarks as a list, and what they share. While one is counted, the allocator's operations
 * are not recorded, and nothing interrupts: a tick more or less would show in the figures.
 */
#include "kernel/bench.h"

#include "arch/x86_64/apic.h"
#include "kernel/bench_internal.h"
#include "kernel/records.h"
#include "kernel/string.h"

const char bench_no_memory[] = "out of memory: boot with more (MEM=)";

static const struct bench {
	const char *name;
	const char *(*run)(bench_print print);
} benches[] = {
	{"burst", bench_burst},	    {"churn", bench_churn},	{"mixed", bench_mixed},
	{"replay", bench_replay},   {"thiscpu", bench_thiscpu}, {"growth", bench_growth},
	{"packing", bench_packing},
};

void bench_quiet_begin(void)
{
	pcpu_sync();
	lapic_hold_devices();
}

uint64_t bench_quiet_end(void)
{
	uint64_t start = bench_clock(), counts;

	pcpu_sync();
	counts = bench_clock() - start;
	lapic_admit_devices();
	return counts;
}

const char *bench_name(size_t i)
{
	return i < ARRAY_SIZE(benches) ? benches[i].name : NULL;
}

bool bench_run(const char *name, bench_print print, const char **error)
{
	bool known = !name, watched = records_watch(false);

	*error = NULL;
	for (size_t i = 0; !*error && i < ARRAY_SIZE(benches); i++) {
		if (name && strcmp(benches[i].name, name) != 0)
			continue;
		known = true;
		*error = benches[i].run(print);
	}
	records_watch(watched);
	return known && !*error;
}
