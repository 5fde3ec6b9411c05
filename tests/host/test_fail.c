/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Fail every step: each hook of the port that can fail is made to fail at its n-th call, for every
 * n until a request or a whole trace goes through untouched. After each failed request everything
 * is as it was before it: chunks, maps, pages, ledger and the bytes of all live areas.
 * HOST_STRIDE=n: of a trace, each n-th call only.
 */
#include "tests/host/host_test.h"

#define MAX_LIVE  512
#define MAX_STEPS 4000 /* far more calls than any trace here makes */

struct live {
	void __percpu *ptr;
	size_t size;
	uint64_t seed;
};

static struct live live[MAX_LIVE];
static size_t nr_live;

static const char *const hook_names[NR_HOOKS] = {"page", "range", "map", "heap"};

static void remember(void __percpu *ptr, size_t size)
{
	CHECK(nr_live < MAX_LIVE);
	live[nr_live] = (struct live){ptr, size, nr_live * 77 + size};
	check_filled(ptr, size, 0, "a fresh area");
	pattern_fill(ptr, size, live[nr_live].seed);
	nr_live++;
}

static void check_live(void)
{
	for (size_t i = 0; i < nr_live; i++)
		pattern_check(live[i].ptr, live[i].size, live[i].seed);
}

static void free_live(size_t i)
{
	pattern_check(live[i].ptr, live[i].size, live[i].seed);
	host_free(live[i].ptr);
	live[i] = live[--nr_live];
}

static void __percpu *request(size_t size, size_t align, bool reserved)
{
	return reserved ? host_alloc_reserved(size, align) : host_alloc(size, align);
}

/* Makes a request that must succeed, and keeps the area. */
static void must_alloc(size_t size, size_t align)
{
	void __percpu *ptr = request(size, align, false);

	CHECK(ptr != NULL);
	remember(ptr, size);
}

/* One request under whatever failures are set. If it fails, nothing has changed. */
static bool request_or_nothing(size_t size, size_t align, bool reserved, const char *when)
{
	struct host_snapshot *before;
	void __percpu *ptr;

	host_run_reclaim(); /* what earlier frees left to it is no doing of this request */
	before = host_snapshot();
	ptr = request(size, align, reserved);
	CHECK_EQ(host_warnings, 0); /* running out of memory is no reason to warn */
	check_invariants(when);
	if (ptr != NULL) {
		host_snapshot_free(before);
		remember(ptr, size);
		return true;
	}
	host_run_reclaim();
	host_snapshot_compare(before, host_snapshot(), when);
	check_invariants(when);
	check_live();
	return false;
}

/* ---- Single requests ---- */

struct scenario {
	const char *name;
	struct host_config config;
	void (*prepare)(void);
	size_t size, align;
	bool reserved;
	unsigned int
		steps[NR_HOOKS]; /* failures of each hook that this request can meet, at least */
	unsigned int needs;	 /* left out unless the program runs with these */
};

struct run {
	const struct scenario *scenario;
	enum host_hook hook;
};

/* Fails the hook's first call, its second … until the request is served. Returns how many failed.
 */
static unsigned int fail_each_call(const void *arg)
{
	const struct run *run = arg;
	const struct scenario *s = run->scenario;
	unsigned int hits = 0;

	host_boot(&s->config);
	if (s->prepare)
		s->prepare();
	for (unsigned int n = 1; n < MAX_STEPS; n++) {
		host_fail(run->hook, n);
		if (request_or_nothing(s->size, s->align, s->reserved, s->name)) {
			bool hit = host_faults[run->hook].hit;

			host_fail_none();
			if (!hit)
				return hits;
			hits++;
			free_live(nr_live - 1);
			continue;
		}
		CHECK(host_faults[run->hook].hit);
		host_fail_none();
		hits++;
	}
	host_check_failed(__FILE__, __LINE__, "%s: no end of failures", s->name);
}

/* An area map that grows is the only heap that a request needs which makes no chunk. And where pages for
 * all that a front would make ready cannot be had, it has a second try, for those of the request alone. */
static unsigned int least_steps(const struct scenario *s, unsigned int hook)
{
	if (hook == HOOK_HEAP && s->steps[HOOK_RANGE] == 0 && !host_has(HOST_AREAMAP))
		return 0;
	if ((hook == HOOK_PAGE || hook == HOOK_MAP) && s->size == 8 && !host_has(HOST_NO_FRONT))
		return min(s->steps[hook], 1u);
	return s->steps[hook];
}

static void run_scenario(const struct scenario *s)
{
	for (unsigned int hook = 0; hook < NR_HOOKS; hook++) {
		struct run run = {s, (enum host_hook)hook};
		unsigned int hits = host_in_fork(fail_each_call, &run);

		if (hits < least_steps(s, hook))
			host_check_failed(__FILE__, __LINE__,
					  "%s: hook %s failed %u times, want %u", s->name,
					  hook_names[hook], hits, least_steps(s, hook));
	}
}

/* Fills every chunk that there is, so that the next request needs a new one. */
static void fill_up(void)
{
	struct pcpu_chunk_info info[8];
	size_t n;

	host_faults[HOOK_RANGE].fail_all = true;
	for (size_t size = 16384; size >= 4; size /= 2) {
		void __percpu *ptr;

		while ((ptr = host_alloc(size, 4)) != NULL)
			remember(ptr, size);
	}
	host_fail_none();
	host_run_reclaim();
	n = pcpu_inspect_chunks(info, ARRAY_SIZE(info));
	for (size_t i = 0; i < n; i++)
		CHECK(info[i].reserved || info[i].free_size < 4);
}

/* A new chunk whose pages 0 and 2 have memory and hold live areas. */
static void neighbours(void)
{
	void __percpu *hole;

	fill_up();
	must_alloc(6000, 8);
	CHECK((hole = host_alloc(1, 1)) != NULL);
	host_free(hole);
	must_alloc(100, 4096);
}

/* An area map with no entry to spare. */
static void full_map(void)
{
	struct pcpu_chunk_info info[8];

	do {
		must_alloc(8, 8);
		CHECK_EQ(pcpu_inspect_chunks(info, ARRAY_SIZE(info)), 1);
	} while (info[0].nr_entries + 2 <= info[0].map_room);
}

static void full_map_reserved(void)
{
	for (size_t i = 0; i < 13; i++) {
		void __percpu *ptr = host_alloc_reserved(8, 8);

		CHECK(ptr != NULL);
		remember(ptr, 8);
	}
}

static const unsigned int holes[] = {0, 2, 5}, holes_units[] = {2, 0, 1};

static const struct scenario scenarios[] = {
	{"the first request", {.nr_cpus = 2}, NULL, 8, 8, false, {[HOOK_HEAP] = 1}, 0},
	{"the first request, pages",
	 {.nr_cpus = 3, .style = HOST_PAGE},
	 NULL,
	 20000,
	 8,
	 false,
	 {[HOOK_HEAP] = 1, [HOOK_PAGE] = 12, [HOOK_MAP] = 3},
	 0},
	{"O1 a new chunk",
	 {.nr_cpus = 2},
	 fill_up,
	 8,
	 8,
	 false,
	 {[HOOK_HEAP] = 3, [HOOK_RANGE] = 1, [HOOK_PAGE] = 2, [HOOK_MAP] = 2},
	 0},
	{"a new chunk, whole",
	 {.cpus = holes, .units = holes_units, .nr_cpus = 3},
	 fill_up,
	 65536,
	 4096,
	 false,
	 {[HOOK_HEAP] = 3, [HOOK_RANGE] = 1, [HOOK_PAGE] = 48, [HOOK_MAP] = 3},
	 0},
	{"U5 between neighbours",
	 {.nr_cpus = 3},
	 neighbours,
	 9000,
	 8,
	 false,
	 {[HOOK_PAGE] = 3, [HOOK_MAP] = 3},
	 0},
	{"U5 over neighbours in two runs",
	 {.nr_cpus = 2},
	 neighbours,
	 20000,
	 8,
	 false,
	 {[HOOK_PAGE] = 6, [HOOK_MAP] = 2},
	 0},
	{"O5 a full map",
	 {.nr_cpus = 2},
	 full_map,
	 8,
	 8,
	 false,
	 {[HOOK_HEAP] = 1},
	 HOST_AREAMAP | HOST_NO_FRONT},
	{"reserved",
	 {.nr_cpus = 2, .style = HOST_PAGE, .reserved = 20000},
	 NULL,
	 9000,
	 8,
	 true,
	 {[HOOK_HEAP] = 1, [HOOK_PAGE] = 4, [HOOK_MAP] = 2},
	 0},
	{"reserved, a full map",
	 {.nr_cpus = 2, .reserved = 8192},
	 full_map_reserved,
	 8,
	 8,
	 true,
	 {[HOOK_HEAP] = 1},
	 0},
};

HOST_TEST(O1_U5_U17_O19_every_step_of_one_request)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		if (host_has(scenarios[i].needs))
			run_scenario(&scenarios[i]);
}

/* One map cannot grow; another chunk, there already or new, serves the request. */
HOST_TEST_OF(O5_a_map_that_cannot_grow_is_passed_over, HOST_AREAMAP | HOST_NO_FRONT)
{
	void __percpu *first;

	host_boot(&(struct host_config){.nr_cpus = 2});
	full_map();
	host_fail(HOOK_HEAP, 1);
	first = host_alloc(8, 8);
	CHECK(host_faults[HOOK_HEAP].hit);
	CHECK(first != NULL);
	remember(first, 8);
	host_fail(HOOK_HEAP, 1);
	CHECK(request_or_nothing(8, 8, false, "a map that cannot grow"));
	host_faults[HOOK_HEAP].fail_all = true;
	CHECK(request_or_nothing(8, 8, false, "no map can grow"));
	host_fail_none();
	CHECK(request_or_nothing(8, 8, false, "all maps can grow"));
}

/* ---- A CPU without memory ---- */

static unsigned int cpu_without_memory(const void *arg)
{
	unsigned int cpu = *(const unsigned int *)arg;

	host_boot(&(struct host_config){
		.cpus = holes, .units = holes_units, .nr_cpus = 3, .style = HOST_PAGE});
	neighbours();
	host_fail_page_cpu = cpu;
	CHECK(!request_or_nothing(9000, 8, false, "a CPU's node is out of memory"));
	host_fail_none();
	CHECK(request_or_nothing(9000, 8, false, "all have memory again"));
	return 0;
}

HOST_TEST(O19_U5_each_cpu_in_turn_has_no_page)
{
	for (size_t i = 0; i < ARRAY_SIZE(holes); i++)
		host_in_fork(cpu_without_memory, &holes[i]);
}

/* ---- Whole traces ---- */

struct trace_run {
	struct host_config config;
	enum host_hook hook;
	unsigned int n;
};

/* The same 300 operations every time. */
static void run_trace(bool has_reserved, const char *when)
{
	uint64_t random = 12345;

	for (unsigned int i = 0; i < 300; i++) {
		uint64_t dice = host_random(&random), size = 1 + dice % 9000;

		if (dice >> 32 & 1)
			size = 1 + size % 64;
		if (nr_live > 0 && (dice >> 33) % 8 < 2 + (i / 20) % 4)
			free_live((dice >> 40) % nr_live);
		else
			request_or_nothing(size, 1u << (dice >> 48) % 9,
					   has_reserved && dice >> 60 < 4, when);
		if (dice >> 62 == 0)
			host_run_reclaim();
	}
	while (nr_live > 0)
		free_live(nr_live - 1);
	host_run_reclaim();
	check_invariants("the end of a trace");
}

/* Returns 1 if the failure came to pass. */
static unsigned int trace_with_failure(const void *arg)
{
	const struct trace_run *run = arg;

	host_boot(&run->config);
	host_fail(run->hook, run->n);
	run_trace(run->config.reserved > 0, hook_names[run->hook]);
	return host_faults[run->hook].hit;
}

static void fail_whole_trace(const struct host_config *config)
{
	unsigned int stride = (unsigned int)host_env("HOST_STRIDE", 1);

	for (unsigned int hook = 0; hook < NR_HOOKS; hook++) {
		struct trace_run run = {*config, (enum host_hook)hook, 1};

		while (host_in_fork(trace_with_failure, &run))
			run.n += stride;
		CHECK(run.n > 1 && run.n < MAX_STEPS);
	}
}

HOST_TEST(every_step_of_a_trace_embed)
{
	fail_whole_trace(&(struct host_config){.nr_cpus = 1});
}

HOST_TEST(every_step_of_a_trace_page_reserved)
{
	fail_whole_trace(&(struct host_config){.nr_cpus = 2,
					       .style = HOST_PAGE,
					       .unit_size = 65536,
					       .reserved = 9000,
					       .dyn_size = 20480});
}

/* ---- Failures all over ---- */

/* O6: what failing requests leave behind does not grow with their number. */
HOST_TEST(O6_a_hundred_failures_leave_no_hundred_chunks)
{
	struct pcpu_chunk_info info[8];
	struct host_ledger after_one, after_all;

	host_boot(&(struct host_config){.nr_cpus = 2});
	fill_up();
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(!host_reclaim_pending);
	CHECK(host_alloc(8, 8) == NULL);
	CHECK(host_run_reclaim()); /* a chunk was made in vain */
	for (unsigned int i = 0; i < 100; i++) {
		CHECK(!request_or_nothing(8, 8, false, "no pages"));
		if (i == 0)
			after_one = host_ledger();
	}
	after_all = host_ledger();
	CHECK(host_ledger_equal(&after_one, &after_all));
	CHECK(pcpu_inspect_chunks(info, ARRAY_SIZE(info)) <= 2);
}

#define MIN_OPS 1000 /* with fewer, hardly a request needs anything from the hook that would fail */

/* Every hook fails now and then, for thousands of requests. */
HOST_TEST(random_failures)
{
	unsigned long nr_ops = max(host_env("HOST_OPS", 200000) / 40, (unsigned long)MIN_OPS);
	uint64_t random = (host_env("HOST_SEED", 1) * 0x9e3779b97f4a7c15u) | 1;
	unsigned int failed = 0;

	host_boot(&(struct host_config){
		.nr_cpus = 2, .style = HOST_PAGE, .reserved = 9000, .nr_pages = 600});
	for (unsigned long i = 0; i < nr_ops; i++) {
		uint64_t dice = host_random(&random), size = 1 + dice % (dice >> 60 ? 300 : 65536);

		host_fail((enum host_hook)(dice >> 50) % NR_HOOKS, 1 + (dice >> 40) % 6);
		if (nr_live == MAX_LIVE || (nr_live > 0 && (dice >> 20) % 16 < (i & 1024 ? 9 : 6)))
			free_live((dice >> 24) % nr_live);
		else
			failed += !request_or_nothing(size, 1u << (dice >> 32) % 13,
						      (dice >> 56) % 8 == 0, "random failures");
	}
	CHECK(failed > 10);
	host_fail_none();
	while (nr_live > 0)
		free_live(nr_live - 1);
	host_run_reclaim();
	check_invariants("the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(O1_U5_U17_O19_every_step_of_one_request),
		cmocka_unit_test(O5_a_map_that_cannot_grow_is_passed_over),
		cmocka_unit_test(O19_U5_each_cpu_in_turn_has_no_page),
		cmocka_unit_test(every_step_of_a_trace_embed),
		cmocka_unit_test(every_step_of_a_trace_page_reserved),
		cmocka_unit_test(O6_a_hundred_failures_leave_no_hundred_chunks),
		cmocka_unit_test(random_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
