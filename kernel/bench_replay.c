// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bundled traces as nothing but allocations and frees, in their order, on one CPU: no area is filled
 * or looked at, and the events are in memory before the counter runs.
 */
#include "kernel/bench_internal.h"
#include "kernel/trace_load.h"
#include "mm/vmalloc.h"

static void __percpu *serve(const struct trace_event *event)
{
	if (event->flags & TRACE_RESERVED)
		return __alloc_reserved_percpu(event->size, event->align);
	return __alloc_percpu(event->size, event->align);
}

static void run_events(const struct trace_events *trace, void __percpu **ptrs)
{
	const struct trace_event *end = trace->events + trace->nr;

	for (const struct trace_event *event = trace->events; event < end; event++) {
		if (event->size > 0)
			ptrs[event->area] = serve(event);
		else
			free_percpu(ptrs[event->area]);
	}
}

/* Frees what the trace has left live. */
static void free_rest(const struct trace_events *trace, void __percpu **ptrs)
{
	for (size_t i = 0; i < trace->nr; i++) {
		if (trace->events[i].size == 0)
			ptrs[trace->events[i].area] = NULL;
	}
	for (size_t n = 0; n < trace->nr_areas; n++)
		free_percpu(ptrs[n]);
}

static const char *measure(const char *name, const struct trace_events *trace, bench_print print)
{
	void __percpu **ptrs = vmalloc(trace->nr_areas * sizeof(*ptrs), "bench pointers");
	struct pcpu_stats before, after;
	uint64_t start, counts, reclaim;

	if (!ptrs)
		return bench_no_memory;
	pcpu_stats_get(&before);
	bench_quiet_begin();
	start = bench_clock();
	run_events(trace, ptrs);
	counts = bench_clock() - start;
	reclaim = bench_quiet_end();
	pcpu_stats_get(&after);
	free_rest(trace, ptrs);
	vfree(ptrs);
	print("bench=replay name=%s events=%zu engine=%s event=%lu failed=%lu reclaim=%lu", name,
	      trace->nr, pcpu_engine_name(), bench_per(counts, trace->nr),
	      after.alloc_failures - before.alloc_failures, reclaim);
	return NULL;
}

const char *bench_each_trace(const char *(*fn)(const char *name, const struct trace_events *trace,
					       bench_print print),
			     bench_print print)
{
	static const char *const names[] = {"pods", "netns", "nft"};
	static char why[160];
	const char *error = NULL;

	for (size_t i = 0; !error && i < ARRAY_SIZE(names); i++) {
		static struct trace_events trace;

		if (trace_load(trace_find(names[i]), &trace, why, sizeof(why)) != 0)
			return why;
		error = fn(names[i], &trace, print);
		trace_unload(&trace);
	}
	return error;
}

const char *bench_replay(bench_print print)
{
	return bench_each_trace(measure, print);
}
