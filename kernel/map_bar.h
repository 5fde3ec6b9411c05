/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chunk's area map as a bar of so many columns, each of which stands for an equal share of the bytes,
 * and the scale above it:
 *
 *	0       8K      16K     24K
 *	|-------|-------|-------|---
 *	#####+##----+---------......
 *
 * Only functions of numbers; builds on the host too.
 */
#pragma once

#include "kernel/compiler.h"

/* A chunk's map and pages, as percpu/inspect.h gives them. */
struct map_view {
	const int *entries; /* -n: n bytes in use, +n: free; from offset 0 on */
	size_t nr_entries;
	const uint8_t *pages; /* of one unit; 1: has memory */
	size_t nr_pages;
};

struct map_sums {
	size_t span, used, free, longest_free; /* bytes */
	size_t nr_used;			       /* areas */
	size_t pages;			       /* that have memory */
};

/* What a column's bytes are. */
enum map_cell {
	MAP_NO_MEMORY, /* free, and none of their pages has memory */
	MAP_FREE,      /* free */
	MAP_PARTLY,    /* some in use */
	MAP_USED,      /* all in use */
	MAP_NR_CELLS
};

void map_sum(const struct map_view *view, struct map_sums *out);
/* Fills n cells. */
void map_bar(const struct map_view *view, enum map_cell *cells, size_t n);
/* The scale's two rows, of n characters and a 0 each. n ≥ 8. */
void map_scale(size_t span, char *labels, char *ticks, size_t n);
