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

#define DECLARE_PER_CPU(type, name)		   extern __percpu __typeof__(type) name
#define DECLARE_PER_CPU_SHARED_ALIGNED(type, name) DECLARE_PER_CPU(type, name)
#define DECLARE_PER_CPU_PAGE_ALIGNED(type, name)   DECLARE_PER_CPU(type, name)
#define DECLARE_PER_CPU_READ_MOSTLY(type, name)	   DECLARE_PER_CPU(type, name)

#define PER_CPU_IN(sec)		   __section(".data..percpu" sec) __percpu
#define DEFINE_PER_CPU(type, name) PER_CPU_IN("") __typeof__(type) name
/* In cache lines of its own: for what other CPUs write too. */
#define DEFINE_PER_CPU_SHARED_ALIGNED(type, name) \
	PER_CPU_IN("..shared_aligned") __typeof__(type) name __aligned(64)
/* In pages of its own. */
#define DEFINE_PER_CPU_PAGE_ALIGNED(type, name) \
	PER_CPU_IN("..page_aligned") __typeof__(type) name __aligned(4096)
/* Beside others that are hardly ever written. */
#define DEFINE_PER_CPU_READ_MOSTLY(type, name) PER_CPU_IN("..read_mostly") __typeof__(type) name

/* The pointed-to type without its address space: a cast yields a value, and values have none. */
#define PERCPU_TYPE(ptr) __typeof__((__typeof__(*(ptr)))*(ptr))

/* The ordinary address of CPU cpu's copy. cpu must be a possible CPU. */
#define per_cpu_ptr(ptr, cpu) ((PERCPU_TYPE(ptr) *)((uintptr_t)(ptr) + __per_cpu_offset[cpu]))
/* CPU cpu's copy, an lvalue. */
#define per_cpu(var, cpu) (*per_cpu_ptr(&(var), cpu))

/* This CPU's offset: what turns a per-CPU pointer into the address of this CPU's copy. */
DECLARE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);

/*
 * The ordinary address of this CPU's copy. Stable only while the thread cannot migrate. The two names
 * mean the same; raw_ says that the caller knows it may migrate and does not mind.
 */
#define raw_cpu_ptr(ptr)  ((PERCPU_TYPE(ptr) *)((uintptr_t)(ptr) + this_cpu_read(this_cpu_off)))
#define this_cpu_ptr(ptr) raw_cpu_ptr(ptr)

/* Marks the next instruction as an accessor's; the label it defines is local to the statement. */
#define PERCPU_SITE \
	"771:\n\t.pushsection .percpu_sites,\"\",@progbits\n\t.quad 771b\n\t.popsection\n\t"

/* Does not compile unless var is a per-CPU lvalue. */
#define PERCPU_ONLY(var)                                      \
	((void)sizeof(({                                      \
		const volatile void __percpu *only_ = &(var); \
		only_;                                        \
	})))

/*
 * The accessors. var is a per-CPU lvalue of 1, 2, 4 or 8 bytes: a static variable, a member of one, or
 * *ptr and ptr->member of a per-CPU pointer. val is converted to var's type first.
 */
/* (Without a suffix: the register says the size, to clang too, which knows no %z.) */
#define this_cpu_read(var)                                                           \
	({                                                                           \
		PERCPU_TYPE(&(var)) read_;                                           \
		PERCPU_ONLY(var);                                                    \
		__asm__ volatile(PERCPU_SITE "mov %1, %0" : "=r"(read_) : "m"(var)); \
		read_;                                                               \
	})
#define this_cpu_write(var, val) PERCPU_OP("mov", "=m", var, val)
#define this_cpu_add(var, val)	 PERCPU_OP("add", "+m", var, val)
#define this_cpu_sub(var, val)	 PERCPU_OP("sub", "+m", var, val)
#define this_cpu_and(var, val)	 PERCPU_OP("and", "+m", var, val)
#define this_cpu_or(var, val)	 PERCPU_OP("or", "+m", var, val)
#define this_cpu_inc(var)	 PERCPU_UNARY("inc", var)
#define this_cpu_dec(var)	 PERCPU_UNARY("dec", var)

#define PERCPU_OP(insn, access, var, val)                           \
	({                                                          \
		PERCPU_ONLY(var);                                   \
		__asm__ volatile(PERCPU_SITE insn "%z0 %1, %0"      \
				 : access(var)                      \
				 : "re"((PERCPU_TYPE(&(var)))(val)) \
				 : "cc");                           \
	})
#define PERCPU_UNARY(insn, var)                                                   \
	({                                                                        \
		PERCPU_ONLY(var);                                                 \
		__asm__ volatile(PERCPU_SITE insn "%z0 %0" : "+m"(var) : : "cc"); \
	})

/* Stores val, returns what was there. (The hardware locks any xchg with memory by itself.) */
#define this_cpu_xchg(var, val)                                                          \
	({                                                                               \
		PERCPU_TYPE(&(var)) xchg_ = (PERCPU_TYPE(&(var)))(val);                  \
		PERCPU_ONLY(var);                                                        \
		__asm__ volatile(PERCPU_SITE "xchg%z1 %0, %1" : "+r"(xchg_), "+m"(var)); \
		xchg_;                                                                   \
	})
/* Stores `new` if var equals `old`; returns what was there: equal to old if it stored. */
#define this_cpu_cmpxchg(var, old, new)                                \
	({                                                             \
		PERCPU_TYPE(&(var)) was_ = (PERCPU_TYPE(&(var)))(old); \
		PERCPU_ONLY(var);                                      \
		__asm__ volatile(PERCPU_SITE "cmpxchg%z1 %2, %1"       \
				 : "+a"(was_), "+m"(var)               \
				 : "r"((PERCPU_TYPE(&(var)))(new))     \
				 : "cc");                              \
		was_;                                                  \
	})
/* Adds val, returns the sum: the xadd is the one access, the sum is made in a register. It wraps
 * around, signed types too. */
#define this_cpu_add_return(var, val)                                                            \
	({                                                                                       \
		PERCPU_TYPE(&(var)) term_ = (PERCPU_TYPE(&(var)))(val), sum_ = term_;            \
		PERCPU_ONLY(var);                                                                \
		__asm__ volatile(PERCPU_SITE "xadd%z1 %0, %1" : "+r"(sum_), "+m"(var) : : "cc"); \
		(PERCPU_TYPE(&(var)))((uint64_t)sum_ + (uint64_t)term_);                         \
	})
#define this_cpu_inc_return(var) this_cpu_add_return(var, 1)
