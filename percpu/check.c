/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The invariant checker: recomputes everything that the allocator keeps as a running value and
 * compares. It holds both locks over the whole check, so it sees one consistent state; for tests
 * and the monitor.
 */
#include "percpu/front.h"
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"

/* The tail that an area at the very end of its map may have: bytes nobody asked for, which need not have
 * memory under them. All other bytes past a request share a page with an area that was there. */
#define MAX_SLACK 3

struct check {
	struct pcpu_check_result *out;
	const struct pcpu_chunk *chunk; /* looked at now */
	unsigned long areas;		/* in use in that chunk */
	unsigned long tree_chunks;	/* found in slots, the reserved one not counted */
	unsigned long live_bytes;
	unsigned long populated;       /* pages of one unit, each range once */
	unsigned long owned;	       /* pages of all units, each range once; immutable ones not */
	const struct pcpu_pages *seen; /* the first chunk's pages, counted once */
};

/* Only the first finding is kept: what follows is often its consequence. */
static bool found_already(const struct check *c)
{
	return c->out->error[0] != 0;
}

/* Something is wrong with the n-th whatever of the chunk. */
static void wrong(struct check *c, const char *what, size_t n)
{
	if (!found_already(c))
		port_format(c->out->error, sizeof(c->out->error), "chunk %lu: %s %zu", c->chunk->id,
			    what, n);
}

static void expect_chunk(struct check *c, const char *what, size_t got, size_t want)
{
	if (got != want && !found_already(c))
		port_format(c->out->error, sizeof(c->out->error),
			    "chunk %lu: %s %zu, should be %zu", c->chunk->id, what, got, want);
}

static void expect_total(struct check *c, const char *what, size_t got, size_t want)
{
	if (got != want && !found_already(c))
		port_format(c->out->error, sizeof(c->out->error), "%s: %zu, should be %zu", what,
			    got, want);
}

static void check_space(struct check *c, const struct pcpu_chunk *chunk)
{
	const char *error = pcpu_engine->check(&chunk->space);

	if (error && !found_already(c))
		port_format(c->out->error, sizeof(c->out->error), "chunk %lu: %s", chunk->id,
			    error);
}

static void check_slot(struct check *c, struct pcpu_chunk *chunk)
{
	size_t rank = pcpu_engine->rank(&chunk->space);
	int want = 0;

	if (chunk->reserved)
		want = NO_SLOT;
	else if (rank > 0)
		want = (int)pcpu_slot_of(rank);
	expect_chunk(c, "slot", (size_t)chunk->slot, (size_t)want);
}

/* Every byte that was handed out has memory; areas and bytes in use are counted. */
static void check_area(const struct pcpu_area *area, void *arg)
{
	struct check *c = arg;
	size_t end;

	if (!area->used)
		return;
	if (area->offset < c->chunk->start) {
		c->live_bytes += area->length - c->chunk->start; /* slivers given to it */
		return;
	}
	c->areas++;
	c->live_bytes += area->length;
	end = area->offset + max(area->length, (size_t)MAX_SLACK + 1) - MAX_SLACK;
	for (size_t n = area->offset / PAGE_SIZE; n < PFN_UP(end); n++) {
		if (!pcpu_page_populated(c->chunk, n))
			wrong(c, "no memory under a live area in page", n);
	}
}

/* One page of one unit: array, bitmap and page tables say the same. */
static void check_page(struct check *c, unsigned int unit, size_t n)
{
	const struct pcpu_chunk *chunk = c->chunk;
	struct page *page = chunk->memory->pages[unit * pcpu_unit_pages + n];
	phys_addr_t want = ~(phys_addr_t)0;

	if (pcpu_page_populated(chunk, n) != (page != NULL))
		wrong(c, "populated on some CPUs only: page", n);
	if (page)
		want = port_page_to_phys(page);
	else if (chunk->immutable)
		return; /* whoever mapped the range decides about the rest of it */
	if (port_lookup((uintptr_t)chunk->base + unit * pcpu_unit_size + n * PAGE_SIZE) != want)
		wrong(c, "the page tables disagree on page", n);
}

static void check_pages(struct check *c, const struct pcpu_chunk *chunk)
{
	size_t nr = bitmap_weight(chunk->memory->populated, pcpu_unit_pages);

	expect_chunk(c, "populated pages", chunk->memory->nr_populated, nr);
	if (chunk->first && c->seen == chunk->memory)
		return;
	if (chunk->first)
		c->seen = chunk->memory;
	c->populated += nr;
	if (!chunk->immutable)
		c->owned += nr * pcpu_nr_units;
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		for (size_t n = 0; n < pcpu_unit_pages; n++)
			check_page(c, unit, n);
	}
}

static void check_chunk(struct pcpu_chunk *chunk, void *arg)
{
	struct check *c = arg;

	c->chunk = chunk;
	c->areas = 0;
	c->out->chunks++;
	check_space(c, chunk);
	if (found_already(c))
		return; /* without a sound map the rest means nothing */
	check_slot(c, chunk);
	pcpu_engine->walk(&chunk->space, check_area, c);
	expect_chunk(c, "areas", chunk->nr_areas, c->areas);
	c->out->areas += c->areas;
	check_pages(c, chunk);
	if (chunk->reserved)
		return;
	c->tree_chunks++;
	if (pcpu_chunk_below((uintptr_t)chunk->base) != chunk)
		wrong(c, "not found in the tree at", (uintptr_t)chunk->base);
}

static void check_totals(struct check *c)
{
	const struct pcpu_stats *s = &pcpu_counters;

	expect_total(c, "chunks in the tree", pcpu_tree_count(), c->tree_chunks);
	expect_total(c, "live_areas", s->live_areas, c->out->areas);
	expect_total(c, "live_areas by allocs - frees", s->allocs - s->frees + pcpu_front_areas,
		     c->out->areas);
	expect_total(c, "live_bytes", s->live_bytes, c->live_bytes);
	expect_total(c, "populated_pages", s->populated_pages, c->populated);
	expect_total(c, "chunks_made - chunks_freed", s->chunks_made - s->chunks_freed,
		     c->out->chunks);
	expect_total(c, "pages_owned", s->pages_owned, c->owned - pcpu_first_pages);
	expect_total(c, "pages taken from the page allocator", port_pages_owned(), s->pages_owned);
}

/* Areas that callers hold are those of the checker, without what is idle. */
static void check_front(struct check *c)
{
	struct pcpu_stats stats = pcpu_counters;
	const char *error = pcpu_front_check();

	if (error)
		port_format(c->out->error, sizeof(c->out->error), "front: %s", error);
	pcpu_front_count(&stats);
	c->out->areas -= stats.idle_areas;
}

bool pcpu_check(struct pcpu_check_result *out)
{
	struct check c = {.out = out};
	irqflags_t flags;

	*out = (struct pcpu_check_result){0};
	port_mutex_lock();
	pcpu_front_close();
	flags = port_lock();
	pcpu_for_each_chunk(check_chunk, &c);
	if (out->error[0] == 0)
		check_totals(&c);
	if (pcpu_guard_on && out->error[0] == 0)
		pcpu_guard_check(out->error, sizeof(out->error));
	if (pcpu_front_on && out->error[0] == 0)
		check_front(&c);
	port_unlock(flags);
	pcpu_front_open();
	port_mutex_unlock();
	return out->error[0] == 0;
}
