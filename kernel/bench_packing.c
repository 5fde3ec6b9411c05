// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packing: how many pages of a unit a trace needs when most of its bytes are live, and how many are still
 * there after it. Needed are the pages that got memory since the trace began and those that had it
 * before and hold an area of the trace: the first chunk's pages always have memory, and count when
 * they are used.
 */
#include "kernel/bench_internal.h"
#include "kernel/trace_load.h"
#include "mm/vmalloc.h"

#define MAX_CHUNKS 512
#define FEW_PAGES  4 /* that a trace may take besides 1.2 times its live bytes */

/* Populated pages, by their addresses in unit 0. */
struct pages {
	uintptr_t *addrs;
	size_t nr;
};

/* A live area's bytes in unit 0; 0 of them: not live. */
struct span {
	uintptr_t start;
	size_t size;
};

struct packing {
	const struct trace_events *trace;
	void __percpu **ptrs;
	struct span *spans;
	struct pcpu_chunk_info *chunks;
	uint8_t *populated; /* a chunk's pages */
	struct pages before, at_peak;
	size_t live_bytes;
};

static size_t unit_pages(void)
{
	return pcpu_unit_size / PAGE_SIZE;
}

/* ---- Pages ---- */

static void list_pages(struct packing *p, struct pages *pages)
{
	size_t nr = min(pcpu_inspect_chunks(p->chunks, MAX_CHUNKS), (size_t)MAX_CHUNKS);

	pages->nr = 0;
	for (size_t c = 0; c < nr; c++) {
		if (p->chunks[c].reserved) /* it shares the pages of another */
			continue;
		pcpu_inspect_pages(p->chunks[c].id, p->populated, unit_pages());
		for (size_t i = 0; i < unit_pages(); i++) {
			if (p->populated[i] && pages->nr < MAX_CHUNKS * unit_pages())
				pages->addrs[pages->nr++] = p->chunks[c].base + i * PAGE_SIZE;
		}
	}
}

static bool among(const struct pages *pages, uintptr_t addr)
{
	for (size_t i = 0; i < pages->nr; i++) {
		if (pages->addrs[i] == addr)
			return true;
	}
	return false;
}

static bool holds_an_area(const struct packing *p, uintptr_t addr)
{
	for (size_t n = 0; n < p->trace->nr_areas; n++) {
		const struct span *span = &p->spans[n];

		if (span->start < addr + PAGE_SIZE && span->start + span->size > addr)
			return true;
	}
	return false;
}

static size_t needed_pages(struct packing *p)
{
	size_t needed = 0;

	list_pages(p, &p->at_peak);
	for (size_t i = 0; i < p->at_peak.nr; i++) {
		uintptr_t addr = p->at_peak.addrs[i];

		needed += !among(&p->before, addr) || holds_an_area(p, addr);
	}
	return needed;
}

/* ---- Events ---- */

static void do_event(struct packing *p, const struct trace_event *event)
{
	void __percpu **ptr = &p->ptrs[event->area];
	struct span *span = &p->spans[event->area];

	if (event->size == 0) {
		free_percpu(*ptr);
		*ptr = NULL;
		p->live_bytes -= span->size;
		*span = (struct span){0};
		return;
	}
	*ptr = __alloc_percpu(event->size, event->align);
	if (!*ptr)
		return;
	*span = (struct span){
		(uintptr_t)per_cpu_ptr((char __percpu *)*ptr, cpumask_next(&cpu_possible_mask, 0)),
		event->size};
	p->live_bytes += event->size;
}

/* How many events there are up to the one after which most bytes are live. */
static size_t events_to_peak(struct packing *p)
{
	size_t live = 0, most = 0, peak = 0;

	for (size_t i = 0; i < p->trace->nr; i++) {
		const struct trace_event *event = &p->trace->events[i];
		struct span *span = &p->spans[event->area];

		live += event->size - span->size;
		span->size = event->size;
		if (live > most) {
			most = live;
			peak = i + 1;
		}
	}
	for (size_t n = 0; n < p->trace->nr_areas; n++)
		p->spans[n].size = 0;
	return peak;
}

static void run_trace(struct packing *p, const char *name, bench_print print)
{
	size_t peak = events_to_peak(p), i, needed, live;
	struct pcpu_stats stats;

	pcpu_sync();
	list_pages(p, &p->before);
	for (i = 0; i < peak; i++)
		do_event(p, &p->trace->events[i]);
	live = p->live_bytes;
	needed = needed_pages(p);
	for (; i < p->trace->nr; i++)
		do_event(p, &p->trace->events[i]);
	for (size_t n = 0; n < p->trace->nr_areas; n++)
		free_percpu(p->ptrs[n]);
	pcpu_sync();
	pcpu_stats_get(&stats);
	print("bench=packing name=%s events=%zu engine=%s live_bytes=%zu pages=%zu limit=%zu "
	      "left=%ld left_limit=%zu",
	      name, p->trace->nr, pcpu_engine_name(), live, needed,
	      live * 6 / 5 / PAGE_SIZE + FEW_PAGES, (long)(stats.populated_pages - p->before.nr),
	      unit_pages());
}

/* ---- Memory ---- */

static bool make(struct packing *p)
{
	size_t pages = MAX_CHUNKS * unit_pages();

	p->ptrs = vmalloc(p->trace->nr_areas * sizeof(*p->ptrs), "packing pointers");
	p->spans = vmalloc(p->trace->nr_areas * sizeof(*p->spans), "packing areas");
	p->chunks = vmalloc(MAX_CHUNKS * sizeof(*p->chunks), "packing chunks");
	p->populated = vmalloc(unit_pages(), "packing pages");
	p->before.addrs = vmalloc(pages * sizeof(uintptr_t), "packing before");
	p->at_peak.addrs = vmalloc(pages * sizeof(uintptr_t), "packing peak");
	return p->ptrs && p->spans && p->chunks && p->populated && p->before.addrs &&
	       p->at_peak.addrs;
}

static void give_back(struct packing *p)
{
	void *const memory[] = {p->ptrs,      p->spans,	       p->chunks,
				p->populated, p->before.addrs, p->at_peak.addrs};

	for (size_t i = 0; i < ARRAY_SIZE(memory); i++) {
		if (memory[i])
			vfree(memory[i]);
	}
}

static const char *measure(const char *name, const struct trace_events *trace, bench_print print)
{
	struct packing p = {.trace = trace};
	bool good = make(&p);

	if (good)
		run_trace(&p, name, print);
	give_back(&p);
	return good ? NULL : bench_no_memory;
}

const char *bench_packing(bench_print print)
{
	return bench_each_trace(measure, print);
}
