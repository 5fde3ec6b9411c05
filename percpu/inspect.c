/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking at the allocator: lists of chunks, area maps, counters, address queries. Everything is
 * copied out under the locks.
 */
#include "percpu/inspect.h"

#include "percpu/front.h"
#include "percpu/percpu_internal.h"

struct pcpu_stats pcpu_counters;

const char *pcpu_engine_name(void)
{
	return pcpu_engine->name;
}

void pcpu_for_each_chunk(void (*fn)(struct pcpu_chunk *chunk, void *arg), void *arg)
{
	struct pcpu_chunk *chunk, *next;

	pcpu_assert_locked(__func__);
	for (unsigned int slot = 0; slot < pcpu_nr_slots; slot++) {
		list_for_each_entry_safe (chunk, next, &pcpu_slots[slot], node)
			fn(chunk, arg);
	}
	if (pcpu_reserved_chunk)
		fn(pcpu_reserved_chunk, arg);
}

struct listing {
	struct pcpu_chunk_info *out;
	size_t max, count;
};

static void list_one(struct pcpu_chunk *chunk, void *arg)
{
	struct listing *listing = arg;
	struct pcpu_chunk_info *info = &listing->out[listing->count];

	if (listing->count++ >= listing->max)
		return;
	*info = (struct pcpu_chunk_info){
		.id = chunk->id,
		.slot = chunk->slot,
		.base = (uintptr_t)chunk->base,
		.span = chunk->space.span,
		.free_size = chunk->space.free_size,
		.hint = chunk->space.hint,
		.pages_populated = chunk->memory->nr_populated,
		.pages_total = pcpu_unit_pages,
		.first = chunk->first,
		.reserved = chunk->reserved,
		.immutable = chunk->immutable,
	};
	info->nr_entries = pcpu_engine->entries(&chunk->space, &info->map_room);
}

size_t pcpu_inspect_chunks(struct pcpu_chunk_info *out, size_t max_chunks)
{
	struct listing listing = {out, max_chunks, 0};
	irqflags_t flags;

	port_mutex_lock();
	flags = port_lock();
	pcpu_for_each_chunk(list_one, &listing);
	port_unlock(flags);
	port_mutex_unlock();
	return listing.count;
}

struct map_query {
	unsigned long id;
	int *out;
	size_t max;
	ssize_t count;
};

static void list_run(const struct pcpu_area *area, void *arg)
{
	struct map_query *query = arg;

	if ((size_t)query->count < query->max)
		query->out[query->count] = area->used ? -(int)area->length : (int)area->length;
	query->count++;
}

static void list_runs_if_asked(struct pcpu_chunk *chunk, void *arg)
{
	struct map_query *query = arg;

	if (chunk->id != query->id)
		return;
	query->count = 0;
	pcpu_engine->walk(&chunk->space, list_run, query);
}

ssize_t pcpu_inspect_map(unsigned long id, int *out, size_t max_entries)
{
	struct map_query query = {id, out, max_entries, -ENOENT};
	irqflags_t flags = port_lock();

	pcpu_for_each_chunk(list_runs_if_asked, &query);
	port_unlock(flags);
	return query.count;
}

struct page_query {
	unsigned long id;
	uint8_t *out;
	size_t max;
	ssize_t count;
};

static void list_pages_if_asked(struct pcpu_chunk *chunk, void *arg)
{
	struct page_query *query = arg;

	if (chunk->id != query->id)
		return;
	query->count = (ssize_t)pcpu_unit_pages;
	for (size_t n = 0; n < min(query->max, pcpu_unit_pages); n++)
		query->out[n] = pcpu_page_populated(chunk, n);
}

ssize_t pcpu_inspect_pages(unsigned long id, uint8_t *out, size_t max_pages)
{
	struct page_query query = {id, out, max_pages, -ENOENT};
	irqflags_t flags = port_lock();

	pcpu_for_each_chunk(list_pages_if_asked, &query);
	port_unlock(flags);
	return query.count;
}

void pcpu_stats_get(struct pcpu_stats *out)
{
	irqflags_t flags = port_lock();

	*out = pcpu_counters;
	pcpu_front_count(out);
	port_unlock(flags);
}

void pcpu_stats_reset_peak(void)
{
	irqflags_t flags = port_lock();

	pcpu_counters.peak_pages = pcpu_counters.populated_pages;
	port_unlock(flags);
}

void (*pcpu_observer)(const struct pcpu_event *event);

void pcpu_observe(void (*to_call)(const struct pcpu_event *event))
{
	irqflags_t flags = port_lock();

	WRITE_ONCE(pcpu_observer, to_call);
	pcpu_front_observe(to_call != NULL);
	port_unlock(flags);
}

void pcpu_tell(const struct pcpu_event *event)
{
	void (*call)(const struct pcpu_event *) = READ_ONCE(pcpu_observer);

	if (call)
		call(event);
}

bool is_kernel_percpu_address(uintptr_t addr)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		uintptr_t start = (uintptr_t)__per_cpu_start + __per_cpu_offset[cpu];

		if (addr - start < pcpu_static_size) /* and not below: it wraps */
			return true;
	}
	return false;
}

phys_addr_t per_cpu_ptr_to_phys(const void *addr)
{
	phys_addr_t pa = ~(phys_addr_t)0;
	struct pcpu_chunk *chunk;
	unsigned int cpu;
	size_t offset;
	irqflags_t flags;

	if (pcpu_unit_size == 0)
		return pa;
	flags = port_lock();
	chunk = pcpu_unit_find((uintptr_t)addr, &cpu, &offset);
	if (chunk && pcpu_page_populated(chunk, offset / PAGE_SIZE)) {
		size_t index = pcpu_unit_of[cpu] * pcpu_unit_pages + offset / PAGE_SIZE;

		pa = port_page_to_phys(chunk->memory->pages[index]) + offset % PAGE_SIZE;
	}
	port_unlock(flags);
	return pa;
}
