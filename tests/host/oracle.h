/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocator's contract (placement, slots, population, reclaim) a second time, as plainly as it
 * can be said: arrays, copies and loops over everything. It knows sizes and numbers only, no
 * addresses, no memory, no failures. Written from the contract alone, to be compared with percpu/
 * after every operation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ORACLE_PAGE	  4096
#define ORACLE_MAX_CHUNKS 256

/* A run of bytes in use by one area, or free. */
struct oracle_run {
	size_t length;
	bool used;
};

struct oracle_chunk {
	unsigned long id;
	size_t span;		 /* bytes that the runs cover */
	struct oracle_run *runs; /* from offset 0 */
	size_t nr_runs;
	size_t hint;
	int slot;	       /* -1: the reserved chunk */
	bool *page_has_memory; /* one for each page of a unit; the first chunks share it */
	bool first, reserved, immutable;
};

struct oracle {
	size_t unit_size;
	int nr_slots;
	unsigned long next_id;
	/*
	 * In the order of pcpu_inspect_chunks, without the reserved chunk: by slot, front to back.
	 */
	struct oracle_chunk *chunks[ORACLE_MAX_CHUNKS];
	size_t nr_chunks;
	struct oracle_chunk *reserved; /* NULL if there is none */
	bool reclaim_pending;
	bool no_new_chunks; /* set by a test: chunks cannot be made */
	unsigned long chunks_made, chunks_freed;
};

struct oracle_setup {
	size_t static_size, reserved_size, dyn_size, unit_size;
	size_t pages_present; /* of each unit of the first chunk */
	bool immutable;
};

void oracle_init(struct oracle *o, const struct oracle_setup *setup);
void oracle_done(struct oracle *o);
/* False: no area (reserved requests, or with no_new_chunks). Else the area's chunk and offset. */
bool oracle_alloc(struct oracle *o, size_t size, size_t align, bool reserved, unsigned long *chunk,
		  size_t *offset);
/* Frees the area that starts there; false if none does. */
bool oracle_free(struct oracle *o, unsigned long chunk, size_t offset);
void oracle_reclaim(struct oracle *o);

size_t oracle_free_size(const struct oracle_chunk *c);
size_t oracle_pages(const struct oracle *o, const struct oracle_chunk *c);

/* The engine alone: one offset space, sections 4. */
bool oracle_chunk_alloc(struct oracle_chunk *c, size_t size, size_t align, size_t *offset);
bool oracle_chunk_free(struct oracle_chunk *c, size_t offset);
/* A chunk of two runs, `used` bytes in use and `free` bytes free; either may be 0. */
struct oracle_chunk *oracle_chunk_new(size_t used, size_t free);
void oracle_chunk_delete(struct oracle_chunk *c);
