/* SPDX-License-Identifier: GPL-2.0-only */
/* The books of the engine `bitmap`: what bitmap.c and bitmap_tree.c share, and their tests and a debugger look at. */
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

/* ---- Free runs. (L) held, as for all that follows. ---- */

/* The first granule in use at or after `from`; end if there is none below it. */
static inline size_t bitmap_next_used(const struct bitmap_books *b, size_t from, size_t end)
{
	return bitmap_next_set(b->used, end, from);
}

/* The first granule at or after `from` whose bit in used is clear, or starts an area if starts. */
static inline size_t bitmap_next_edge(const struct bitmap_books *b, size_t from, size_t end,
				      bool starts)
{
	while (from < end) {
		size_t n = from / BITS_PER_LONG;
		unsigned long word = ~b->used[n] | (starts ? b->start[n] : 0);

		word >>= from % BITS_PER_LONG;
		if (word != 0)
			return min(from + (size_t)__builtin_ctzl(word), end);
		from = (n + 1) * BITS_PER_LONG;
	}
	return end;
}

/* Granules of [from, end) from where an alignment allows an area to begin. */
static inline uint32_t bitmap_aligned_length(size_t from, size_t end, unsigned int order)
{
	size_t start = ALIGN_UP(from, (size_t)1 << order);

	return start < end ? (uint32_t)(end - start) : 0;
}

/* ---- The tree (bitmap_tree.c) ---- */

/* Computes what is dirty anew; returns how many nodes that were. */
size_t bitmap_tree_refresh(struct bitmap_books *b);
/* The tree of a space that is free all over and fills its leaves: the same as a refresh would compute. */
void bitmap_tree_fill(struct bitmap_books *b);
/* Where the lowest run of count granules begins, aligned to 1 << order of them; b->granules if there is none. Nothing
 * is dirty. */
size_t bitmap_tree_search(const struct bitmap_books *b, size_t count, unsigned int order);
/* What is wrong with the tree; NULL: nothing. */
const char *bitmap_tree_check(const struct bitmap_books *b);
