/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chunks by pointer, for hits, which may not lock: frames in lists by a piece of the pointer.
 *
 *	pcpu_frames[n] ──► frame of a chunk ──► frame of another ──► the first chunk's
 *
 * A unit lies in several pieces of 64 KiB, and has a frame for each. The first chunk has one frame, at the end of
 * every list. Frames come and go with their chunk, under the spinlock; after one is taken out, pcpu_front_pass
 * waits for whoever may still read it.
 */
#include "percpu/front_internal.h"

size_t pcpu_front_granules;
struct pcpu_frame pcpu_first_frame;
struct pcpu_frame *pcpu_frames[PCPU_FRAME_LISTS] = {[0 ... PCPU_FRAME_LISTS - 1] =
							    &pcpu_first_frame};

struct pcpu_frame *pcpu_front_frame(uintptr_t ptr)
{
	size_t granule;

	return pcpu_frame_find(ptr, &granule);
}

/* A unit's frames: those that it lies in, wherever it starts. */
static size_t frames_of_unit(void)
{
	return PFN_UP(pcpu_unit_size) * PAGE_SIZE / PCPU_MIN_UNIT_SIZE + 2;
}

static size_t mark_bytes(void)
{
	return pcpu_unit_size / FRONT_GRANULE + pcpu_unit_size / FRONT_BLOCK;
}

/* What a frame adds to a tag's address over TAGS_OF_BLOCK to come to the mark of its block. tags: a multiple of that,
 * and the marks follow. */
static uintptr_t to_marks(const uint8_t *tags)
{
	return (uintptr_t)tags + pcpu_front_granules - (uintptr_t)tags / TAGS_OF_BLOCK;
}

size_t pcpu_front_book_bytes(void)
{
	return pcpu_front_on
		       ? frames_of_unit() * sizeof(struct pcpu_frame) + mark_bytes() + TAGS_OF_BLOCK
		       : 0;
}

void pcpu_front_insert(struct pcpu_chunk *chunk)
{
	uintptr_t ptr = (uintptr_t)pcpu_addr_to_ptr((uintptr_t)chunk->base);
	uintptr_t number = ptr >> PCPU_FRAME_SHIFT,
		  last = (ptr + pcpu_unit_size - 1) >> PCPU_FRAME_SHIFT;
	struct pcpu_frame *frame = chunk->front_books;

	pcpu_assert_locked(__func__);
	if (!pcpu_front_on || chunk->first)
		return;
	chunk->tags = (uint8_t *)ALIGN_UP((uintptr_t)(frame + frames_of_unit()),
					  (uintptr_t)TAGS_OF_BLOCK);
	for (; number <= last; number++, frame++) {
		struct pcpu_frame **head = &pcpu_frames[number % PCPU_FRAME_LISTS];

		*frame = (struct pcpu_frame){.next = *head,
					     .head = head,
					     .base = ptr,
					     .tags = chunk->tags,
					     .to_marks = to_marks(chunk->tags)};
		__atomic_store_n(head, frame, __ATOMIC_RELEASE);
	}
}

void pcpu_front_remove(struct pcpu_chunk *chunk)
{
	struct pcpu_frame *frame = chunk->front_books;

	pcpu_assert_locked(__func__);
	for (size_t i = 0; frame && i < frames_of_unit() && frame->head; i++, frame++) {
		struct pcpu_frame **link = frame->head;

		while (*link != frame)
			link = &(*link)->next;
		__atomic_store_n(link, frame->next, __ATOMIC_RELEASE);
	}
}

uint8_t *pcpu_front_frames_init(void)
{
	uintptr_t memory = (uintptr_t)port_early_alloc(mark_bytes() + TAGS_OF_BLOCK);
	uint8_t *tags = (uint8_t *)ALIGN_UP(memory, (uintptr_t)TAGS_OF_BLOCK);

	pcpu_front_granules = pcpu_unit_size / FRONT_GRANULE;
	pcpu_first_frame = (struct pcpu_frame){
		.base = (uintptr_t)__per_cpu_start, .tags = tags, .to_marks = to_marks(tags)};
	return tags;
}
