/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Benchmarks: burst allocates n areas and frees them in some order; churn holds a number of areas
 * and replaces one after the other, chosen at random. The counter is read around each whole loop.
 */
#include "kernel/bench.h"

#include "arch/x86_64/cpu.h"
#include "kernel/cmdline.h"
#include "kernel/records.h"
#include "kernel/string.h"
#include "mm/vmalloc.h"
#include "percpu/percpu.h"

#define BURST_MAX_AREAS	 16384
#define BURST_MAX_BYTES	 (4u << 20)
#define CHURN_OPERATIONS 20000
#define CHURN_SIZE	 8

typedef void (*print_fn)(const char *fmt, ...) __printf(1, 2);

/* The areas of the benchmark that runs, and the order in which they are freed. */
struct areas {
	void __percpu **ptrs;
	uint32_t *order;
	size_t count;
};

enum order { FIFO, LIFO, STRIDE, RANDOM, NR_ORDERS };
static const char *const order_names[NR_ORDERS] = {"fifo", "lifo", "stride", "random"};

static const char *engine_name(void)
{
	const char *name = cmdline_get("percpu_engine");

	return name ? name : "areamap";
}

/* Numbers that are the same on every run: Marsaglia's xorshift with 64 bits of state. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void order_shuffle(uint32_t *order, size_t n)
{
	uint64_t state = 1;

	for (size_t i = n; i > 1; i--) {
		size_t other = next_random(&state) % i;
		uint32_t was = order[i - 1];

		order[i - 1] = order[other];
		order[other] = was;
	}
}

/* Stride: every 16th area, then every 16th from the next on, and so on. */
static void order_fill(uint32_t *order, size_t n, enum order kind)
{
	size_t k = 0;

	for (size_t first = 0; kind == STRIDE && first < 16; first++) {
		for (size_t i = first; i < n; i += 16)
			order[k++] = (uint32_t)i;
	}
	for (size_t i = 0; kind != STRIDE && i < n; i++)
		order[i] = (uint32_t)(kind == LIFO ? n - 1 - i : i);
	if (kind == RANDOM)
		order_shuffle(order, n);
}

/* Fills all pointers; false, with everything given back, when memory runs out. */
static bool areas_allocate(struct areas *areas, size_t n, size_t size)
{
	for (areas->count = 0; areas->count < n; areas->count++) {
		void __percpu *ptr = __alloc_percpu(size, min(size, (size_t)8));

		if (!ptr)
			break;
		areas->ptrs[areas->count] = ptr;
	}
	if (areas->count == n)
		return true;
	while (areas->count > 0)
		free_percpu(areas->ptrs[--areas->count]);
	return false;
}

static bool burst_one(struct areas *areas, size_t size, enum order kind, print_fn print)
{
	size_t n = min((size_t)BURST_MAX_AREAS, BURST_MAX_BYTES / size);
	uint64_t start, allocated, freed;

	order_fill(areas->order, n, kind);
	start = x86_rdtsc();
	if (!areas_allocate(areas, n, size))
		return false;
	allocated = x86_rdtsc();
	for (size_t i = 0; i < n; i++)
		free_percpu(areas->ptrs[areas->order[i]]);
	freed = x86_rdtsc();
	print("bench=burst size=%zu align=%zu n=%zu order=%s engine=%s alloc=%lu free=%lu", size,
	      min(size, (size_t)8), n, order_names[kind], engine_name(), (allocated - start) / n,
	      (freed - allocated) / n);
	return true;
}

static bool run_burst(struct areas *areas, print_fn print)
{
	for (size_t size = 4; size <= 1024; size *= 4) {
		for (enum order kind = 0; kind < NR_ORDERS; kind++) {
			if (!burst_one(areas, size, kind, print))
				return false;
		}
	}
	return true;
}

/* Replaces areas until one can't be had; returns how many were. */
static size_t churn(struct areas *areas, size_t live)
{
	uint64_t state = 1;
	size_t done;

	for (done = 0; done < CHURN_OPERATIONS; done++) {
		void __percpu **slot = &areas->ptrs[next_random(&state) % live];

		free_percpu(*slot);
		*slot = __alloc_percpu(CHURN_SIZE, CHURN_SIZE);
		if (!*slot)
			break;
	}
	return done;
}

static bool churn_one(struct areas *areas, size_t live, print_fn print)
{
	uint64_t start, ticks;
	size_t done;

	if (!areas_allocate(areas, live, CHURN_SIZE))
		return false;
	start = x86_rdtsc();
	done = churn(areas, live);
	ticks = x86_rdtsc() - start;
	for (size_t i = 0; i < live; i++)
		free_percpu(areas->ptrs[i]);
	if (done < CHURN_OPERATIONS)
		return false;
	print("bench=churn size=%d live=%zu engine=%s pair=%lu", CHURN_SIZE, live, engine_name(),
	      ticks / done);
	return true;
}

static bool run_churn(struct areas *areas, print_fn print)
{
	return churn_one(areas, 1000, print) && churn_one(areas, 10000, print);
}

static const struct bench {
	const char *name;
	bool (*run)(struct areas *areas, print_fn print);
} benches[] = {
	{"burst", run_burst},
	{"churn", run_churn},
};

static bool known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
		if (strcmp(benches[i].name, name) == 0)
			return true;
	}
	return false;
}

const char *bench_name(size_t i)
{
	return i < ARRAY_SIZE(benches) ? benches[i].name : NULL;
}

bool bench_run(const char *name, print_fn print, const char **error)
{
	struct areas areas = {0};
	bool good, watched;

	*error = NULL;
	if (name && !known(name))
		return false;
	areas.ptrs = vmalloc(BURST_MAX_AREAS * sizeof(*areas.ptrs), "bench pointers");
	areas.order = vmalloc(BURST_MAX_AREAS * sizeof(*areas.order), "bench order");
	good = areas.ptrs && areas.order;
	watched = records_watch(false);
	for (size_t i = 0; good && i < ARRAY_SIZE(benches); i++) {
		if (!name || strcmp(benches[i].name, name) == 0)
			good = benches[i].run(&areas, print);
	}
	records_watch(watched);
	if (areas.order)
		vfree(areas.order);
	if (areas.ptrs)
		vfree(areas.ptrs);
	*error = good ? NULL : "out of memory";
	return good;
}
