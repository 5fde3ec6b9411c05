/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of percpu/ share with each other (and with the tests), and nobody else.
 *
 * Synchronization. Two locks, taken in this order:
 *
 *   pcpu_alloc_mutex (A)  sleeps. Held over the whole of an allocation and of a reclaim run: chunks
 * are made and destroyed, pages come and go, only under it. pcpu_lock (L)         spinlock,
 * interrupts off. Guards slots, tree and offset spaces. free_percpu takes only this one, so it
 * works in interrupt handlers.
 *
 * To take a chunk out of circulation needs both. Memory is never allocated or freed under (L). The
 * letter after a field says which lock guards it; (C) is constant once the chunk is in circulation.
 */
#pragma once

#include "percpu/area.h"
#include "percpu/inspect.h"

/* In each function whose contract below says (L) held: without it, what follows is corruption. */
static inline void pcpu_assert_locked(const char *function)
{
	if (unlikely(!port_lock_held()))
		port_panic("%s: pcpu_lock is not held", function);
}

/* The pages behind one range of units. The first chunk's reserved and dynamic part share one. */
struct pcpu_pages {
	struct page **pages; /* (A) [unit * unit_pages + n]; NULL: no memory there */
	unsigned long
		*populated;  /* (A) bit n: page n has memory on every possible CPU; read with (L) */
	size_t nr_populated; /* (A) bits set */
};

/* A stretch of addresses that unit 0 of a chunk lies in, for finding the chunk without a lock (front_frames.c). */
struct pcpu_frame {
	struct pcpu_frame *next, **head; /* (L) of its bucket; next is read without */
	uintptr_t base;			 /* (C) per-CPU pointer to unit 0, like the rest */
	uint8_t *tags;
	uintptr_t to_marks;
};

struct pcpu_chunk {
	struct list_node node;	   /* (L) in its slot's list */
	struct list_node all;	   /* (A) in pcpu_all_chunks */
	struct rb_node tree_node;  /* (L) in the tree by address */
	struct pcpu_space space;   /* (L) which bytes are in use */
	struct pcpu_pages *memory; /* (C) which pages it has */
	char *base;		   /* (C) address of unit 0 */
	size_t start;	  /* (C) first offset an area may have; below: static and reserved */
	size_t nr_areas;  /* (L) areas in use */
	unsigned long id; /* (C) number given at creation */
	unsigned long passed_over; /* (A) the request that could not grow this chunk's books */
	int slot;		   /* (L) which list it is on; NO_SLOT: none */
	bool first;		   /* (C) part of the first chunk: never reclaimed */
	bool reserved;		   /* (C) serves reserved requests only, is on no slot */
	bool immutable;		   /* (C) its pages neither come nor go */
	void *front_books; /* (C) the front's: frames, tags, marks; NULL: none, or not heap */
	uint8_t *tags;	   /* (C) the front's, by granule */
};

#define NO_SLOT (-1)

/* ---- Geometry; set by pcpu_setup_first_chunk, constant from then on (setup.c). ---- */
extern size_t pcpu_unit_pages;		      /* pages of one unit */
extern size_t pcpu_static_size;		      /* bytes of the static area */
extern size_t pcpu_first_pages;		      /* pages the first chunk came with, all units; not the
						 page allocator's; 0 if it is immutable */
extern unsigned int pcpu_unit_of[NR_CPUS];    /* unit number of each possible CPU */
extern unsigned int pcpu_cpu_of[NR_CPUS];     /* possible CPU of each unit number */
extern const struct pcpu_engine *pcpu_engine; /* of every chunk */

/* Address of a CPU's unit, and of the byte at offset in it. */
static inline char *pcpu_unit_address(const struct pcpu_chunk *chunk, unsigned int cpu,
				      size_t offset)
{
	return chunk->base + (size_t)pcpu_unit_of[cpu] * pcpu_unit_size + offset;
}

static inline size_t pcpu_chunk_bytes(void)
{
	return (size_t)pcpu_nr_units * pcpu_unit_size;
}

/* Between a per-CPU pointer and the address it has in unit 0. */
static inline uintptr_t pcpu_ptr_to_addr(const void __percpu *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)__per_cpu_start + (uintptr_t)pcpu_base_addr;
}

static inline void __percpu *pcpu_addr_to_ptr(uintptr_t addr)
{
	return (void __percpu *)(addr - (uintptr_t)pcpu_base_addr + (uintptr_t)__per_cpu_start);
}

/* ---- Counters (L); levels are recomputed and compared by the checker. ---- */
extern struct pcpu_stats pcpu_counters;

/* ---- Heap for the allocator's books (heap.c): counted in meta_bytes (A). Mutex held, lock not. ---- */
void *pcpu_mem_alloc(size_t size);
void pcpu_mem_free(void *ptr, size_t size);

/* ---- Chunks, slots, tree (chunk.c) ---- */
extern struct list_node *pcpu_slots; /* (L) the lists */
extern unsigned int pcpu_nr_slots;   /* (C) */
/* (L) What the search comes to next in its slot: a chunk's node, or the slot. Passed on by a chunk that moves. */
extern struct list_node *pcpu_cursor;
extern struct pcpu_chunk *pcpu_reserved_chunk; /* (C) NULL if there is no reserved area */
extern struct pcpu_chunk
	*pcpu_first_chunk; /* (C) the chunk that serves dynamic requests, or NULL */

/* (A) all chunks that have a slot, in the order of their making. */
extern struct list_node pcpu_all_chunks;

/* The slot of a chunk with n bytes free; where a search for n bytes begins. 0 < n ≤ unit size. */
unsigned int pcpu_slot_of(size_t n);
/* Puts the chunk where its numbers say, after they changed. (L) held. */
void pcpu_chunk_relocate(struct pcpu_chunk *chunk);
/* Puts a chunk that is on no slot into circulation: slots and tree. (L) held. */
void pcpu_chunk_insert(struct pcpu_chunk *chunk);
/* Makes a chunk: addresses, books, no pages; not yet in circulation. NULL when out of memory, with
 * everything given back. (A) held, lock not; sleeps. */
struct pcpu_chunk *pcpu_chunk_create(void);
/* Gives back a chunk that is out of circulation, its pages included. (A) held, lock not; sleeps. */
void pcpu_chunk_destroy(struct pcpu_chunk *chunk);
/* Takes one surplus free chunk out of circulation, to the back of `out`: the one after the front one of
 * the last slot. False: there is none. Both locks held. */
bool pcpu_chunk_unlink_surplus(struct list_node *out);
/* Whether two or more chunks are wholly free. (L) held. */
bool pcpu_chunks_surplus(void);
/* The chunk with the highest address ≤ addr, whatever its size; NULL if there is none. (L) held. */
struct pcpu_chunk *pcpu_chunk_below(uintptr_t addr);
/* How many chunks the tree holds, by walking it; 0 if it is not a valid tree. (L) held. */
size_t pcpu_tree_count(void);
/* Allocates the slot lists; once, at set-up. */
void pcpu_slots_init(void);

/* ---- The way of a request (alloc.c, search.c) ---- */
/* So many areas and bytes of the chunk are in use more, or, below 0, fewer. (L) held. */
void pcpu_count_carved(struct pcpu_chunk *chunk, ssize_t areas, size_t bytes);
/* The whole way of a request that the front did not serve, warnings included. */
void __percpu *pcpu_alloc_slowly(size_t size, size_t align, bool reserved, uintptr_t caller);
void pcpu_free_slowly(void __percpu *ptr, uintptr_t caller);
/* Frees the area that ptr starts; result->where says which. False: ptr starts none, it is counted and
 * where says what it is. *surplus: whether reclaim is to be woken. (L) held. */
bool pcpu_free_locked(void __percpu *ptr, struct pcpu_result *result, bool *surplus);

/* ---- Watching (inspect.c) ---- */
/* Who is told; NULL: nobody. */
extern void (*pcpu_observer)(const struct pcpu_event *event);
/* Tells the observer, if there is one. Of a free that succeeded: interrupts off; else no lock. */
void pcpu_tell(const struct pcpu_event *event);

/* ---- What is refused or fails (report.c): counted, put into *result. (L) not held. ---- */
/* Why a request is refused whose size or alignment is none; other reasons speak for themselves. */
extern const char pcpu_illegal_size[];
void pcpu_report_refusal(size_t size, size_t align, const char *why, struct pcpu_result *result);
void pcpu_report_no_memory(size_t size, size_t align, bool reserved, struct pcpu_result *result);
/* Of a free that pcpu_free_locked or the quarantine refused, and counted. Keeps text if there is one. */
void pcpu_report_bad_free(const void __percpu *ptr, struct pcpu_result *result);
/* Warns of bad input, if result says so, but of no more than ten in a second. what: the function. */
void pcpu_report_warn(uintptr_t caller, const char *what, const struct pcpu_result *result);

/* ---- Quarantine of percpu_debug (quarantine.c) ---- */
/* Really frees all that waits; damage found is told with caller. Any context but NMI, (L) not held. */
void pcpu_quarantine_empty(uintptr_t caller);
/* As above, and gives the records back. No lock held; sleeps. */
void pcpu_quarantine_drain(uintptr_t caller);

/* ---- Pages (populate.c): (A) held, lock not; sleep. ---- */
/* Gives pages [first, end) of every unit memory where they have none. 0, or -ENOMEM with exactly
 * the pages added here taken away again. */
int pcpu_populate(struct pcpu_chunk *chunk, size_t first, size_t end);
/* Takes all pages of a chunk away: unmap, flush, free. */
void pcpu_depopulate_all(struct pcpu_chunk *chunk);

static inline bool pcpu_page_populated(const struct pcpu_chunk *chunk, size_t n)
{
	return bitmap_test(chunk->memory->populated, n);
}

/* ---- Where a pointer points (where.c): (L) held ---- */
/* What ptr is, in full. */
void pcpu_where_locked(const void __percpu *ptr, struct pcpu_where *out);
/* The chunk that would hold an area starting at ptr, with the offset; NULL if ptr can't be one's. */
struct pcpu_chunk *pcpu_chunk_of_area(const void __percpu *ptr, size_t *offset);
/* The chunk one of whose units holds addr, with the unit's CPU and the offset in the unit; NULL if
 * none does. Of the first chunk's two parts, the one that manages the offset. (L) held. */
struct pcpu_chunk *pcpu_unit_find(uintptr_t addr, unsigned int *cpu, size_t *offset);

/* ---- Listing: calls fn for each chunk by slot, front to back, then the reserved one. (L) held. */
void pcpu_for_each_chunk(void (*fn)(struct pcpu_chunk *chunk, void *arg), void *arg);
