/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * What the allocator says of itself, number by number and line by line; and that its checker sees
 * every invariant that is broken. What it says of pointers: test_where.c.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

#define UNIT 65536ul

static const struct host_config embed = {.nr_cpus = 2};
static const struct host_config page = {.nr_cpus = 3, .style = HOST_PAGE, .unit_size = UNIT};

/* ---- Operations as an observer sees them ---- */

static struct pcpu_event seen[8];
static unsigned int nr_seen;

static void observe(const struct pcpu_event *event)
{
	bool irqs_on = host_irqs(true);

	host_irqs(irqs_on);
	CHECK(nr_seen < ARRAY_SIZE(seen));
	CHECK_EQ(irqs_on, event->kind != PCPU_FREED);
	CHECK(!port_mutex_held());
	seen[nr_seen++] = *event;
}

HOST_TEST(an_observer_sees_each_operation_once)
{
	void __percpu *a, *b;

	host_boot(&embed);
	pcpu_observe(observe);
	nr_seen = 0;
	a = __alloc_percpu(24, 16);
	b = __alloc_reserved_percpu(8, 8);
	CHECK(!__alloc_percpu(0, 8));
	free_percpu(a);
	free_percpu(a);
	free_percpu(NULL);
	pcpu_observe(NULL);
	free_percpu(b);
	CHECK_EQ(host_warnings, 2);
	CHECK_EQ(nr_seen, 5);
	CHECK_EQ(seen[0].kind, PCPU_ALLOCATED);
	CHECK(seen[0].ptr == a && seen[0].size == 24 && seen[0].align == 16 && !seen[0].reserved);
	CHECK(seen[1].kind == PCPU_ALLOCATED && seen[1].ptr == b && seen[1].reserved);
	CHECK(seen[2].kind == PCPU_ALLOC_FAILED && !seen[2].ptr && seen[2].size == 0);
	CHECK(seen[3].kind == PCPU_FREED && seen[3].ptr == a);
	CHECK(seen[4].kind == PCPU_FREE_REFUSED && seen[4].ptr == a);
	for (unsigned int i = 0; i < nr_seen; i++)
		CHECK(seen[i].caller != 0);
}

/* ---- Counters ---- */

/* The first area of a map: its first entry is in use, the second is carved, once the map has grown. */
static void check_first_scan(const struct pcpu_stats *s)
{
	CHECK_EQ(s->map_growths, 1);
	CHECK_EQ(s->entries_touched, 2);
	CHECK_EQ(s->chunks_visited, 2); /* once more after the growth */
	CHECK_EQ(s->meta_bytes, 16 * sizeof(int));
}

HOST_TEST(counters_of_a_short_story)
{
	unsigned long static_pages;
	struct pcpu_stats s;
	void __percpu *a, *b;

	host_boot(&page);
	static_pages = PFN_UP(host_static_size());
	s = look_stats();
	CHECK_EQ(s.allocs + s.frees + s.live_areas + s.live_bytes + s.scans + s.map_growths, 0);
	CHECK_EQ(s.chunks_made, 1);
	CHECK_EQ(s.populated_pages, static_pages);
	CHECK_EQ(s.peak_pages, static_pages);
	CHECK_EQ(s.pages_owned, 0);
	CHECK_EQ(s.meta_bytes, 0);
	a = must_alloc(UNIT / 4, 8);
	s = look_stats();
	CHECK_EQ(s.allocs, 1);
	CHECK_EQ(s.live_areas, 1);
	CHECK_EQ(s.scans, 1);
	if (host_has(HOST_AREAMAP))
		check_first_scan(&s);
	CHECK_EQ(s.pages_owned, 3 * (s.populated_pages - static_pages));
	CHECK_EQ(s.peak_pages, s.populated_pages);
	b = must_alloc(UNIT, 8); /* too much for the first chunk: a new one */
	s = look_stats();
	CHECK_EQ(s.chunks_made, 2);
	CHECK_EQ(s.live_bytes, look_stats().live_bytes);
	CHECK_EQ(s.scans, 2);
	CHECK_EQ(s.live_areas, 2);
	host_free(b);
	host_free(a);
	s = look_stats();
	CHECK_EQ(s.frees, 2);
	CHECK_EQ(s.live_areas, 0);
	CHECK_EQ(s.live_bytes, 0);
	CHECK_EQ(s.bad_frees + s.bad_allocs + s.alloc_failures + s.reclaim_runs, 0);
}

HOST_TEST(the_peak_stays_and_may_be_reset)
{
	unsigned long peak;
	void __percpu *ptrs[3];

	host_boot(&page);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(UNIT, 8);
	peak = look_stats().peak_pages;
	CHECK_EQ(peak, look_stats().populated_pages);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	CHECK(host_run_reclaim());
	CHECK_EQ(look_stats().reclaim_runs, 1);
	CHECK_EQ(look_stats().chunks_freed, 2);
	CHECK_EQ(look_stats().populated_pages, peak - 2 * UNIT / PAGE_SIZE);
	CHECK_EQ(look_stats().peak_pages, peak);
	pcpu_stats_reset_peak();
	CHECK_EQ(look_stats().peak_pages, peak - 2 * UNIT / PAGE_SIZE);
	must_alloc(UNIT, 8);
	must_alloc(UNIT, 8);
	CHECK_EQ(look_stats().peak_pages, peak - UNIT / PAGE_SIZE);
}

HOST_TEST(failures_are_counted_apart)
{
	struct pcpu_result result;

	host_boot(&(struct host_config){.nr_cpus = 1, .style = HOST_PAGE, .reserved = 5000});
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(pcpu_try_alloc(30000, 64, false, &result) == NULL);
	CHECK(strcmp(result.error, "out of memory") == 0 && !result.warned);
	CHECK(strcmp(result.text, "out of memory: no chunk or page for size 30000 align 64") == 0);
	host_fail_none();
	CHECK(pcpu_try_alloc(5001, 8, true, &result) == NULL);
	CHECK(strcmp(result.text,
		     "out of memory: no room in the reserved area for size 5001 align 8") == 0);
	CHECK_EQ(look_stats().alloc_failures, 2);
	CHECK(pcpu_try_alloc(5, 6, false, &result) == NULL);
	CHECK(result.warned && strcmp(result.error, "illegal size or align") == 0);
	CHECK(strcmp(result.text, "illegal size 5 or align 6: size is 1 to 65536, align a power of "
				  "two up to 4096") == 0);
	host_irqs(false);
	CHECK(pcpu_try_alloc(5, 4, false, &result) == NULL);
	host_irqs(true);
	CHECK(strcmp(result.text,
		     "size 5 align 4: allocation from a context that must not sleep") == 0);
	CHECK_EQ(look_stats().bad_allocs, 2);
	CHECK_EQ(look_stats().alloc_failures, 2);
	CHECK_EQ(look_stats().allocs, 0);
}

/* ---- Lines of the log ---- */

HOST_TEST(the_first_chunk_is_announced)
{
	char want[200];

	host_boot(&(struct host_config){.nr_cpus = 2,
					.style = HOST_PAGE,
					.reserved = 5000,
					.dyn_size = 20001,
					.unit_size = UNIT});
	snprintf(want, sizeof(want),
		 "first chunk: 2 units of 65536 bytes at %p: static %zu, reserved 5000, dynamic "
		 "20001",
		 (void *)pcpu_base_addr, host_static_size());
	CHECK(strcmp(host_info, want) == 0);
}

HOST_TEST(the_warnings_left_out_are_counted)
{
	host_boot(&embed);
	host_info[0] = 0;
	for (unsigned int i = 0; i < 25; i++)
		host_free((void __percpu *)(uintptr_t)__per_cpu_start);
	CHECK_EQ(host_warnings, 10);
	CHECK_EQ(host_info[0], 0);
	host_time_ms += 999;
	host_free((void __percpu *)(uintptr_t)__per_cpu_start);
	CHECK_EQ(host_warnings, 10);
	host_time_ms += 1;
	host_free((void __percpu *)(uintptr_t)__per_cpu_start);
	CHECK_EQ(host_warnings, 11);
	CHECK(strcmp(host_info, "16 warnings like the next were left out") == 0);
	host_info[0] = 0;
	host_free((void __percpu *)(uintptr_t)__per_cpu_start);
	CHECK_EQ(host_warnings, 12);
	CHECK_EQ(host_info[0], 0);
}

/* ---- Locks of those who look ---- */

static unsigned int unlocks;

static void count_on(void)
{
	unlocks++;
	CHECK(port_mutex_held() == (unlocks > 2));
	pcpu_counters.allocs += 1000;
	pcpu_counters.peak_pages += 1000;
}

/* What others do once the lock is free is not seen, and what pages need the mutex for is held still. */
HOST_TEST(looking_is_done_under_the_locks)
{
	struct pcpu_chunk_info info[2];
	struct pcpu_stats stats;
	unsigned long allocs, peak;

	host_boot(&page);
	host_watch_counters(false);
	allocs = pcpu_counters.allocs;
	host_after_unlock = count_on;
	pcpu_stats_get(&stats);
	CHECK_EQ(stats.allocs, allocs);
	peak = pcpu_counters.populated_pages;
	pcpu_stats_reset_peak();
	CHECK_EQ(pcpu_counters.peak_pages, peak + 1000);
	CHECK_EQ(pcpu_inspect_chunks(info, 2), 1);
	host_after_unlock = NULL;
	CHECK_EQ(unlocks, 3);
}

/* ---- Listings ---- */

HOST_TEST(listings_fill_what_they_are_given)
{
	struct pcpu_chunk_info info[3];
	int map[4] = {77, 77, 77, 77};

	host_boot(&embed);
	must_alloc(UNIT, 8);
	must_alloc(UNIT, 8);
	memset(info, 0x55, sizeof(info));
	CHECK_EQ(pcpu_inspect_chunks(info, 2), 3);
	CHECK_EQ(info[2].id, 0x5555555555555555);
	CHECK_EQ(pcpu_inspect_chunks(info, 3), 3);
	CHECK_EQ(info[0].id, 1); /* both full ones came to slot 0 at its back */
	CHECK_EQ(info[1].id, 2);
	CHECK_EQ(info[2].id, 0);
	must_alloc(8, 4096);
	CHECK_EQ(pcpu_inspect_map(0, map, 2), 4);
	CHECK_EQ(map[0], -(int)host_static_size());
	CHECK(map[1] > 0);
	CHECK_EQ(map[2], 77);
	CHECK_EQ(pcpu_inspect_map(0, map, 4), 4);
	CHECK_EQ(map[2], -8);
	CHECK(map[3] > 77);
	CHECK_EQ(pcpu_inspect_map(3, map, 4), -ENOENT);
}

HOST_TEST(pages_are_listed_as_they_come)
{
	uint8_t pages[UNIT / PAGE_SIZE + 1];
	size_t count = UNIT / PAGE_SIZE, first = PFN_UP(host_static_size());

	host_boot(&page);
	memset(pages, 0x55, sizeof(pages));
	CHECK_EQ(pcpu_inspect_pages(0, pages, sizeof(pages)), count);
	for (size_t n = 0; n < count; n++)
		CHECK_EQ(pages[n], n < first);
	CHECK_EQ(pages[count], 0x55);
	must_alloc(UNIT, 8);
	CHECK_EQ(pcpu_inspect_pages(1, pages, 3), count);
	CHECK_EQ(pages[2], 1);
	CHECK_EQ(pages[count - 1], 0);
	CHECK_EQ(pcpu_inspect_pages(1, pages, count), count);
	CHECK_EQ(pages[count - 1], 1);
	CHECK_EQ(pcpu_inspect_pages(2, pages, count), -ENOENT);
}

/* ---- The checker ---- */

static void must_see(const char *what)
{
	struct pcpu_check_result result;

	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, what);
}

#define BREAK(place, value, what)                     \
	do {                                          \
		__typeof__(place) old_ = (place);     \
		(place) = (__typeof__(place))(value); \
		must_see(what);                       \
		(place) = old_;                       \
		check_invariants("mended");           \
	} while (0)

/* The first chunk in the middle of its life. */
static struct pcpu_chunk *chunk_with_a_hole(void)
{
	void __percpu *middle;

	host_boot(&page);
	must_alloc(5000, 8);
	middle = must_alloc(104, 8);
	must_alloc(104, 8);
	host_free(middle);
	pcpu_settle();
	CHECK_EQ(look_chunk(0)->nr_entries, 5); /* static, 5000, free 104, 104, free */
	return pcpu_first_chunk;
}

/* Each number of its map wrong once. */
HOST_TEST_OF(the_checker_sees_every_number_of_a_map_that_is_wrong, HOST_AREAMAP | HOST_NO_FRONT)
{
	struct pcpu_space *space = &chunk_with_a_hole()->space;
	size_t offset;

	offset = (size_t)(space->map[2] - space->map[1] - space->map[0]);
	check_invariants("whole");
	BREAK(space->map[2], 0, "chunk 0: an area map entry is zero");
	BREAK(space->map[1], 5000, "two free entries stand side by side");
	BREAK(space->map[1], 1, "two free entries stand side by side");
	BREAK(space->map[3], 1, "two free entries stand side by side");
	BREAK(space->map[1], -5001, "the entries do not add up to the span");
	/* An area that ends far outside: its pages are not looked at. */
	BREAK(space->map[1], -(1 << 24), "the entries do not add up to the span");
	BREAK(space->hint, space->map[4] - 1, "the hint is below the longest free run");
	BREAK(space->map_room, 4, "more entries than the map has room for");
	space->memo = (struct areamap_memo){200, 8, 3, offset, 104};
	check_invariants("a true memo");
	BREAK(space->memo.size, 104, "the scan memo does not fit the map");
	BREAK(space->memo.offset, space->memo.offset + 1, "the scan memo does not fit the map");
	BREAK(space->memo.biggest, 103, "the scan memo does not fit the map");
	BREAK(space->memo.index, 6, "the scan memo does not fit the map");
}

/* And each of those that a chunk of either engine has. */
HOST_TEST(the_checker_sees_every_number_that_is_wrong)
{
	struct pcpu_chunk *chunk = chunk_with_a_hole();
	struct pcpu_space *space = &chunk->space;
	int slot = chunk->slot;
	char text[80];

	BREAK(space->free_size, space->free_size + 1, "free_size is not the sum");
	BREAK(space->free_size, space->free_size - 1, "free_size is not the sum");
	snprintf(text, sizeof(text), "chunk 0: slot %d, should be %d", slot + 1, slot);
	BREAK(chunk->slot, slot + 1, text);
	BREAK(chunk->nr_areas, chunk->nr_areas + 1, "chunk 0: areas 3, should be 2");
	snprintf(text, sizeof(text), "chunk 0: populated pages 0, should be %zu",
		 chunk->memory->nr_populated);
	BREAK(chunk->memory->nr_populated, 0, text);
}

HOST_TEST(the_checker_sees_wrong_pages)
{
	struct pcpu_chunk *chunk;
	unsigned long *bits;
	struct page *other;
	size_t last;

	host_boot(&page);
	must_alloc(20000, 8);
	chunk = pcpu_first_chunk;
	bits = chunk->memory->populated;
	last = chunk->memory->nr_populated - 1;
	/* A page that an area needs is gone altogether. */
	BREAK(*bits, *bits & ~(1ul << last), "no memory under a live area in page");
	/* Bits and numbers without pages. */
	chunk->memory->nr_populated++;
	*bits ^= 1ul << (last + 2);
	must_see("on some CPUs only: page");
	*bits ^= 1ul << (last + 2);
	chunk->memory->nr_populated--;
	check_invariants("mended");
	/* Each unit's pages are looked at, its last ones too. */
	for (unsigned int unit = 0; unit < 3; unit++) {
		other = chunk->memory->pages[(unit + 1) % 3 * pcpu_unit_pages];
		BREAK(chunk->memory->pages[unit * pcpu_unit_pages + last], other,
		      "the page tables disagree on page");
		BREAK(chunk->memory->pages[unit * pcpu_unit_pages + pcpu_unit_pages - 1], other,
		      "on some CPUs only: page 15");
	}
}

HOST_TEST(the_checker_sees_wrong_totals)
{
	struct pcpu_chunk *chunk;

	host_boot(&page);
	host_watch_counters(false);
	must_alloc(20000, 8);
	must_alloc(UNIT, 8);
	BREAK(pcpu_counters.live_areas, 1, "live_areas: 1, should be 2");
	BREAK(pcpu_counters.allocs, 3, "live_areas by allocs - frees: 3, should be 2");
	BREAK(pcpu_counters.live_bytes, 0, "live_bytes: 0, should be");
	BREAK(pcpu_counters.populated_pages, 0, "populated_pages: 0, should be");
	BREAK(pcpu_counters.chunks_made, 3, "chunks_made - chunks_freed: 3, should be 2");
	BREAK(pcpu_counters.pages_owned, 0, "pages_owned: 0, should be");
	BREAK(pcpu_first_pages, pcpu_first_pages + 1, "pages_owned:");
	/* A chunk that is on no slot, and one that is not where its address says. */
	chunk = list_first(&pcpu_slots[0], struct pcpu_chunk, node);
	list_del(&chunk->node);
	must_see("chunks in the tree: 2, should be 1");
	list_add_back(&chunk->node, &pcpu_slots[0]);
	check_invariants("mended");
	BREAK(chunk->base, chunk->base + 3 * UNIT, "the page tables disagree");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_observer_sees_each_operation_once),
		cmocka_unit_test(counters_of_a_short_story),
		cmocka_unit_test(the_peak_stays_and_may_be_reset),
		cmocka_unit_test(failures_are_counted_apart),
		cmocka_unit_test(the_first_chunk_is_announced),
		cmocka_unit_test(the_warnings_left_out_are_counted),
		cmocka_unit_test(looking_is_done_under_the_locks),
		cmocka_unit_test(listings_fill_what_they_are_given),
		cmocka_unit_test(pages_are_listed_as_they_come),
		cmocka_unit_test(the_checker_sees_every_number_of_a_map_that_is_wrong),
		cmocka_unit_test(the_checker_sees_every_number_that_is_wrong),
		cmocka_unit_test(the_checker_sees_wrong_pages),
		cmocka_unit_test(the_checker_sees_wrong_totals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
