/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The replay: a recorded workload on the real allocator, in the recorded order.
 *
 *	scan, parse ──► ledger ──► events ──► free what is left ──► ledger again ──► report
 *
 * One thread does all of it and moves from CPU to CPU as the events say, so that order needs no
 * other means. CPU n of the trace is the n-th online CPU, modulo how many there are. Every copy of
 * an area is looked at: zero when fresh, then filled with a pattern of its area and CPU, and that
 * looked for before the free. Frees recorded with interrupts off run with interrupts off;
 * allocations may sleep here, so those that must not are served as ordinary ones and counted.
 */
#define LOG_AREA "replay"
#include "kernel/replay.h"

#include "kernel/cpumask.h"
#include "kernel/errno.h"
#include "kernel/mutex.h"
#include "kernel/printk.h"
#include "kernel/replay_internal.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/trace_load.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"

/* One allocation of the trace. */
struct area {
	void __percpu *ptr; /* NULL: not live, or the allocation failed */
	uint32_t size;
};

struct replay {
	const struct trace_text *trace;
	struct replay_report *report;
	struct trace_events loaded;
	struct area *areas;
	unsigned long live_bytes;
	unsigned int cpus[NR_CPUS]; /* online ones, rising */
	unsigned int nr_cpus;
	unsigned int cpu; /* where the thread is pinned */
	bool (*stop)(void);
	int status;
};

DEFINE_MUTEX(replay_mutex, "replay");
static struct replay current_replay; /* under replay_mutex */
static unsigned int nr_failures;
static void (*event_hook)(size_t index, void __percpu *ptr);

/* ---- Contents ---- */

static void log_corrupt(struct replay *r, size_t n, unsigned int cpu, const char *what)
{
	if (r->report->corrupt == 0 && !event_hook)
		log_error("area %zu (%u bytes at 0x%lx): CPU %u's copy is %s", n, r->areas[n].size,
			  (uintptr_t)r->areas[n].ptr, cpu, what);
}

static void area_fill(struct replay *r, size_t n)
{
	bool corrupt = false;
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		char *copy = per_cpu_ptr((char __percpu *)r->areas[n].ptr, cpu);

		if (!replay_matches(copy, r->areas[n].size, replay_zeroes)) {
			log_corrupt(r, n, cpu, "fresh and not zero");
			corrupt = true;
		}
		replay_fill(copy, r->areas[n].size, replay_pattern(n, cpu));
	}
	r->report->corrupt += corrupt;
}

/* All copies by address, and this CPU's first byte once more as this_cpu_read sees it. */
static void area_verify(struct replay *r, size_t n)
{
	char __percpu *ptr = r->areas[n].ptr;
	bool corrupt = this_cpu_read(*ptr) != (char)replay_pattern(n, r->cpu).seed;
	unsigned int cpu;

	if (corrupt)
		log_corrupt(r, n, r->cpu, "not what this_cpu_read sees");
	for_each_possible_cpu (cpu) {
		if (replay_matches(per_cpu_ptr(ptr, cpu), r->areas[n].size, replay_pattern(n, cpu)))
			continue;
		log_corrupt(r, n, cpu, "not what was written there");
		corrupt = true;
	}
	r->report->corrupt += corrupt;
}

/* ---- Events ---- */

static void do_alloc(struct replay *r, const struct trace_event *event)
{
	struct area *area = &r->areas[event->area];

	r->report->allocs++;
	r->report->nosleep += (event->flags & (TRACE_NOSLEEP | TRACE_IRQS_OFF)) != 0;
	area->size = event->size;
	if (event->flags & TRACE_RESERVED)
		area->ptr = __alloc_reserved_percpu(event->size, event->align);
	else
		area->ptr = __alloc_percpu(event->size, event->align);
	if (!area->ptr) {
		r->report->failed++;
		return;
	}
	r->live_bytes += event->size;
	r->report->peak_live_bytes = max(r->report->peak_live_bytes, r->live_bytes);
	area_fill(r, event->area);
}

static void release(struct replay *r, size_t n, bool irqs_off)
{
	struct area *area = &r->areas[n];
	irqflags_t flags = 0;

	area_verify(r, n);
	if (irqs_off)
		flags = irq_save();
	free_percpu(area->ptr);
	if (irqs_off)
		irq_restore(flags);
	area->ptr = NULL;
	r->live_bytes -= area->size;
}

static void do_free(struct replay *r, const struct trace_event *event)
{
	r->report->frees++;
	if (!r->areas[event->area].ptr)
		return; /* its allocation failed */
	if (event_hook)
		event_hook((size_t)(event - r->loaded.events), r->areas[event->area].ptr);
	release(r, event->area, event->flags & TRACE_IRQS_OFF);
}

static void go_to_cpu(struct replay *r, unsigned int cpu)
{
	if (cpu == r->cpu)
		return;
	thread_pin(cpu);
	r->cpu = cpu;
}

/* Whether to go no further than to event i. */
static bool stopped(struct replay *r, size_t i)
{
	if (!r->stop || !r->stop())
		return false;
	snprintf(r->report->error, sizeof(r->report->error),
		 "replay=%s: stopped after %zu of %zu events; what lived is freed", r->trace->name,
		 i, r->loaded.nr);
	r->status = -EINTR;
	return true;
}

static void do_events(struct replay *r)
{
	size_t i;

	for (i = 0; i < r->loaded.nr && !stopped(r, i); i++) {
		const struct trace_event *event = &r->loaded.events[i];

		go_to_cpu(r, r->cpus[event->cpu % r->nr_cpus]);
		if (event->size > 0)
			do_alloc(r, event);
		else
			do_free(r, event);
	}
	r->report->events = i;
	for (size_t n = 0; n < r->loaded.nr_areas; n++) {
		if (r->areas[n].ptr)
			release(r, n, false);
	}
}

/* ---- One replay ---- */

static void check_invariants(struct replay *r)
{
	struct pcpu_check_result result;

	if (pcpu_check(&result))
		return;
	log_error("after the events: %s", result.error);
	r->report->corrupt++;
}

static void run_events(struct replay *r)
{
	struct replay_report *report = r->report;
	struct replay_ledger before, after;
	uint64_t start;

	replay_ledger_take(&before);
	pcpu_stats_reset_peak();
	start = time_us();
	do_events(r);
	report->us = time_us() - start;
	replay_ledger_take(&after);
	check_invariants(r);
	report->failed += after.stats.bad_frees - before.stats.bad_frees;
	report->peak_pages = after.stats.peak_pages;
	report->chunks_made = after.stats.chunks_made - before.stats.chunks_made;
	report->chunks_freed = after.stats.chunks_freed - before.stats.chunks_freed;
	report->leaked_pages = replay_ledger_leak(&before, &after);
}

/* ---- Memory for the events ---- */

static int no_memory(struct replay *r, size_t bytes)
{
	snprintf(r->report->error, sizeof(r->report->error),
		 "replay=%s: no memory for its %zu events (%zu bytes): boot with more (MEM=)",
		 r->trace->name, r->loaded.nr, bytes);
	return -ENOMEM;
}

/* Fills events and makes room for areas; false with r->status and the report's error set. */
static bool load(struct replay *r)
{
	size_t bytes;

	r->status = trace_load(r->trace, &r->loaded, r->report->error, sizeof(r->report->error));
	if (r->status != 0)
		return false;
	bytes = max(r->loaded.nr_areas, (size_t)1) * sizeof(*r->areas);
	r->areas = vmalloc(bytes, "replay areas");
	if (!r->areas)
		r->status = no_memory(r, bytes);
	return r->areas != NULL;
}

static void unload(struct replay *r)
{
	if (r->areas)
		vfree(r->areas);
	trace_unload(&r->loaded);
}

static void replay_thread(void *arg)
{
	struct replay *r = arg;
	unsigned int cpu;

	for_each_online_cpu (cpu)
		r->cpus[r->nr_cpus++] = cpu;
	go_to_cpu(r, r->cpus[0]);
	if (load(r))
		run_events(r);
	unload(r);
}

int replay_run(const struct trace_text *trace, struct replay_report *report, bool (*stop)(void))
{
	struct thread *thread;
	int status;

	mutex_lock(&replay_mutex);
	*report = (struct replay_report){0};
	current_replay = (struct replay){
		.trace = trace, .report = report, .cpu = THREAD_ANY_CPU, .stop = stop};
	thread = thread_create("replay", replay_thread, &current_replay, THREAD_ANY_CPU);
	if (thread)
		thread_join(thread);
	else
		current_replay.status = no_memory(&current_replay, KERNEL_STACK_SIZE);
	status = current_replay.status;
	if (!event_hook && status != -EINTR && !replay_good(report))
		nr_failures++;
	mutex_unlock(&replay_mutex);
	return status;
}

/* ---- Report ---- */

bool replay_good(const struct replay_report *report)
{
	return report->error[0] == '\0' && report->failed == 0 && report->corrupt == 0 &&
	       report->leaked_pages == 0;
}

void replay_format(const char *name, const struct replay_report *report, char *buf, size_t size)
{
	if (report->error[0] != '\0') {
		snprintf(buf, size, "error: %s", report->error);
		return;
	}
	snprintf(
		buf, size,
		"replay=%s events=%lu allocs=%lu frees=%lu failed=%lu corrupt=%lu leaked_pages=%ld "
		"peak_live_bytes=%lu peak_pages=%lu chunks_made=%lu chunks_freed=%lu us=%lu",
		name, report->events, report->allocs, report->frees, report->failed,
		report->corrupt, report->leaked_pages, report->peak_live_bytes, report->peak_pages,
		report->chunks_made, report->chunks_freed, report->us);
}

bool replay_print(const char *name, const struct replay_report *report)
{
	char line[REPLAY_LINE_SIZE];

	if (report->nosleep > 0)
		log_info("%lu allocations that must not sleep were served as ordinary ones",
			 report->nosleep);
	replay_format(name, report, line, sizeof(line));
	console_printf("%s\n", line);
	return replay_good(report);
}

unsigned int replay_failures(void)
{
	return READ_ONCE(nr_failures);
}

void replay_set_hook(void (*hook)(size_t index, void __percpu *ptr))
{
	WRITE_ONCE(event_hook, hook);
}
