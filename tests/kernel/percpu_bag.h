/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bags of areas, for tests that need many at once, and what must be the same before and after a
 * failed request. Thread context; no locking.
 */
#pragma once

#include "kernel/test.h"
#include "percpu/guard.h"

#define BIG PCPU_MIN_UNIT_SIZE

struct bag {
	void __percpu **ptrs;
	size_t count, room;
};

/* Room for so many areas; false when out of memory. */
bool bag_init(struct bag *bag, size_t room);
/* Allocates into the bag; false when the allocator or the bag has no more. */
bool bag_add(struct bag *bag, size_t size, size_t align);
/* Frees all from the last to the first, and the bag; waits for reclaim. */
void bag_empty(struct bag *bag);
/* With chunk making forbidden, takes everything from size bytes down to `least`. */
void bag_fill(struct bag *bag, size_t size, size_t least);

size_t count_chunks(void);
/* Whether every invariant holds; if not, logs which does not. */
bool state_is_sound(void);

struct footprint {
	size_t chunks, meta, areas, bytes, pages, owned;
};
/* As it is once no reclaim is pending. */
struct footprint footprint_take(void);
/* Records a failure unless everything is as before, but for one free chunk that may be new. */
void expect_unchanged(struct test_run *t, const struct footprint *before);
