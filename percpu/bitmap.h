/* SPDX-License-Identifier: GPL-2.0-only */
/* The books of the engine `bitmap` (bitmap.c); for it, its tests and a debugger. */
#pragma once

#include "percpu/area.h"

#define GRANULE	   4	/* bytes */
#define LEAF	   1024 /* granules: a page */
#define LEAF_WORDS (LEAF / BITS_PER_LONG)
#define NR_ALIGNS  11 /* 4, 8 … 4096 */

/* The free runs in a stretch of granules; all in granules. */
struct bitmap_node {
	uint32_t length;	     /* of the stretch; 0: beyond the end of the space */
	uint32_t prefix, suffix;     /* of free granules at its two ends */
	uint32_t longest[NR_ALIGNS]; /* longest run, counted from where it is aligned so */
};

struct bitmap_books {
	size_t granules; /* in the space */
	size_t leaves;	 /* a power of two; node 1 is the root, n's children 2n and 2n + 1 */
	unsigned long *used, *start;
	unsigned long *dirty; /* nodes to be computed anew */
	struct bitmap_node *nodes;
	bool freed; /* bits were cleared since the hint was set */
};
