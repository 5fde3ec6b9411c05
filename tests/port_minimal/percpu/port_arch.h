/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's half of the minimal port: one CPU without per-CPU base register, plain C. A per-CPU
 * pointer is an ordinary one that __per_cpu_offset[0] leads to its only copy; before set-up that is
 * 0 and everybody works on the load image.
 *
 * The section's name is a C identifier, so the linker itself defines where it starts and ends.
 */
#pragma once

#include "kernel/compiler.h"

#define __percpu

#define __per_cpu_start __start_percpu_static
#define __per_cpu_end	__stop_percpu_static
extern char __per_cpu_start[], __per_cpu_end[];
extern uintptr_t __per_cpu_offset[];

/* Interrupts of this machine are a flag; a real one has its instructions here. */
typedef bool irqflags_t; /* whether they were on */
extern bool machine_irqs_on;

static inline irqflags_t irq_save(void)
{
	irqflags_t flags = machine_irqs_on;

	machine_irqs_on = false;
	return flags;
}

static inline void irq_restore(irqflags_t flags)
{
	machine_irqs_on = flags;
}

#define port_irq_save		  irq_save
#define port_irq_restore	  irq_restore
#define port_irq_may_sleep(flags) (flags)
#define port_zero16(p)		  memset(p, 0, 16)

#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name
#define DEFINE_PER_CPU(type, name)  __section("percpu_static") __typeof__(type) name

#define per_cpu_ptr(ptr, cpu) ((__typeof__(ptr))((uintptr_t)(ptr) + __per_cpu_offset[cpu]))
#define per_cpu(var, cpu)     (*per_cpu_ptr(&(var), cpu))
#define this_cpu_ptr(ptr)     per_cpu_ptr(ptr, 0)

/* `change` works on *copy_ and was_, its old value; no interrupt comes between. Yields was_. */
#define PERCPU_ACCESS(var, change)                                            \
	({                                                                    \
		irqflags_t flags_ = irq_save();                               \
		__typeof__(var) *copy_ = this_cpu_ptr(&(var)), was_ = *copy_; \
		change;                                                       \
		irq_restore(flags_);                                          \
		was_;                                                         \
	})
#define this_cpu_read(var)		PERCPU_ACCESS(var, (void)0)
#define this_cpu_write(var, val)	((void)PERCPU_ACCESS(var, *copy_ = (val)))
#define this_cpu_add(var, val)		((void)PERCPU_ACCESS(var, *copy_ += (val)))
#define this_cpu_sub(var, val)		((void)PERCPU_ACCESS(var, *copy_ -= (val)))
#define this_cpu_inc(var)		this_cpu_add(var, 1)
#define this_cpu_dec(var)		this_cpu_sub(var, 1)
#define this_cpu_xchg(var, val)		PERCPU_ACCESS(var, *copy_ = (val))
#define this_cpu_add_return(var, val)	PERCPU_ACCESS(var, was_ = *copy_ += (val))
#define this_cpu_cmpxchg(var, old, new) PERCPU_ACCESS(var, if (was_ == (old)) *copy_ = (new))
