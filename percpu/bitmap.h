/* SPDX-License-Identifier: GPL-2.0-only */
/* The books of the engine `bitmap` (bitmap.c); for it, its tests and a debugger. */
#pragma once

#include "percpu/area.h"

#define GRANULE	    4	 /* bytes */
#define LEAF	    1024 /* granules: a page */
#define LEAF_WORDS  (LEAF / BITS_PER_LONG)
#define NR_ALIGNS   11		/* 4, 8 … 4096 */
#define NR_KNOWN    64		/* sizes that places are known of, a power of two */
#define KNOWN_REACH (16 * LEAF) /* granules above such a place, and free runs there, */
#define KNOWN_RUNS  64		/* that are looked at before the tree is asked */
#define KNOWN_MOST  320		/* granules of the largest such size */
#define NR_LOWS	    10		/* lengths of runs, as powers of two; the last: all longer ones */

/* The free runs in a stretch of granules; all in granules. */
struct bitmap_node {
	uint32_t length;	     /* of the stretch; 0: beyond the end of the space */
	uint32_t prefix, suffix;     /* of free granules at its two ends */
	uint32_t longest[NR_ALIGNS]; /* longest run, counted from where it is aligned so */
};

/* Where areas of a size were carved last: no run that has room for one begins below. */
struct bitmap_known {
	uint32_t count, order; /* granules of an area, and of its alignment, as a power; 0: none */
	uint32_t place;
};

struct bitmap_books {
	size_t granules; /* in the space */
	size_t leaves;	 /* a power of two; node 1 is the root, n's children 2n and 2n + 1 */
	unsigned long *used, *start;
	unsigned long *dirty; /* nodes to be computed anew */
	struct bitmap_node *nodes;
	struct bitmap_known known[NR_KNOWN];
	uint32_t low
		[NR_LOWS]; /* the lowest run that frees made since `known` was corrected, by length */
	bool lowered;	   /* there is one */
};
