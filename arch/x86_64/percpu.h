/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU variables on x86-64: the type of a per-CPU pointer and the one-instruction accessors.
 *
 * A per-CPU pointer is a pointer into GCC's __seg_gs address space. Its number is an offset from
 * the GS base of whichever CPU uses it, so %gs:ptr is that CPU's copy. The compiler keeps the two
 * kinds of pointer apart: neither converts to the other without a cast, and the build refuses a
 * cast (-Werror). A plain *ptr would compile to a %gs access that no accessor made; every accessor
 * leaves the address of its instruction in the section .percpu_sites, and the build compares that
 * list with the disassembly, so a plain dereference does not build either.
 *
 * Each this_cpu_ operation is one instruction without LOCK: an interrupt or a migration happens
 * before it or after it, never inside. They are not atomic against other CPUs. Any context.
 * Source: Intel SDM vol. 1 section 3.3.4 (segment bases), GCC manual "Named Address Spaces".
 */
#pragma once

#include "kernel/compiler.h"

#define __percpu __seg_gs

/* Indexed by CPU id: what to add to a per-CPU pointer's number to get that CPU's copy. */
extern uintptr_t __per_cpu_offset[];

/* The linked static area, [start, end); and where its initial image was loaded. */
extern char __per_cpu_start[], __per_cpu_end[], __per_cpu_load[];

#define DECLARE_PER_CPU(type, name) extern __percpu __typeof__(type) name
#define DECLARE_PER_CPU_SHARED_ALIGNED(type, name) DECLARE_PER_CPU(type, name)
#define DECLARE_PER_CPU_PAGE_ALIGNED(type, name) DECLARE_PER_CPU(type, name)
#define DECLARE_PER_CPU_READ_MOSTLY(type, name) DECLARE_PER_CPU(type, name)

#define PER_CPU_IN(sec) __section(".data..percpu" sec) __percpu
#define DEFINE_PER_CPU(type, name) PER_CPU_IN("") __typeof__(type) name
/* In cache lines of its own: for what other CPUs write too. */
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name)                                                  \
	PER_CPU_IN("..shared_aligned") __typeof__(type) name __aligned(64)
/* In pages of its own. */
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name)                                                    \
	PER_CPU_IN("..page_aligned") __typeof__(type) name __aligned(4096)
/* Beside others that are hardly ever written. */
#define DEFINE_PER_CPU_READ_MOSTLY(type, name) PER_CPU_IN("..read_mostly") __typeof__(type) name

/* The pointed-to type without its address space: function types drop qualifiers of their result. */
#define PERCPU_TYPE(ptr) __typeof__(((__typeof__(*(ptr))(*)(void))0)())

/* The ordinary address of CPU cpu's copy. cpu must be a possible CPU. */
#define per_cpu_ptr(ptr, cpu)                                                                      \
	((PERCPU_TYPE(ptr) *)((uintptr_t)(ptr) + __per_cpu_offset[cpu]))
/* CPU cpu's copy, an lvalue. */
#define per_cpu(var, cpu) (*per_cpu_ptr(&(var), cpu))
