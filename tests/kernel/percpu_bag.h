/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bags of areas, for tests that need many at once, and what must be the same before and after a
 * failed request. Thread context; no locking.
 */
#pragma once

#include "kernel/test.h"
#include "mm/page.h"
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

/* What memory is in use and for what, to the page and byte. */
struct footprint {
	size_t chunks, free_chunks;   /* free: wholly */
	size_t areas, bytes;	      /* live */
	size_t pages;		      /* populated, of one unit */
	size_t books;		      /* heap bytes of the allocator's books but its maps */
	size_t other_heap;	      /* heap bytes of all others */
	size_t ranges;		      /* of the vmalloc area */
	size_t spare_tables;	      /* page tables of it without an entry, less those from boot */
	size_t owned[PAGE_NR_OWNERS]; /* pages */
	uint64_t digest;	      /* test_used_books_digest */
};
/* As it is once no reclaim is pending and ended threads are gone. */
struct footprint footprint_take(void);
/* Records a failure unless everything is as before. May be new: one wholly free chunk without pages, if
 * there was none, since one such chunk is always kept; and the length of a map that grew. */
void expect_unchanged(struct test_run *t, const struct footprint *before);
