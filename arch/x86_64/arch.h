/* SPDX-License-Identifier: GPL-2.0-only */
/* The small hooks that generic code calls: ending the machine, context switch, early per-CPU. */
#pragma once

#include "kernel/compiler.h"

/* Ends QEMU with status 2*code+1 through the debug-exit port 0xf4. 0x10: all good; 0x11: something
 * failed. Where there is no such port, says which, and powers off by ACPI, if all was good, or halts. */
enum { EXIT_GOOD = 0x10, EXIT_FAILED = 0x11 };
void arch_exit(unsigned int code) __noreturn;
void arch_reboot(void) __noreturn;
/* Resets the machine the hard way: a fault that no handler can be found for. For tests. */
void arch_triple_fault(void) __noreturn;

/* Points this CPU's GS base at the loaded image of the static per-CPU area: first line of C. */
void arch_percpu_early_init(void);
/* Points this CPU's GS base at the unit of the given CPU id, and stores offsets for per_cpu_ptr.
 * Called for the boot CPU right after the first chunk is made, for each AP as it starts. */
void arch_percpu_switch(unsigned int cpu);

/* Saves callee-saved registers on the current stack, stores the stack pointer in *old_sp and goes
 * on with new_sp. Interrupts off. */
void arch_context_switch(uintptr_t *old_sp, uintptr_t new_sp);
/* Prepares a new stack so that the first switch to it calls entry(arg) with interrupts off. top:
 * one past its highest byte. Returns the stack pointer for arch_context_switch. */
uintptr_t arch_thread_stack(uintptr_t top, void (*entry)(void *), void *arg);

/* Fills pcs with up to max return addresses, nearest first, starting from frame pointer fp (0: the
 * caller's). Stops at anything that is not on a mapped kernel stack. Any context. */
size_t arch_backtrace(uintptr_t fp, uintptr_t *pcs, size_t max);
