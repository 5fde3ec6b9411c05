/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few things the C language leaves to the compiler: attributes, branch hints, single-copy
 * loads and stores, container arithmetic. Freestanding, no dependencies; the host tests use it too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  ((size_t)1 << PAGE_SHIFT)

typedef uint64_t phys_addr_t; /* a physical byte address */

#if __STDC_HOSTED__
#include <sys/types.h>
#else
typedef long ssize_t;
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __section(name) __attribute__((section(name)))
#define __used		__attribute__((used))
#define __unused	__attribute__((unused))
#define __noreturn	__attribute__((noreturn))
#define __noinline	__attribute__((noinline))
#undef __always_inline /* the host's C library has its own */
#define __always_inline inline __attribute__((always_inline))
/* For functions that do on purpose what the sanitizer traps, such as reading NULL. */
#define __undefined_on_purpose __attribute__((no_sanitize("undefined")))
#define __must_check	       __attribute__((warn_unused_result))
#define __printf(fmt, args)    __attribute__((format(printf, fmt, args)))

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define min(a, b)                       \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ < b_ ? a_ : b_;      \
	})
#define max(a, b)                       \
	({                              \
		__typeof__(a) a_ = (a); \
		__typeof__(b) b_ = (b); \
		a_ > b_ ? a_ : b_;      \
	})

/* Powers of two only. */
#define ALIGN_UP(x, a)	 (((x) + ((__typeof__(x))(a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)
#define PFN_UP(x)	 (((x) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define PFN_DOWN(x)	 ((x) >> PAGE_SHIFT)

static inline bool is_power_of_2(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* One load or store of the whole object, not repeated, split or left out by the compiler. */
#define READ_ONCE(x)	 (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define barrier()	 __asm__ volatile("" ::: "memory")

/* The address this function returns to: who called it. */
#define CALLER() ((uintptr_t)__builtin_return_address(0))
