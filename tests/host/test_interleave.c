/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Interleavings: while one CPU is inside an operation, at each place where it has dropped a lock or
 * calls the port, another CPU runs a free, an allocation or a reclaim; all pairs, every place. What
 * needs the mutex while the first CPU holds it waits on a thread of its own, as it would.
 * HOST_STRIDE=n: at each n-th place only, other ones for each pair.
 *
 * The stage: a full first chunk; chunk X with areas of 8 bytes and, when it says so, a map that has
 * to grow; chunk Y, one area of a whole unit; wholly free chunks when reclaim has to find some.
 */
#include "tests/host/host_look.h"

#include <pthread.h>
#include <sched.h>

#define NR_X 14 /* areas with which a map of 16 entries has to grow for one more */
#define UNIT 65536

enum act {
	ALLOC_SMALL,
	ALLOC_PAGES,
	ALLOC_UNIT,
	ALLOC_FAILS,
	FREE_ONE,
	FREE_X,
	FREE_X_THEN_Y,
	RECLAIM,
	FREE_ALL_AND_RECLAIM,
	NR_ACTS
};

/* What the first CPU does, and what another one does meanwhile. */
static const enum act mains[] = {ALLOC_SMALL, ALLOC_PAGES,   ALLOC_UNIT, ALLOC_FAILS,
				 FREE_ONE,    FREE_X_THEN_Y, RECLAIM};
static const enum act others[] = {ALLOC_SMALL, ALLOC_UNIT,	    FREE_ONE, FREE_X, FREE_X_THEN_Y,
				  RECLAIM,     FREE_ALL_AND_RECLAIM};

static const char *const act_names[NR_ACTS] = {
	"alloc small", "alloc pages", "alloc a unit", "alloc that fails",    "free one",
	"free X",      "free X, Y",   "reclaim",      "free all and reclaim"};

struct pair {
	enum act main, other;
	unsigned int place; /* the n-th place where the other CPU runs */
	bool full_map;
	bool in_interrupt; /* the other CPU's frees run in an interrupt handler of this one */
};

struct area {
	void __percpu *ptr;
	size_t size;
};

static const struct pair *pair;
static struct area x[NR_X], y, made_by[2]; /* made_by: the first CPU, the other */
static size_t nr_x;
static unsigned int places;
static pthread_t thread;
static bool thread_runs;

static void area_make(struct area *area, size_t size)
{
	area->ptr = must_alloc(size, 8);
	area->size = size;
	check_filled(area->ptr, size, 0, "a fresh area");
	pattern_fill(area->ptr, size, size);
}

static void area_free(struct area *area)
{
	void __percpu *ptr = area->ptr;

	if (ptr == NULL)
		return;
	pattern_check(ptr, area->size, area->size);
	area->ptr = NULL;
	host_free(ptr);
}

/* x[0] is the first CPU's to free, x[1] the other's. */
static void act(enum act what, unsigned int who)
{
	switch (what) {
	case ALLOC_SMALL: /* a size of which no front has any ready */
		area_make(&made_by[who], host_has(HOST_NO_FRONT) ? 8 : 24);
		break;
	case ALLOC_PAGES:
		area_make(&made_by[who], 30000);
		break;
	case ALLOC_UNIT:
		area_make(&made_by[who], UNIT);
		break;
	case ALLOC_FAILS:
		host_faults[HOOK_PAGE].fail_at = host_faults[HOOK_PAGE].calls + 5;
		made_by[who].ptr = host_alloc(30001, 8);
		if (made_by[who].ptr != NULL) { /* the other CPU ran into the failure */
			made_by[who].size = 30001;
			pattern_fill(made_by[who].ptr, 30001, 30001);
		}
		break;
	case FREE_ONE:
		area_free(&x[who]);
		break;
	case FREE_X:
	case FREE_X_THEN_Y:
	case FREE_ALL_AND_RECLAIM:
		for (size_t i = 0; i < nr_x; i++)
			if (i != !who)
				area_free(&x[i]);
		if (what == FREE_X)
			break;
		area_free(&y);
		if (what == FREE_X_THEN_Y)
			break;
		/* fall through */
	case RECLAIM:
		pcpu_reclaim();
		break;
	case NR_ACTS:
		break;
	}
}

/* ---- The other CPU ---- */

static bool needs_mutex(enum act what)
{
	return what != FREE_ONE && what != FREE_X && what != FREE_X_THEN_Y;
}

static void other_acts(void *arg __unused)
{
	act(pair->other, 1);
}

static void *other_thread(void *arg __unused)
{
	host_become_cpu(1);
	act(pair->other, 1);
	__atomic_store_n(&thread_runs, false, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The frees of FREE_ALL_AND_RECLAIM happen now, its reclaim when the mutex is free. */
static void start_thread(void)
{
	thread_runs = true;
	CHECK_EQ(pthread_create(&thread, NULL, other_thread, NULL), 0);
	while (host_mutex_waiters() == 0 && __atomic_load_n(&thread_runs, __ATOMIC_SEQ_CST))
		sched_yield();
}

static bool threaded;

static void at_a_place(void)
{
	if (++places != pair->place)
		return;
	if (needs_mutex(pair->other) && port_mutex_held()) {
		threaded = true;
		start_thread();
	} else if (pair->in_interrupt && !needs_mutex(pair->other)) {
		host_interrupt(0, other_acts, NULL);
	} else {
		host_run_as(1, other_acts, NULL);
	}
}

static void in_a_hook(enum host_hook hook __unused)
{
	at_a_place();
}

/* ---- The stage ---- */

static void set_stage(void)
{
	struct area spare[3];

	host_boot(&(struct host_config){.nr_cpus = 2});
	fill_chunks();
	nr_x = pair->full_map ? NR_X : 3;
	for (size_t i = 0; i < nr_x; i++)
		area_make(&x[i], 8);
	area_make(&y, UNIT);
	if (pair->main != RECLAIM)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(spare); i++)
		area_make(&spare[i], UNIT);
	for (size_t i = 0; i < ARRAY_SIZE(spare); i++)
		area_free(&spare[i]);
}

static void check_what_lives(void)
{
	for (size_t i = 0; i < nr_x; i++)
		if (x[i].ptr != NULL)
			pattern_check(x[i].ptr, x[i].size, x[i].size);
	if (y.ptr != NULL)
		pattern_check(y.ptr, y.size, y.size);
	for (unsigned int who = 0; who < 2; who++)
		if (made_by[who].ptr != NULL)
			pattern_check(made_by[who].ptr, made_by[who].size, made_by[who].size);
}

static void free_what_lives(void)
{
	for (size_t i = 0; i < nr_x; i++)
		area_free(&x[i]);
	area_free(&y);
	area_free(&made_by[0]);
	area_free(&made_by[1]);
	host_run_reclaim();
	pcpu_reclaim();
}

/* Returns whether the pair's place exists. */
static unsigned int run_pair(const void *arg)
{
	unsigned long areas;

	pair = arg;
	set_stage();
	areas = look_stats().live_areas - nr_x - 1;
	host_after_unlock = host_after_mutex_unlock = at_a_place;
	host_in_hook = in_a_hook;
	places = 0;
	act(pair->main, 0);
	host_after_unlock = host_after_mutex_unlock = NULL;
	host_in_hook = NULL;
	if (threaded)
		pthread_join(thread, NULL);
	host_fail_none();
	host_assert_clean(act_names[pair->main], true);
	check_what_lives();
	check_invariants(act_names[pair->main]);
	free_what_lives();
	check_invariants("all is free");
	CHECK_EQ(look_stats().live_areas, areas);
	CHECK(look_chunks() <= 2);
	return places >= pair->place;
}

/* One pair at each place, or at every stride-th from `first` on; how many these were. Every act has a
 * place but a free that the front takes, which drops no lock. */
static unsigned int run_places(struct pair p, unsigned int first, unsigned int stride)
{
	unsigned int ran = 0;

	for (p.place = first; host_in_fork(run_pair, &p); p.place += stride, ran++)
		CHECK(p.place < 250);
	if (ran == 0 && first == 1 && (p.main != FREE_ONE || host_has(HOST_NO_FRONT)))
		host_check_failed(__FILE__, __LINE__, "%s has no place for %s", act_names[p.main],
				  act_names[p.other]);
	return ran;
}

static void run_pairs(bool full_map, bool in_interrupt)
{
	unsigned int total = 0, stride = (unsigned int)host_env("HOST_STRIDE", 1);

	for (unsigned int m = 0; m < ARRAY_SIZE(mains); m++)
		for (unsigned int o = 0; o < ARRAY_SIZE(others); o++) {
			struct pair p = {mains[m], others[o], 0, full_map, in_interrupt};

			if (!in_interrupt || !needs_mutex(p.other))
				total += run_places(p, 1 + (m + o) % stride, stride);
		}
	printf("# %u interleavings\n", total);
}

HOST_TEST(U1_U14_every_pair_with_a_map_that_grows)
{
	run_pairs(true, false);
}

HOST_TEST(U4_every_pair_with_room_in_the_map)
{
	run_pairs(false, false);
}

HOST_TEST(every_pair_with_frees_in_interrupts)
{
	run_pairs(true, true);
}

/* ---- A growth that a free made needless ---- */

static void free_three_of_x(void *arg __unused)
{
	for (size_t i = 5; i < 8; i++)
		area_free(&x[i]);
}

static void on_heap(enum host_hook hook)
{
	if (hook == HOOK_HEAP)
		host_run_as(1, free_three_of_x, NULL);
}

HOST_TEST_OF(U1_a_growth_that_a_free_made_needless_lets_its_chunk_serve,
	     HOST_AREAMAP | HOST_NO_FRONT)
{
	void __percpu *lowest;
	unsigned long growths;
	size_t chunks;

	host_boot(&(struct host_config){.nr_cpus = 2});
	fill_chunks();
	for (size_t i = 0; i < NR_X; i++)
		area_make(&x[i], 8);
	lowest = x[5].ptr;
	chunks = look_chunks();
	growths = look_stats().map_growths;
	host_in_hook = on_heap;
	CHECK(must_alloc(8, 8) == lowest);
	host_in_hook = NULL;
	CHECK(x[5].ptr == NULL);
	CHECK_EQ(look_stats().map_growths, growths + 1);
	CHECK_EQ(look_chunks(), chunks);
	check_invariants("after a needless growth");
}

/* ---- What the Spin model found ---- */

static void __percpu *last_of_its_chunk;

static void free_last_of_its_chunk(void *arg __unused)
{
	free_percpu(last_of_its_chunk);
	last_of_its_chunk = NULL;
}

static void __percpu *in_first_chunk;

/* While a chunk is made, another becomes free, and elsewhere there is room. */
static void on_range(enum host_hook hook)
{
	if (hook != HOOK_RANGE || last_of_its_chunk == NULL)
		return;
	host_run_as(1, free_last_of_its_chunk, NULL);
	last_of_its_chunk = in_first_chunk;
	host_run_as(1, free_last_of_its_chunk, NULL);
}

HOST_TEST(a_chunk_that_was_made_and_is_not_needed_wakes_reclaim)
{
	host_boot(&(struct host_config){.nr_cpus = 2});
	in_first_chunk = must_alloc(4096, 8);
	fill_chunks();
	last_of_its_chunk = must_alloc(UNIT, 8);
	CHECK_EQ(look_chunks(), 2);
	host_in_hook = on_range;
	must_alloc(4096, 8);
	host_in_hook = NULL;
	CHECK_EQ(look_chunks(), 3);
	CHECK(host_reclaim_pending);
	host_run_reclaim();
	CHECK_EQ(look_chunks(), 2);
	check_invariants("after reclaim");
}

static void on_page(enum host_hook hook)
{
	if (hook == HOOK_PAGE && last_of_its_chunk != NULL)
		host_run_as(1, free_last_of_its_chunk, NULL);
}

/* One wholly free chunk serves, another becomes free, the first gets no page and is free again. */
HOST_TEST(a_failed_request_that_leaves_surplus_wakes_reclaim)
{
	host_boot(&(struct host_config){.nr_cpus = 2});
	fill_chunks();
	last_of_its_chunk = must_alloc(UNIT, 8);
	host_fail(HOOK_PAGE, 1);
	CHECK(host_alloc(UNIT, 8) == NULL); /* leaves a chunk without pages */
	host_run_reclaim();
	CHECK_EQ(look_chunks(), 3);
	CHECK(!host_reclaim_pending);

	host_in_hook = on_page;
	host_fail(HOOK_PAGE, 1);
	CHECK(host_alloc(UNIT, 8) == NULL);
	CHECK_EQ(look_chunks(), 3);
	CHECK(host_reclaim_pending);
	host_run_reclaim();
	CHECK_EQ(look_chunks(), 2);
	check_invariants("after reclaim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U1_U14_every_pair_with_a_map_that_grows),
		cmocka_unit_test(U4_every_pair_with_room_in_the_map),
		cmocka_unit_test(every_pair_with_frees_in_interrupts),
		cmocka_unit_test(U1_a_growth_that_a_free_made_needless_lets_its_chunk_serve),
		cmocka_unit_test(a_chunk_that_was_made_and_is_not_needed_wakes_reclaim),
		cmocka_unit_test(a_failed_request_that_leaves_surplus_wakes_reclaim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
