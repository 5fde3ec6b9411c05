/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside arch/x86_64: who CPUs are (cpus.c), starting them (smp.c), calling them (smp_call.c). */
#pragma once

#include "arch/x86_64/smp.h"

#define APIC_ID_NONE (~0u)

/* The id of the processor with that APIC id; NR_CPUS if it has none. */
unsigned int smp_cpu_of_apic(uint32_t apic_id);
/* Whether an enabled processor stands behind the id, the boot CPU's included. */
bool smp_is_startable(unsigned int cpu);
/* How many CPUs maxcpus= allows to run, the boot CPU included. */
unsigned int smp_max_online(void);

/* Registers the interrupt of cross-CPU calls. Boot CPU, before others start. */
void smp_call_init(void);

/* Drops all that this CPU's TLB holds, global pages included. Interrupts off. */
void tlb_flush_all_local(void);
