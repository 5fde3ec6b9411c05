/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs as the machine has them: bringing them up, calling functions on them, flushing their TLBs.
 */
#pragma once

#include "arch/x86_64/percpu.h"
#include "kernel/cpumask.h"

DECLARE_PER_CPU_READ_MOSTLY(unsigned int, cpu_number); /* this CPU's id */

/* The id of the CPU this runs on; stable only while the thread can't migrate. */
unsigned int smp_processor_id(void);

/*
 * Reads the MADT and command line (possible_cpus=, maxcpus=, cpu_ids=), fills cpu_possible_mask,
 * nr_cpu_ids and the id ↔ APIC id tables. The boot CPU gets the first id. Before the first chunk.
 */
void smp_enumerate(void);
/* Starts the CPUs (INIT-SIPI-SIPI, Intel SDM vol. 3 section 9.4); returns how many are online. A CPU
 * that does not answer in a second is reported and left offline. Thread context. */
unsigned int smp_start_all(void);
/* The APIC id of a possible CPU; ~0u when no processor stands behind the id. */
uint32_t smp_apic_id(unsigned int cpu);
/* The memory node of a possible CPU (ACPI SRAT); 0 when the machine says nothing. */
unsigned int smp_node_of(unsigned int cpu);

/*
 * Runs fn(arg) on another online CPU in interrupt context and waits until it has returned. On the
 * calling CPU itself fn is called directly with interrupts off. Callers may have interrupts off:
 * while it waits, a CPU serves the requests of others, so two CPUs calling each other both finish.
 * No spinlock that fn or another waiter's function takes may be held.
 */
void smp_call(unsigned int cpu, void (*fn)(void *arg), void *arg);
/* The same on every online CPU, this one included. */
void smp_call_all(void (*fn)(void *arg), void *arg);
/* Makes that CPU look at its run queue. Returns at once. Any context. */
void smp_send_reschedule(unsigned int cpu);

/* Sends a non-maskable interrupt to another online CPU; takes no lock. Any context, panic included. */
void smp_send_nmi(unsigned int cpu);

/* Flushes [start, end) from the TLB of every online CPU and returns when all have done so; past 32
 * pages it flushes everything, global pages included. Same context rules as smp_call. */
void tlb_flush_range(uintptr_t start, uintptr_t end);
/* How many range flushes this kernel has done since boot (each counts once, not once a CPU). */
uint64_t tlb_flush_count(void);
