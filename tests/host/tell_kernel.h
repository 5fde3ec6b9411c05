/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel for percpu/port_kernel.c that does nothing but tell, in order, what it was asked, and answers
 * as a test wants it to. Page 3 is the one it hands out.
 */
#pragma once

#include "kernel/compiler.h"

#define TELL_PAGES 8 /* of memory; host_memory_init makes it */

struct work;

extern struct tell_kernel {
	unsigned long map_fails_at; /* the n-th paging_map from now; 0: none */
	bool out_of_memory;
	bool sleep_allowed;
	bool mutex_owned;
	uint64_t microseconds;	     /* what time_us says */
	uintptr_t early_range_start; /* where vm_area_register_early finds room */
	struct work *queued;	     /* the last one */
} kernel;

/* What kzalloc returns when there is memory. */
void *tell_heap_object(void);
/* Tells one thing more. */
void tell(const char *fmt, ...) __printf(1, 2);
/* What was asked since the last time is exactly that; else the test fails. */
void expect_story(const char *fmt, ...) __printf(1, 2);
/* Forgets what was asked. */
void forget_story(void);
