/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offset spaces: which bytes of a chunk are in use. A chunk hands out offsets and never looks how;
 * an engine behind this interface keeps the books. Private to percpu/ and its tests.
 *
 * An engine knows nothing of addresses, pages, locks or chunks. The caller holds whatever lock
 * guards the space (pcpu_lock) around every call but init and destroy. No function allocates: when
 * carving an area may need memory, `grow_bytes` says how much and `grow` takes it.
 */
#pragma once

#include "percpu/port.h"

/* Where the last scan of an area map ended, and what holds for all entries before it. */
struct areamap_memo {
	size_t size, align; /* no entry before `index` can serve this request, nor a larger one */
	size_t index;	    /* entry to go on from; 0: the memo says nothing */
	size_t offset;	    /* where that entry starts */
	size_t biggest;	    /* longest free run before it */
};

struct pcpu_space {
	const struct pcpu_engine *engine; /* (C) */
	size_t span;			  /* (C) bytes managed, from offset 0 */
	size_t free_size;		  /* (L) bytes free */
	size_t hint;		  /* (L) contig_hint: never less than the longest free run */
	int *map;		  /* (L) areamap: +n free, -n in use, from offset 0 */
	size_t nr_entries;	  /* (L) areamap: entries in use */
	size_t map_room;	  /* (L) areamap: entries there is room for */
	bool map_is_static;	  /* (L) areamap: the map is not heap memory */
	struct areamap_memo memo; /* (L) areamap */
	void *books;		  /* (L) bitmap: all of it, */
	size_t book_bytes;	  /* (C) so many bytes, */
	bool books_are_static;	  /* (C) which are not heap memory */
};

/* What an allocation got. */
struct pcpu_grant {
	size_t offset;	/* where the area starts, a multiple of the alignment asked for */
	size_t length;	/* bytes it takes in the space, at least the size asked for */
	size_t donated; /* bytes right below it that went to the area before (less than 4) */
};

/* A run of bytes that are all in use by one area, or all free. */
struct pcpu_area {
	size_t offset;
	size_t length;
	bool used;
};

typedef void (*pcpu_area_fn)(const struct pcpu_area *area, void *arg);

struct pcpu_engine {
	const char *name;
	bool exact; /* after a search or a free and rank the hint is the longest free run */
	/* Heap bytes that a new space needs for its books. */
	size_t (*init_bytes)(size_t span);
	/* A space of `used` bytes in use (may be 0), then `free` bytes free (may be 0). mem:
	 * init_bytes of zeroed memory; or, if
	 * mem_is_static, memory that is not heap, which may be two ints for areamap. */
	void (*init)(struct pcpu_space *space, size_t used, size_t free, void *mem, size_t bytes,
		     bool mem_is_static);
	/*
	 * The heap memory to give back at the end of a space, and its size; NULL if there is none.
	 */
	void *(*destroy)(struct pcpu_space *space, size_t *bytes);
	/*
	 * Heap bytes that `grow` must be handed before another area can be carved; 0: none needed.
	 */
	size_t (*grow_bytes)(const struct pcpu_space *space);
	/* Moves the books to mem (bytes: what grow_bytes said, or more). Returns the old heap
	 * memory, to be freed by the caller outside the lock, with its size; NULL if there is none.
	 */
	void *(*grow)(struct pcpu_space *space, void *mem, size_t bytes, size_t *old_bytes);
	/*
	 * By how many bytes a chunk is sorted into slots; 0: it is not worth a search. Also brings
	 * hint and books up to date, so it follows whatever changed the space.
	 */
	size_t (*rank)(struct pcpu_space *space);
	/* Carves an area; grow_bytes must be 0. False if none fits, with the hint brought up to
	 * date. */
	bool (*alloc)(struct pcpu_space *space, size_t size, size_t align,
		      struct pcpu_grant *grant);
	/*
	 * Carves up to max areas of `size` bytes each, no more, where that is cheap; returns how many,
	 * with their offsets, rising. May be fewer than would fit. size a multiple of align and of 4.
	 */
	size_t (*alloc_many)(struct pcpu_space *space, size_t size, size_t align, size_t max,
			     size_t *offsets);
	/* Frees the area that starts at offset. Returns its length; 0 if no area in use starts
	 * there. */
	size_t (*free)(struct pcpu_space *space, size_t offset);
	/* Frees the areas that start at the set bits of `starts`, bit 0: the 4 bytes at offset, a multiple of
	 * 256. There is one at each, and one bit at least is set. Returns the sum of their lengths. */
	size_t (*free_many)(struct pcpu_space *space, size_t offset, uint64_t starts);
	/* As free, for an area just carved: also takes back the donated bytes if they are still
	 * there. */
	void (*undo)(struct pcpu_space *space, const struct pcpu_grant *grant);
	/* The run that holds the byte at offset (< span). */
	void (*find)(const struct pcpu_space *space, size_t offset, struct pcpu_area *out);
	/* Calls fn for every run in order of offset. fn must not change the space. */
	void (*walk)(const struct pcpu_space *space, pcpu_area_fn fn, void *arg);
	/* How many runs there are, and how many there is room for. */
	size_t (*entries)(const struct pcpu_space *space, size_t *room);
	/* NULL if the engine's own books are consistent; else what is not. */
	const char *(*check)(const struct pcpu_space *space);
};

extern const struct pcpu_engine areamap_engine, bitmap_engine;

/* The engine of that name; NULL if there is none. */
const struct pcpu_engine *pcpu_engine_find(const char *name);
