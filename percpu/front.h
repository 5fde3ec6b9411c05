/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front: areas of the common sizes that each CPU keeps ready, so that the usual allocation and
 * the usual free take no lock. Private to percpu/ and its tests.
 *
 * Sizes are sorted into classes. A CPU has one stack of ready areas a class; an allocation takes the
 * top one, a free puts its area there. An empty stack is filled by an ordinary allocation, which
 * carves a few areas more than it was asked for. A freed area that finds the stack full is only marked
 * dead; a sweep gives all the dead ones back to their chunks in one go.
 *
 *	           alloc hit                  free hit
 *	ready ───────────────► live ─────────────────────► ready
 *	  ▲                                                  │ the stack is full, or drained
 *	  │ stocked up                sweep                  ▼
 *	chunk ◄─────────────────────────────────────────── dead
 *
 * How deep a stack may be, it earns: what a miss carves, and what is freed while it is full, may stay as long
 * as all stacks together keep within a budget, FRONT_BYTES and a quarter of the bytes that are carved; a CPU that
 * comes when others have all of it may still have its share. A miss carves in proportion to what its class has
 * live, and before it takes new pages, it takes what other CPUs keep ready if that is much. A drain starts a stack
 * anew.
 *
 * What an area is, is said by its tag: a byte for each granule of a unit, that of the area's first
 * granule counts. To the engine an area is in use until it is swept.
 *
 * Synchronization. A stack belongs to its CPU, which touches it with interrupts off: no lock, no LOCK
 * prefix. A tag belongs to whoever holds the area; two CPUs that free the same area at once meet in one
 * exchange of its tag, which one of them wins. Looking a pointer up follows a list without a lock, with
 * interrupts off; before a chunk goes away, port_on_each_cpu has been on every CPU.
 */
#pragma once

#include "percpu/percpu_internal.h"

#define FRONT_GRANULE	 4    /* bytes for each tag */
#define FRONT_BLOCK	 256  /* bytes of a unit for each mark that says where to sweep */
#define FRONT_MAX_SIZE	 1088 /* larger requests go past the front; a multiple of FRONT_MAX_ALIGN */
#define FRONT_MAX_ALIGN	 64   /* so do those with a larger alignment */
#define FRONT_NR_CLASSES 61   /* class 0: past the front */
#define FRONT_BATCH	 256  /* areas carved at a time, at most */
#define FRONT_BYTES	 49152 /* that all stacks may hold together, however little is carved */

/* A place in a stack. */
struct front_area {
	uintptr_t ptr; /* the per-CPU pointer */
	uint8_t *tag;  /* of its first granule */
};

/* All of it is its CPU's, interrupts off, but for what may be read by any. */
struct pcpu_front {
	struct front_area *top[FRONT_NR_CLASSES];    /* where the next one goes */
	struct front_area *bottom[FRONT_NR_CLASSES]; /* (C) the first place; top == bottom: empty */
	struct front_area *limit[FRONT_NR_CLASSES];  /* top == limit: full */
	unsigned long allocs[FRONT_NR_CLASSES];	     /* by this CPU, since boot; any CPU may read */
	unsigned long frees[FRONT_NR_CLASSES];
	unsigned long dead_bytes; /* that this CPU marked dead, since boot; any CPU may read */
	ssize_t until_look;	  /* of them, until a full stack is looked at: may it hold more? */
	ssize_t until_wake;	  /* of them, until reclaim is woken */
	size_t limit_bytes; /* of areas, if all stacks were at their limits; any CPU may read */
	struct front_area areas[]; /* the stacks */
};

/* ---- Set-up ---- */

/* Makes every possible CPU's front, if pcpu_front_enable was called; once the geometry is known. */
void pcpu_front_init(void);
/* Hands the fronts to their CPUs, whose copies of per-CPU variables exist now; first: the chunk that serves
 * dynamic requests, or NULL. Last at set-up. */
void pcpu_front_start(struct pcpu_chunk *first);
/* Does without the fronts from now on; there are no areas yet. On one CPU, before others run. */
void pcpu_front_shut(void);
/* Whether there is a front. Constant once areas exist. */
extern bool pcpu_front_on;
/* (L) Areas of the front that are carved, live or not, and their bytes. */
extern size_t pcpu_front_areas, pcpu_front_bytes;
/* The sum of all CPUs' limit_bytes; each CPU changes it by its own. */
extern size_t pcpu_front_limits;

/* ---- The two hits; the public functions begin with them. Any context but NMI. ---- */

/* An area from this CPU's stack, zeroed on every CPU; NULL if it has none, the request is not for the
 * front, or the caller may not sleep: the ordinary way then serves or refuses. */
void __percpu *pcpu_front_alloc(size_t size, size_t align, uintptr_t caller);
/* Whether ptr was a live area of the front: it is free then. False: nothing was done. */
bool pcpu_front_free(void __percpu *ptr, uintptr_t caller);

/* Many at once, nobody watching: up to n hits with interrupts off throughout, so n is to be small. Return how
 * many there were, from the first on; what stopped them is for the ordinary way. */
size_t pcpu_front_alloc_batch(size_t size, size_t align, size_t n, void __percpu **out);
size_t pcpu_front_free_batch(void __percpu *const *ptrs, size_t n);

/* What hits may do. */
enum front_mode {
	FRONT_CLOSED,	/* nothing: there are none */
	FRONT_OPEN,	/* everything, the shortest way */
	FRONT_OBSERVED, /* everything, but somebody is told of each */
};
/* Sets the mode that follows from there being an observer, and from a closing or opening. (L) held. */
void pcpu_front_observe(bool observed);
void pcpu_front_shutter(bool closed);

/* ---- Classes ---- */

/* The class that serves a request; 0: none does. Any arguments. */
unsigned int pcpu_front_class(size_t size, size_t align);
/* Bytes of a class's areas, and their alignment. 0 < class < FRONT_NR_CLASSES. */
extern uint16_t pcpu_front_sizes[FRONT_NR_CLASSES]; /* (C) */
static inline size_t pcpu_front_size(unsigned int class)
{
	return pcpu_front_sizes[class];
}
size_t pcpu_front_align(unsigned int class);

/* ---- Chunks ---- */

/* Heap bytes that a chunk needs for tags, marks and frames; 0 without a front. */
size_t pcpu_front_book_bytes(void);
/* Lets the chunk's areas be found, with chunk->tags set; or not any more. (L) held. After the removal the
 * caller sees to it that pcpu_front_pass runs before anything goes away. */
void pcpu_front_insert(struct pcpu_chunk *chunk);
void pcpu_front_remove(struct pcpu_chunk *chunk);

/* Areas of a class that a miss carves together: the first is the caller's, the others come along. */
struct front_batch {
	unsigned int class;
	size_t nr;
	size_t offsets[FRONT_BATCH]; /* rising */
};
/* Carves from the chunk what there is room for, up to what this CPU's stack may take; all are idle and on no
 * stack. False: not one fits. (L) held. */
bool pcpu_front_carve(struct pcpu_chunk *chunk, struct front_batch *batch);
/* Makes the first area live, counted as this CPU's, and puts the others on its stack: those that fit there and
 * have pages. (A) held, lock not. */
void pcpu_front_adopt(struct pcpu_chunk *chunk, const struct front_batch *batch);
/* Zeroes an area of the front, or its first bytes, on every CPU. Any context; it is the caller's. */
void pcpu_front_zero(void __percpu *ptr, size_t size);
/* Gives the areas of a batch back to the chunk that was carved. (L) held. */
void pcpu_front_uncarve(struct pcpu_chunk *chunk, const struct front_batch *batch);
/* What an area that starts at offset of the chunk is to the front. (L) held. */
enum front_state { FRONT_NONE, FRONT_LIVE, FRONT_IDLE };
enum front_state pcpu_front_state(const struct pcpu_chunk *chunk, size_t offset);
/* A live area of the front is freed past it; false if somebody else was first. The caller frees it in the
 * engine. (L) held. */
bool pcpu_front_release(struct pcpu_chunk *chunk, size_t offset);

/* ---- Numbers ---- */

/* Corrects counts that know what is carved to what callers did and have. (L) held. Exact while no CPU is
 * in a hit. */
void pcpu_front_count(struct pcpu_stats *stats);

/* ---- Dead areas (front_sweep.c). (A) held, lock not; sleep. ---- */

/* Bytes that are dead and not swept. */
size_t pcpu_front_dead(void);
/* Gives dead areas back to their chunks. Returns whether two or more chunks are wholly free. */
bool pcpu_front_sweep(void);
/* All that is ready on any CPU is dead now, but for what a free puts there meanwhile. */
void pcpu_front_drain(void);
/* If other CPUs keep much ready, beside what is carved: all of that is dead now. Returns whether it is. */
bool pcpu_front_take_from_others(void);
/* Each CPU is past the hits that it was in: what they looked up may go away. */
void pcpu_front_pass(void);
/* While closed, no CPU is inside a hit and none begins one. */
void pcpu_front_close(void);
void pcpu_front_open(void);

/* What is wrong with tags, stacks and counters, or NULL. Closed; (L) held. */
const char *pcpu_front_check(void);
