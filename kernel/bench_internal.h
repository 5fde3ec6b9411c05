/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmarks share. Each is one function that prints its lines and returns NULL; or says
 * what it lacks and the way out, having given everything back.
 */
#pragma once

#include "arch/x86_64/cpu.h"
#include "kernel/bench.h"
#include "percpu/inspect.h"

typedef void (*bench_print)(const char *fmt, ...) __printf(1, 2);

const char *bench_burst(bench_print print);
const char *bench_bulk(bench_print print);
const char *bench_churn(bench_print print);
const char *bench_mixed(bench_print print);
const char *bench_replay(bench_print print);
const char *bench_thiscpu(bench_print print);
const char *bench_growth(bench_print print);
const char *bench_packing(bench_print print);
const char *bench_irqoff(bench_print print);
const char *bench_cpus(bench_print print);

extern const char bench_no_memory[];

/*
 * Around what is counted. begin: no reclaim is pending, then devices and the tick are held off this CPU. end:
 * waits for the reclaim that was asked for meanwhile, lets them in again, and returns what that reclaim
 * cost. Thread context; the counter is read by bench_clock in between.
 */
void bench_quiet_begin(void);
uint64_t bench_quiet_end(void);

static inline uint64_t bench_clock(void)
{
	return x86_rdtsc();
}

/* Rounded to the nearest. n > 0. */
static inline uint64_t bench_per(uint64_t total, uint64_t n)
{
	return (total + n / 2) / n;
}

struct trace_events;
/* Calls fn with the events of each bundled trace until one says what it lacks (bench_replay.c). */
const char *bench_each_trace(const char *(*fn)(const char *name, const struct trace_events *trace,
					       bench_print print),
			     bench_print print);

/* ---- Areas (bench_areas.c) ---- */

/* Numbers that are the same on every run: Marsaglia's xorshift with 64 bits of state, not 0. */
uint64_t bench_random(uint64_t *state);

struct bench_request {
	uint16_t size, align;
};

/* A set of sizes, each as likely as the others. */
struct bench_mix {
	const struct bench_request *requests;
	size_t count;
};

/* Live areas, and who replaces whom. */
struct bench_areas {
	const struct bench_mix *mix;
	void __percpu **ptrs;
	size_t room, live;
	struct bench_swap *swaps;
	size_t nr_swaps;
	uint64_t random;
};

/* One pair of calls: the area that is freed, and the request that takes its place. */
struct bench_swap {
	uint32_t area;
	struct bench_request request;
};

/*
 * Makes room for `live` areas of the mix and nr_swaps pairs, then fills it: fewer areas than asked for when
 * memory runs out, and then some of them are given back, so that there is room to move. False, and
 * nothing kept, if there is no room for the pointers or for any area.
 */
bool bench_areas_make(struct bench_areas *areas, const struct bench_mix *mix, size_t live,
		      size_t nr_swaps);
/* Its two halves. After prepare has returned true, fill may be called once; it sets live, maybe to 0. */
bool bench_areas_prepare(struct bench_areas *areas, const struct bench_mix *mix, size_t live,
			 size_t nr_swaps);
void bench_areas_fill(struct bench_areas *areas);
/* Frees one area and allocates another, nr_swaps times; the number that succeeded before one failed. */
size_t bench_areas_churn(struct bench_areas *areas);
/* Frees all areas; all areas and the room. */
void bench_areas_empty(struct bench_areas *areas);
void bench_areas_free(struct bench_areas *areas);

/* The mixes of one size: 8 bytes, 64 bytes. */
extern const struct bench_mix bench_mix_8, bench_mix_64;

#define BENCH_SWAPS 20000
