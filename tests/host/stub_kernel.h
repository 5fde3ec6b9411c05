/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kernel code finds on the host instead of the kernel: spinlocks that check their order, a
 * log, panics that a test can catch, and a piece of memory in the place of the physical one.
 */
#pragma once

#include <setjmp.h>

#include "kernel/compiler.h"

/* A panic inside expr is caught, and its text must contain `text`; no panic fails the test. Locks
 * that were held are let go. */
#define EXPECT_PANIC(expr, text)                                       \
	do {                                                           \
		if (setjmp(*host_panic_arm()) == 0) {                  \
			expr;                                          \
			host_panic_missing(#expr, __FILE__, __LINE__); \
		}                                                      \
		host_panic_check(text, __FILE__, __LINE__);            \
	} while (0)

jmp_buf *host_panic_arm(void);
void host_panic_missing(const char *expr, const char *file, int line);
void host_panic_check(const char *text, const char *file, int line);

/* size bytes that stand for physical memory from address 0 on. */
void host_memory_init(size_t size);
/* How many spinlocks are held; tests look at the end of an operation. */
unsigned int host_locks_held(void);
/* A pseudo-random number below n, the same sequence on every run. */
unsigned long host_random(unsigned long n);
