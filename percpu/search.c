/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a request finds room: the search through the slots, and what is to be done when there is none.
 *
 *	search ──► found: carved
 *	  ▲  ├──► a chunk's books are full: grow them, and search anew
 *	  │  ├──► none, but areas wait for a sweep: sweep, and search anew
 *	  └──┴──► none: make a chunk, once, and search anew
 *
 * The search holds the spinlock, and lets go of it now and then between two chunks. Growing, sweeping and making
 * drop it too, and whatever was seen before is then forgotten, since frees may have moved anything. A chunk
 * whose books cannot grow is passed over for the rest of the request.
 */
#include "percpu/search.h"

/* Chunks that may be looked at in vain where others are sure to do. */
#define FEW_CHUNKS 8

/* Chunks that a search may pass by in one hold of the lock; to ask the engine in vain counts as all of them. */
#define LOOKS_A_HOLD 32

enum outcome { FOUND, BOOKS_FULL, NOT_FOUND };

void pcpu_count_carved(struct pcpu_chunk *chunk, ssize_t areas, size_t bytes)
{
	chunk->nr_areas += (size_t)areas;
	pcpu_counters.live_areas += (size_t)areas;
	pcpu_counters.live_bytes += bytes;
}

/* One area of the chunk, as the contract says. */
static bool carve_one(struct request *req, struct pcpu_chunk *chunk)
{
	if (!pcpu_engine->alloc(&chunk->space, req->size, req->align, &req->grant))
		return false;
	pcpu_count_carved(chunk, 1, req->grant.length + req->grant.donated);
	pcpu_counters.allocs++;
	return true;
}

/* Where no area of a class fits, a larger one may: in the odd bytes at a chunk's end, say. That one goes past
 * the front, whose areas are alike. */
static bool carve(struct request *req, struct pcpu_chunk *chunk)
{
	if (req->class != 0 && pcpu_front_carve(chunk, req->batch)) {
		req->grant = (struct pcpu_grant){req->batch->offsets[0], req->size, 0};
		return true;
	}
	if (!carve_one(req, chunk))
		return false;
	req->class = 0;
	return true;
}

/* Tries one chunk. A failed try may move the chunk to another slot. */
static enum outcome try_chunk(struct request *req, struct pcpu_chunk *chunk)
{
	bool fits;

	pcpu_counters.chunks_visited++;
	req->looks++;
	if (chunk->space.hint < req->size || chunk->passed_over == req->serial)
		return NOT_FOUND;
	req->chunk = chunk;
	req->book_bytes = pcpu_engine->grow_bytes(&chunk->space);
	if (req->book_bytes > 0)
		return BOOKS_FULL;
	req->looks = LOOKS_A_HOLD;
	fits = carve(req, chunk);
	pcpu_chunk_relocate(chunk);
	return fits ? FOUND : NOT_FOUND;
}

/* Lets go of the lock for a moment if enough was done under it, so that interrupts are not off for longer
 * where there are more chunks. */
static void let_interrupts_in(struct request *req)
{
	if (req->looks < LOOKS_A_HOLD)
		return;
	port_unlock(req->flags);
	req->flags = port_lock();
	req->looks = 0;
}

/*
 * Front to back; tries: how many chunks at most. Between two of them frees may move chunks: to higher slots,
 * to the front. One that is missed so had no room when the search began.
 */
static enum outcome search_slot(struct request *req, struct list_node *slot, size_t tries)
{
	pcpu_cursor = slot->next;
	while (pcpu_cursor != slot && tries-- > 0) {
		struct pcpu_chunk *chunk = list_entry(pcpu_cursor, struct pcpu_chunk, node);
		enum outcome outcome;

		pcpu_cursor = chunk->node.next;
		outcome = try_chunk(req, chunk);
		if (outcome != NOT_FOUND)
			return outcome;
		let_interrupts_in(req);
	}
	return NOT_FOUND;
}

/* Slots from `first` up; tries: how many chunks of that one at most. */
static enum outcome search_slots(struct request *req, unsigned int first, size_t tries)
{
	enum outcome outcome = NOT_FOUND;

	for (unsigned int slot = first; slot < pcpu_nr_slots && outcome == NOT_FOUND; slot++) {
		if (!list_empty(&pcpu_slots[slot]))
			outcome = search_slot(req, &pcpu_slots[slot], tries);
		tries = SIZE_MAX;
	}
	return outcome;
}

/*
 * With an exact engine a chunk of any slot but the first serves at once, if the alignment is no more than
 * 4; so of the first slot only a few are tried, and all of them only if it comes to that: then from there up
 * again, where chunks of it may have gone meanwhile.
 */
static enum outcome search(struct request *req)
{
	unsigned int first = pcpu_slot_of(req->size);
	enum outcome outcome = NOT_FOUND;

	if (req->reserved)
		return try_chunk(req, pcpu_reserved_chunk);
	if (pcpu_engine->exact)
		outcome = search_slots(req, first, FEW_CHUNKS);
	return outcome == NOT_FOUND ? search_slots(req, first, SIZE_MAX) : outcome;
}

/*
 * Moves a chunk's books to larger memory; out of memory: the chunk is passed over. Frees since the
 * search may have made the growth needless; it is done all the same.
 */
static void grow_books(struct request *req)
{
	struct pcpu_chunk *chunk = req->chunk;
	size_t bytes = req->book_bytes, old_bytes;
	void *mem = pcpu_mem_alloc(bytes), *old;
	irqflags_t flags;

	if (!mem) {
		chunk->passed_over = req->serial;
		return;
	}
	flags = port_lock();
	old = pcpu_engine->grow(&chunk->space, mem, bytes, &old_bytes);
	pcpu_counters.map_growths++;
	port_unlock(flags);
	pcpu_mem_free(old, old_bytes);
}

/* Puts a new chunk into circulation; false when out of memory. */
static bool make_chunk(struct request *req)
{
	struct pcpu_chunk *chunk = pcpu_chunk_create();
	irqflags_t flags;

	if (!chunk)
		return false;
	flags = port_lock();
	pcpu_chunk_insert(chunk);
	req->surplus |= pcpu_chunks_surplus();
	pcpu_counters.chunks_made++;
	port_unlock(flags);
	return true;
}

bool pcpu_find_area(struct request *req, bool *made)
{
	static unsigned long last_serial; /* (A) */

	req->serial = ++last_serial;
	*made = false;
	for (;;) {
		enum outcome outcome;

		req->flags = port_lock();
		req->looks = 0;
		outcome = search(req);
		port_unlock(req->flags);
		if (outcome == FOUND)
			return true;
		if (outcome == BOOKS_FULL) {
			grow_books(req);
			continue;
		}
		if (!req->reserved && !*made && pcpu_front_dead() > 0) {
			req->surplus |= pcpu_front_sweep();
			continue;
		}
		if (req->reserved || *made || !make_chunk(req))
			return false;
		*made = true;
	}
}

static void uncarve_one(struct request *req)
{
	size_t free_before = req->chunk->space.free_size;

	pcpu_engine->undo(&req->chunk->space, &req->grant);
	pcpu_count_carved(req->chunk, -1, free_before - req->chunk->space.free_size);
	pcpu_counters.allocs--;
}

void pcpu_undo_area(struct request *req)
{
	irqflags_t flags = port_lock();

	if (req->class != 0)
		pcpu_front_uncarve(req->chunk, req->batch);
	else
		uncarve_one(req);
	pcpu_chunk_relocate(req->chunk);
	req->surplus |= pcpu_chunks_surplus();
	port_unlock(flags);
}
