// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where each CPU's copy of the per-CPU variables is.
 *
 * Until the first chunk exists there is one copy, the section's load image, and every CPU id points
 * at it, so that this_cpu_ and per_cpu_ work from the first line of C. The port stores the units'
 * offsets in __per_cpu_offset; each CPU then moves to its unit by arch_percpu_switch.
 */
#include "arch/x86_64/percpu.h"

#include "arch/x86_64/arch.h"
#include "arch/x86_64/cpu.h"
#include "kernel/cpumask.h"

uintptr_t __per_cpu_offset[NR_CPUS];

DEFINE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);

void arch_percpu_early_init(void)
{
	uintptr_t offset = (uintptr_t)__per_cpu_load - (uintptr_t)__per_cpu_start;

	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		__per_cpu_offset[cpu] = offset;
	arch_percpu_switch(0);
}

void arch_percpu_switch(unsigned int cpu)
{
	x86_write_msr(MSR_GS_BASE, __per_cpu_offset[cpu]);
	this_cpu_write(this_cpu_off, __per_cpu_offset[cpu]);
}
