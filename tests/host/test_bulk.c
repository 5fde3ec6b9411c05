/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c tests/host/front_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/* Many areas at once: all or none, each as a call of its own would have it; with each engine, with the
 * front and without. */
#include "percpu/guard.h"
#include "tests/host/front_look.h"

#define MAX_N 600

static const struct host_config two_cpus = {.nr_cpus = 2};
static const struct host_config pages = {.nr_cpus = 2, .style = HOST_PAGE};
static void __percpu *ptrs[MAX_N];

static void run_without_front_too(const char *name, void (*body)(void))
{
	front_run_twice(name, body);
	setenv("HOST_FRONT", "off", 1);
	setenv("HOST_ENGINE", "areamap", 1);
	host_run_child(name, body);
	setenv("HOST_ENGINE", "bitmap", 1);
	host_run_child(name, body);
}

#define BULK_TEST(name)                                    \
	static void name##_body(void);                     \
	static void name(void **state)                     \
	{                                                  \
		(void)state;                               \
		run_without_front_too(#name, name##_body); \
	}                                                  \
	static void name##_body(void)

static size_t alloc_many(size_t size, size_t align, size_t n)
{
	size_t got;

	for (size_t i = 0; i < n; i++)
		ptrs[i] = (void __percpu *)(uintptr_t)1;
	got = alloc_percpu_many(size, align, n, ptrs);
	host_assert_clean("alloc_percpu_many", true);
	for (size_t i = 0; i < n; i++)
		CHECK((ptrs[i] != NULL) == (got == n) && (uintptr_t)ptrs[i] != 1);
	CHECK(got == n || got == 0);
	return got;
}

static void free_many(size_t n)
{
	free_percpu_many(ptrs, n);
	host_assert_clean("free_percpu_many", true);
}

/* ---- All ---- */

static void come_and_go(size_t size, size_t align, size_t n)
{
	CHECK_EQ(alloc_many(size, align, n), n);
	CHECK_EQ(look_stats().live_areas, n);
	for (size_t i = 0; i < n; i++) {
		CHECK_EQ((uintptr_t)ptrs[i] % align, 0);
		check_filled(ptrs[i], size, 0, "one of many");
		pattern_fill(ptrs[i], size, i);
	}
	for (size_t i = 0; i < n; i++)
		pattern_check(ptrs[i], size, i); /* none overlaps another */
	check_invariants("many are live");
	free_many(n);
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("many are free");
}

BULK_TEST(bulk_areas_are_zeroed_and_each_for_itself)
{
	static const size_t sizes[] = {1, 8, 64, 200, 1088, 1500},
			    counts[] = {0, 1, 15, 16, 17, 100};
	size_t total = 0;

	host_boot(&pages);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(counts); k++) {
			for (unsigned int round = 0; round < 2; round++)
				come_and_go(sizes[i], 1, counts[k]);
			total += 2 * counts[k];
		}
	}
	come_and_go(24, 64, 50);
	come_and_go(24, 512, 50);
	CHECK_EQ(look_stats().allocs, total + 100);
	CHECK_EQ(look_stats().frees, total + 100);
	CHECK_EQ(host_warnings, 0);
}

FRONT_TEST(bulk_hits_take_no_lock)
{
	unsigned long locks;

	host_boot(&two_cpus);
	front_deepen(24);
	CHECK(front_ready(0, 24) >= 20);
	locks = host_lock_stats.locks + host_lock_stats.mutex_locks;
	CHECK_EQ(alloc_many(24, 8, 20), 20);
	free_many(20);
	CHECK_EQ(host_lock_stats.locks + host_lock_stats.mutex_locks, locks);
	check_invariants("hits");
}

FRONT_TEST(bulk_misses_are_few)
{
	unsigned long locks;

	host_boot(&two_cpus);
	front_deepen(8);
	locks = host_lock_stats.mutex_locks;
	CHECK_EQ(alloc_many(8, 8, 500), 500);
	CHECK(host_lock_stats.mutex_locks - locks < 500 / 10);
	free_many(500);
	check_invariants("few misses");
}

/* ---- Refusals ---- */

static void expect_refused(size_t size, size_t align, const char *text)
{
	unsigned long warnings = host_warnings, bad = look_stats().bad_allocs;

	CHECK_EQ(alloc_percpu_many(size, align, 20, ptrs), 0);
	for (size_t i = 0; i < 20; i++)
		CHECK(ptrs[i] == NULL);
	CHECK_EQ(host_warnings, warnings + 1);
	CHECK_TEXT(host_warning, text);
	CHECK_EQ(look_stats().bad_allocs, bad + 1);
	CHECK_EQ(look_stats().live_areas, 0);
}

static void alloc_in_interrupt(void *arg __unused)
{
	expect_refused(24, 8, "must not sleep");
}

BULK_TEST(bulk_a_bad_request_is_refused_with_one_warning)
{
	host_quiet = true;
	host_boot(&two_cpus);
	CHECK_EQ(alloc_many(24, 8, 40), 40); /* so that the front, if there is one, has enough */
	free_many(40);
	expect_refused(0, 8, "illegal size 0");
	expect_refused(PCPU_MIN_UNIT_SIZE + 1, 8, "illegal size");
	expect_refused(8, 3, "or align 3");
	host_interrupt(0, alloc_in_interrupt, NULL);
	CHECK_EQ(alloc_percpu_many(0, 3, 0, NULL), 0); /* none are asked for */
	CHECK_EQ(host_warnings, 4);
	check_invariants("refused");
}

static void free_in_interrupt(void *arg __unused)
{
	free_percpu_many(ptrs, 40);
}

BULK_TEST(bulk_a_bad_free_is_refused_and_the_others_are_done)
{
	host_quiet = true;
	host_boot(&two_cpus);
	CHECK_EQ(alloc_many(24, 8, 40), 40);
	ptrs[3] = NULL;				  /* lives on */
	ptrs[17] = ptrs[16];			  /* twice */
	ptrs[30] = (char __percpu *)ptrs[30] + 4; /* inside */
	host_interrupt(1, free_in_interrupt, NULL);
	CHECK_EQ(host_warnings, 2);
	CHECK_EQ(look_stats().bad_frees, 2);
	CHECK_EQ(look_stats().live_areas, 3);
	ptrs[30] = (char __percpu *)ptrs[30] - 4;
	host_free(ptrs[30]);
	CHECK_EQ(look_stats().live_areas, 2);
	free_percpu_many(NULL, 0);
	check_invariants("bad ones among good ones");
}

FRONT_TEST(bulk_a_unit_of_dead_bytes_wakes_reclaim)
{
	host_boot(&two_cpus);
	CHECK_EQ(alloc_many(1000, 8, 200), 200);
	host_run_reclaim();
	free_many(200);
	CHECK(host_reclaim_pending);
	check_invariants("woken");
}

/* ---- No memory ---- */

struct fail_run {
	enum host_hook hook;
	size_t size;
};

/* Whatever step fails, what was free before is free again, and what lived lives. Returns how many steps
 * there were: a step may fail and the request be served all the same. */
static unsigned int fail_each_step(const void *arg)
{
	const struct fail_run *run = arg;
	struct pcpu_stats before, after;
	unsigned long n = 0;
	void __percpu *neighbour;

	host_boot(&pages);
	neighbour = must_alloc(100, 8);
	pattern_fill(neighbour, 100, 7);
	do {
		bool served;

		host_run_reclaim();
		before = look_stats();
		host_fail(run->hook, ++n);
		served = alloc_many(run->size, 8, 70) == 70;
		CHECK(served || host_faults[run->hook].hit);
		free_many(70); /* NULLs, if it failed */
		after = look_stats();
		CHECK_EQ(after.alloc_failures, before.alloc_failures + !served);
		CHECK_EQ(after.live_areas, 1);
		CHECK_EQ(after.live_bytes, before.live_bytes);
		pattern_check(neighbour, 100, 7);
		check_invariants("a step failed");
	} while (host_faults[run->hook].hit);
	host_fail_none();
	host_run_reclaim();
	CHECK(look_chunks() <= 2); /* the first, and one to spare */
	CHECK_EQ(host_warnings, 0);
	return (unsigned int)n - 1;
}

BULK_TEST(bulk_a_failure_at_any_step_leaves_none)
{
	static const enum host_hook hooks[] = {HOOK_HEAP, HOOK_PAGE, HOOK_MAP, HOOK_RANGE};

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		struct fail_run large = {hooks[i], 5000}, small = {hooks[i], 1088};

		CHECK(host_in_fork(fail_each_step, &large) >= 2);
		CHECK(host_in_fork(fail_each_step, &small) >= 1);
	}
}

/* ---- Watching, debugging ---- */

static size_t nr_allocated, nr_freed, nr_other;

static void observe(const struct pcpu_event *event)
{
	void __percpu *next = ptrs[event->kind == PCPU_ALLOCATED ? nr_allocated : nr_freed];

	CHECK(event->caller != 0);
	if (event->kind == PCPU_ALLOCATED) {
		CHECK_EQ(event->size, 40);
		nr_allocated++;
	} else if (event->kind == PCPU_FREED) {
		CHECK(event->ptr == next);
		nr_freed++;
	} else {
		nr_other++;
	}
}

BULK_TEST(bulk_an_observer_is_told_of_each)
{
	host_boot(&two_cpus);
	CHECK_EQ(alloc_many(40, 8, 50), 50);
	free_many(50);
	pcpu_observe(observe);
	CHECK_EQ(alloc_many(40, 8, 50), 50);
	free_many(50);
	pcpu_observe(NULL);
	CHECK_EQ(nr_allocated, 50);
	CHECK_EQ(nr_freed, 50);
	CHECK_EQ(nr_other, 0);
}

BULK_TEST(bulk_guards_see_what_was_written_past_an_area)
{
	host_quiet = true;
	host_boot(&two_cpus);
	pcpu_debug_enable();
	CHECK_EQ(alloc_many(40, 8, 20), 20);
	((char *)per_cpu_ptr(ptrs[11], 1))[40] = 1;
	free_many(20);
	CHECK_EQ(host_warnings, 1);
	CHECK_TEXT(host_warning, "write past an area");
	free_many(20);
	CHECK_EQ(look_stats().bad_frees, 20);
	check_invariants("with guards");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_areas_are_zeroed_and_each_for_itself),
		cmocka_unit_test(bulk_hits_take_no_lock),
		cmocka_unit_test(bulk_misses_are_few),
		cmocka_unit_test(bulk_a_bad_request_is_refused_with_one_warning),
		cmocka_unit_test(bulk_a_bad_free_is_refused_and_the_others_are_done),
		cmocka_unit_test(bulk_a_unit_of_dead_bytes_wakes_reclaim),
		cmocka_unit_test(bulk_a_failure_at_any_step_leaves_none),
		cmocka_unit_test(bulk_an_observer_is_told_of_each),
		cmocka_unit_test(bulk_guards_see_what_was_written_past_an_area),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
