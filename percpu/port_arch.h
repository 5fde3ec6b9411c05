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
 *
 * and for those who use the allocator (percpu/ itself uses none of them) DECLARE_PER_CPU,
 * DEFINE_PER_CPU and their variants, per_cpu, per_cpu_ptr, this_cpu_ptr, raw_cpu_ptr and the
 * accessors this_cpu_read … this_cpu_inc_return.
 *
 * NULL: in unit 0 it reaches the address pcpu_base_addr − __per_cpu_start, so no unit may ever lie
 * there; and using it faults on every CPU if the page at each __per_cpu_offset is never mapped. The
 * port chooses its addresses so (arch/x86_64/memlayout.h).
 */
#pragma once

#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"
