/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/oracle.c tests/host/stream.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Random streams of requests to percpu/ and to the plain model. After every one of them every map,
 * slot, hint and page is compared, and the contents of all areas on every CPU: of the chunk that
 * the operation was about each time, of all chunks after every HOST_CONTENTS-th operation.
 * HOST_OPS: operations over all streams; HOST_SEED.
 */
#include "tests/host/host_test.h"
#include "tests/host/oracle.h"
#include "tests/host/stream.h"

#define MAX_LIVE	 4096
#define DEFAULT_OPS	 200000
#define NR_STREAMS	 9
#define DEFAULT_CONTENTS 64

struct live {
	void __percpu *ptr;
	size_t size, offset;
	unsigned long chunk;
	uint64_t seed;
};

static struct oracle model;
static struct live live[MAX_LIVE];
static size_t nr_live;

/* ---- Comparison ---- */

static void compare_map(const struct oracle_chunk *want, const struct pcpu_chunk_info *got)
{
	static int map[1 << 16];
	ssize_t n = pcpu_inspect_map(got->id, map, ARRAY_SIZE(map));

	CHECK_EQ(n, want->nr_runs);
	for (size_t i = 0; i < want->nr_runs; i++) {
		int run = (int)want->runs[i].length;

		if (map[i] != (want->runs[i].used ? -run : run))
			host_check_failed(__FILE__, __LINE__,
					  "chunk %lu entry %zu: got %d, want %c%d", got->id, i,
					  map[i], want->runs[i].used ? '-' : '+', run);
	}
}

static void compare_pages(const struct oracle_chunk *want, const struct pcpu_chunk_info *got)
{
	uint8_t pages[256];

	CHECK_EQ(pcpu_inspect_pages(got->id, pages, ARRAY_SIZE(pages)),
		 model.unit_size / PAGE_SIZE);
	for (size_t i = 0; i < model.unit_size / PAGE_SIZE; i++)
		if (pages[i] != want->page_has_memory[i])
			host_check_failed(__FILE__, __LINE__, "chunk %lu page %zu: got %u, want %u",
					  got->id, i, pages[i], want->page_has_memory[i]);
}

/* A map has room for 2 (the first ones) or for a power of two from 16 up, never too little. */
static void compare_room(const struct pcpu_chunk_info *got)
{
	CHECK(got->map_room == 2 || (got->map_room >= 16 && is_power_of_2(got->map_room)));
	CHECK(got->map_room >= got->nr_entries);
	CHECK(got->first || got->map_room >= 16);
}

static void compare_chunk(const struct oracle_chunk *want, const struct pcpu_chunk_info *got)
{
	CHECK_EQ(got->id, want->id);
	CHECK_EQ(got->slot, want->slot);
	CHECK_EQ(got->span, want->span);
	CHECK_EQ(got->free_size, oracle_free_size(want));
	CHECK_EQ(got->hint, want->hint);
	CHECK_EQ(got->nr_entries, want->nr_runs);
	CHECK_EQ(got->pages_populated, oracle_pages(&model, want));
	CHECK_EQ(got->pages_total, model.unit_size / PAGE_SIZE);
	CHECK_EQ(got->first, want->first);
	CHECK_EQ(got->reserved, want->reserved);
	CHECK_EQ(got->immutable, want->immutable);
	compare_room(got);
	compare_map(want, got);
	compare_pages(want, got);
}

static void compare_stats(void)
{
	struct pcpu_stats stats;
	struct host_ledger ledger = host_ledger();

	pcpu_stats_get(&stats);
	CHECK_EQ(stats.live_areas, nr_live);
	CHECK_EQ(stats.chunks_made, model.chunks_made);
	CHECK_EQ(stats.chunks_freed, model.chunks_freed);
	CHECK_EQ(stats.pages_owned, ledger.pages);
	CHECK_EQ(stats.meta_bytes, ledger.heap_bytes);
	CHECK_EQ(ledger.stale, 0);
}

static unsigned long chunk_now; /* the operation is about this chunk, or about none */

static void compare_contents(bool of_all)
{
	for (size_t i = 0; i < nr_live; i++)
		if (of_all || live[i].chunk == chunk_now)
			pattern_check(live[i].ptr, live[i].size, live[i].seed);
}

static void compare_all(void)
{
	static struct pcpu_chunk_info info[ORACLE_MAX_CHUNKS + 1];
	size_t n = pcpu_inspect_chunks(info, ARRAY_SIZE(info));

	CHECK_EQ(n, model.nr_chunks + (model.reserved != NULL));
	for (size_t i = 0; i < model.nr_chunks; i++)
		compare_chunk(model.chunks[i], &info[i]);
	if (model.reserved != NULL)
		compare_chunk(model.reserved, &info[n - 1]);
	CHECK_EQ(host_reclaim_pending, model.reclaim_pending);
	compare_stats();
	check_invariants("after an operation");
}

/* ---- Operations ---- */

static bool chunks_forbidden; /* in the whole stream */

/* From now on chunks can be made, or not. */
static void allow_chunks(bool allowed)
{
	allowed = allowed && !chunks_forbidden;
	host_faults[HOOK_RANGE].fail_all = !allowed;
	model.no_new_chunks = !allowed;
}

static void forget(size_t i)
{
	live[i] = live[--nr_live];
}

static void free_one(size_t i)
{
	struct live *area = &live[i];

	pattern_check(area->ptr, area->size, area->seed);
	chunk_now = area->chunk;
	CHECK(oracle_free(&model, area->chunk, area->offset));
	host_become_cpu(cpumask_next(&cpu_possible_mask, (unsigned int)stream_below(nr_cpu_ids)));
	host_free(area->ptr);
	CHECK_EQ(host_warnings, 0);
	forget(i);
}

static uintptr_t base_of(unsigned long chunk)
{
	static struct pcpu_chunk_info info[ORACLE_MAX_CHUNKS + 1];
	size_t n = pcpu_inspect_chunks(info, ARRAY_SIZE(info));

	for (size_t i = 0; i < n; i++)
		if (info[i].id == chunk)
			return info[i].base;
	host_check_failed(__FILE__, __LINE__, "there is no chunk %lu", chunk);
}

static void alloc_one(size_t size, size_t align, bool reserved)
{
	struct live *area = &live[nr_live];
	bool fits = oracle_alloc(&model, size, align, reserved, &area->chunk, &area->offset);

	host_become_cpu(cpumask_next(&cpu_possible_mask, (unsigned int)stream_below(nr_cpu_ids)));
	area->ptr = reserved ? host_alloc_reserved(size, align) : host_alloc(size, align);
	CHECK_EQ(area->ptr != NULL, fits);
	CHECK_EQ(host_warnings, 0);
	if (!fits)
		return;
	CHECK_EQ((uintptr_t)area->ptr - (uintptr_t)__per_cpu_start + (uintptr_t)pcpu_base_addr,
		 base_of(area->chunk) + area->offset);
	area->size = size;
	area->seed = host_random(&stream_random);
	chunk_now = area->chunk;
	check_filled(area->ptr, size, 0, "a fresh area");
	pattern_fill(area->ptr, size, area->seed);
	nr_live++;
}

/* As much as some chunk can give at once: chunks get full to the brim. */
static size_t plug_size(void)
{
	size_t hint = model.nr_chunks ? model.chunks[stream_below(model.nr_chunks)]->hint : 0;

	return hint == 0 ? 1 : min(hint, PCPU_MIN_UNIT_SIZE);
}

static void operate(bool with_reserved)
{
	size_t dice = stream_below(16);

	if (stream_below(64) == 0) {
		host_run_reclaim();
		if (model.reclaim_pending)
			oracle_reclaim(&model);
	} else if (nr_live > 0 && (dice >= stream_grow || nr_live == MAX_LIVE)) {
		free_one(stream_below(nr_live));
	} else if (stream_plugs && stream_below(8) == 0) {
		alloc_one(plug_size(), 1, false);
	} else {
		alloc_one(stream_size(), stream_align(), with_reserved && stream_below(4) == 0);
	}
}

static void drain(void)
{
	while (nr_live > 0)
		free_one(stream_below(nr_live));
	compare_all();
	host_run_reclaim();
	if (model.reclaim_pending)
		oracle_reclaim(&model);
	compare_all();
}

static void run_stream(const struct host_config *config)
{
	struct host_config machine = *config;
	ssize_t dyn = config->dyn_size;
	struct oracle_setup setup = {.static_size = host_static_size(),
				     .reserved_size = config->reserved};
	size_t nr_ops = host_env("HOST_OPS", DEFAULT_OPS) / NR_STREAMS;
	size_t contents = host_env("HOST_CONTENTS", DEFAULT_CONTENTS);

	stream_random =
		host_env("HOST_SEED", 1) * 0x9e3779b97f4a7c15u + config->reserved + config->nr_cpus;
	machine.nr_pages = 65536; /* no request fails for want of pages */
	host_boot(&machine);
	setup.unit_size = pcpu_unit_size;
	setup.immutable = config->style == HOST_EMBED;
	setup.dyn_size = pcpu_unit_size - setup.static_size - setup.reserved_size;
	if (dyn > 0 || dyn == -2)
		setup.dyn_size = dyn == -2 ? 0 : (size_t)dyn;
	setup.pages_present = PFN_UP(setup.static_size) + config->extra_pages;
	if (setup.immutable)
		setup.pages_present =
			dyn == 0 ? pcpu_unit_size / PAGE_SIZE
				 : PFN_UP(setup.static_size + config->reserved + setup.dyn_size);
	oracle_init(&model, &setup);
	compare_all();
	for (size_t i = 0; i < nr_ops; i++) {
		if (i % 256 == 0) {
			stream_epoch();
			allow_chunks(stream_below(4) != 0); /* U18 */
		}
		operate(config->reserved > 0);
		compare_all();
		compare_contents(i % contents == 0);
		if (i % 8192 == 8191)
			drain();
	}
	drain();
	oracle_done(&model);
}

HOST_TEST(stream_embed)
{
	run_stream(&stream_machines[STREAM_EMBED]);
}

HOST_TEST(stream_embed_reserved)
{
	run_stream(&stream_machines[STREAM_EMBED_RESERVED]);
}

HOST_TEST(stream_page)
{
	run_stream(&stream_machines[STREAM_PAGE]);
}

HOST_TEST(stream_page_reserved)
{
	run_stream(&stream_machines[STREAM_PAGE_RESERVED]);
}

HOST_TEST(stream_cpus_with_holes)
{
	run_stream(&stream_machines[STREAM_CPUS_WITH_HOLES]);
}

HOST_TEST(stream_one_cpu)
{
	run_stream(&stream_machines[STREAM_ONE_CPU]);
}

HOST_TEST(stream_only_reserved)
{
	run_stream(&stream_machines[STREAM_ONLY_RESERVED]);
}

HOST_TEST(stream_no_dynamic_area)
{
	run_stream(&stream_machines[STREAM_NO_DYNAMIC_AREA]);
}

HOST_TEST(U18_stream_without_new_chunks)
{
	chunks_forbidden = true;
	run_stream(&(struct host_config){.nr_cpus = 2, .style = HOST_PAGE});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_embed),
		cmocka_unit_test(stream_embed_reserved),
		cmocka_unit_test(stream_page),
		cmocka_unit_test(stream_page_reserved),
		cmocka_unit_test(stream_cpus_with_holes),
		cmocka_unit_test(stream_one_cpu),
		cmocka_unit_test(stream_only_reserved),
		cmocka_unit_test(stream_no_dynamic_area),
		cmocka_unit_test(U18_stream_without_new_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
