/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/oracle.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Streams of operations, read from the input, on percpu/ over the host port. The input's first byte
 * chooses: compared with the plain model after each operation, or with failures planted, where a
 * request that fails has to leave everything as it was.
 *
 * An operation is a byte that says what, and its operands. At the end all areas are freed, and two
 * whole-unit areas put the chunks into the same state for every input.
 */
#include "tests/fuzz/fuzz.h"

#include "tests/host/host_test.h"
#include "tests/host/oracle.h"

#define MAX_LIVE 512
#define MAX_OPS	 200

struct live {
	void __percpu *ptr;
	size_t size, offset;
	unsigned long chunk;
	uint64_t seed;
};

static struct oracle model;
static struct live live[MAX_LIVE];
static size_t nr_live;
static const uint8_t *input, *input_end;
static bool with_model;
static uint64_t serial;

static unsigned int next_byte(void)
{
	return input < input_end ? *input++ : 0;
}

static unsigned int next_word(void)
{
	unsigned int low = next_byte();

	return low | next_byte() << 8;
}

/* ---- Comparison ---- */

static void compare_chunk(const struct oracle_chunk *want, const struct pcpu_chunk_info *got)
{
	static int map[1 << 14];
	ssize_t n = pcpu_inspect_map(got->id, map, ARRAY_SIZE(map));

	CHECK_EQ(got->id, want->id);
	CHECK_EQ(got->slot, want->slot);
	CHECK_EQ(got->free_size, oracle_free_size(want));
	CHECK_EQ(got->hint, want->hint);
	CHECK_EQ(got->pages_populated, oracle_pages(&model, want));
	CHECK_EQ(n, want->nr_runs);
	for (size_t i = 0; i < want->nr_runs; i++) {
		int run = (int)want->runs[i].length;

		CHECK_EQ(map[i], want->runs[i].used ? -run : run);
	}
}

static void compare_all(void)
{
	static struct pcpu_chunk_info info[ORACLE_MAX_CHUNKS + 1];
	size_t n = pcpu_inspect_chunks(info, ARRAY_SIZE(info));

	check_invariants("after an operation");
	if (!with_model)
		return;
	CHECK_EQ(n, model.nr_chunks + 1);
	for (size_t i = 0; i < model.nr_chunks; i++)
		compare_chunk(model.chunks[i], &info[i]);
	compare_chunk(model.reserved, &info[n - 1]);
	CHECK_EQ(host_reclaim_pending, model.reclaim_pending);
}

/* ---- Contents: all of a fresh area, and the edges of a live one ---- */

#define EDGE 64

static void check_fresh(const struct live *area)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		const char *copy = per_cpu_ptr((const char __percpu *)area->ptr, cpu);

		CHECK_EQ(copy[0], 0);
		CHECK_EQ(memcmp(copy, copy + 1, area->size - 1), 0);
	}
}

static const void __percpu *last_edge(const struct live *area)
{
	return (const char __percpu *)area->ptr + area->size - EDGE;
}

static void contents_fill(const struct live *area)
{
	pattern_fill(area->ptr, min(area->size, (size_t)EDGE), area->seed);
	if (area->size >= 2 * EDGE)
		pattern_fill(last_edge(area), EDGE, ~area->seed);
}

static void contents_check(const struct live *area)
{
	pattern_check(area->ptr, min(area->size, (size_t)EDGE), area->seed);
	if (area->size >= 2 * EDGE)
		pattern_check(last_edge(area), EDGE, ~area->seed);
}

/* ---- Operations ---- */

static void become_cpu(void)
{
	host_become_cpu(cpumask_next(&cpu_possible_mask, next_byte() % nr_cpu_ids));
}

static void alloc_one(size_t size, size_t align, bool reserved)
{
	struct live *area = &live[nr_live];
	bool legal = size > 0 && size <= PCPU_MIN_UNIT_SIZE && is_power_of_2(align) &&
		     align <= PAGE_SIZE;
	unsigned long warnings = host_warnings;
	bool fits = false;

	if (nr_live == MAX_LIVE)
		return;
	if (with_model && legal)
		fits = oracle_alloc(&model, size, align, reserved, &area->chunk, &area->offset);
	area->ptr = reserved ? host_alloc_reserved(size, align) : host_alloc(size, align);
	if (with_model)
		CHECK_EQ(area->ptr != NULL, fits);
	CHECK(legal || (area->ptr == NULL));
	CHECK(!legal || host_warnings == warnings);
	if (area->ptr == NULL)
		return;
	CHECK(((uintptr_t)area->ptr - (uintptr_t)__per_cpu_start + (uintptr_t)pcpu_base_addr) %
		      align ==
	      0);
	area->size = size;
	area->seed = ++serial;
	check_fresh(area);
	contents_fill(area);
	nr_live++;
}

static void free_one(size_t i)
{
	struct live area = live[i];
	unsigned long warnings = host_warnings;

	contents_check(&area);
	live[i] = live[--nr_live];
	if (with_model)
		CHECK(oracle_free(&model, area.chunk, area.offset));
	host_free(area.ptr);
	CHECK_EQ(host_warnings, warnings);
}

/* A free that must be refused, unless the pointer happens to be another area's. */
static void free_wrong(uintptr_t addr)
{
	struct pcpu_result result;

	for (size_t i = 0; i < nr_live; i++)
		if ((uintptr_t)live[i].ptr == addr)
			return;
	if (addr == 0)
		return;
	pcpu_try_free((void __percpu *)addr, &result);
	CHECK(result.error != NULL && result.warned && result.text[0] != 0);
}

static void reclaim(void)
{
	host_run_reclaim();
	if (with_model && model.reclaim_pending)
		oracle_reclaim(&model);
}

/* An allocation in which some hook fails: either it succeeds or everything is as before. */
static void alloc_failing(enum host_hook hook, unsigned int n, size_t size)
{
	struct host_snapshot *before;
	size_t nr = nr_live;

	reclaim();
	before = host_snapshot();
	host_fail(hook, n);
	alloc_one(size, 8, false);
	if (host_faults[hook].hit && nr_live == nr) {
		host_fail_none();
		host_run_reclaim();
		host_snapshot_compare(before, host_snapshot(), "a failed request");
		return;
	}
	host_fail_none();
	host_snapshot_free(before);
}

enum {
	ALLOC_SMALL,
	ALLOC_ANY,
	ALLOC_RESERVED,
	ALLOC_ILLEGAL,
	FREE,
	FREE_LAST,
	FREE_WRONG,
	FAIL,
	RECLAIM,
	ALLOC_PAGES,
	ALLOC_UNIT,
	NR_ACTS
};

static void operate(void)
{
	switch (next_byte() % NR_ACTS) {
	case ALLOC_SMALL:
		alloc_one(1 + next_byte() % 64, 1ul << next_byte() % 5, false);
		break;
	case ALLOC_ANY:
		alloc_one(1 + next_word(), 1ul << next_byte() % 13, false);
		break;
	case ALLOC_RESERVED:
		alloc_one(1 + next_word() % 2048, 1ul << next_byte() % 8, true);
		break;
	case ALLOC_ILLEGAL:
		alloc_one(next_word() * 3, next_word(), next_byte() & 1);
		break;
	case FREE:
		if (nr_live > 0)
			free_one(next_word() % nr_live);
		break;
	case FREE_LAST:
		if (nr_live > 0)
			free_one(nr_live - 1);
		break;
	case FREE_WRONG:
		free_wrong((nr_live > 0 ? (uintptr_t)live[next_byte() % nr_live].ptr
					: (uintptr_t)__per_cpu_start) +
			   (uintptr_t)(int16_t)next_word() * (next_byte() & 1 ? 1 : 4099));
		break;
	case FAIL:
		if (!with_model)
			alloc_failing(next_byte() % NR_HOOKS, 1 + next_byte() % 40,
				      1 + next_word());
		break;
	case RECLAIM:
		reclaim();
		break;
	case ALLOC_PAGES:
		alloc_one(4096 * (1 + next_byte() % 8), 4096, false);
		break;
	case ALLOC_UNIT:
		alloc_one(PCPU_MIN_UNIT_SIZE, 4096, false);
		break;
	default:
		break;
	}
}

/* ---- One input ---- */

static void stop(int status)
{
	if (status != 0)
		abort();
}

/* The model anew, with one wholly free chunk that has all its pages. */
static void model_start(void)
{
	static struct pcpu_chunk_info info[3];
	struct oracle_setup setup = {.reserved_size = 4096, .dyn_size = 20480, .immutable = true};
	struct pcpu_stats stats;
	unsigned long chunk;
	size_t offset;

	pcpu_stats_get(&stats);
	CHECK_EQ(pcpu_inspect_chunks(info, ARRAY_SIZE(info)), 3);
	setup.static_size = host_static_size();
	setup.unit_size = pcpu_unit_size;
	setup.pages_present = PFN_UP(setup.static_size + setup.reserved_size + setup.dyn_size);
	oracle_init(&model, &setup);
	model.next_id = info[1].id;
	CHECK(oracle_alloc(&model, PCPU_MIN_UNIT_SIZE, 8, false, &chunk, &offset));
	CHECK(oracle_free(&model, chunk, offset));
	model.next_id = stats.chunks_made;
}

/* All areas are freed; then two of a whole unit each leave one chunk with all its pages. */
static void settle(void)
{
	void __percpu *first;
	void __percpu *second;

	while (nr_live > 0)
		free_one(nr_live - 1);
	compare_all();
	with_model = false;
	first = host_alloc(PCPU_MIN_UNIT_SIZE, 8);
	second = host_alloc(PCPU_MIN_UNIT_SIZE, 8);
	CHECK(first != NULL && second != NULL);
	host_free(first);
	host_free(second);
	host_run_reclaim();
	check_invariants("at the end of an input");
}

static void start(void)
{
	static const unsigned int cpus[] = {0, 2};
	struct host_config config = {.cpus = cpus,
				     .nr_cpus = 2,
				     .reserved = 4096,
				     .dyn_size = 20480,
				     .unit_size = PCPU_MIN_UNIT_SIZE};

	host_on_leave = stop;
	host_boot(&config);
	settle();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	unsigned long ops = 0;

	if (size == 0)
		return 0;
	if (!started)
		start();
	started = true;
	model_start();
	input = data + 1;
	input_end = data + size;
	with_model = (data[0] & 1) == 0;
	host_time_ms += 1000;
	while (input < input_end && ops++ < MAX_OPS) {
		if (ops % 8 == 0)
			become_cpu();
		operate();
		compare_all();
	}
	settle();
	oracle_done(&model);
	return 0;
}
