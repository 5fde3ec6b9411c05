/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c tests/host/stream.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The random streams of test_oracle, wherever their areas come to lie: the engine and the front choose,
 * and everything else is the contract's. An area is whole, aligned, zeroed, in nobody else's bytes and
 * accounted for; a request fails only where no run of free bytes would serve it; what is not the start
 * of a live area is refused; when all is freed, all is given back. HOST_OPS: operations over all
 * streams; HOST_SEED.
 */
#include "tests/host/host_look.h"
#include "tests/host/stream.h"

#define MAX_LIVE    4096
#define NR_BURIED   64
#define DEFAULT_OPS 200000
#define NR_STREAMS  (STREAM_NR_MACHINES + 1)
#define MAX_SPAN    (128 << 10)
#define NOWHERE	    SIZE_MAX
#define EVERY	    32 /* operations from one look at everything to the next */

struct live {
	char __percpu *ptr;
	size_t size, offset;
	unsigned long chunk;
	uint64_t seed;
};

static struct live live[MAX_LIVE];
static size_t nr_live;
static char __percpu *buried[NR_BURIED]; /* freed not long ago */
static size_t nr_buried;
static unsigned long allocs, frees, bad_frees;
static size_t reserved_size, nr_first,
	first_free;			     /* of the first chunks: how many, bytes free at boot */
static bool chunks_forbidden, no_new_chunks; /* in the whole stream; now */

static bool is_live(const char __percpu *ptr)
{
	for (size_t i = 0; i < nr_live; i++)
		if (live[i].ptr == ptr)
			return true;
	return false;
}

static void become_some_cpu(void)
{
	host_become_cpu(cpumask_next(&cpu_possible_mask, (unsigned int)stream_below(nr_cpu_ids)));
}

/* ---- What a request may get ---- */

/* Bytes of the first chunks that nothing dynamic, or nothing reserved, may have. */
static size_t before_areas(const struct pcpu_chunk_info *chunk)
{
	return !chunk->first	 ? 0
	       : chunk->reserved ? host_static_size()
				 : host_static_size() + reserved_size;
}

static void check_place(const struct live *area, size_t align, bool reserved)
{
	const struct pcpu_chunk_info *chunk;
	struct pcpu_where where;
	unsigned int cpu;

	pcpu_where(area->ptr, &where);
	CHECK_EQ(where.what, PCPU_AREA);
	CHECK_EQ(where.area_offset, area->offset);
	CHECK(where.area_length >= area->size);
	chunk = look_chunk(where.chunk);
	CHECK(area->offset >= before_areas(chunk));
	CHECK(where.area_offset + where.area_length <= chunk->span);
	CHECK_EQ(chunk->reserved, reserved && reserved_size > 0);
	CHECK_EQ(area->offset % align, 0);
	for_each_possible_cpu (cpu)
		CHECK_EQ((uintptr_t)per_cpu_ptr(area->ptr, cpu) % align, 0);
	for (size_t i = 0; i < nr_live; i++)
		CHECK(&live[i] == area || live[i].ptr + live[i].size <= area->ptr ||
		      area->ptr + area->size <= live[i].ptr);
}

/* The lowest offset where free bytes of the chunk have room for an area, of multiples of four bytes; NOWHERE. */
static size_t lowest_place(const struct pcpu_chunk_info *chunk, size_t size, size_t align)
{
	static bool used[MAX_SPAN];
	struct pcpu_where where;
	size_t run = 0, lowest = NOWHERE;

	CHECK(chunk->span <= MAX_SPAN);
	memset(used, 0, sizeof(used));
	memset(used, 1, before_areas(chunk));
	for (size_t i = 0; i < nr_live; i++) {
		if (live[i].chunk != chunk->id)
			continue;
		pcpu_where(live[i].ptr, &where);
		memset(used + where.area_offset, 1, where.area_length);
	}
	size = ALIGN_UP(size, 4);
	align = max(align, (size_t)4);
	for (size_t at = chunk->span; at-- > 0;) {
		run = used[at] ? 0 : run + 1;
		if (run >= size && at % align == 0)
			lowest = at;
	}
	return lowest;
}

/* The engine `bitmap` by itself takes the lowest place of the chunk, or the odd bytes at its end. */
static void check_lowest(const struct live *area, size_t align)
{
	size_t lowest;

	if (host_has(HOST_AREAMAP) || !host_has(HOST_NO_FRONT) || stream_below(4) != 0)
		return;
	lowest = lowest_place(look_chunk(area->chunk), area->size, align);
	if (lowest != NOWHERE)
		CHECK_EQ(area->offset, lowest);
}

/* A request may have failed: there was nothing for it anywhere. */
static void check_failure(size_t size, size_t align, bool reserved)
{
	size_t n = look_chunks();

	reserved = reserved && reserved_size > 0;
	CHECK(reserved || no_new_chunks);
	for (size_t i = 0; i < n; i++)
		if (look_at[i].reserved == reserved &&
		    lowest_place(&look_at[i], size, align) != NOWHERE)
			host_check_failed(__FILE__, __LINE__, "chunk %lu has room for %zu at %zu",
					  look_at[i].id, size, align);
}

/* ---- Operations ---- */

static void alloc_one(size_t size, size_t align, bool reserved)
{
	struct live *area = &live[nr_live];
	struct pcpu_where where;

	become_some_cpu();
	area->ptr = reserved ? host_alloc_reserved(size, align) : host_alloc(size, align);
	CHECK_EQ(host_warnings, 0);
	if (area->ptr == NULL) {
		check_failure(size, align, reserved);
		return;
	}
	pcpu_where(area->ptr, &where);
	area->chunk = where.chunk;
	area->offset = where.offset;
	area->size = size;
	area->seed = host_random(&stream_random);
	check_place(area, align, reserved);
	check_lowest(area, align);
	check_filled(area->ptr, size, 0, "a fresh area");
	pattern_fill(area->ptr, size, area->seed);
	nr_live++;
	allocs++;
}

static void free_one(size_t i)
{
	pattern_check(live[i].ptr, live[i].size, live[i].seed);
	become_some_cpu();
	host_free(live[i].ptr);
	CHECK_EQ(host_warnings, 0);
	buried[nr_buried++ % NR_BURIED] = live[i].ptr;
	live[i] = live[--nr_live];
	frees++;
}

/* What is no area, and what was one. */
static char __percpu *no_area(void)
{
	const struct live *area = &live[nr_live ? stream_below(nr_live) : 0];

	switch (stream_below(4)) {
	case 0:
		return nr_live ? area->ptr + stream_below(area->size) : NULL;
	case 1:
		return (char __percpu *)(uintptr_t)__per_cpu_start +
		       stream_below(host_static_size());
	case 2:
		return nr_live ? area->ptr + pcpu_unit_size : NULL;
	default:
		return nr_buried ? buried[stream_below(min(nr_buried, (size_t)NR_BURIED))] : NULL;
	}
}

static void free_nothing(void)
{
	char __percpu *ptr = no_area();
	struct pcpu_result result;

	if (ptr == NULL || is_live(ptr))
		return;
	become_some_cpu();
	pcpu_try_free(ptr, &result);
	CHECK(result.error != NULL && result.warned);
	bad_frees++;
}

static void reclaim(void)
{
	if (stream_below(4) == 0)
		pcpu_sync();
	else
		host_run_reclaim();
}

/* As much as some chunk may give at once. */
static size_t plug_size(void)
{
	size_t hint = look_at[stream_below(look_chunks())].hint;

	return hint == 0 ? 1 : min(hint, PCPU_MIN_UNIT_SIZE);
}

static void operate(void)
{
	size_t dice = stream_below(16);

	if (stream_below(64) == 0)
		reclaim();
	else if (stream_below(16) == 0)
		free_nothing();
	else if (nr_live > 0 && (dice >= stream_grow || nr_live == MAX_LIVE))
		free_one(stream_below(nr_live));
	else if (stream_plugs && stream_below(8) == 0)
		alloc_one(plug_size(), 1, false);
	else
		alloc_one(stream_size(), stream_align(), reserved_size && stream_below(4) == 0);
}

/* ---- All of it ---- */

static void check_numbers(void)
{
	struct host_ledger ledger = host_ledger();
	struct pcpu_stats stats = look_stats();

	CHECK_EQ(stats.live_areas, nr_live);
	CHECK_EQ(stats.allocs, allocs);
	CHECK_EQ(stats.frees, frees);
	CHECK_EQ(stats.bad_frees, bad_frees);
	CHECK_EQ(stats.pages_owned, ledger.pages);
	CHECK_EQ(stats.meta_bytes, ledger.heap_bytes);
	CHECK_EQ(ledger.stale, 0);
}

static void check_all(void)
{
	struct pcpu_where where;
	size_t bytes = 0;

	check_numbers();
	for (size_t i = 0; i < nr_live; i++) {
		pattern_check(live[i].ptr, live[i].size, live[i].seed);
		pcpu_where(live[i].ptr, &where);
		CHECK_EQ(where.what, PCPU_AREA);
		bytes += where.area_length;
	}
	CHECK(look_stats().live_bytes - bytes <= 3 * nr_first);
	check_invariants("a stream");
}

static size_t free_of_first_chunks(void)
{
	size_t n = look_chunks(), bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += look_at[i].first ? look_at[i].free_size : 0;
	return bytes;
}

/* All is freed: the first chunks are as at boot, and beside them is one free chunk at most. */
static void drain(void)
{
	struct pcpu_stats stats;
	size_t n;

	while (nr_live > 0)
		free_one(stream_below(nr_live));
	pcpu_sync();
	host_run_reclaim();
	check_all();
	stats = look_stats();
	CHECK_EQ(stats.idle_areas + stats.idle_bytes, 0);
	CHECK(first_free - free_of_first_chunks() <= 3 * nr_first);
	n = look_chunks();
	CHECK(n <= nr_first + 1);
	for (size_t i = 0; i < n; i++)
		CHECK(look_at[i].first || look_at[i].free_size == pcpu_unit_size);
}

static void next_epoch(void)
{
	stream_epoch();
	no_new_chunks = chunks_forbidden || stream_below(4) == 0; /* U18 */
	host_faults[HOOK_RANGE].fail_all = no_new_chunks;
}

static void run_stream(const struct host_config *config)
{
	size_t nr_ops = host_env("HOST_OPS", DEFAULT_OPS) / NR_STREAMS;
	struct host_config machine = *config;

	stream_random =
		host_env("HOST_SEED", 1) * 0x9e3779b97f4a7c15u + config->reserved + config->nr_cpus;
	machine.nr_pages = 65536; /* no request fails for want of pages */
	host_boot(&machine);
	reserved_size = config->reserved;
	nr_first = look_chunks();
	first_free = free_of_first_chunks();
	for (size_t i = 0; i < nr_ops; i++) {
		if (i % 256 == 0)
			next_epoch();
		operate();
		check_numbers();
		if (i % EVERY == 0)
			check_all();
		if (i % 2048 == 2047)
			drain();
	}
	drain();
}

HOST_TEST(anywhere_embed)
{
	run_stream(&stream_machines[STREAM_EMBED]);
}

HOST_TEST(anywhere_embed_reserved)
{
	run_stream(&stream_machines[STREAM_EMBED_RESERVED]);
}

HOST_TEST(anywhere_page)
{
	run_stream(&stream_machines[STREAM_PAGE]);
}

HOST_TEST(anywhere_page_reserved)
{
	run_stream(&stream_machines[STREAM_PAGE_RESERVED]);
}

HOST_TEST(anywhere_cpus_with_holes)
{
	run_stream(&stream_machines[STREAM_CPUS_WITH_HOLES]);
}

HOST_TEST(anywhere_one_cpu)
{
	run_stream(&stream_machines[STREAM_ONE_CPU]);
}

HOST_TEST(anywhere_only_reserved)
{
	run_stream(&stream_machines[STREAM_ONLY_RESERVED]);
}

HOST_TEST(anywhere_no_dynamic_area)
{
	run_stream(&stream_machines[STREAM_NO_DYNAMIC_AREA]);
}

HOST_TEST(U18_anywhere_without_new_chunks)
{
	chunks_forbidden = true;
	run_stream(&stream_machines[STREAM_PAGE]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anywhere_embed),
		cmocka_unit_test(anywhere_embed_reserved),
		cmocka_unit_test(anywhere_page),
		cmocka_unit_test(anywhere_page_reserved),
		cmocka_unit_test(anywhere_cpus_with_holes),
		cmocka_unit_test(anywhere_one_cpu),
		cmocka_unit_test(anywhere_only_reserved),
		cmocka_unit_test(anywhere_no_dynamic_area),
		cmocka_unit_test(U18_anywhere_without_new_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
