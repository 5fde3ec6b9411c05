/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c tests/host/front_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The front by itself: classes, hits and misses, limits, and how all of it goes back.
 */
#include "tests/host/front_look.h"

static const struct host_config two_cpus = {.nr_cpus = 2};
static const struct host_config three_cpus = {.nr_cpus = 3, .style = HOST_PAGE};

/* ---- Classes ---- */

static void check_class(size_t size, size_t align)
{
	unsigned int class = pcpu_front_class(size, align);
	size_t rounded = ALIGN_UP(size, max(align, (size_t)4));

	if (size == 0 || align > FRONT_MAX_ALIGN || rounded > FRONT_MAX_SIZE) {
		CHECK_EQ(class, 0);
		return;
	}
	CHECK(class > 0 && class < FRONT_NR_CLASSES);
	CHECK(pcpu_front_size(class) >= size);
	CHECK_EQ(pcpu_front_size(class) % align, 0);
	CHECK(pcpu_front_align(class) >= align);
	/* The class below would not do. */
	CHECK(class == 1 || pcpu_front_size(class - 1) < rounded);
}

FRONT_TEST(front_every_size_has_the_smallest_class_that_suits)
{
	host_boot(&two_cpus);
	for (size_t size = 0; size <= 1200; size++) {
		for (size_t align = 1; align <= 4096; align *= 2)
			check_class(size, align);
		for (size_t align = 0; align <= 130; align++) {
			if (align == 0 || (align & (align - 1)) != 0)
				CHECK_EQ(pcpu_front_class(size, align), 0);
		}
	}
	for (size_t align = 0; align < 64; align++) {
		CHECK_EQ(pcpu_front_class(SIZE_MAX - align, 8), 0);
		CHECK_EQ(pcpu_front_class(8, SIZE_MAX - align), 0);
	}
	for (unsigned int class = 2; class < FRONT_NR_CLASSES; class ++)
		CHECK(pcpu_front_size(class) > pcpu_front_size(class - 1));
	CHECK_EQ(pcpu_front_size(FRONT_NR_CLASSES - 1), FRONT_MAX_SIZE);
}

/* A size of a class wastes nothing, and between two classes there is a step and no more. */
FRONT_TEST(front_classes_lie_as_close_as_they_should)
{
	static const struct {
		size_t from, to, step;
	} steps[] = {{4, 64, 4}, {72, 128, 8}, {144, 320, 16}, {352, FRONT_MAX_SIZE, 32}};
	unsigned int class = 1;

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		for (size_t size = steps[i].from; size <= steps[i].to; size += steps[i].step)
			CHECK_EQ(pcpu_front_size(class ++), size);
	}
	CHECK_EQ(class, FRONT_NR_CLASSES);
}

/* ---- Hits ---- */

FRONT_TEST(front_a_hit_takes_no_lock)
{
	unsigned long locks;
	void __percpu *ptr;

	host_boot(&two_cpus);
	host_free(must_alloc(24, 8));
	CHECK(front_ready(0, 24) > 0);
	locks = host_lock_stats.locks + host_lock_stats.mutex_locks;
	ptr = __alloc_percpu(24, 8);
	free_percpu(ptr);
	CHECK_EQ(host_lock_stats.locks + host_lock_stats.mutex_locks, locks);
	CHECK_EQ(look_stats().front_allocs, 2);
	CHECK_EQ(look_stats().front_frees, 2);
	CHECK_EQ(look_stats().allocs, 2);
	check_invariants("a hit");
}

FRONT_TEST(front_the_area_freed_last_is_handed_out_first)
{
	void __percpu *a, *b;

	host_boot(&two_cpus);
	must_alloc(40, 8);
	a = must_alloc(40, 8);
	b = must_alloc(40, 8);
	host_free(a);
	host_free(b);
	CHECK(must_alloc(40, 8) == b);
	CHECK(must_alloc(40, 8) == a);
}

FRONT_TEST(front_a_hit_is_zeroed_on_every_cpu)
{
	static const size_t sizes[] = {1, 3, 4, 7, 8, 9, 16, 33, 64, 200, 500, 1088};

	host_boot(&three_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		void __percpu *ptr = front_alloc_with_room(sizes[i], 1), *again;

		pattern_fill(ptr, sizes[i], i);
		host_free(ptr);
		again = must_alloc(sizes[i], 1);
		CHECK(again == ptr);
		check_filled(again, sizes[i], 0, "a hit");
	}
	check_invariants("zeroed hits");
}

FRONT_TEST(front_a_request_past_the_classes_goes_past_the_front)
{
	host_boot(&two_cpus);
	host_free(must_alloc(1089, 1));
	host_free(must_alloc(8, 128));
	host_free(must_alloc(PCPU_MIN_UNIT_SIZE, 4));
	CHECK_EQ(look_stats().front_allocs + look_stats().front_frees, 0);
	CHECK_EQ(look_stats().idle_areas, 0);
	CHECK_EQ(look_stats().allocs, 3);
	check_invariants("past the front");
}

/* A place with a gap of a few bytes before it, which the area map gives to the area below, is not for the
 * front. */
FRONT_TEST(front_an_area_after_an_odd_one_goes_past_the_front)
{
	void __percpu *odd, *ptr;

	host_boot(&two_cpus);
	odd = must_alloc(1093, 8);
	ptr = must_alloc(8, 8);
	check_invariants("an odd gap");
	pattern_fill(odd, 1093, 1);
	pattern_fill(ptr, 8, 2);
	pattern_check(odd, 1093, 1);
	host_free(ptr);
	host_free(odd);
	check_invariants("an odd gap again");
}

static void alloc_refused(void *arg __unused)
{
	struct pcpu_result result;

	CHECK(pcpu_try_alloc(16, 8, false, &result) == NULL);
	CHECK_TEXT(result.error, "must not sleep");
}

FRONT_TEST(front_a_hit_is_refused_where_a_miss_would_be)
{
	bool were_on;

	host_boot(&two_cpus);
	host_free(must_alloc(16, 8));
	CHECK(front_ready(0, 16) > 0);
	host_interrupt(0, alloc_refused, NULL);
	were_on = host_irqs(false);
	alloc_refused(NULL);
	host_irqs(were_on);
	CHECK_EQ(look_stats().bad_allocs, 2);
	check_invariants("refused");
}

/* ---- Limits ---- */

/* A miss brings along 2 KiB at least, or a quarter of what its class has live; few areas if they are large. Returns
 * the most that one brought. */
static size_t largest_batch(size_t size, size_t live_most)
{
	size_t least = max(2048 / size, 2ul), live = 0, most = 0;

	for (; live < live_most; live++) {
		for (; front_ready(0, size) > 0; live++)
			must_alloc(size, 1);
		must_alloc(size, 1);
		CHECK(front_ready(0, size) <= min(max(live / 4, least), FRONT_BATCH - 1ul));
		CHECK(front_ready(0, size) <= front_limit(0, size));
		most = max(most, front_ready(0, size));
	}
	return most;
}

FRONT_TEST(front_a_miss_carves_in_proportion_to_what_its_class_has)
{
	host_boot(&two_cpus);
	CHECK(largest_batch(4, 4000) > 200);
	CHECK(largest_batch(64, 400) > 50);
	CHECK(largest_batch(320, 60) >= 6);
	CHECK(largest_batch(1088, 20) >= 2);
	check_invariants("batches");
}

/* That CPU frees n areas that CPU 0 allocates first. */
static void free_all_on(unsigned int cpu, size_t size, size_t n)
{
	static void __percpu *ptrs[700];

	for (size_t i = 0; i < n; i++)
		ptrs[i] = must_alloc(size, 1);
	for (size_t i = 0; i < n; i++)
		front_free_on(cpu, ptrs[i]);
}

/* No stack holds more than 512 areas or 64 KiB; until then, all that is freed stays if enough is live. */
FRONT_TEST(front_what_is_freed_stays_until_places_end)
{
	static const struct {
		size_t size, places;
	} kinds[] = {{4, 512}, {64, 512}, {320, 204}, {1088, 60}};

	host_boot(&two_cpus);
	for (size_t i = 0; i < 100; i++)
		must_alloc(4096, 8);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		free_all_on(1, kinds[i].size, 8);
		CHECK_EQ(front_ready(1, kinds[i].size), 8);
		CHECK(front_limit(1, kinds[i].size) <= 8 + 4);
		free_all_on(1, kinds[i].size, min(700ul, (128ul << 10) / kinds[i].size));
		CHECK_EQ(front_ready(1, kinds[i].size), kinds[i].places);
		CHECK_EQ(front_limit(1, kinds[i].size), kinds[i].places);
		check_invariants("full");
		pcpu_settle();
		CHECK_EQ(front_limit(1, kinds[i].size), 0);
	}
}

/* Before a miss takes pages, it takes what is ready elsewhere, if that is much. */
FRONT_TEST(front_a_miss_takes_from_others_before_it_takes_pages)
{
	size_t ready;

	host_boot(&two_cpus);
	free_all_on(1, 64, 300);
	ready = pcpu_ready_bytes(1);
	CHECK(ready > 16000);
	while (pcpu_ready_bytes(1) == ready) {
		unsigned long pages = look_stats().populated_pages;

		must_alloc(1000, 8);
		CHECK(look_stats().populated_pages == pages || pcpu_ready_bytes(1) < ready);
	}
	CHECK_EQ(pcpu_ready_bytes(1), 0);
	check_invariants("taken");
}

static size_t ready_of_all_classes(unsigned int cpu)
{
	size_t bytes = 0;

	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++)
		bytes += front_ready(cpu, pcpu_front_size(class)) * pcpu_front_size(class);
	return bytes;
}

static size_t budget(void)
{
	return FRONT_BYTES + pcpu_counters.live_bytes / 4;
}

/* Misses of every class, largest first, until no limit rises any more; nothing is freed. */
static void raise_all_limits(void)
{
	unsigned int cpu = host_cpu();

	for (unsigned int class = FRONT_NR_CLASSES - 1; class > 0; class --) {
		for (size_t i = 0; i < 40; i++)
			must_alloc(pcpu_front_size(class), 1);
		CHECK_EQ(pcpu_ready_bytes(cpu), ready_of_all_classes(cpu));
		CHECK(pcpu_ready_bytes(cpu) <= pcpu_front_of(cpu)->limit_bytes);
		CHECK(pcpu_front_of(0)->limit_bytes <= budget());
	}
}

FRONT_TEST(front_all_limits_together_stay_within_the_budget)
{
	size_t bytes = 0;

	host_boot(&two_cpus);
	raise_all_limits();
	for (unsigned int class = 1; class < FRONT_NR_CLASSES; class ++)
		bytes += front_limit(0, pcpu_front_size(class)) * pcpu_front_size(class);
	CHECK(bytes > FRONT_BYTES);
	CHECK_EQ(bytes, pcpu_front_of(0)->limit_bytes);
	CHECK_EQ(bytes, pcpu_front_limits);
	CHECK_EQ(pcpu_ready_bytes(1), 0);
	check_invariants("bytes");
}

static void one_small(void *size)
{
	must_alloc((size_t)(uintptr_t)size, 1);
}

/* The first CPU takes all of a budget that then falls; the second has a share all the same. */
FRONT_TEST(front_a_cpu_that_comes_late_has_its_share)
{
	static void __percpu *ptrs[20];
	size_t limit;

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(4096, 8);
	for (size_t size = 600; size <= 1088; size += 61)
		free_all_on(0, size, 60);
	limit = front_limit(0, 600);
	CHECK(limit > 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	for (size_t i = 0; i < 8; i++) {
		CHECK(pcpu_front_limits > budget());
		host_run_as(1, one_small, (void *)(uintptr_t)600);
	}
	CHECK(front_limit(1, 600) >= 2);
	CHECK(pcpu_front_of(1)->limit_bytes <= budget() / (4 * pcpu_nr_units));
	while (front_ready(0, 600) > 0)
		must_alloc(600, 1);
	CHECK_EQ(front_limit(0, 600), limit);
	check_invariants("a share");
}

/* ---- Stocking up and going back ---- */

/* What a miss brings along gets its pages with it; a hit never does. */
FRONT_TEST(front_a_miss_populates_what_it_brings_along)
{
	unsigned long most = 0;

	host_boot(&three_cpus);
	for (size_t i = 0; i < 12; i++) { /* little is in use then */
		unsigned long pages = look_stats().populated_pages, ready;

		while (front_ready(0, 1000) > 0)
			must_alloc(1000, 8);
		CHECK_EQ(look_stats().populated_pages, pages);
		must_alloc(1000, 8);
		ready = front_ready(0, 1000);
		CHECK(look_stats().populated_pages <= pages + (ready + 1) * 1024 / PAGE_SIZE + 2);
		most = max(most, ready);
		check_invariants("stocked up");
	}
	CHECK(most >= 2);
}

/* Where memory ends in the middle of that, the request is served, and what has no pages goes back. */
FRONT_TEST(front_areas_without_pages_are_not_ready)
{
	unsigned long failing = 0;
	struct pcpu_result result;
	void __percpu *ptr;

	host_boot(&three_cpus);
	for (size_t i = 0; i < 60; i++) {
		while (front_ready(0, 1000) > 0)
			memset(per_cpu_ptr(must_alloc(1000, 8), 2), 1, 1000);
		host_fail(HOOK_PAGE, 1 + i % 6);
		ptr = pcpu_try_alloc(1000, 8, false, &result);
		if (ptr)
			memset(per_cpu_ptr(ptr, 2), 1, 1000);
		failing += host_faults[HOOK_PAGE].hit;
		host_fail_none();
		check_invariants("stocked up");
	}
	CHECK(failing > 5);
}

FRONT_TEST(front_settle_gives_all_back)
{
	static int before[4096], after[4096];
	ssize_t nr_before, nr_after;
	unsigned long id;

	host_boot(&three_cpus);
	id = look_chunk_of(must_alloc(2000, 8)); /* stays; not of the front */
	nr_before = pcpu_inspect_map(id, before, ARRAY_SIZE(before));
	for (size_t size = 4; size <= 400; size += 36) {
		front_deepen(size);
		front_free_on(2, must_alloc(size, 4));
	}
	CHECK(look_stats().idle_areas > 0 && look_stats().idle_bytes > 0);
	CHECK_EQ(look_stats().live_areas, 1);
	CHECK_EQ(look_stats().live_bytes, 2000);
	check_invariants("before settling");
	pcpu_sync();
	CHECK_EQ(look_stats().idle_areas, 0);
	CHECK_EQ(look_stats().idle_bytes, 0);
	CHECK_EQ(pcpu_ready_bytes(0), 0);
	nr_after = pcpu_inspect_map(id, after, ARRAY_SIZE(after));
	CHECK_EQ(nr_after, nr_before);
	CHECK(memcmp(before, after, sizeof(before)) == 0);
	check_invariants("settled");
}

FRONT_TEST(front_a_unit_of_dead_bytes_wakes_reclaim)
{
	static void __percpu *ptrs[80];
	size_t dead = 0;

	host_boot(&two_cpus);
	pcpu_front_hold_limits(true);
	while (!host_reclaim_pending) {
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = must_alloc(1000, 8);
		for (size_t i = 0; i < ARRAY_SIZE(ptrs) && !host_reclaim_pending; i++) {
			front_free_on(1, ptrs[i]);
			dead += 1024 - 1024 % 32;
			ptrs[i] = NULL;
		}
		CHECK(dead < 3 * pcpu_unit_size);
	}
	pcpu_front_hold_limits(false);
	/* It is looked at every 16 KiB. */
	CHECK(dead > pcpu_unit_size && dead <= pcpu_unit_size + 2 * 16384);
	CHECK_EQ(pcpu_front_of(1)->until_wake, pcpu_unit_size);
	check_invariants("woken");
}

FRONT_TEST(front_memory_that_is_ready_elsewhere_serves_when_there_is_no_more)
{
	unsigned long got = 0;
	void __percpu *whole;

	host_boot(&two_cpus);
	whole = must_alloc(PCPU_MIN_UNIT_SIZE, 4);
	fill_chunks();
	host_free(whole);
	pcpu_settle();
	front_deepen(64);
	CHECK(front_ready(0, 64) > 0);
	host_faults[HOOK_RANGE].fail_all = true;
	whole = host_alloc(PCPU_MIN_UNIT_SIZE, 4);
	host_fail_none();
	CHECK(whole != NULL);
	CHECK_EQ(front_ready(0, 64), 0);
	got = look_stats().alloc_failures;
	host_faults[HOOK_RANGE].fail_all = true;
	CHECK(host_alloc(PCPU_MIN_UNIT_SIZE, 4) == NULL);
	host_fail_none();
	CHECK_EQ(look_stats().alloc_failures, got + 1);
	check_invariants("served by what was ready");
}

/* ---- Watching, debugging ---- */

static struct pcpu_event seen[8];
static size_t nr_seen;

static void observe(const struct pcpu_event *event)
{
	seen[nr_seen++ % ARRAY_SIZE(seen)] = *event;
}

/* When even that is not enough, the second try fails as well, and nothing is left of either. */
FRONT_TEST(front_memory_that_is_ready_elsewhere_may_be_too_little)
{
	host_boot(&two_cpus);
	host_faults[HOOK_RANGE].fail_all = true;
	while (host_alloc(PCPU_MIN_UNIT_SIZE, 4) != NULL)
		;
	host_fail_none();
	front_deepen(64);
	CHECK(front_ready(0, 64) > 0);
	host_faults[HOOK_RANGE].fail_all = true;
	while (host_alloc(PCPU_MIN_UNIT_SIZE, 4) != NULL)
		;
	host_fail_none();
	CHECK_EQ(front_ready(0, 64), 0);
	check_invariants("too little");
}

/* No page is to be had, but areas are ready that lie on some: they go back before the second try. */
FRONT_TEST(front_pages_under_what_is_ready_serve_when_there_are_no_others)
{
	static const struct host_config paged = {.nr_cpus = 3, .style = HOST_PAGE};
	static void __percpu *ptrs[60];

	host_boot(&paged);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(1000, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	CHECK(pcpu_ready_bytes(0) > 50000);
	host_faults[HOOK_PAGE].fail_all = true;
	must_alloc(1500, 8);
	host_fail_none();
	check_invariants("served");
}

static void __percpu *freed_in_between[200];
static size_t nr_in_between;
static unsigned int wakes;

/* As an interrupt between two portions of a drain might. */
static void free_two(void)
{
	for (size_t i = 0; host_cpu() == 0 && i < 2 && nr_in_between > 0; i++)
		host_free(freed_in_between[--nr_in_between]);
	wakes += host_reclaim_pending;
	host_reclaim_pending = false;
}

FRONT_TEST(front_frees_beside_a_drain_wake_reclaim_by_their_bytes)
{
	static void __percpu *ptrs[300];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(freed_in_between); i++)
		freed_in_between[i] = must_alloc(64, 8);
	for (size_t size = 64; size < 128; size += 8) {
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = must_alloc(size, 8);
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			host_free(ptrs[i]);
	}
	nr_in_between = ARRAY_SIZE(freed_in_between);
	wakes = 0;
	host_reclaim_pending = false;
	host_after_cpu_call = free_two;
	pcpu_settle();
	host_after_cpu_call = NULL;
	CHECK(nr_in_between < ARRAY_SIZE(freed_in_between) - 20);
	CHECK(wakes <= 1);
	check_invariants("drained");
}

/* A chunk's tags and frames are memory that may lack, like all its books. */
FRONT_TEST(front_a_chunk_is_not_made_without_books_for_the_front)
{
	size_t failures = 0;

	host_boot(&two_cpus);
	fill_chunks();
	for (unsigned long n = 1;; n++) {
		struct host_ledger before = host_ledger(), after;

		host_fail(HOOK_HEAP, n);
		if (host_alloc(PCPU_MIN_UNIT_SIZE, 4) != NULL)
			break;
		after = host_ledger();
		CHECK(host_ledger_equal(&before, &after));
		failures++;
	}
	host_fail_none();
	CHECK(failures >= 4); /* chunk, books, those of the front, the record of pages */
	check_invariants("made at last");
}

FRONT_TEST(front_a_hit_tells_where_its_area_is)
{
	struct pcpu_result result;
	void __percpu *ptr;

	host_boot(&two_cpus);
	front_deepen(64);
	ptr = pcpu_try_alloc(60, 4, false, &result);
	CHECK(ptr != NULL && result.error == NULL && !result.warned);
	CHECK_EQ(result.where.what, PCPU_AREA);
	CHECK_EQ(result.where.offset, pcpu_ptr_to_addr(ptr) - (uintptr_t)pcpu_base_addr);
	CHECK_EQ(result.where.area_length, 60);
	pcpu_try_free(ptr, &result);
	CHECK(result.error == NULL);
	CHECK_EQ(result.where.what, PCPU_AREA);
	pcpu_try_free(ptr, &result);
	CHECK(result.error != NULL);
}

static void see_nothing(const struct pcpu_event *event __unused)
{
}

FRONT_TEST(front_a_unit_of_dead_bytes_wakes_reclaim_though_somebody_looks)
{
	static void __percpu *ptrs[80];

	host_boot(&two_cpus);
	pcpu_observe(see_nothing);
	for (unsigned int round = 0; round < 3 && !host_reclaim_pending; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = must_alloc(1000, 8);
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			front_free_on(1, ptrs[i]);
	}
	CHECK(host_reclaim_pending);
	check_invariants("woken");
}

FRONT_TEST(front_an_observer_is_told_of_hits)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	host_free(must_alloc(24, 8));
	pcpu_observe(observe);
	ptr = must_alloc(24, 8);
	host_free(ptr);
	CHECK_EQ(nr_seen, 2);
	CHECK_EQ(seen[0].kind, PCPU_ALLOCATED);
	CHECK_EQ(seen[0].size, 24);
	CHECK(seen[0].ptr == ptr && seen[0].caller != 0);
	CHECK_EQ(seen[1].kind, PCPU_FREED);
	CHECK(seen[1].ptr == ptr && seen[1].caller != 0);
	CHECK_EQ(look_stats().front_allocs, 2);
	CHECK_EQ(look_stats().front_frees, 2);
	pcpu_observe(NULL);
	host_free(must_alloc(24, 8));
	CHECK_EQ(nr_seen, 2);
	check_invariants("observed");
}

FRONT_TEST(front_percpu_debug_shuts_the_front)
{
	host_boot(&two_cpus);
	CHECK(!pcpu_front_enable());
	CHECK(pcpu_front_on);
	CHECK(pcpu_debug_enable());
	CHECK(!pcpu_front_on);
	host_free(must_alloc(24, 8));
	CHECK_EQ(look_stats().front_allocs, 0);
	CHECK_EQ(pcpu_ready_bytes(0), 0);
	check_invariants("debug");
}

HOST_TEST(front_that_nobody_asked_for_takes_no_memory)
{
	unsetenv("HOST_FRONT");
	host_boot(&two_cpus);
	CHECK(!pcpu_front_on);
	CHECK(pcpu_front_of(0) == NULL && pcpu_front_of(1) == NULL);
	CHECK_EQ(pcpu_front_book_bytes(), 0);
	fill_chunks();
	must_alloc(PCPU_MIN_UNIT_SIZE, 4);
	CHECK_EQ(look_stats().idle_areas + look_stats().front_allocs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_every_size_has_the_smallest_class_that_suits),
		cmocka_unit_test(front_classes_lie_as_close_as_they_should),
		cmocka_unit_test(front_a_hit_takes_no_lock),
		cmocka_unit_test(front_the_area_freed_last_is_handed_out_first),
		cmocka_unit_test(front_a_hit_is_zeroed_on_every_cpu),
		cmocka_unit_test(front_a_request_past_the_classes_goes_past_the_front),
		cmocka_unit_test(front_an_area_after_an_odd_one_goes_past_the_front),
		cmocka_unit_test(front_a_hit_is_refused_where_a_miss_would_be),
		cmocka_unit_test(front_a_miss_carves_in_proportion_to_what_its_class_has),
		cmocka_unit_test(front_what_is_freed_stays_until_places_end),
		cmocka_unit_test(front_a_miss_takes_from_others_before_it_takes_pages),
		cmocka_unit_test(front_a_cpu_that_comes_late_has_its_share),
		cmocka_unit_test(front_all_limits_together_stay_within_the_budget),
		cmocka_unit_test(front_a_miss_populates_what_it_brings_along),
		cmocka_unit_test(front_areas_without_pages_are_not_ready),
		cmocka_unit_test(front_settle_gives_all_back),
		cmocka_unit_test(front_a_unit_of_dead_bytes_wakes_reclaim),
		cmocka_unit_test(front_memory_that_is_ready_elsewhere_serves_when_there_is_no_more),
		cmocka_unit_test(front_memory_that_is_ready_elsewhere_may_be_too_little),
		cmocka_unit_test(front_pages_under_what_is_ready_serve_when_there_are_no_others),
		cmocka_unit_test(front_frees_beside_a_drain_wake_reclaim_by_their_bytes),
		cmocka_unit_test(front_a_chunk_is_not_made_without_books_for_the_front),
		cmocka_unit_test(front_a_hit_tells_where_its_area_is),
		cmocka_unit_test(front_a_unit_of_dead_bytes_wakes_reclaim_though_somebody_looks),
		cmocka_unit_test(front_an_observer_is_told_of_hits),
		cmocka_unit_test(front_percpu_debug_shuts_the_front),
		cmocka_unit_test(front_that_nobody_asked_for_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
