// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live areas that are replaced one after the other, chosen at random: what churn, mixed and growth
 * count. All choices are made before the counter runs; the loop itself is about ten instructions a pair.
 */
#include "kernel/bench_internal.h"
#include "mm/vmalloc.h"

#define SPARE_SHARE 16 /* of the areas, given back when memory ran out */

static const struct bench_request request_8 = {8, 8}, request_64 = {64, 8};
const struct bench_mix bench_mix_8 = {&request_8, 1}, bench_mix_64 = {&request_64, 1};

uint64_t bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct bench_request choose_request(struct bench_areas *areas)
{
	if (areas->mix->count == 1)
		return areas->mix->requests[0];
	return areas->mix->requests[bench_random(&areas->random) % areas->mix->count];
}

static void choose_swaps(struct bench_areas *areas)
{
	for (size_t i = 0; i < areas->nr_swaps; i++) {
		areas->swaps[i].area = (uint32_t)(bench_random(&areas->random) % areas->live);
		areas->swaps[i].request = choose_request(areas);
	}
}

static void free_down_to(struct bench_areas *areas, size_t live)
{
	while (areas->live > live)
		free_percpu(areas->ptrs[--areas->live]);
}

void bench_areas_fill(struct bench_areas *areas)
{
	for (areas->live = 0; areas->live < areas->room; areas->live++) {
		struct bench_request request = choose_request(areas);

		areas->ptrs[areas->live] = __alloc_percpu(request.size, request.align);
		if (areas->ptrs[areas->live])
			continue;
		free_down_to(areas, areas->live - areas->live / SPARE_SHARE);
		break;
	}
	if (areas->live > 0)
		choose_swaps(areas);
}

bool bench_areas_prepare(struct bench_areas *areas, const struct bench_mix *mix, size_t live,
			 size_t nr_swaps)
{
	*areas = (struct bench_areas){.mix = mix, .room = live, .nr_swaps = nr_swaps, .random = 1};
	areas->ptrs = vmalloc(live * sizeof(*areas->ptrs), "bench pointers");
	areas->swaps = vmalloc(nr_swaps * sizeof(*areas->swaps), "bench swaps");
	if (areas->ptrs && areas->swaps)
		return true;
	bench_areas_free(areas);
	return false;
}

bool bench_areas_make(struct bench_areas *areas, const struct bench_mix *mix, size_t live,
		      size_t nr_swaps)
{
	if (!bench_areas_prepare(areas, mix, live, nr_swaps))
		return false;
	bench_areas_fill(areas);
	if (areas->live == 0)
		bench_areas_free(areas);
	return areas->live > 0;
}

size_t bench_areas_churn(struct bench_areas *areas)
{
	size_t done;

	for (done = 0; done < areas->nr_swaps; done++) {
		const struct bench_swap *swap = &areas->swaps[done];
		void __percpu **ptr = &areas->ptrs[swap->area];

		free_percpu(*ptr);
		*ptr = __alloc_percpu(swap->request.size, swap->request.align);
		if (!*ptr)
			break;
	}
	return done;
}

void bench_areas_empty(struct bench_areas *areas)
{
	free_down_to(areas, 0);
}

void bench_areas_free(struct bench_areas *areas)
{
	bench_areas_empty(areas);
	if (areas->ptrs)
		vfree(areas->ptrs);
	if (areas->swaps)
		vfree(areas->swaps);
}
