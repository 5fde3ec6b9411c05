/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the front share: tags, the step from live to dead, chunks by pointer. */
#pragma once

#include "percpu/front.h"

/*
 * A tag: 0, the granule starts no area of the front; a class alone, the area is idle, ready on some
 * CPU; a class with TAG_LIVE, a caller has it; TAG_DEAD, it waits for a sweep.
 */
#define TAG_LIVE    0x80u
#define TAG_DEAD    0x7fu
#define TAG_CLAIMED 0x7eu /* for a moment, by a free */

#define TAGS_OF_BLOCK (FRONT_BLOCK / FRONT_GRANULE)

static inline uint8_t tag_of(const uint8_t *tag)
{
	return __atomic_load_n(tag, __ATOMIC_RELAXED);
}

static inline void tag_set(uint8_t *tag, unsigned int value)
{
	__atomic_store_n(tag, (uint8_t)value, __ATOMIC_RELAXED);
}

/*
 * Claims an area for a free, which then gives the tag its next value. Returns what the tag was: if not what
 * it had been a moment before, another CPU was faster, and tag_put_back is to follow. An exchange, since a
 * free must not have a LOCK prefix; only one that comes too late has.
 */
static __always_inline uint8_t tag_claim(uint8_t *tag)
{
	return __atomic_exchange_n(tag, TAG_CLAIMED, __ATOMIC_ACQ_REL);
}

/* Undoes a claim that came too late, unless the area's owner has changed the tag since. A sweep may have
 * passed by meanwhile. mark: of the tag's block. */
static inline void tag_put_back(uint8_t *tag, uint8_t found, uint8_t *mark)
{
	uint8_t claimed = TAG_CLAIMED;

	__atomic_compare_exchange_n(tag, &claimed, found, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
	if (found == TAG_DEAD)
		__atomic_store_n(mark, 1, __ATOMIC_RELEASE);
}

/*
 * Words that one CPU writes and others read at the same time, accessed such that the compiler may make it
 * part of another instruction. To it these are plain accesses; the race detector is to know better.
 */
#ifdef __SANITIZE_THREAD__
#define FOLDED_LOAD(x)	   __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define FOLDED_STORE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#else
#define FOLDED_LOAD(x)	   (x)
#define FOLDED_STORE(x, v) ((x) = (v))
#endif

/* Only the CPU that owns a counter writes it, with interrupts off. */
static inline void count_up(unsigned long *counter, size_t n)
{
	FOLDED_STORE(*counter, *counter + n);
}

static inline unsigned long count_of(const unsigned long *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* An idle area that this CPU does not keep: the next sweep finds it by the mark of its block, which is set after
 * the tag. Interrupts off. */
static __always_inline void front_bury(struct pcpu_front *front, const struct pcpu_frame *frame,
				       uint8_t *tag, size_t size)
{
	/* With it goes what the last owner did to the area, to whoever sweeps it. */
	__atomic_store_n(tag, TAG_DEAD, __ATOMIC_RELEASE);
	__atomic_store_n((uint8_t *)((uintptr_t)tag / TAGS_OF_BLOCK + frame->to_marks), 1,
			 __ATOMIC_RELEASE);
	count_up(&front->dead_bytes, size);
}

/* ---- Frames (front_frames.c) ---- */

#define PCPU_FRAME_SHIFT 16 /* no unit is smaller */
#define PCPU_FRAME_LISTS 1024

/* By pointer; (L) to change. Every list ends in the first chunk's. */
extern struct pcpu_frame *pcpu_frames[PCPU_FRAME_LISTS];
extern struct pcpu_frame pcpu_first_frame;
extern size_t pcpu_front_granules; /* (C) of a unit; 0: no front */

/* The frame of the chunk whose unit 0 a pointer points into, with the granule it starts; NULL if there is
 * none, or it starts no granule. */
static __always_inline struct pcpu_frame *pcpu_frame_find(uintptr_t ptr, size_t *granule)
{
	struct pcpu_frame *frame;

	frame = __atomic_load_n(&pcpu_frames[(ptr >> PCPU_FRAME_SHIFT) % PCPU_FRAME_LISTS],
				__ATOMIC_ACQUIRE);
	for (;;) {
		size_t offset = ptr - frame->base;

		*granule = offset / FRONT_GRANULE | offset << 62; /* odd bytes make it too large */
		if (likely(*granule < pcpu_front_granules))
			return frame;
		if (frame == &pcpu_first_frame)
			return NULL;
		frame = __atomic_load_n(&frame->next, __ATOMIC_ACQUIRE);
	}
}

/* The frame that holds an area of the front. Interrupts off, or (A) held. */
struct pcpu_frame *pcpu_front_frame(uintptr_t ptr);
/* Sets the first chunk's frame up; returns its tags. At set-up. */
uint8_t *pcpu_front_frames_init(void);

/* ---- Zeroing (front_zero.c) ---- */

extern size_t pcpu_front_chunk_bytes; /* (C) from unit 0 to behind the last unit */
extern uintptr_t pcpu_front_to_addr; /* (C) what to add to a per-CPU pointer for unit 0's address */

/* Zeroes an area of more than 4 bytes on every CPU; returns ptr. */
void __percpu *pcpu_front_zero_many(uintptr_t ptr, size_t size);

/* ---- Fronts and their limits ---- */

/* Makes a CPU's hits work on that front; NULL: on none. At set-up. */
void pcpu_front_give(unsigned int cpu, struct pcpu_front *front);
/* What front.c keeps; returns the first chunk's tags. At set-up. */
uint8_t *pcpu_front_init_hits(void);
/* So much has died that reclaim should look; it begins to count anew. Any context but NMI. */
void pcpu_front_wake(void);

/* The mark of a granule's block; the marks follow the tags. */
static inline uint8_t *pcpu_front_mark(uint8_t *tags, size_t granule)
{
	return &tags[pcpu_unit_size / FRONT_GRANULE + granule / (FRONT_BLOCK / FRONT_GRANULE)];
}

/* A CPU's own front; NULL before pcpu_front_init and for ids that are not possible. */
struct pcpu_front *pcpu_front_of(unsigned int cpu);
/* That of the calling CPU. Interrupts off. */
struct pcpu_front *pcpu_front_mine(void);
/* Lets a full stack hold some more, if there is room in the budget. Returns whether it does. Its CPU, interrupts
 * off. */
bool pcpu_front_deepen(struct pcpu_front *front, unsigned int class);
/* While held, no stack is deepened. (A) held. */
void pcpu_front_hold_limits(bool held);
/* Bytes that are carved, as the last miss or sweep left them. Any context. */
size_t pcpu_front_carved(void);
/* Takes note of them. (L) held. */
void pcpu_front_note_carved(void);
/* Bytes of a CPU's areas if its stacks were at their limits; 0: they are empty. Any context. */
static inline size_t pcpu_front_limit_bytes(const struct pcpu_front *front)
{
	return __atomic_load_n(&front->limit_bytes, __ATOMIC_RELAXED);
}

/* Raises or lowers a limit to n areas; no fewer than are ready. Its CPU, interrupts off. */
void pcpu_front_limit_set(struct pcpu_front *front, unsigned int class, size_t n);
