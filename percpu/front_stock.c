/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How areas come to the front, the ways past it, and its numbers.
 *
 * A stack's place in the array of areas is fixed: the small classes have room for many. Its limit is
 * what it may use of that: as much as ever came to be on it at a time, by a miss or by frees, since it was drained.
 */
#include "percpu/front_internal.h"

#define BATCH_BYTES  2048  /* that a miss may carve of any class; */
#define BATCH_SHARE  4	   /* or so much of what the class has live, if that is more */
#define LEAST_BATCH  2	   /* areas, besides the caller's */
#define CLASS_BYTES  65536 /* that a stack may hold */
#define MOST_PLACES  512   /* areas that it may */
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

/* How many areas a class's stack may hold, if there is room for them. */
static size_t places_of(unsigned int class)
{
	size_t most = min((size_t)CLASS_BYTES / pcpu_front_size(class), (size_t)MOST_PLACES);

	return max(most / (pcpu_nr_units / MANY_CPUS + 1), (size_t)LEAST_PLACES);
}

static size_t carved; /* (L) to change */

size_t pcpu_front_carved(void)
{
	return __atomic_load_n(&carved, __ATOMIC_RELAXED);
}

void pcpu_front_note_carved(void)
{
	pcpu_assert_locked(__func__);
	__atomic_store_n(&carved, pcpu_counters.live_bytes, __ATOMIC_RELAXED);
}

/* Bytes by which this CPU's limits may rise. When several CPUs raise theirs at once, each may have the last. */
static size_t room_left(const struct pcpu_front *front)
{
	size_t budget = FRONT_BYTES + pcpu_front_carved() / 4;
	size_t all = __atomic_load_n(&pcpu_front_limits, __ATOMIC_RELAXED);
	size_t share = budget / (4 * pcpu_nr_units);

	return max(budget - min(all, budget), share - min(front->limit_bytes, share));
}

void pcpu_front_limit_set(struct pcpu_front *front, unsigned int class, size_t n)
{
	size_t change =
		(n - (size_t)(front->limit[class] - front->bottom[class])) * pcpu_front_size(class);

	__atomic_store_n(&front->limit_bytes, front->limit_bytes + change, __ATOMIC_RELAXED);
	__atomic_fetch_add(&pcpu_front_limits, change, __ATOMIC_RELAXED);
	front->limit[class] = front->bottom[class] + n;
}

/* How many areas more than it holds a stack could, and may: its limit at least. Its CPU, interrupts off. */
static size_t free_places(const struct pcpu_front *front, unsigned int class)
{
	size_t ready = (size_t)(front->top[class] - front->bottom[class]);
	size_t limit = (size_t)(front->limit[class] - front->bottom[class]);
	size_t most = limit + room_left(front) / pcpu_front_size(class);

	return max(min(most, places_of(class)), limit) - ready;
}

static bool limits_held; /* (A) to change */

void pcpu_front_hold_limits(bool held)
{
	__atomic_store_n(&limits_held, held, __ATOMIC_RELAXED);
}

bool pcpu_front_deepen(struct pcpu_front *front, unsigned int class)
{
	size_t limit = (size_t)(front->limit[class] - front->bottom[class]);
	size_t more = min(free_places(front, class), max(limit / 8, 4ul));

	if (more == 0 || __atomic_load_n(&limits_held, __ATOMIC_RELAXED))
		return false;
	pcpu_front_limit_set(front, class, limit + more);
	return true;
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

/* Areas of a class that a miss carves: a caller's, and what is worth having ready besides. A class that this
 * CPU only frees has none live here, or fewer. */
static size_t batch_of(const struct pcpu_front *front, unsigned int class)
{
	ssize_t live = (ssize_t)(front->allocs[class] - front->frees[class]);
	size_t least = max((size_t)BATCH_BYTES / pcpu_front_size(class), (size_t)LEAST_BATCH);
	size_t want = max(live > 0 ? (size_t)live / BATCH_SHARE : 0, least);

	return min(min(want, free_places(front, class)) + 1, (size_t)FRONT_BATCH);
}

bool pcpu_front_carve(struct pcpu_chunk *chunk, struct front_batch *batch)
{
	unsigned int class = batch->class;
	uint8_t *tags = chunk->tags;

	pcpu_assert_locked(__func__);
	batch->nr = pcpu_engine->alloc_many(&chunk->space, pcpu_front_size(class),
					    pcpu_front_align(class),
					    batch_of(pcpu_front_mine(), class), batch->offsets);
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
	FOLDED_STORE(front->top[class], top);
}

void pcpu_front_adopt(struct pcpu_chunk *chunk, const struct front_batch *batch)
{
	irqflags_t flags = port_lock();
	struct pcpu_front *front = pcpu_front_mine();
	unsigned int class = batch->class;
	size_t ready = (size_t)(front->top[class] - front->bottom[class]) + batch->nr - 1;

	tag_set(&chunk->tags[batch->offsets[0] / FRONT_GRANULE], TAG_LIVE | class);
	count_up(&front->allocs[class], 1);
	if (ready > (size_t)(front->limit[class] - front->bottom[class]) &&
	    batch->nr - 1 <= free_places(front, class))
		pcpu_front_limit_set(front, class, ready);
	stock_up(front, chunk, batch);
	pcpu_front_note_carved();
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
		place += places_of(class);
	}
	front->until_wake = (ssize_t)pcpu_unit_size;
}

static size_t front_bytes(void)
{
	size_t places = 0;

	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++)
		places += places_of(class);
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

		bytes += (size_t)(__atomic_load_n(&front->top[class], __ATOMIC_RELAXED) -
				  front->bottom[class]) *
			 pcpu_front_size(class);
	}
	return bytes;
}
