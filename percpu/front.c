/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front's two hits, and the classes by size that make them quick. front.h draws the whole picture;
 * front_frames.c finds chunks by pointer, front_zero.c zeroes, front_stock.c has the way in,
 * front_sweep.c the way back.
 */
#include "percpu/front_internal.h"

bool pcpu_front_on;

static uint8_t class_of[FRONT_MAX_SIZE / FRONT_GRANULE + 1]; /* (C) by granules */
uint16_t pcpu_front_sizes[FRONT_NR_CLASSES];
static uint16_t mask_of[FRONT_MAX_ALIGN + 1]; /* (C) by alignment: what a size is rounded up by */
size_t pcpu_front_chunk_bytes;
uintptr_t pcpu_front_to_addr;

static enum front_mode mode = FRONT_OPEN; /* (L) to change */

/* What a CPU has until it has a front of its own: nothing ready, no room. */
static struct pcpu_front no_front;
static DEFINE_PER_CPU(struct pcpu_front *, my_front) = &no_front;

struct pcpu_front *pcpu_front_mine(void)
{
	return this_cpu_read(my_front);
}

void pcpu_front_give(unsigned int cpu, struct pcpu_front *front)
{
	per_cpu(my_front, cpu) = front ? front : &no_front;
}

/* ---- Classes: every 4 bytes to 64, every 8 to 128, every 16 to 320, every 32 to the end ---- */

static size_t class_size(unsigned int class)
{
	if (class <= 16)
		return 4 * (size_t) class;
	if (class <= 24)
		return 64 + 8 * ((size_t) class - 16);
	if (class <= 36)
		return 128 + 16 * ((size_t) class - 24);
	return 320 + 32 * ((size_t) class - 36);
}

size_t pcpu_front_align(unsigned int class)
{
	size_t size = pcpu_front_size(class);

	return min(size & -size, (size_t)FRONT_MAX_ALIGN);
}

/*
 * A multiple of an alignment up to 64 is in a class whose size is one too, so all areas of a class suit all
 * its requests. What no class serves comes out too large, or as 0 granules.
 */
static __always_inline unsigned int class_for(size_t size, size_t align)
{
	size_t mask, granules;

	if (unlikely(align > FRONT_MAX_ALIGN))
		return 0;
	mask = mask_of[align];
	granules = ((size + mask) & ~mask) / FRONT_GRANULE;
	return likely(granules < ARRAY_SIZE(class_of)) ? class_of[granules] : 0;
}

unsigned int pcpu_front_class(size_t size, size_t align)
{
	return class_for(size, align);
}

/* ---- Hits ---- */

/* Whether the mode is the one in which a hit works, or the other one too. To be asked with interrupts off:
 * pcpu_front_close waits for whoever asked before. */
static __always_inline bool mode_suits(bool observed_too)
{
	enum front_mode now = FOLDED_LOAD(mode);

	return now == FRONT_OPEN || (observed_too && now == FRONT_OBSERVED);
}

static void mode_set(bool closed, bool observed)
{
	pcpu_assert_locked(__func__);
	__atomic_store_n(&mode,
			 closed	    ? FRONT_CLOSED
			 : observed ? FRONT_OBSERVED
				    : FRONT_OPEN,
			 __ATOMIC_RELEASE);
}

static bool is_closed, is_observed; /* (L) */

void pcpu_front_observe(bool observed)
{
	is_observed = observed;
	mode_set(is_closed, is_observed);
}

void pcpu_front_shutter(bool closed)
{
	is_closed = closed;
	mode_set(is_closed, is_observed);
}

/* Zeroes an area on every CPU. The commonest sizes are worth a loop of their own here. */
static __always_inline void __percpu *zeroed(uintptr_t ptr, size_t size)
{
	char *addr = (char *)(ptr + pcpu_front_to_addr);
	size_t unit = pcpu_front_chunk_bytes, step = pcpu_unit_size;

	if (size == 8) {
		do {
			unit -= step;
			__builtin_memset(addr + unit, 0, 8);
		} while (unit != 0);
	} else if (size <= FRONT_GRANULE) {
		do {
			unit -= step;
			__builtin_memset(addr + unit, 0, FRONT_GRANULE);
		} while (unit != 0);
	} else {
		return pcpu_front_zero_many(ptr, size);
	}
	return (void __percpu *)ptr;
}

void pcpu_front_zero(void __percpu *ptr, size_t size)
{
	zeroed((uintptr_t)ptr, size);
}

/* Takes an area from this CPU's stack. Interrupts were on if it succeeds; off in any case.
 * observed: it may be. */
static __always_inline bool take(size_t size, size_t align, bool observed, irqflags_t flags,
				 uintptr_t *ptr)
{
	unsigned int class = class_for(size, align);
	struct pcpu_front *front = this_cpu_read(my_front);
	struct front_area *area = front->top[class];

	if (unlikely(area == front->bottom[class] || !mode_suits(observed) ||
		     !port_irq_may_sleep(flags)))
		return false;
	FOLDED_STORE(front->top[class], --area);
	count_up(&front->allocs[class], 1);
	*ptr = area->ptr;
	tag_set(area->tag, TAG_LIVE | class);
	return true;
}

/* How a free of the shortest way went. */
enum put_outcome {
	PUT,	    /* done */
	PUT_FULL,   /* claimed, but the stack has no room: put_full is to follow */
	PUT_MISSED, /* nothing was done */
};

/* What put has found out, for what is to follow. */
struct put {
	struct pcpu_front *front;
	struct pcpu_frame *frame;
	uint8_t *tag;
	size_t was; /* the tag, of a live area */
	int claimed; /* after PUT_MISSED: what a claim found that came too late, for give_up; or NOT_CLAIMED */
};

#define NOT_CLAIMED -1

/* Frees an area of the front. Interrupts off. observed: somebody may be. */
static __always_inline enum put_outcome put(void __percpu *ptr, bool observed,
					    const struct pcpu_event *event, struct put *put)
{
	size_t granule, was, class;
	struct front_area *area;
	uint8_t claimed;

	put->claimed = NOT_CLAIMED;
	put->frame = pcpu_frame_find((uintptr_t)ptr, &granule);
	if (unlikely(!put->frame || !mode_suits(observed)))
		return PUT_MISSED;
	put->tag = &put->frame->tags[granule];
	was = tag_of(put->tag);
	if (unlikely(!(was & TAG_LIVE)))
		return PUT_MISSED;
	claimed = tag_claim(put->tag);
	if (unlikely(claimed != (uint8_t)was)) {
		put->claimed = claimed;
		return PUT_MISSED;
	}
	if (observed)
		pcpu_tell(event);
	put->was = was;
	class = was - TAG_LIVE;
	put->front = this_cpu_read(my_front);
	count_up(&put->front->frees[class], 1);
	area = put->front->top[class];
	if (unlikely(area == put->front->limit[class]))
		return PUT_FULL;
	*area = (struct front_area){(uintptr_t)ptr, put->tag};
	FOLDED_STORE(put->front->top[class], area + 1);
	__asm__("" : "+r"(was)); /* else the class gets a register of its own, and that a push */
	tag_set(put->tag, (unsigned int)was & ~TAG_LIVE);
	return PUT;
}

/* Bytes that die on a CPU before it asks again whether a full stack may hold more. */
#define LOOK_BYTES 16384

/* put_full when it is time to look: the area stays all the same if its stack may hold more from now on. */
static __noinline bool put_deeper(void __percpu *ptr, struct pcpu_front *front, size_t was,
				  uint8_t *tag, const struct pcpu_frame *frame)
{
	unsigned int class = (unsigned int)was - TAG_LIVE;

	front->until_look = 0;
	if (pcpu_front_deepen(front, class)) {
		*front->top[class] = (struct front_area){(uintptr_t)ptr, tag};
		FOLDED_STORE(front->top[class], front->top[class] + 1);
		tag_set(tag, class);
		return false;
	}
	front_bury(front, frame, tag, pcpu_front_size(class));
	front->until_look = LOOK_BYTES;
	front->until_wake -= LOOK_BYTES;
	return front->until_wake < 0;
}

static __always_inline bool time_to_look(struct pcpu_front *front, size_t size)
{
	front->until_look -= (ssize_t)size;
	return front->until_look < 0;
}

/* After PUT_FULL, interrupts still off: most of what does not fit is dead. Returns whether reclaim is to be woken.
 * What put has found out comes part by part, here and below, since it is in registers. */
static __noinline bool put_full(void __percpu *ptr, struct pcpu_front *front, size_t was,
				uint8_t *tag, const struct pcpu_frame *frame)
{
	size_t size = pcpu_front_sizes[was - TAG_LIVE];

	if (time_to_look(front, size))
		return put_deeper(ptr, front, was, tag, frame);
	front_bury(front, frame, tag, size);
	return false;
}

/* After PUT_MISSED, interrupts still off: what put had found by ptr is still there. */
static void give_up(void __percpu *ptr, int found)
{
	size_t granule;
	struct pcpu_frame *frame;

	if (found == NOT_CLAIMED)
		return;
	frame = pcpu_frame_find((uintptr_t)ptr, &granule);
	tag_put_back(&frame->tags[granule], (uint8_t)found, pcpu_front_mark(frame->tags, granule));
}

/* Whatever the shortest way does not do: interrupts back, and all over again. */
static __noinline void __percpu *alloc_missed(size_t size, size_t align, uintptr_t caller,
					      irqflags_t flags)
{
	port_irq_restore(flags);
	return pcpu_alloc_slowly(size, align, false, caller);
}

static __noinline void free_missed(void __percpu *ptr, uintptr_t caller, irqflags_t flags,
				   int found)
{
	give_up(ptr, found);
	port_irq_restore(flags);
	pcpu_free_slowly(ptr, caller);
}

/* free_full when it is time to look; their arguments are the same, so that one ends in a jump to the other. */
static __noinline void free_deeper(void __percpu *ptr, irqflags_t flags, struct pcpu_front *front,
				   size_t was, uint8_t *tag, struct pcpu_frame *frame)
{
	bool woken = put_deeper(ptr, front, was, tag, frame);

	port_irq_restore(flags);
	if (woken)
		pcpu_front_wake();
}

static __noinline void free_full(void __percpu *ptr, irqflags_t flags, struct pcpu_front *front,
				 size_t was, uint8_t *tag, struct pcpu_frame *frame)
{
	size_t size = pcpu_front_sizes[was - TAG_LIVE];

	if (unlikely(time_to_look(front, size))) {
		free_deeper(ptr, flags, front, was, tag, frame);
		return;
	}
	front_bury(front, frame, tag, size);
	port_irq_restore(flags);
}

void __percpu *__alloc_percpu(size_t size, size_t align)
{
	irqflags_t flags = port_irq_save();
	uintptr_t ptr;

	if (unlikely(!take(size, align, false, flags, &ptr)))
		return alloc_missed(size, align, CALLER(), flags);
	port_irq_restore(flags);
	return zeroed(ptr, size);
}

void free_percpu(void __percpu *ptr)
{
	irqflags_t flags = port_irq_save();
	struct put found;
	enum put_outcome outcome = put(ptr, false, NULL, &found);

	if (unlikely(outcome == PUT_MISSED))
		free_missed(ptr, CALLER(), flags, found.claimed);
	else if (unlikely(outcome == PUT_FULL))
		free_full(ptr, flags, found.front, found.was, found.tag, found.frame);
	else
		port_irq_restore(flags);
}

void __percpu *pcpu_front_alloc(size_t size, size_t align, uintptr_t caller)
{
	irqflags_t flags = port_irq_save();
	struct pcpu_event event = {
		.kind = PCPU_ALLOCATED, .size = size, .align = align, .caller = caller};
	uintptr_t ptr;
	bool taken = take(size, align, true, flags, &ptr);

	port_irq_restore(flags);
	if (!taken)
		return NULL;
	event.ptr = zeroed(ptr, size);
	pcpu_tell(&event);
	return (void __percpu *)ptr;
}

bool pcpu_front_free(void __percpu *ptr, uintptr_t caller)
{
	irqflags_t flags = port_irq_save();
	struct pcpu_event event = {
		.kind = PCPU_FREED, .ptr = ptr, .caller = caller, .flags = flags};
	struct put found;
	enum put_outcome outcome = put(ptr, true, &event, &found);
	bool woken = outcome == PUT_FULL &&
		     put_full(ptr, found.front, found.was, found.tag, found.frame);

	if (outcome == PUT_MISSED)
		give_up(ptr, found.claimed);
	port_irq_restore(flags);
	if (woken)
		pcpu_front_wake();
	return outcome != PUT_MISSED;
}

/* Takes up to n areas of the class from this CPU's stack. Interrupts off. */
static size_t take_batch(unsigned int class, size_t n, void __percpu **out)
{
	struct pcpu_front *front = this_cpu_read(my_front);
	struct front_area *area = front->top[class];
	size_t got = min(n, (size_t)(area - front->bottom[class]));

	for (size_t i = 0; i < got; i++) {
		out[i] = (void __percpu *)(--area)->ptr;
		tag_set(area->tag, TAG_LIVE | class);
	}
	FOLDED_STORE(front->top[class], area);
	count_up(&front->allocs[class], got);
	return got;
}

size_t pcpu_front_alloc_batch(size_t size, size_t align, size_t n, void __percpu **out)
{
	unsigned int class = class_for(size, align);
	irqflags_t flags = port_irq_save();
	size_t got = 0;

	if (mode_suits(false) && port_irq_may_sleep(flags))
		got = take_batch(class, n, out);
	port_irq_restore(flags);
	for (size_t i = 0; i < got; i++)
		zeroed((uintptr_t)out[i], size);
	return got;
}

size_t pcpu_front_free_batch(void __percpu *const *ptrs, size_t n)
{
	irqflags_t flags = port_irq_save();
	enum put_outcome outcome = PUT;
	bool woken = false;
	size_t done = 0;
	struct put found;

	for (; done < n; done++) {
		outcome = put(ptrs[done], false, NULL, &found);
		if (likely(outcome == PUT))
			continue;
		if (outcome == PUT_MISSED)
			break;
		woken |= put_full(ptrs[done], found.front, found.was, found.tag, found.frame);
	}
	if (outcome == PUT_MISSED)
		give_up(ptrs[done], found.claimed);
	port_irq_restore(flags);
	if (woken)
		pcpu_front_wake();
	return done;
}

/* ---- Set-up ---- */

static void classes_init(void)
{
	unsigned int class = 1;

	for (size_t granules = 1; granules < ARRAY_SIZE(class_of); granules++) {
		class += granules * FRONT_GRANULE > class_size(class);
		class_of[granules] = (uint8_t) class;
		pcpu_front_sizes[class] = (uint16_t)class_size(class);
	}
	for (size_t align = 0; align <= FRONT_MAX_ALIGN; align++)
		mask_of[align] =
			is_power_of_2(align) ? (uint16_t)(max(align, 4ul) - 1) : UINT16_MAX;
}

uint8_t *pcpu_front_init_hits(void)
{
	classes_init();
	pcpu_front_chunk_bytes = pcpu_chunk_bytes();
	pcpu_front_to_addr = (uintptr_t)pcpu_base_addr - (uintptr_t)__per_cpu_start;
	return pcpu_front_frames_init();
}
