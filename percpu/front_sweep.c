/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way back from the front: dead areas to their chunks, stacks emptied, the front closed while
 * somebody looks at everything. All of it runs under the mutex; front.h says who else does what.
 */
#include "percpu/front_internal.h"

#define BYTES_01 0x0101010101010101ul
#define BYTES_7F 0x7f7f7f7f7f7f7f7ful

static unsigned long swept_bytes; /* (A) of all the bytes that ever died */

size_t pcpu_front_dead(void)
{
	unsigned long dead = 0;
	unsigned int cpu;

	if (!pcpu_front_on)
		return 0;
	for_each_possible_cpu (cpu)
		dead += count_of(&pcpu_front_of(cpu)->dead_bytes);
	return dead - swept_bytes;
}

/* Bit 7 of each byte that is TAG_DEAD; exact for every byte. */
static uint64_t find_dead(uint64_t tags)
{
	uint64_t differs = tags ^ (BYTES_01 * TAG_DEAD);

	return ~(((differs & BYTES_7F) + BYTES_7F) | differs | BYTES_7F);
}

/* The dead of 64 tags, a bit each: of every 8, the bytes' top bits are multiplied into one byte. */
static uint64_t dead_of_block(const uint8_t *tags)
{
	uint64_t dead = 0;

	for (unsigned int n = 0; n < TAGS_OF_BLOCK; n += 8) {
		uint64_t word = __atomic_load_n((const uint64_t *)&tags[n], __ATOMIC_RELAXED);

		dead |= (find_dead(word) >> 7) * 0x0102040810204080ul >> 56 << n;
	}
	return dead;
}

/* Gives the dead areas that start in one block back. (L) held. */
static void sweep_block(struct pcpu_chunk *chunk, uint8_t *mark, size_t block)
{
	uint8_t *tags = &chunk->tags[block * TAGS_OF_BLOCK];
	uint64_t dead;
	size_t areas = 0, length;

	__atomic_exchange_n(mark, 0, __ATOMIC_SEQ_CST); /* before the tags are read */
	dead = dead_of_block(tags);
	if (dead == 0)
		return;
	for (uint64_t rest = dead; rest != 0; rest &= rest - 1, areas++) {
		uint8_t *tag = &tags[__builtin_ctzl(rest)];

		__atomic_load_n(tag, __ATOMIC_ACQUIRE);
		tag_set(tag, 0);
	}
	length = pcpu_engine->free_many(&chunk->space, block * FRONT_BLOCK, dead);
	pcpu_count_carved(chunk, -(ssize_t)areas, -length);
	pcpu_front_areas -= areas;
	pcpu_front_bytes -= length;
	swept_bytes += length;
}

/* Only whoever holds the mutex searches, so the chunk may wait for its slot until all of it is swept. */
static bool relocate(struct pcpu_chunk *chunk)
{
	irqflags_t flags = port_lock();
	bool surplus;

	pcpu_front_note_carved();
	pcpu_chunk_relocate(chunk);
	surplus = pcpu_chunks_surplus();
	port_unlock(flags);
	return surplus;
}

static bool sweep_chunk(struct pcpu_chunk *chunk)
{
	size_t blocks = pcpu_unit_size / FRONT_BLOCK;
	uint8_t *marks = chunk->tags + pcpu_unit_size / FRONT_GRANULE;
	bool swept = false;

	for (size_t block = 0; block < blocks; block++) {
		irqflags_t flags;

		if (block % 8 == 0 &&
		    !__atomic_load_n((uint64_t *)&marks[block], __ATOMIC_RELAXED)) {
			block += 7;
			continue;
		}
		if (!tag_of(&marks[block]))
			continue;
		flags = port_lock();
		sweep_block(chunk, &marks[block], block);
		swept = true;
		port_unlock(flags);
	}
	return swept && relocate(chunk);
}

bool pcpu_front_sweep(void)
{
	struct pcpu_chunk *chunk;
	bool surplus = false;

	if (pcpu_front_dead() == 0)
		return false;
	list_for_each_entry (chunk, &pcpu_all_chunks, all)
		surplus |= sweep_chunk(chunk);
	return surplus;
}

/* ---- All CPUs ---- */

/* Areas that a drain lets a CPU bury before its interrupts are on again. */
#define DRAIN_PORTION 64

/* What other CPUs may keep ready before a miss takes it from them: so much for each CPU that is possible, and a
 * share of what is carved. */
#define OTHERS_BYTES 512
#define OTHERS_SHARE 16

/* Buries up to max areas of a stack; returns how many. What is left is the limit then. */
static size_t drain_class(struct pcpu_front *front, unsigned int class, size_t max)
{
	size_t left = (size_t)(front->top[class] - front->bottom[class]), n = min(left, max);

	for (size_t i = 0; i < n; i++) {
		struct front_area *area = front->top[class] - 1;

		FOLDED_STORE(front->top[class], area);
		front_bury(front, pcpu_front_frame(area->ptr), area->tag, pcpu_front_size(class));
	}
	pcpu_front_limit_set(front, class, left - n);
	return n;
}

struct drain {
	const struct pcpu_front *spared;
	bool more; /* areas are left on some CPU */
};

static void drain_this_cpu(void *arg)
{
	struct drain *drain = arg;
	struct pcpu_front *front = pcpu_front_mine();
	size_t room = DRAIN_PORTION;

	if (front == drain->spared)
		return;
	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++) {
		if (front->limit[class] == front->bottom[class])
			continue;
		room -= drain_class(front, class, room);
		if (room == 0) {
			__atomic_store_n(&drain->more, true, __ATOMIC_RELAXED);
			return;
		}
	}
	front->until_look = 0; /* once a drain: each look counts as LOOK_BYTES */
}

/* Whether a CPU's stacks may hold anything; but for those of the spared one. */
static bool is_stocked(const struct pcpu_front *spared)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		struct pcpu_front *front = pcpu_front_of(cpu);

		if (front != spared && pcpu_front_limit_bytes(front) != 0)
			return true;
	}
	return false;
}

/* Limits rise by misses, which wait for the mutex, and by frees, which are told not to: so each portion leaves
 * less. Where there is nothing, no CPU is disturbed. */
static void drain_all_but(const struct pcpu_front *spared)
{
	struct drain drain = {.spared = spared, .more = pcpu_front_on && is_stocked(spared)};

	pcpu_front_hold_limits(true);
	while (drain.more) {
		drain.more = false;
		port_on_each_cpu(drain_this_cpu, &drain);
	}
	pcpu_front_hold_limits(false);
}

void pcpu_front_drain(void)
{
	drain_all_but(NULL);
}

static size_t ready_on_others(const struct pcpu_front *mine)
{
	size_t bytes = 0;
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		bytes += pcpu_front_of(cpu) != mine ? pcpu_ready_bytes(cpu) : 0;
	return bytes;
}

bool pcpu_front_take_from_others(void)
{
	const struct pcpu_front *mine = pcpu_front_mine();
	size_t much = OTHERS_BYTES * pcpu_nr_units + pcpu_front_carved() / OTHERS_SHARE;

	if (__atomic_load_n(&pcpu_front_limits, __ATOMIC_RELAXED) < much ||
	    ready_on_others(mine) < much)
		return false;
	drain_all_but(mine);
	return true;
}

static void pass(void *nothing __unused)
{
}

void pcpu_front_pass(void)
{
	if (pcpu_front_on)
		port_on_each_cpu(pass, NULL);
}

static void set_shutter(bool closed)
{
	irqflags_t flags = port_lock();

	pcpu_front_shutter(closed);
	port_unlock(flags);
}

void pcpu_front_close(void)
{
	set_shutter(true);
	pcpu_front_pass();
}

void pcpu_front_open(void)
{
	set_shutter(false);
}

/* ---- The checker's part ---- */

struct census {
	unsigned long live, dead, idle; /* tags */
	unsigned long ready;		/* on stacks */
	size_t ready_bytes, live_bytes, limits;
	const char *error;
};

struct tags {
	struct census *census;
	const struct pcpu_chunk *chunk;
	size_t nr; /* that stand at the start of an area */
};

/* An area with a tag is of its class, and is counted. */
static void check_tag(const struct pcpu_area *area, void *arg)
{
	struct tags *tags = arg;
	struct census *census = tags->census;
	size_t granule = area->offset / FRONT_GRANULE;
	uint8_t tag = tag_of(&tags->chunk->tags[granule]);

	if (!area->used || area->offset % FRONT_GRANULE != 0 || tag == 0)
		return;
	tags->nr++;
	if (tag == TAG_DEAD) {
		census->dead += area->length;
		if (!tag_of(pcpu_front_mark(tags->chunk->tags, granule)))
			census->error = "a dead area in a block without a mark";
		return;
	}
	if (area->length != pcpu_front_size(tag & ~TAG_LIVE))
		census->error = "an area of another length than its class";
	census->live += tag & TAG_LIVE ? 1 : 0;
	census->live_bytes += tag & TAG_LIVE ? area->length : 0;
	census->idle += tag & TAG_LIVE ? 0 : 1;
}

/* One walk of the areas and one of the tags, so that it takes no longer with an engine that finds areas slowly. */
static void check_tags(struct census *census, const struct pcpu_chunk *chunk)
{
	struct tags tags = {.census = census, .chunk = chunk};
	size_t nr = 0;

	pcpu_engine->walk(&chunk->space, check_tag, &tags);
	for (size_t n = 0; n < chunk->space.span / FRONT_GRANULE; n++)
		nr += tag_of(&chunk->tags[n]) != 0;
	if (nr != tags.nr)
		census->error = "a tag where no area starts";
}

static void check_stacks(struct census *census, const struct pcpu_front *front)
{
	size_t limits = 0;

	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++) {
		size_t n = (size_t)(front->top[class] - front->bottom[class]);
		size_t limit = (size_t)(front->limit[class] - front->bottom[class]);

		for (size_t i = 0; i < n; i++) {
			if (tag_of(front->bottom[class][i].tag) != class)
				census->error = "a ready area with another tag";
		}
		if (n > limit)
			census->error = "a stack above its limit";
		census->ready += n;
		census->ready_bytes += n * pcpu_front_size(class);
		limits += limit * pcpu_front_size(class);
	}
	census->limits += limits;
	if (limits != front->limit_bytes)
		census->error = "limits of a CPU that do not add up";
}

const char *pcpu_front_check(void)
{
	struct pcpu_stats stats = {.live_areas = pcpu_front_areas};
	struct census census = {0};
	struct pcpu_chunk *chunk;
	unsigned int cpu;

	pcpu_assert_locked(__func__);
	list_for_each_entry (chunk, &pcpu_all_chunks, all)
		check_tags(&census, chunk);
	for_each_possible_cpu (cpu)
		check_stacks(&census, pcpu_front_of(cpu));
	pcpu_front_count(&stats);
	if (census.error)
		return census.error;
	if (census.idle != census.ready)
		return "areas that are idle and on no stack";
	if (census.dead != pcpu_front_dead())
		return "bytes that are dead and not counted";
	if (census.live != stats.live_areas)
		return "areas that are live and not counted";
	if (census.limits != pcpu_front_limits)
		return "limits that are not counted";
	if (census.live_bytes + census.ready_bytes + census.dead != pcpu_front_bytes)
		return "bytes that are carved and not counted";
	return NULL;
}
