// SPDX-License-Identifier: GPL-2.0-only
/*
 * Growth: what a pair costs with a thousand areas live and with a million, or as many as memory has room
 * for; and the ratio of the two, in hundredths. Live areas are replaced at random, as in churn.
 */
#include "kernel/bench_internal.h"

#define FEW_AREAS  1000
#define MANY_AREAS 1000000

struct result {
	size_t live;
	uint64_t pair;
};

static bool measure(const struct bench_mix *mix, size_t live, struct result *result)
{
	struct bench_areas areas;
	uint64_t start;
	bool good;

	if (!bench_areas_make(&areas, mix, live, BENCH_SWAPS))
		return false;
	bench_quiet_begin();
	start = bench_clock();
	good = bench_areas_churn(&areas) == BENCH_SWAPS;
	result->pair = bench_per(bench_clock() - start, BENCH_SWAPS);
	bench_quiet_end();
	result->live = areas.live;
	bench_areas_free(&areas);
	return good;
}

static const char *growth_of(const struct bench_mix *mix, bench_print print)
{
	struct result few, many;
	uint64_t hundredths;

	if (!measure(mix, FEW_AREAS, &few) || !measure(mix, MANY_AREAS, &many))
		return bench_no_memory;
	hundredths = bench_per(many.pair * 100, few.pair);
	print("bench=growth size=%u live=%zu engine=%s pair=%lu", mix->requests[0].size, few.live,
	      pcpu_engine_name(), few.pair);
	print("bench=growth size=%u live=%zu engine=%s pair=%lu ratio=%lu.%02lu",
	      mix->requests[0].size, many.live, pcpu_engine_name(), many.pair, hundredths / 100,
	      hundredths % 100);
	return NULL;
}

const char *bench_growth(bench_print print)
{
	return growth_of(&bench_mix_8, print) ?: growth_of(&bench_mix_64, print);
}
