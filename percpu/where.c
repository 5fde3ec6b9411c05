/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a pointer is: the start of a live area, or one of the many things that it may be instead.
 * Free asks here before it touches anything, so a bad pointer is refused with a name for what it
 * is.
 */
#include "percpu/front.h"
#include "percpu/percpu_internal.h"

/* The part of the first chunk that manages an offset; other chunks have one part. */
static struct pcpu_chunk *part_of(struct pcpu_chunk *chunk, size_t offset)
{
	if (chunk->first && pcpu_reserved_chunk && offset < pcpu_reserved_chunk->space.span)
		return pcpu_reserved_chunk;
	return chunk;
}

struct pcpu_chunk *pcpu_unit_find(uintptr_t addr, unsigned int *cpu, size_t *offset)
{
	struct pcpu_chunk *chunk = pcpu_chunk_below(addr);
	uintptr_t base = (uintptr_t)pcpu_base_addr;

	if (!chunk || addr - (uintptr_t)chunk->base >= pcpu_chunk_bytes()) {
		chunk = pcpu_reserved_chunk; /* stands in for a dynamic part that there is not */
		if (!chunk || addr - base >= pcpu_chunk_bytes()) /* or below: it wraps */
			return NULL;
	}
	addr -= (uintptr_t)chunk->base;
	*cpu = pcpu_cpu_of[addr / pcpu_unit_size];
	*offset = addr % pcpu_unit_size;
	return part_of(chunk, *offset);
}

struct pcpu_chunk *pcpu_chunk_of_area(const void __percpu *ptr, size_t *offset)
{
	unsigned int cpu;
	struct pcpu_chunk *chunk = pcpu_unit_find(pcpu_ptr_to_addr(ptr), &cpu, offset);

	if (!chunk || pcpu_unit_of[cpu] != 0)
		return NULL;
	return *offset >= chunk->start && *offset < chunk->space.span ? chunk : NULL;
}

/* ptr is in unit 0 of the chunk's range: static, an area, free, or past what the chunk manages. */
static void classify_offset(struct pcpu_chunk *chunk, struct pcpu_where *out)
{
	struct pcpu_area area;

	if (out->offset >= chunk->space.span) {
		out->what = PCPU_GAP;
		return;
	}
	pcpu_engine->find(&chunk->space, out->offset, &area);
	out->area_offset = area.offset;
	out->area_length = area.length;
	out->populated = pcpu_page_populated(chunk, out->offset / PAGE_SIZE);
	if (!area.used || pcpu_front_state(chunk, area.offset) == FRONT_IDLE)
		out->what = PCPU_FREE;
	else if (area.offset < chunk->start)
		out->what = PCPU_STATIC;
	else
		out->what = area.offset == out->offset ? PCPU_AREA : PCPU_INSIDE;
}

/* addr is in no chunk: near one, or nowhere near any. */
static void classify_outside(uintptr_t ptr, uintptr_t addr, struct pcpu_where *out)
{
	struct pcpu_chunk *below = pcpu_chunk_below(addr);

	if (below) {
		out->has_chunk = true;
		out->chunk = below->id;
		out->past_last = pcpu_chunk_below(UINTPTR_MAX) == below;
	}
	out->what = port_is_kernel_address(ptr) || !port_is_kernel_address(addr) ? PCPU_ORDINARY
										 : PCPU_GAP;
}

void pcpu_where_locked(const void __percpu *ptr, struct pcpu_where *out)
{
	uintptr_t addr = pcpu_ptr_to_addr(ptr);
	struct pcpu_chunk *chunk;

	*out = (struct pcpu_where){.what = PCPU_NULL};
	if (!ptr)
		return;
	chunk = pcpu_unit_find(addr, &out->cpu, &out->offset);
	if (!chunk) {
		classify_outside((uintptr_t)ptr, addr, out);
		return;
	}
	out->has_chunk = true;
	out->chunk = chunk->id;
	if (pcpu_unit_of[out->cpu] != 0)
		out->what = PCPU_OTHER_UNIT;
	else
		classify_offset(chunk, out);
}

void pcpu_where(const void __percpu *ptr, struct pcpu_where *out)
{
	irqflags_t flags;

	*out = (struct pcpu_where){.what = ptr ? PCPU_ORDINARY : PCPU_NULL};
	if (pcpu_unit_size == 0)
		return;
	flags = port_lock();
	pcpu_where_locked(ptr, out);
	port_unlock(flags);
}

static void gap_text(uintptr_t p, const struct pcpu_where *w, char *buf, size_t size)
{
	if (!w->has_chunk)
		port_format(buf, size, "0x%lx is in the gap below every chunk", p);
	else if (w->past_last)
		port_format(buf, size, "0x%lx is in the gap past the last chunk, chunk %lu", p,
			    w->chunk);
	else
		port_format(buf, size,
			    "0x%lx is in a gap, in no chunk; the nearest below is chunk %lu", p,
			    w->chunk);
}

void pcpu_where_text(const void __percpu *ptr, const struct pcpu_where *w, char *buf, size_t size)
{
	uintptr_t p = (uintptr_t)ptr;

	switch (w->what) {
	case PCPU_AREA:
		port_format(buf, size,
			    "0x%lx is the live area of %zu bytes at offset %zu of chunk %lu", p,
			    w->area_length, w->area_offset, w->chunk);
		break;
	case PCPU_INSIDE:
		port_format(
			buf, size,
			"0x%lx is inside an area: the one of %zu bytes at offset %zu of chunk %lu",
			p, w->area_length, w->area_offset, w->chunk);
		break;
	case PCPU_FREE:
		port_format(
			buf, size,
			"0x%lx is already free: in the free %zu bytes at offset %zu of chunk %lu",
			p, w->area_length, w->area_offset, w->chunk);
		break;
	case PCPU_STATIC:
		port_format(
			buf, size,
			"0x%lx is in the static area, at offset %zu of its %zu bytes in chunk %lu",
			p, w->offset, pcpu_static_size, w->chunk);
		break;
	case PCPU_OTHER_UNIT:
		port_format(buf, size,
			    "0x%lx is in CPU %u's unit of chunk %lu, at offset %zu: not a per-CPU "
			    "pointer",
			    p, w->cpu, w->chunk, w->offset);
		break;
	case PCPU_GAP:
		gap_text(p, w, buf, size);
		break;
	case PCPU_ORDINARY:
		port_format(buf, size,
			    "0x%lx is an ordinary pointer or none, not a per-CPU pointer", p);
		break;
	case PCPU_NULL:
		port_format(buf, size, "NULL is no area");
		break;
	}
}
