// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bulk calls beside single ones: areas of one size are allocated n at a time and freed n at a time, again and
 * again; then the same with a call for each. The first round of each, which fills the stacks, is not counted.
 */
#include "kernel/bench_internal.h"
#include "mm/vmalloc.h"

#define AREAS 16384 /* counted for each line, both ways */
#define MAX_N 256

struct cost {
	uint64_t alloc, free; /* of all areas */
};

static bool alloc_each(size_t size, size_t n, void __percpu **ptrs)
{
	for (size_t i = 0; i < n; i++) {
		ptrs[i] = __alloc_percpu(size, 8);
		if (!ptrs[i]) {
			free_percpu_many(ptrs, i);
			return false;
		}
	}
	return true;
}

static void free_each(void __percpu **ptrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free_percpu(ptrs[i]);
}

/* One round: n areas come and go. */
static bool run_round(size_t size, size_t n, void __percpu **ptrs, bool bulk, struct cost *cost)
{
	uint64_t start = bench_clock(), allocated;
	bool good = bulk ? alloc_percpu_many(size, 8, n, ptrs) == n : alloc_each(size, n, ptrs);

	allocated = bench_clock();
	if (!good)
		return false;
	if (bulk)
		free_percpu_many(ptrs, n);
	else
		free_each(ptrs, n);
	cost->free += bench_clock() - allocated;
	cost->alloc += allocated - start;
	return true;
}

static bool measure(size_t size, size_t n, void __percpu **ptrs, bool bulk, struct cost *cost)
{
	bool good;

	bench_quiet_begin();
	good = run_round(size, n, ptrs, bulk, cost);
	*cost = (struct cost){0, 0};
	for (size_t done = 0; good && done < AREAS; done += n)
		good = run_round(size, n, ptrs, bulk, cost);
	bench_quiet_end();
	return good;
}

static bool compare(size_t size, size_t n, void __percpu **ptrs, bench_print print)
{
	struct cost many = {0, 0}, each = {0, 0};

	if (!measure(size, n, ptrs, true, &many) || !measure(size, n, ptrs, false, &each))
		return false;
	print("bench=bulk size=%zu align=8 n=%zu engine=%s alloc=%lu free=%lu each_alloc=%lu "
	      "each_free=%lu",
	      size, n, pcpu_engine_name(), bench_per(many.alloc, AREAS),
	      bench_per(many.free, AREAS), bench_per(each.alloc, AREAS),
	      bench_per(each.free, AREAS));
	return true;
}

const char *bench_bulk(bench_print print)
{
	void __percpu **ptrs = vmalloc(MAX_N * sizeof(*ptrs), "bench pointers");
	bool good = ptrs != NULL;

	for (size_t size = 8; good && size <= 512; size *= 8) {
		for (size_t n = 4; good && n <= MAX_N; n *= 8)
			good = compare(size, n, ptrs, print);
	}
	if (ptrs)
		vfree(ptrs);
	return good ? NULL : bench_no_memory;
}
