// SPDX-License-Identifier: GPL-2.0-only
/*
 * Churn holds a number of areas of one size and replaces one after the other, chosen at random; mixed
 * does so with areas of the sizes that the bundled traces ask for: most of them small, a few of
 * hundreds of bytes. A pair is one free and one allocation.
 */
#include "kernel/bench_internal.h"

static const struct bench_request mixed_requests[] = {
	{4, 4},	 {8, 4},  {8, 4},    {8, 4},  {8, 8},	{8, 8},	  {16, 8},  {16, 8},
	{32, 8}, {64, 8}, {128, 64}, {80, 8}, {176, 8}, {240, 8}, {296, 8}, {512, 8},
};
static const struct bench_mix mix_of_traces = {mixed_requests, ARRAY_SIZE(mixed_requests)};

struct result {
	uint64_t pair, reclaim;
};

/* NULL, or why there is no result. */
static const char *measure(const struct bench_mix *mix, size_t live, struct result *result)
{
	struct bench_areas areas;
	const char *error = NULL;
	uint64_t start;

	if (!bench_areas_make(&areas, mix, live, BENCH_SWAPS))
		return bench_no_memory;
	bench_quiet_begin();
	start = bench_clock();
	if (areas.live < live || bench_areas_churn(&areas) < BENCH_SWAPS)
		error = bench_no_memory;
	result->pair = bench_per(bench_clock() - start, BENCH_SWAPS);
	result->reclaim = bench_quiet_end();
	bench_areas_free(&areas);
	return error;
}

static const char *churn_one(const struct bench_mix *mix, size_t live, bench_print print)
{
	struct result result;
	const char *error = measure(mix, live, &result);

	if (!error)
		print("bench=churn size=%u live=%zu engine=%s pair=%lu reclaim=%lu",
		      mix->requests[0].size, live, pcpu_engine_name(), result.pair, result.reclaim);
	return error;
}

static const char *mixed_one(size_t live, bench_print print)
{
	struct result result;
	const char *error = measure(&mix_of_traces, live, &result);

	if (!error)
		print("bench=mixed live=%zu engine=%s pair=%lu reclaim=%lu", live,
		      pcpu_engine_name(), result.pair, result.reclaim);
	return error;
}

const char *bench_churn(bench_print print)
{
	const char *error = churn_one(&bench_mix_8, 1000, print);

	error = error ?: churn_one(&bench_mix_8, 10000, print);
	error = error ?: churn_one(&bench_mix_64, 1000, print);
	return error ?: churn_one(&bench_mix_64, 10000, print);
}

const char *bench_mixed(bench_print print)
{
	return mixed_one(1000, print) ?: mixed_one(8000, print);
}
