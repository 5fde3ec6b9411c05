/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small universes: states of an offset space of 64 bytes, kept as what is known of each byte; a
 * model of allocation and free on them; and tables of many states.
 */
#pragma once

#include "percpu/port.h"

#define SPAN	    64
#define MAX_ENTRIES 16 /* of a state's map; an operation adds two at most */

struct bytes {
	uint64_t used;	 /* bytes in use */
	uint64_t starts; /* first bytes of areas and of free runs */
	size_t hint;
};

/* Bytes [from, end). */
static inline uint64_t bits(size_t from, size_t end)
{
	return from == end ? 0 : ~0ull >> (SPAN - (end - from)) << from;
}

static inline bool bytes_used(const struct bytes *b, size_t at)
{
	return b->used >> at & 1;
}

/* Where the area or free run that starts at byte `from` ends. */
static inline size_t bytes_end(const struct bytes *b, size_t from)
{
	uint64_t later = b->starts & ~bits(0, from + 1);

	return later == 0 ? SPAN : (size_t)__builtin_ctzll(later);
}

/* Where the area or free run that holds byte `at` starts. */
static inline size_t bytes_start(const struct bytes *b, size_t at)
{
	return SPAN - 1 - (size_t)__builtin_clzll(b->starts & bits(0, at + 1));
}

/* Returns the offset, or SPAN if nothing fits. */
size_t bytes_alloc(struct bytes *b, size_t size, size_t align);
/* Frees the area that starts at byte `from`, which has to be one. */
void bytes_free(struct bytes *b, size_t from);

/* What is left when an allocation at offset, which led from before to after, is undone: the map that
 * was before, but a hint that may be higher. */
struct bytes bytes_undo(const struct bytes *before, const struct bytes *after, size_t offset);

/* A state, packed; all of it, so that equal keys are equal states. */
struct key {
	uint32_t starts[2]; /* bit 0 is set: byte 0 always starts an entry */
	uint16_t used;	    /* bit i: entry i is in use */
	uint16_t hint;
};

struct key key_of(const struct bytes *b);
struct bytes bytes_of(const struct key *key);
uint64_t key_hash(const struct key *key);

/* A set of states: open addressing; a slot is empty while its bit 0 is not set. */
struct table {
	struct key *keys;
	size_t room, nr; /* room: 0 or a power of two */
};

bool table_has(const struct table *table, const struct key *key);
/* False: there is no memory for one more. */
bool table_add(struct table *table, const struct key *key);
/* The next key from slot *at on, and *at behind it; NULL at the end. */
const struct key *table_next(const struct table *table, size_t *at);
