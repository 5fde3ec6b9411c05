/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's half of the port: types and macros, where port.h has functions. This one is x86-64;
 * a port to another machine replaces the file (or puts its own percpu/port_arch.h before this one
 * on the include path: tests/port_minimal does) and supplies:
 *
 *	irqflags_t		what port_lock returns and port_unlock takes; any scalar type
 *	__percpu		qualifier of a per-CPU pointer's target; may be empty. Pointers to it
 *				cast to uintptr_t and back, NULL stays NULL
 *	__per_cpu_start		char array: where the static area is linked. A static variable's
 *				per-CPU pointer is its link address, all others count from there
 *	__per_cpu_offset	uintptr_t array by CPU id, written by port_set_offset, read by percpu/
 *				after set-up: CPU c's copy is at ptr + __per_cpu_offset[c]
 *	DECLARE_PER_CPU, DEFINE_PER_CPU, per_cpu, this_cpu_read
 *				percpu/ has one per-CPU variable of its own
 *
 * the hooks of the shortest way (the front's), which are worth to be inline:
 *
 *	port_irq_save		turns this CPU's interrupts off and keeps the caller on it; returns what
 *				port_irq_restore needs to put them back as they were. They nest. May be
 *				called under pcpu_lock; pcpu_lock is never taken between the two
 *	port_irq_may_sleep	whether port_may_sleep held just before the port_irq_save that returned
 *				these flags; false if that is not certain
 *	port_zero16		the 16 bytes from p on become 0; p is a multiple of 4
 *
 * and for those who use the allocator the variants of DEFINE_PER_CPU, per_cpu_ptr, this_cpu_ptr,
 * raw_cpu_ptr and the accessors this_cpu_write … this_cpu_inc_return.
 *
 * NULL: in unit 0 it reaches the address pcpu_base_addr − __per_cpu_start, so no unit may ever lie
 * there; and using it faults on every CPU if the page at each __per_cpu_offset is never mapped. The
 * port chooses its addresses so (arch/x86_64/memlayout.h).
 */
#pragma once

#include "arch/x86_64/copy.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"
#include "kernel/thread.h"

#if __STDC_HOSTED__ /* in a process, interrupts are what the port says */
irqflags_t port_irq_save(void);
void port_irq_restore(irqflags_t flags);
bool port_irq_may_sleep(irqflags_t flags);
#else
static inline irqflags_t port_irq_save(void)
{
	return irq_save();
}

static inline void port_irq_restore(irqflags_t flags)
{
	irq_restore(flags);
}

/* Handlers and holders of spinlocks have interrupts off; the idle thread does not allocate. */
static inline bool port_irq_may_sleep(irqflags_t flags)
{
	return (flags & RFLAGS_IF) && this_cpu_read(preempt_count) == 0;
}
#endif

static __always_inline void port_zero16(void *p)
{
	x86_zero16(p);
}
