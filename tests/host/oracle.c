/* SPDX-License-Identifier: GPL-2.0-only */
/* The plain model of the allocator's contract. See oracle.h. */
#include "tests/host/oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Neither a remainder nor a chunk's largest run below this many bytes is worth keeping. */
#define SMALLEST 4

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- The area map ---- */

struct oracle_chunk *oracle_chunk_new(size_t used, size_t free)
{
	struct oracle_chunk *c = calloc(1, sizeof(*c));

	c->runs = calloc(2, sizeof(*c->runs));
	c->span = used + free;
	if (used > 0)
		c->runs[c->nr_runs++] = (struct oracle_run){used, true};
	if (free > 0)
		c->runs[c->nr_runs++] = (struct oracle_run){free, false};
	c->hint = free;
	return c;
}

void oracle_chunk_delete(struct oracle_chunk *c)
{
	free(c->runs);
	free(c);
}

size_t oracle_free_size(const struct oracle_chunk *c)
{
	size_t sum = 0;

	for (size_t i = 0; i < c->nr_runs; i++)
		if (!c->runs[i].used)
			sum += c->runs[i].length;
	return sum;
}

static void run_insert(struct oracle_chunk *c, size_t at, size_t length, bool used)
{
	c->runs = realloc(c->runs, (c->nr_runs + 1) * sizeof(*c->runs));
	memmove(&c->runs[at + 1], &c->runs[at], (c->nr_runs - at) * sizeof(*c->runs));
	c->runs[at] = (struct oracle_run){length, used};
	c->nr_runs++;
}

static void run_remove(struct oracle_chunk *c, size_t at)
{
	memmove(&c->runs[at], &c->runs[at + 1], (c->nr_runs - at - 1) * sizeof(*c->runs));
	c->nr_runs--;
}

/* Rules 3 to 7 for run i, which starts at *offset and is large enough. */
static void carve(struct oracle_chunk *c, size_t i, size_t head, size_t size, size_t biggest,
		  size_t *offset)
{
	bool was_last = i == c->nr_runs - 1;
	size_t tail = c->runs[i].length - head - size;

	*offset += head;
	if (head > 0 && (head < SMALLEST || !c->runs[i - 1].used)) {
		c->runs[i - 1].length += head;
		c->runs[i].length -= head;
		if (!c->runs[i - 1].used)
			biggest = larger(biggest, c->runs[i - 1].length);
		head = 0;
	}
	if (tail < SMALLEST)
		tail = 0;
	if (head > 0) {
		c->runs[i].length -= head;
		run_insert(c, i, head, false);
		i++;
	}
	if (tail > 0) {
		c->runs[i].length -= tail;
		run_insert(c, i + 1, tail, false);
	}
	c->runs[i].used = true;
	biggest = larger(biggest, larger(head, tail));
	c->hint = was_last ? biggest : larger(c->hint, biggest);
}

bool oracle_chunk_alloc(struct oracle_chunk *c, size_t size, size_t align, size_t *offset)
{
	size_t start = 0, biggest = 0;

	for (size_t i = 0; i < c->nr_runs; start += c->runs[i].length, i++) {
		size_t head = (align - start % align) % align;

		if (c->runs[i].used)
			continue;
		if (c->runs[i].length < head + size) {
			biggest = larger(biggest, c->runs[i].length);
			continue;
		}
		*offset = start;
		carve(c, i, head, size, biggest, offset);
		return true;
	}
	c->hint = biggest;
	return false;
}

bool oracle_chunk_free(struct oracle_chunk *c, size_t offset)
{
	size_t i = 0;

	for (size_t start = 0; i < c->nr_runs && start < offset; i++)
		start += c->runs[i].length;
	size_t start = 0;
	for (size_t k = 0; k < i; k++)
		start += c->runs[k].length;
	if (i == c->nr_runs || start != offset || !c->runs[i].used)
		return false;
	c->runs[i].used = false;
	if (i > 0 && !c->runs[i - 1].used) {
		c->runs[i - 1].length += c->runs[i].length;
		run_remove(c, i);
		i--;
	}
	if (i + 1 < c->nr_runs && !c->runs[i + 1].used) {
		c->runs[i].length += c->runs[i + 1].length;
		run_remove(c, i + 1);
	}
	c->hint = larger(c->hint, c->runs[i].length);
	return true;
}

/* ---- Slots ---- */

static int slot_of_bytes(size_t n)
{
	int fls = 0;

	while (n >> fls != 0)
		fls++;
	return fls - 5 + 2 > 1 ? fls - 5 + 2 : 1;
}

static bool wholly_free(const struct oracle *o, const struct oracle_chunk *c)
{
	return oracle_free_size(c) == o->unit_size;
}

static int slot_of_chunk(const struct oracle *o, const struct oracle_chunk *c)
{
	if (oracle_free_size(c) < SMALLEST || c->hint < SMALLEST)
		return 0;
	if (wholly_free(o, c))
		return o->nr_slots - 1;
	return slot_of_bytes(oracle_free_size(c));
}

static void chunk_take_out(struct oracle *o, struct oracle_chunk *c)
{
	size_t i = 0;

	while (o->chunks[i] != c)
		i++;
	memmove(&o->chunks[i], &o->chunks[i + 1], (o->nr_chunks - i - 1) * sizeof(c));
	o->nr_chunks--;
}

/* Puts c into its slot, before or behind those that are there. */
static void chunk_put(struct oracle *o, struct oracle_chunk *c, bool front)
{
	size_t i = 0;

	assert(o->nr_chunks < ORACLE_MAX_CHUNKS);
	while (i < o->nr_chunks &&
	       (o->chunks[i]->slot < c->slot || (!front && o->chunks[i]->slot == c->slot)))
		i++;
	memmove(&o->chunks[i + 1], &o->chunks[i], (o->nr_chunks - i) * sizeof(c));
	o->chunks[i] = c;
	o->nr_chunks++;
}

static void chunk_changed(struct oracle *o, struct oracle_chunk *c)
{
	int old = c->slot, new = slot_of_chunk(o, c);

	if (c->reserved || new == old)
		return;
	chunk_take_out(o, c);
	c->slot = new;
	chunk_put(o, c, new > old);
}

/* ---- Chunks ---- */

static size_t unit_pages(const struct oracle *o)
{
	return o->unit_size / ORACLE_PAGE;
}

size_t oracle_pages(const struct oracle *o, const struct oracle_chunk *c)
{
	size_t n = 0;

	for (size_t i = 0; i < unit_pages(o); i++)
		n += c->page_has_memory[i];
	return n;
}

static struct oracle_chunk *chunk_add(struct oracle *o, size_t used, size_t free)
{
	struct oracle_chunk *c = oracle_chunk_new(used, free);

	c->id = o->next_id++;
	o->chunks_made++;
	return c;
}

void oracle_init(struct oracle *o, const struct oracle_setup *setup)
{
	size_t before_dyn = setup->static_size + setup->reserved_size;
	bool *pages;

	memset(o, 0, sizeof(*o));
	o->unit_size = setup->unit_size;
	o->nr_slots = slot_of_bytes(setup->unit_size) + 2;
	pages = calloc(unit_pages(o), sizeof(bool));
	for (size_t i = 0; i < setup->pages_present; i++)
		pages[i] = true;
	if (setup->reserved_size > 0) {
		o->reserved = chunk_add(o, setup->static_size, setup->reserved_size);
		o->reserved->reserved = o->reserved->first = true;
		o->reserved->immutable = setup->immutable;
		o->reserved->slot = -1;
		o->reserved->page_has_memory = pages;
	}
	if (setup->reserved_size == 0 || setup->dyn_size > 0) {
		struct oracle_chunk *c = chunk_add(o, before_dyn, setup->dyn_size);

		c->first = true;
		c->immutable = setup->immutable;
		c->page_has_memory = pages;
		c->slot = slot_of_chunk(o, c);
		chunk_put(o, c, true);
	}
}

static struct oracle_chunk *chunk_make(struct oracle *o)
{
	struct oracle_chunk *c = chunk_add(o, 0, o->unit_size);

	c->page_has_memory = calloc(unit_pages(o), sizeof(bool));
	c->slot = o->nr_slots - 1;
	chunk_put(o, c, true);
	return c;
}

/* ---- Requests ---- */

static bool try_chunk(struct oracle *o, struct oracle_chunk *c, size_t size, size_t align,
		      size_t *offset)
{
	bool got;

	if (c->hint < size)
		return false;
	got = oracle_chunk_alloc(c, size, align, offset);
	chunk_changed(o, c);
	return got;
}

static struct oracle_chunk *search(struct oracle *o, size_t size, size_t align, size_t *offset)
{
	int from = size == o->unit_size ? o->nr_slots - 1 : slot_of_bytes(size);
	struct oracle_chunk *walk[ORACLE_MAX_CHUNKS]; /* the order as it is when the walk begins */
	size_t n = o->nr_chunks;

	memcpy(walk, o->chunks, n * sizeof(walk[0]));
	for (size_t i = 0; i < n; i++)
		if (walk[i]->slot >= from && try_chunk(o, walk[i], size, align, offset))
			return walk[i];
	return NULL;
}

bool oracle_alloc(struct oracle *o, size_t size, size_t align, bool reserved, unsigned long *chunk,
		  size_t *offset)
{
	struct oracle_chunk *c;

	if (reserved && o->reserved != NULL) {
		c = try_chunk(o, o->reserved, size, align, offset) ? o->reserved : NULL;
	} else {
		c = search(o, size, align, offset);
		if (c == NULL && !o->no_new_chunks) {
			chunk_make(o);
			c = search(o, size, align, offset);
		}
	}
	if (c == NULL)
		return false;
	for (size_t i = *offset / ORACLE_PAGE; i <= (*offset + size - 1) / ORACLE_PAGE; i++)
		c->page_has_memory[i] = true;
	*chunk = c->id;
	return true;
}

static struct oracle_chunk *chunk_of_id(struct oracle *o, unsigned long id)
{
	if (o->reserved != NULL && o->reserved->id == id)
		return o->reserved;
	for (size_t i = 0; i < o->nr_chunks; i++)
		if (o->chunks[i]->id == id)
			return o->chunks[i];
	return NULL;
}

bool oracle_free(struct oracle *o, unsigned long chunk, size_t offset)
{
	struct oracle_chunk *c = chunk_of_id(o, chunk);
	size_t nr_free = 0;

	if (c == NULL || !oracle_chunk_free(c, offset))
		return false;
	chunk_changed(o, c);
	for (size_t i = 0; i < o->nr_chunks; i++)
		nr_free += wholly_free(o, o->chunks[i]);
	if (nr_free >= 2)
		o->reclaim_pending = true;
	return true;
}

void oracle_reclaim(struct oracle *o)
{
	bool is_front = true;

	o->reclaim_pending = false;
	for (size_t i = 0; i < o->nr_chunks;) {
		struct oracle_chunk *c = o->chunks[i];

		if (c->slot != o->nr_slots - 1 || is_front) {
			is_front = c->slot != o->nr_slots - 1;
			i++;
			continue;
		}
		chunk_take_out(o, c);
		free(c->page_has_memory);
		oracle_chunk_delete(c);
		o->chunks_freed++;
	}
}

void oracle_done(struct oracle *o)
{
	bool *first_pages = NULL;

	if (o->reserved != NULL)
		o->chunks[o->nr_chunks++] = o->reserved;
	for (size_t i = 0; i < o->nr_chunks; i++) {
		if (o->chunks[i]->first)
			first_pages = o->chunks[i]->page_has_memory;
		else
			free(o->chunks[i]->page_has_memory);
		oracle_chunk_delete(o->chunks[i]);
	}
	free(first_pages);
}
