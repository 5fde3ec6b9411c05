/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which CPUs there are. A CPU id is a number below nr_cpu_ids; ids may have holes, so "how many
 * CPUs" is never taken for "highest id + 1".
 *
 * possible: may ever come online; fixed before the per-CPU allocator's first chunk is made.
 * online:   runs kernel code now; bits are set once, by the CPU itself, and never cleared.
 */
#pragma once

#include "kernel/bitmap.h"

#define NR_CPUS 512 /* room in every CPU set, not a count of anything that exists */

struct cpumask {
	unsigned long bits[BITS_TO_LONGS(NR_CPUS)];
};

extern struct cpumask cpu_possible_mask;
extern struct cpumask cpu_online_mask;
extern unsigned int nr_cpu_ids; /* highest possible id + 1 */

static inline bool cpu_possible(unsigned int cpu)
{
	return cpu < nr_cpu_ids && bitmap_test(cpu_possible_mask.bits, cpu);
}

static inline bool cpu_online(unsigned int cpu)
{
	return cpu < nr_cpu_ids && bitmap_test(cpu_online_mask.bits, cpu);
}

static inline unsigned int cpumask_next(const struct cpumask *mask, unsigned int from)
{
	return (unsigned int)bitmap_next_set(mask->bits, nr_cpu_ids, from);
}

static inline unsigned int cpumask_weight(const struct cpumask *mask)
{
	return (unsigned int)bitmap_weight(mask->bits, NR_CPUS);
}

#define for_each_cpu_in(cpu, mask)                              \
	for ((cpu) = cpumask_next(mask, 0); (cpu) < nr_cpu_ids; \
	     (cpu) = cpumask_next(mask, (cpu) + 1))
#define for_each_possible_cpu(cpu) for_each_cpu_in (cpu, &cpu_possible_mask)
#define for_each_online_cpu(cpu)   for_each_cpu_in (cpu, &cpu_online_mask)
