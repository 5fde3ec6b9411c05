/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages under areas. A page number has memory on every possible CPU or on none, so one bitmap
 * serves all units of a chunk.
 *
 * Order, always: allocate every page of the request, map them, flush once; and to take pages away:
 * unmap, flush every CPU, and only then free, so that no CPU can reach a page through an old
 * translation once it is somebody else's.
 *
 * A failure undoes exactly what this call did: pages that were there before belong to neighbours.
 * Needs: pages, mapping, flush from the port. Caller holds the mutex, not the spinlock.
 */
#include "percpu/percpu_internal.h"

static void assert_may_change_pages(void)
{
	if (!port_mutex_held() || port_lock_held())
		port_panic("pages change with mutex %s and spinlock %s; it needs held and free",
			   port_mutex_held() ? "held" : "free", port_lock_held() ? "held" : "free");
}

static struct page **page_slot(struct pcpu_chunk *chunk, unsigned int unit, size_t n)
{
	return &chunk->memory->pages[unit * pcpu_unit_pages + n];
}

static uintptr_t page_address_in(struct pcpu_chunk *chunk, unsigned int unit, size_t n)
{
	return (uintptr_t)chunk->base + unit * pcpu_unit_size + n * PAGE_SIZE;
}

/* The next run [*from, *run_end) of pages below end without memory; false if there is none. */
static bool next_missing(struct pcpu_chunk *chunk, size_t *from, size_t end, size_t *run_end)
{
	const unsigned long *populated = chunk->memory->populated;

	*from = bitmap_next_clear(populated, end, *from);
	*run_end = bitmap_next_set(populated, end, *from);
	return *from < *run_end;
}

/* Frees whatever pages of [first, end) stand in the array but are not marked populated. */
static void free_unmarked(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		for (size_t n = first; n < end; n++) {
			struct page **slot = page_slot(chunk, unit, n);

			if (pcpu_page_populated(chunk, n) || !*slot)
				continue;
			port_page_free(*slot);
			*slot = NULL;
		}
	}
}

static int alloc_missing(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		size_t from = first, run_end;

		for (; next_missing(chunk, &from, end, &run_end); from = run_end) {
			size_t n = run_end - from;

			if (port_pages_alloc(pcpu_cpu_of[unit], page_slot(chunk, unit, from), n) <
			    n)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Unmaps the unmarked pages of [first, end) in the units below nr_units, whole runs at a time. */
static void unmap_unmarked(struct pcpu_chunk *chunk, unsigned int nr_units, size_t first,
			   size_t end)
{
	for (unsigned int unit = 0; unit < nr_units; unit++) {
		size_t from = first, run_end;

		for (; next_missing(chunk, &from, end, &run_end); from = run_end)
			port_unmap(page_address_in(chunk, unit, from), run_end - from);
	}
}

/* Maps the missing runs of one unit; on failure that unit's are unmapped again. */
static int map_unit(struct pcpu_chunk *chunk, unsigned int unit, size_t first, size_t end)
{
	size_t from = first, run_end;

	for (; next_missing(chunk, &from, end, &run_end); from = run_end) {
		int error = port_map(page_address_in(chunk, unit, from),
				     page_slot(chunk, unit, from), run_end - from);
		size_t undo = first, undo_end;

		if (error == 0)
			continue;
		for (; next_missing(chunk, &undo, from, &undo_end); undo = undo_end)
			port_unmap(page_address_in(chunk, unit, undo), undo_end - undo);
		return error;
	}
	return 0;
}

static void flush_unmapped(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	port_flush_unmap(page_address_in(chunk, 0, first),
			 page_address_in(chunk, pcpu_nr_units - 1, end));
}

static int map_missing(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		int error = map_unit(chunk, unit, first, end);

		if (error == 0)
			continue;
		unmap_unmarked(chunk, unit, first, end);
		flush_unmapped(chunk, first, end);
		return error;
	}
	port_flush_map(page_address_in(chunk, 0, first),
		       page_address_in(chunk, pcpu_nr_units - 1, end));
	return 0;
}

static size_t mark_populated(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	size_t added = 0;

	for (size_t n = first; n < end; n++) {
		if (pcpu_page_populated(chunk, n))
			continue;
		bitmap_set_atomic(chunk->memory->populated, n);
		added++;
	}
	chunk->memory->nr_populated += added;
	return added;
}

static void count_pages(ssize_t added)
{
	irqflags_t flags = port_lock();

	pcpu_counters.populated_pages += (size_t)added;
	pcpu_counters.pages_owned += (size_t)added * pcpu_nr_units;
	pcpu_counters.peak_pages = max(pcpu_counters.peak_pages, pcpu_counters.populated_pages);
	port_unlock(flags);
}

int pcpu_populate(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	size_t from = first, run_end;
	int error;

	assert_may_change_pages();
	if (chunk->immutable || !next_missing(chunk, &from, end, &run_end))
		return 0;
	error = alloc_missing(chunk, first, end);
	if (error == 0)
		error = map_missing(chunk, first, end);
	if (error != 0) {
		free_unmarked(chunk, first, end);
		return error;
	}
	count_pages((ssize_t)mark_populated(chunk, first, end));
	return 0;
}

void pcpu_depopulate_all(struct pcpu_chunk *chunk)
{
	size_t nr = chunk->memory->nr_populated;

	assert_may_change_pages();
	if (chunk->immutable || nr == 0)
		return;
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		for (size_t n = 0; n < pcpu_unit_pages; n++) {
			if (pcpu_page_populated(chunk, n))
				port_unmap(page_address_in(chunk, unit, n), 1);
		}
	}
	flush_unmapped(chunk, 0, pcpu_unit_pages);
	memset(chunk->memory->populated, 0,
	       BITS_TO_LONGS(pcpu_unit_pages) * sizeof(*chunk->memory->populated));
	chunk->memory->nr_populated = 0;
	free_unmarked(chunk, 0, pcpu_unit_pages);
	count_pages(-(ssize_t)nr);
}
