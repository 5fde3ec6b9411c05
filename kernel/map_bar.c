// SPDX-License-Identifier: GPL-2.0-only
/* An area map as a bar, see map_bar.h. */
#include "kernel/map_bar.h"

#include "kernel/printk.h"
#include "kernel/string.h"

#define LABEL_CELLS 8 /* at least so many from one label to the next */

void map_sum(const struct map_view *view, struct map_sums *out)
{
	*out = (struct map_sums){0};
	for (size_t i = 0; i < view->nr_entries; i++) {
		int entry = view->entries[i];

		if (entry < 0) {
			out->used += (size_t)-entry;
			out->nr_used++;
		} else {
			out->free += (size_t)entry;
			out->longest_free = max(out->longest_free, (size_t)entry);
		}
	}
	out->span = out->used + out->free;
	for (size_t i = 0; i < view->nr_pages; i++)
		out->pages += view->pages[i] != 0;
}

/* Where in the map a walk stands. */
struct place {
	size_t entry, start; /* the entry, and the offset it begins at */
};

/* Bytes in use in [from, to); the walk goes on where the one before ended. */
static size_t used_between(const struct map_view *view, struct place *at, size_t from, size_t to)
{
	size_t used = 0;

	while (at->entry < view->nr_entries) {
		int entry = view->entries[at->entry];
		size_t end = at->start + (size_t)(entry < 0 ? -entry : entry);

		if (entry < 0)
			used += min(end, to) - max(at->start, from);
		if (end >= to)
			break;
		at->start = end;
		at->entry++;
	}
	return used;
}

static bool has_memory(const struct map_view *view, size_t from, size_t to)
{
	for (size_t n = from / PAGE_SIZE; n <= (to - 1) / PAGE_SIZE && n < view->nr_pages; n++) {
		if (view->pages[n])
			return true;
	}
	return false;
}

void map_bar(const struct map_view *view, enum map_cell *cells, size_t n)
{
	struct place at = {0, 0};
	struct map_sums sums;

	map_sum(view, &sums);
	for (size_t i = 0; i < n; i++) {
		size_t from = sums.span * i / n;
		size_t to = max(sums.span * (i + 1) / n, from + 1);
		size_t used = used_between(view, &at, from, to);

		if (used > 0)
			cells[i] = used == to - from ? MAP_USED : MAP_PARTLY;
		else
			cells[i] = has_memory(view, from, to) ? MAP_FREE : MAP_NO_MEMORY;
	}
}

/* "512", "16K", "1M" */
static void format_bytes(size_t bytes, char *buf, size_t size)
{
	if (bytes > 0 && bytes % (1024 * 1024) == 0)
		snprintf(buf, size, "%zuM", bytes / (1024 * 1024));
	else if (bytes > 0 && bytes % 1024 == 0)
		snprintf(buf, size, "%zuK", bytes / 1024);
	else
		snprintf(buf, size, "%zu", bytes);
}

/* The distance of two ticks: a power of two. */
static size_t tick_step(size_t span, size_t n)
{
	size_t step = 1;

	while (step * n < span * LABEL_CELLS)
		step *= 2;
	return step;
}

void map_scale(size_t span, char *labels, char *ticks, size_t n)
{
	size_t step = tick_step(span, n);
	char text[24];

	memset(labels, ' ', n);
	memset(ticks, '-', n);
	labels[n] = ticks[n] = '\0';
	for (size_t at = 0; at < span; at += step) {
		size_t column = at * n / span;

		ticks[column] = '|';
		format_bytes(at, text, sizeof(text));
		memcpy(labels + column, text, min(strlen(text), n - column));
	}
}
