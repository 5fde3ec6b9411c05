/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts on this CPU: off and on, where we are, and who handles which vector.
 */
#pragma once

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/irqoff.h"

typedef uint64_t irqflags_t; /* RFLAGS as they were */

/* The stack of an interrupted context as entry.S leaves it; lowest address first. */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Vectors; 0-31 are the CPU's own exceptions. */
enum {
	VECTOR_DOUBLE_FAULT = 8,
	VECTOR_PAGE_FAULT = 14,
	VECTOR_KEYBOARD = 0x21,
	VECTOR_COM1 = 0x24,
	VECTOR_TIMER = 0x40,
	VECTOR_RESCHEDULE = 0xf0,
	VECTOR_CALL = 0xf1,
	VECTOR_ERROR = 0xfe,
	VECTOR_SPURIOUS = 0xff,
};

/* Turns interrupts off; returns what irq_restore needs to put them back as they were. */
static inline irqflags_t irq_save(void)
{
	irqflags_t flags = x86_read_flags();

	x86_cli();
#if CONFIG_IRQOFF
	if (flags & RFLAGS_IF)
		irqoff_begin();
#endif
	return flags;
}

static inline void irq_restore(irqflags_t flags)
{
	if (!(flags & RFLAGS_IF))
		return;
#if CONFIG_IRQOFF
	irqoff_end();
#endif
	x86_sti();
}

static inline bool irqs_enabled(void)
{
	return x86_read_flags() & RFLAGS_IF;
}

/* Whether this code runs in an interrupt, exception or NMI handler. */
bool in_interrupt(void);

/* Registers the handler of a vector above 31. It runs with interrupts off; the end-of-interrupt is
 * sent for it. One handler a vector, set before the vector is first used, never changed. */
typedef void (*irq_handler_t)(struct trap_frame *frame);
void irq_set_handler(unsigned int vector, irq_handler_t handler);

/*
 * Lets a test run code that is expected to fault: runs fn(arg); true if it returned, false if it
 * raised a page fault or general protection fault, with the fault's address (CR2; 0 for #GP) in
 * *addr. Context: interrupts may be on, no lock may be held by fn. Works on any CPU.
 */
bool trap_probe(void (*fn)(void *arg), void *arg, uintptr_t *addr);
