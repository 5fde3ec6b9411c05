/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How areas come to the front, the ways past it, and its numbers.
 *
 * A stack's place in the array of areas is fixed: the small classes have room for many. Its limit is
 * what it may use of that. A miss raises the limit, so a class that is in demand comes to be carved a
 * few dozen at a time, and one that is asked for now and then keeps an area or two.
 */
#include "percpu/front_internal.h"

#define FIRST_LIMIT 2  /* areas that a class may hold before it has missed */
#define MAX_STOCK   32 /* areas carved at a time */

size_t pcpu_front_areas, pcpu_front_bytes;

static bool wanted;
static uint8_t *first_tags;		   /* (C) of the first chunk */
static struct pcpu_front *fronts[NR_CPUS]; /* (C) by CPU */

struct pcpu_front *pcpu_front_of(unsigned int cpu)
{
	return fronts[cpu];
}

/* ---- Limits ---- */

/* Places of a class in the array: 16 classes to 64 bytes, 20 more to 320, 24 more. */
_Static_assert(16 * 32 + 20 * 16 + 24 * 8 == FRONT_AREAS, "a place for each");
static size_t places_of(unsigned int class)
{
	size_t size = pcpu_front_size(class);

	return size <= 64 ? 32 : size <= 320 ? 16 : 8;
}

/* Raises or lowers a limit to n areas, as far as there is room. */
static void limit_set(struct pcpu_front *front, unsigned int class, size_t n)
{
	size_t size = pcpu_front_size(class);
	size_t old = (size_t)(front->limit[class] - front->bottom[class]);

	n = min(n, places_of(class));
	if (n > old)
		n = min(n, old + front->room / size);
	front->room += (old - n) * size;
	front->limit[class] = front->bottom[class] + n;
}

void pcpu_front_limit_reset(struct pcpu_front *front, unsigned int class)
{
	limit_set(front, class, 0);
}

/* ---- In ---- */

static bool has_pages(const struct pcpu_chunk *chunk, size_t offset, size_t size)
{
	for (size_t n = offset / PAGE_SIZE; n < PFN_UP(offset + size); n++) {
		if (!pcpu_page_populated(chunk, n))
			return false;
	}
	return true;
}

static void count_in(unsigned int class)
{
	pcpu_front_areas++;
	pcpu_front_bytes += pcpu_front_size(class);
}

/* Puts a carved area on this CPU's stack. */
static void stock_one(struct pcpu_front *front, struct pcpu_chunk *chunk, unsigned int class,
		      size_t offset)
{
	uint8_t *tag = &chunk->tags[offset / FRONT_GRANULE];
	uintptr_t addr = (uintptr_t)chunk->base + offset;

	tag_set(tag, class);
	*front->top[class]++ = (struct front_area){(uintptr_t)pcpu_addr_to_ptr(addr), tag};
	pcpu_count_carved(chunk, 1, pcpu_front_size(class));
	count_in(class);
}

/* Carves areas of the class from the chunk until the stack is full. Those without pages go back. */
static void stock_up(struct pcpu_front *front, struct pcpu_chunk *chunk, unsigned int class)
{
	size_t offsets[MAX_STOCK], size = pcpu_front_size(class);
	size_t want = (size_t)(front->limit[class] - front->top[class]);
	size_t got = pcpu_engine->alloc_many(&chunk->space, size, pcpu_front_align(class),
					     min(want, (size_t)MAX_STOCK), offsets);

	for (size_t i = got; i > 0; i--) { /* so that the lowest goes out first */
		if (has_pages(chunk, offsets[i - 1], size))
			stock_one(front, chunk, class, offsets[i - 1]);
		else
			pcpu_engine->free(&chunk->space, offsets[i - 1]);
	}
	pcpu_chunk_relocate(chunk);
}

void pcpu_front_adopt(struct pcpu_chunk *chunk, unsigned int class, size_t offset)
{
	irqflags_t flags = port_lock();
	struct pcpu_front *front = pcpu_front_mine();
	size_t limit = (size_t)(front->limit[class] - front->bottom[class]);

	tag_set(&chunk->tags[offset / FRONT_GRANULE], TAG_LIVE | class);
	count_up(&front->allocs[class], 1);
	count_in(class);
	limit_set(front, class, limit == 0 ? FIRST_LIMIT : 2 * limit);
	if (front->top[class] != front->limit[class])
		stock_up(front, chunk, class);
	port_unlock(flags);
}

/* ---- Past the front ---- */

enum front_state pcpu_front_state(const struct pcpu_chunk *chunk, size_t offset)
{
	uint8_t tag;

	if (!chunk->tags || offset % FRONT_GRANULE != 0)
		return FRONT_NONE;
	tag = tag_of(&chunk->tags[offset / FRONT_GRANULE]);
	if (tag == 0)
		return FRONT_NONE;
	return tag & TAG_LIVE ? FRONT_LIVE : FRONT_IDLE;
}

bool pcpu_front_release(struct pcpu_chunk *chunk, size_t offset)
{
	uint8_t *tag = &chunk->tags[offset / FRONT_GRANULE], found = tag_claim(tag);
	unsigned int class = found & ~TAG_LIVE;

	pcpu_assert_locked(__func__);
	if (!(found & TAG_LIVE)) {
		tag_put_back(tag, found, pcpu_front_mark(chunk->tags, offset / FRONT_GRANULE));
		return false;
	}
	tag_set(tag, 0);
	count_up(&pcpu_front_mine()->frees[class], 1);
	pcpu_front_areas--;
	pcpu_front_bytes -= pcpu_front_size(class);
	return true;
}

void pcpu_front_wake(void)
{
	irqflags_t flags = port_irq_save();

	pcpu_front_mine()->until_wake = (ssize_t)pcpu_unit_size;
	port_irq_restore(flags);
	port_reclaim_schedule();
}

/* ---- Set-up ---- */

bool pcpu_front_enable(void)
{
	if (pcpu_unit_size != 0)
		return false;
	wanted = true;
	return true;
}

static void front_init(struct pcpu_front *front)
{
	struct front_area *place = front->areas;

	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++) {
		front->top[class] = front->bottom[class] = front->limit[class] = place;
		place += places_of(class);
	}
	front->room = FRONT_BYTES;
	front->until_wake = (ssize_t)pcpu_unit_size;
}

void pcpu_front_init(void)
{
	unsigned int cpu;

	pcpu_front_on = wanted;
	if (!wanted)
		return;
	first_tags = pcpu_front_init_hits();
	for_each_possible_cpu (cpu) {
		fronts[cpu] = port_early_alloc(sizeof(*fronts[cpu]));
		front_init(fronts[cpu]);
	}
}

void pcpu_front_start(struct pcpu_chunk *first)
{
	unsigned int cpu;

	if (first)
		first->tags = first_tags;
	for_each_possible_cpu (cpu)
		pcpu_front_give(cpu, fronts[cpu]);
}

void pcpu_front_shut(void)
{
	pcpu_front_on = false; /* nothing is ready, so no hit works, and nothing gets ready now */
}

/* ---- Numbers ---- */

void pcpu_front_count(struct pcpu_stats *stats)
{
	unsigned int cpu;

	if (!pcpu_front_on)
		return;
	stats->idle_areas = pcpu_front_areas;
	stats->idle_bytes = pcpu_front_bytes;
	for_each_possible_cpu (cpu) {
		for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++) {
			unsigned long allocs = count_of(&fronts[cpu]->allocs[class]);
			unsigned long frees = count_of(&fronts[cpu]->frees[class]);

			stats->front_allocs += allocs;
			stats->front_frees += frees;
			stats->idle_areas -= allocs - frees;
			stats->idle_bytes -= (allocs - frees) * pcpu_front_size(class);
		}
	}
	stats->allocs += stats->front_allocs;
	stats->frees += stats->front_frees;
	stats->live_areas -= stats->idle_areas;
	stats->live_bytes -= stats->idle_bytes;
}

size_t pcpu_ready_bytes(unsigned int cpu)
{
	size_t bytes = 0;

	for (unsigned int class = 1; pcpu_front_on && class < FRONT_NR_CLASSES; class ++) {
		const struct pcpu_front *front = fronts[cpu];

		bytes += (size_t)(READ_ONCE(front->top[class]) - front->bottom[class]) *
			 pcpu_front_size(class);
	}
	return bytes;
}
