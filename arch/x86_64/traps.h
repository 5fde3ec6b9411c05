/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exceptions and interrupts: setting up each CPU's tables, and what the trap code shows to others.
 * Handlers are registered by arch/x86_64/irq.h.
 */
#pragma once

#define TRAP_FRAME_RIP 136 /* offset of rip in struct trap_frame, for entry.S */
#define TRAP_FRAME_RBP 64

#ifndef __ASSEMBLER__
#include "arch/x86_64/irq.h"

/* The interrupt stack table's entries that are in use. */
enum trap_ist { IST_DOUBLE_FAULT = 1, IST_NMI = 2, IST_MACHINE_CHECK = 3, IST_LAST = 3 };

#define IST_STACK_SIZE 16384 /* with an unmapped page below */

/*
 * Makes the interrupt descriptor table and loads this CPU's GDT, TSS and IDT. Boot CPU, once; until
 * traps_init_cpu the IST entries share one early stack. Needs arch_percpu_early_init.
 */
void traps_init(void);
/*
 * Loads GDT, TSS and IDT of the CPU that runs this from its own per-CPU unit, with IST stacks from
 * vmalloc. cpu: its id; arch_percpu_switch(cpu) was called. Interrupts off. Panics without memory.
 */
void traps_init_cpu(unsigned int cpu);
/* The lowest byte of a CPU's stack for an enum trap_ist; 0 before that CPU's traps_init_cpu. */
uintptr_t traps_ist_stack(unsigned int cpu, enum trap_ist ist);

/* Bits of a page fault's error code (Intel SDM vol. 3 section 4.7). */
enum {
	FAULT_PRESENT = 1 << 0, /* the page is mapped: its protection forbids it */
	FAULT_WRITE = 1 << 1,
	FAULT_USER = 1 << 2,
	FAULT_RESERVED = 1 << 3, /* a page-table entry has reserved bits set */
	FAULT_FETCH = 1 << 4
};

/* Whether pc is in the common entry code, whose caller's frame is the interrupted context's. */
bool trap_is_entry_code(uintptr_t pc);

/* Says in words what a page fault's address is: "NULL pointer", "NULL per-CPU pointer", "guard page
 * of a stack" …; rsp: of the faulting code. Any context. */
const char *fault_describe(uintptr_t addr, uintptr_t rsp);
#endif
