// SPDX-License-Identifier: GPL-2.0-only
/* Burst: allocates n areas of one size, then frees them in some order. The counter is read around each
 * of the two loops. */
#include "kernel/bench_internal.h"
#include "mm/vmalloc.h"

#define MAX_AREAS 16384
#define MAX_BYTES (4u << 20)

/* The areas, and the order in which they are freed. */
struct burst {
	void __percpu **ptrs;
	uint32_t *order;
	size_t n, size;
};

enum order { FIFO, LIFO, STRIDE, RANDOM, NR_ORDERS };
static const char *const order_names[NR_ORDERS] = {"fifo", "lifo", "stride", "random"};

static void order_shuffle(uint32_t *order, size_t n)
{
	uint64_t state = 1;

	for (size_t i = n; i > 1; i--) {
		size_t other = bench_random(&state) % i;
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
static bool allocate(struct burst *burst)
{
	size_t align = min(burst->size, (size_t)8), count;

	for (count = 0; count < burst->n; count++) {
		burst->ptrs[count] = __alloc_percpu(burst->size, align);
		if (!burst->ptrs[count])
			break;
	}
	if (count == burst->n)
		return true;
	while (count > 0)
		free_percpu(burst->ptrs[--count]);
	return false;
}

static bool measure(struct burst *burst, enum order kind, bench_print print)
{
	uint64_t start, allocated, freed, reclaim;
	bool good;

	order_fill(burst->order, burst->n, kind);
	bench_quiet_begin();
	start = bench_clock();
	good = allocate(burst);
	allocated = bench_clock();
	for (size_t i = 0; good && i < burst->n; i++)
		free_percpu(burst->ptrs[burst->order[i]]);
	freed = bench_clock();
	reclaim = bench_quiet_end();
	if (good)
		print("bench=burst size=%zu align=%zu n=%zu order=%s engine=%s alloc=%lu free=%lu "
		      "reclaim=%lu",
		      burst->size, min(burst->size, (size_t)8), burst->n, order_names[kind],
		      pcpu_engine_name(), bench_per(allocated - start, burst->n),
		      bench_per(freed - allocated, burst->n), reclaim);
	return good;
}

static bool measure_all(struct burst *burst, bench_print print)
{
	for (burst->size = 4; burst->size <= 1024; burst->size *= 4) {
		burst->n = min((size_t)MAX_AREAS, MAX_BYTES / burst->size);
		for (enum order kind = 0; kind < NR_ORDERS; kind++) {
			if (!measure(burst, kind, print))
				return false;
		}
	}
	return true;
}

const char *bench_burst(bench_print print)
{
	struct burst burst = {
		.ptrs = vmalloc(MAX_AREAS * sizeof(*burst.ptrs), "bench pointers"),
		.order = vmalloc(MAX_AREAS * sizeof(*burst.order), "bench order"),
	};
	bool good = burst.ptrs && burst.order && measure_all(&burst, print);

	if (burst.order)
		vfree(burst.order);
	if (burst.ptrs)
		vfree(burst.ptrs);
	return good ? NULL : bench_no_memory;
}
