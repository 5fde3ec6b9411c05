/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How areas come to the front, the ways past it, and its numbers.
 *
 * A stack's place in the array of areas is fixed: the small classes have room for many. Its limit is
 * what it may use of that. A miss raises the limit, so a class that is in demand comes to be carved a
 * few dozen at a time, and one that is asked for now and then keeps an area or two.
 */
#include "percpu/front_internal.h"

#define FIRST_LIMIT  4		      /* areas that a class may hold once it has missed */
#define MUCH_IN_USE  (24 * PAGE_SIZE) /* bytes carved: then what stacks hold hardly matters beside */
#define LITTLE_BYTES 8192	      /* that a stack may hold until then */
#define CLASS_BYTES  32768	      /* and however much is carved */
#define MOST_PLACES  512	      /* areas that it may */
#define LEAST_PLACES 8
#define MANY_CPUS    16 /* with more, stacks are shorter, so that their memory stays the same */

size_t pcpu_front_areas, pcpu_front_bytes, pcpu_front_limits;

static bool wanted;
static uint8_t *first_tags;		   /* (C) of the first chunk */
static struct pcpu_front *fronts[NR_CPUS]; /* (C) by CPU */

struct pcpu_front *pcpu_front_of(unsigned int cpu)
{
	return fronts[cpu];
}

/* ---- Limits ---- */

/* How many areas of a class are so many bytes, within what a stack may hold. */
static size_t places_of(unsigned int class, size_t bytes)
{
	size_t most = min(bytes / pcpu_front_size(class), (size_t)MOST_PLACES);

	return max(most / (pcpu_nr_units / MANY_CPUS + 1), (size_t)LEAST_PLACES);
}

/* (L) held. */
static bool much_in_use(void)
{
	return pcpu_counters.live_bytes >= MUCH_IN_USE;
}

/* Bytes by which this CPU's limits may rise. (L) held. */
static size_t room_left(const struct pcpu_front *front)
{
	size_t budget = FRONT_BYTES + pcpu_counters.live_bytes / 4;
	size_t all = READ_ONCE(pcpu_front_limits), share = budget / (4 * pcpu_nr_units);

	return max(budget - min(all, budget), share - min(front->limit_bytes, share));
}

void pcpu_front_limit_set(struct pcpu_front *front, unsigned int class, size_t n)
{
	size_t change =
		(n - (size_t)(front->limit[class] - front->bottom[class])) * pcpu_front_size(class);

	front->limit_bytes += change;
	__atomic_fetch_add(&pcpu_front_limits, change, __ATOMIC_RELAXED);
	front->limit[class] = front->bottom[class] + n;
}

/* By how many areas a miss lets its class hold more: twice as many, as far as there is room. Its CPU, (L)
 * held. */
static size_t raise_by(const struct pcpu_front *front, unsigned int class)
{
	size_t old = (size_t)(front->limit[class] - front->bottom[class]);
	size_t most = places_of(class, much_in_use() ? CLASS_BYTES : LITTLE_BYTES);
	size_t more = min(old == 0 ? (size_t)FIRST_LIMIT : old, most - min(old, most));

	return min(more, room_left(front) / pcpu_front_size(class));
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

/* Areas of the class are carved, or given back: their number, below 0. (L) held. */
static void count_carved(struct pcpu_chunk *chunk, unsigned int class, ssize_t areas)
{
	size_t bytes = (size_t)areas * pcpu_front_size(class);

	pcpu_count_carved(chunk, areas, bytes);
	pcpu_front_areas += (size_t)areas;
	pcpu_front_bytes += bytes;
}

/* Areas of a class that are carved at a time: fewer while little is in use. (L) held. */
static size_t batch_of(unsigned int class)
{
	if (much_in_use())
		return FRONT_BATCH;
	return pcpu_front_size(class) <= FRONT_GRANULE ? FRONT_BATCH / 2 : FRONT_BATCH / 4;
}

bool pcpu_front_carve(struct pcpu_chunk *chunk, struct front_batch *batch)
{
	const struct pcpu_front *front = pcpu_front_mine();
	unsigned int class = batch->class;
	size_t want = (size_t)(front->limit[class] - front->top[class]) + raise_by(front, class);
	uint8_t *tags = chunk->tags;

	pcpu_assert_locked(__func__);
	batch->nr = pcpu_engine->alloc_many(&chunk->space, pcpu_front_size(class),
					    pcpu_front_align(class), min(want + 1, batch_of(class)),
					    batch->offsets);
	for (size_t i = 0, nr = batch->nr; i < nr; i++)
		tag_set(&tags[batch->offsets[i] / FRONT_GRANULE], class);
	count_carved(chunk, class, (ssize_t)batch->nr);
	return batch->nr > 0;
}

static void uncarve(struct pcpu_chunk *chunk, unsigned int class, size_t offset)
{
	tag_set(&chunk->tags[offset / FRONT_GRANULE], 0);
	pcpu_engine->free(&chunk->space, offset);
	count_carved(chunk, class, -1);
}

void pcpu_front_uncarve(struct pcpu_chunk *chunk, const struct front_batch *batch)
{
	pcpu_assert_locked(__func__);
	for (size_t i = 0; i < batch->nr; i++)
		uncarve(chunk, batch->class, batch->offsets[i]);
}

/* Puts all areas of the batch but the first on this CPU's stack, the lowest on top. (L) held. */
static void stock_up(struct pcpu_front *front, struct pcpu_chunk *chunk,
		     const struct front_batch *batch)
{
	unsigned int class = batch->class;
	uintptr_t base = (uintptr_t)pcpu_addr_to_ptr((uintptr_t)chunk->base);
	struct front_area *top = front->top[class], *limit = front->limit[class];
	uint8_t *tags = chunk->tags;
	size_t size = pcpu_front_size(class), first = batch->offsets[0];
	bool all_stay = (size_t)(limit - top) >= batch->nr - 1 &&
			has_pages(chunk, first, batch->offsets[batch->nr - 1] + size - first);

	for (size_t i = batch->nr - 1; i > 0; i--) {
		size_t offset = batch->offsets[i];

		if (unlikely(!all_stay && (top == limit || !has_pages(chunk, offset, size))))
			uncarve(chunk, class, offset);
		else
			*top++ = (struct front_area){base + offset, &tags[offset / FRONT_GRANULE]};
	}
	front->top[class] = top;
}

void pcpu_front_adopt(struct pcpu_chunk *chunk, const struct front_batch *batch)
{
	irqflags_t flags = port_lock();
	struct pcpu_front *front = pcpu_front_mine();
	unsigned int class = batch->class;
	size_t old = (size_t)(front->limit[class] - front->bottom[class]);

	tag_set(&chunk->tags[batch->offsets[0] / FRONT_GRANULE], TAG_LIVE | class);
	count_up(&front->allocs[class], 1);
	pcpu_front_limit_set(front, class, old + raise_by(front, class));
	stock_up(front, chunk, batch);
	pcpu_chunk_relocate(chunk);
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
		place += places_of(class, CLASS_BYTES);
	}
	front->until_wake = (ssize_t)pcpu_unit_size;
}

static size_t front_bytes(void)
{
	size_t places = 0;

	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++)
		places += places_of(class, CLASS_BYTES);
	return sizeof(struct pcpu_front) + places * sizeof(struct front_area);
}

void pcpu_front_init(void)
{
	unsigned int cpu;

	pcpu_front_on = wanted;
	if (!wanted)
		return;
	first_tags = pcpu_front_init_hits();
	for_each_possible_cpu (cpu) {
		fronts[cpu] = port_early_alloc(front_bytes());
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
