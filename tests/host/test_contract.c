/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Small points of the contract, each of which a planted defect has shown to be watched by nobody else.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config two_cpus = {.nr_cpus = 2};

/* A chunk whose map has no entry to spare and cannot grow is passed over: the next one serves. */
HOST_TEST_OF(O5_the_next_chunk_serves_when_a_map_cannot_grow, HOST_AREAMAP | HOST_NO_FRONT)
{
	void __percpu *ptr, *whole;
	unsigned long full, other;

	host_boot(&two_cpus);
	fill_chunks();
	whole = must_alloc(PCPU_MIN_UNIT_SIZE, 8);
	for (unsigned int i = 0; i < 14; i++)
		ptr = must_alloc(8, 8);
	full = look_chunk_of(ptr);
	other = look_chunk_of(whole);
	CHECK_EQ(look_chunk(full)->nr_entries + 1, look_chunk(full)->map_room);
	host_free(whole);
	host_fail(HOOK_HEAP, 1);
	ptr = must_alloc(8, 8);
	CHECK(host_faults[HOOK_HEAP].hit);
	CHECK_EQ(look_chunk_of(ptr), other);
	/* For that request only: the next one grows the map. */
	host_fail_none();
	host_free(ptr);
	CHECK_EQ(look_chunk_of(must_alloc(8, 8)), full);
	check_invariants("passed over");
}

static void __percpu *to_free;

static void free_while_a_chunk_is_made(enum host_hook hook)
{
	if (hook != HOOK_RANGE || to_free == NULL)
		return;
	host_free(to_free);
	to_free = NULL;
}

/* A chunk made in vain, while a free has left another one free, is not kept: reclaim is woken. */
HOST_TEST(O6_a_chunk_made_in_vain_wakes_reclaim)
{
	host_boot(&two_cpus);
	fill_chunks();
	to_free = must_alloc(PCPU_MIN_UNIT_SIZE, 8);
	host_in_hook = free_while_a_chunk_is_made;
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(host_alloc(8, 8) == NULL);
	host_in_hook = NULL;
	host_fail_none();
	CHECK(to_free == NULL);
	CHECK_EQ(look_chunks(), 3);
	CHECK(host_run_reclaim());
	CHECK_EQ(look_chunks(), 2);
	check_invariants("made in vain");
}

static unsigned long freed_at_first_unlock;
static bool mutex_was_unlocked;

static void look_at_first_unlock(void)
{
	if (!mutex_was_unlocked)
		freed_at_first_unlock = look_stats().chunks_freed;
	mutex_was_unlocked = true;
}

/* Reclaim holds the mutex until its chunks are gone. */
HOST_TEST(U4_reclaim_holds_the_mutex_until_all_is_gone)
{
	void __percpu *ptrs[4];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(PCPU_MIN_UNIT_SIZE, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	host_after_mutex_unlock = look_at_first_unlock;
	CHECK(host_run_reclaim());
	host_after_mutex_unlock = NULL;
	CHECK(mutex_was_unlocked);
	CHECK_EQ(freed_at_first_unlock, ARRAY_SIZE(ptrs) - 1);
}

/* NULL is NULL before set-up, after it, and in text; a free of it does nothing. */
static size_t in_tree, most_unlinked;

static void count_unlinked(void)
{
	irqflags_t flags = port_lock();
	size_t now = pcpu_tree_count();

	port_unlock(flags);
	most_unlinked = max(most_unlinked, in_tree - now);
	in_tree = now;
}

/* However many chunks are surplus, the spinlock is held for one at a time. */
HOST_TEST(reclaim_lets_go_of_the_lock_after_each_chunk)
{
	void __percpu *ptrs[12];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(PCPU_MIN_UNIT_SIZE, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	count_unlinked();
	most_unlinked = 0;
	host_after_unlock = count_unlinked;
	CHECK(host_run_reclaim());
	host_after_unlock = NULL;
	CHECK_EQ(most_unlinked, 1);
	CHECK_EQ(look_chunks(), 2);
	check_invariants("one at a time");
}

static void free_after_the_first_is_unlinked(void)
{
	size_t before = in_tree;

	count_unlinked();
	if (in_tree == before || to_free == NULL)
		return;
	host_free(to_free);
	to_free = NULL;
}

/* The chunk that a free empties while reclaim is under way is the one that stays. */
HOST_TEST(U4_a_free_between_two_chunks_that_go)
{
	void __percpu *ptrs[6];
	unsigned long last;

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(PCPU_MIN_UNIT_SIZE, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs) - 1; i++)
		host_free(ptrs[i]);
	to_free = ptrs[ARRAY_SIZE(ptrs) - 1];
	last = look_chunk_of(to_free);
	count_unlinked();
	host_after_unlock = free_after_the_first_is_unlinked;
	CHECK(host_run_reclaim());
	host_after_unlock = NULL;
	CHECK(to_free == NULL);
	CHECK_EQ(look_chunks(), 2);
	CHECK_EQ(look_chunk_of(must_alloc(PCPU_MIN_UNIT_SIZE, 8)), last);
	check_invariants("freed meanwhile");
}

HOST_TEST(U25_null_is_no_area)
{
	struct pcpu_where where;
	struct pcpu_result result;
	char text[80];

	host_power_on(&two_cpus);
	CHECK_EQ(look_what(NULL), PCPU_NULL);
	host_first_chunk(&two_cpus);
	host_heap_up();
	must_alloc(8, 8);
	pcpu_where(NULL, &where);
	CHECK_EQ(where.what, PCPU_NULL);
	CHECK(!where.has_chunk && !where.populated);
	pcpu_where_text(NULL, &where, text, sizeof(text));
	CHECK_TEXT(text, "NULL is no area");
	pcpu_try_free(NULL, &result);
	CHECK(result.error == NULL && !result.warned);
	CHECK_EQ(look_stats().frees + look_stats().bad_frees, 0);
	CHECK_EQ(host_warnings, 0);
}

static void populate(size_t first, size_t end, int want)
{
	port_mutex_lock();
	CHECK_EQ(pcpu_populate(pcpu_first_chunk, first, end), want);
	port_mutex_unlock();
}

/* Pages missing in two runs: when the second cannot be mapped on a CPU, the first goes again there. */
HOST_TEST(O19_U5_a_unit_mapped_in_two_runs)
{
	size_t first = PFN_UP(host_static_size()) + 1;

	host_boot(&(struct host_config){.nr_cpus = 3, .style = HOST_PAGE});
	populate(first + 1, first + 2, 0);
	check_invariants("a page by itself");
	for (unsigned long n = 1; n <= 6; n++) {
		struct host_ledger before = host_ledger(), after;

		host_fail(HOOK_MAP, n);
		populate(first, first + 3, -ENOMEM);
		CHECK(host_faults[HOOK_MAP].hit);
		host_fail_none();
		after = host_ledger();
		CHECK(host_ledger_equal(&before, &after));
		check_invariants("two runs, one failed");
	}
	populate(first, first + 3, 0);
	check_invariants("two runs");
}

/* Every byte of the reserved area is the reserved part's, every byte after it the dynamic one's. */
HOST_TEST(O11_the_border_between_the_parts)
{
	size_t granule = host_has(HOST_AREAMAP | HOST_NO_FRONT) ? 1 : 4;
	char __percpu *reserved, *dynamic;
	struct pcpu_where where;

	host_boot(&(struct host_config){
		.nr_cpus = 2, .style = HOST_PAGE, .reserved = 9001, .unit_size = 65536});
	reserved = host_alloc_reserved(9001, 1);
	dynamic = must_alloc(50, 1);
	CHECK_EQ((uintptr_t)reserved, (uintptr_t)__per_cpu_start + host_static_size());
	CHECK_EQ((uintptr_t)dynamic, ALIGN_UP((uintptr_t)reserved + 9001, granule));
	for (size_t at = 1; at <= 9000; at++) {
		pcpu_where(reserved + at, &where);
		CHECK_EQ(where.what, PCPU_INSIDE);
		CHECK_EQ(where.chunk, 0);
		CHECK_EQ(where.area_length, 9001);
	}
	pcpu_where(dynamic, &where);
	CHECK_EQ(where.what, PCPU_AREA);
	CHECK_EQ(where.chunk, 1);
	pcpu_where(reserved - 1, &where);
	CHECK_EQ(where.what, PCPU_STATIC);
}

static void check_pages_of(struct pcpu_chunk *chunk, size_t first, size_t end)
{
	CHECK_EQ(chunk->memory->nr_populated, end - first);
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++)
		for (size_t n = 0; n < pcpu_unit_pages; n++) {
			uintptr_t addr =
				(uintptr_t)chunk->base + unit * pcpu_unit_size + n * PAGE_SIZE;
			bool there = n >= first && n < end;

			CHECK_EQ(pcpu_page_populated(chunk, n), there);
			CHECK_EQ(chunk->memory->pages[unit * pcpu_unit_pages + n] != NULL, there);
			CHECK_EQ(port_lookup(addr) != ~(phys_addr_t)0, there);
			if (there)
				memset((void *)addr, (int)unit, PAGE_SIZE);
		}
}

/* Pages come, go and come again in one chunk, on every CPU, and all is given back. */
HOST_TEST(U16_depopulate_and_populate_again)
{
	struct host_ledger before, after;
	struct pcpu_chunk *chunk;

	host_boot(&(struct host_config){.nr_cpus = 3, .style = HOST_PAGE});
	before = host_ledger();
	port_mutex_lock();
	chunk = pcpu_chunk_create();
	CHECK(chunk != NULL);
	for (size_t first = 0; first < 3; first++) {
		CHECK_EQ(pcpu_populate(chunk, first, first + 5), 0);
		check_pages_of(chunk, first, first + 5);
		pcpu_depopulate_all(chunk);
		check_pages_of(chunk, 0, 0);
		CHECK_EQ(host_ledger().pages, before.pages);
		CHECK_EQ(host_ledger().stale, 0);
	}
	CHECK_EQ(pcpu_populate(chunk, 15, 16), 0);
	check_pages_of(chunk, 15, 16);
	pcpu_chunk_destroy(chunk);
	port_mutex_unlock();
	after = host_ledger();
	CHECK(host_ledger_equal(&before, &after));
	check_invariants("a chunk that never was in circulation");
}

static void change_pages_of_an_immutable_chunk(size_t first)
{
	struct host_ledger before = host_ledger(), after;
	size_t nr = pcpu_first_chunk->memory->nr_populated;

	port_mutex_lock();
	CHECK_EQ(pcpu_populate(pcpu_first_chunk, first, first + 2), 0);
	pcpu_depopulate_all(pcpu_first_chunk);
	port_mutex_unlock();
	after = host_ledger();
	CHECK(host_ledger_equal(&before, &after));
	CHECK_EQ(pcpu_first_chunk->memory->nr_populated, nr);
	CHECK(!pcpu_page_populated(pcpu_first_chunk, first));
	CHECK(pcpu_page_populated(pcpu_first_chunk, 0));
}

/* Pages of an immutable chunk come as little as they go, not even where it has none. */
HOST_TEST(O10_an_immutable_chunk_keeps_the_pages_it_has)
{
	host_boot(&(struct host_config){.nr_cpus = 2, .unit_size = 65536, .dyn_size = 4096});
	CHECK(pcpu_first_chunk->immutable);
	change_pages_of_an_immutable_chunk(pcpu_first_chunk->memory->nr_populated);
	check_invariants("an immutable chunk");
}

static bool alloc_nothing(struct pcpu_space *space __unused, size_t size __unused,
			  size_t align __unused, struct pcpu_grant *grant __unused)
{
	return false;
}

static size_t alloc_none(struct pcpu_space *space __unused, size_t size __unused,
			 size_t align __unused, size_t max_areas __unused, size_t *offsets __unused)
{
	return 0;
}

/* One chunk is made for a request, though that does not serve it either. */
HOST_TEST(U6_a_request_makes_one_chunk_at_most)
{
	static struct pcpu_engine stingy;

	host_boot(&two_cpus);
	stingy = *pcpu_engine;
	stingy.alloc = alloc_nothing;
	stingy.alloc_many = alloc_none;
	pcpu_engine = &stingy;
	CHECK(host_alloc(8, 8) == NULL);
	CHECK_EQ(look_chunks(), 2);
	CHECK(host_reclaim_pending);
}

static void free_while_pages_are_taken(enum host_hook hook)
{
	if (hook != HOOK_PAGE || to_free == NULL)
		return;
	host_free(to_free);
	to_free = NULL;
}

/* A request gave its first bytes to the area before, which is freed before the request fails: they went
 * with it, and are not given a second time. */
HOST_TEST_OF(U5_a_neighbour_with_donated_bytes_is_freed_before_the_undo,
	     HOST_AREAMAP | HOST_NO_FRONT)
{
	size_t free_size;

	host_boot(&(struct host_config){.nr_cpus = 2, .style = HOST_PAGE});
	must_alloc(8, 8);
	free_size = look_chunk(0)->free_size;
	to_free = must_alloc(5, 8);
	host_in_hook = free_while_pages_are_taken;
	host_fail(HOOK_PAGE, 2);
	CHECK(host_alloc(30000, 8) == NULL);
	CHECK(host_faults[HOOK_PAGE].hit && to_free == NULL);
	host_in_hook = NULL;
	CHECK_EQ(look_chunk(0)->free_size, free_size);
	CHECK_EQ(look_chunk(0)->nr_entries, 3);
	check_invariants("undone beside a free entry");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(O5_the_next_chunk_serves_when_a_map_cannot_grow),
		cmocka_unit_test(O6_a_chunk_made_in_vain_wakes_reclaim),
		cmocka_unit_test(U4_reclaim_holds_the_mutex_until_all_is_gone),
		cmocka_unit_test(reclaim_lets_go_of_the_lock_after_each_chunk),
		cmocka_unit_test(U4_a_free_between_two_chunks_that_go),
		cmocka_unit_test(U25_null_is_no_area),
		cmocka_unit_test(O19_U5_a_unit_mapped_in_two_runs),
		cmocka_unit_test(O11_the_border_between_the_parts),
		cmocka_unit_test(U16_depopulate_and_populate_again),
		cmocka_unit_test(O10_an_immutable_chunk_keeps_the_pages_it_has),
		cmocka_unit_test(U6_a_request_makes_one_chunk_at_most),
		cmocka_unit_test(U5_a_neighbour_with_donated_bytes_is_freed_before_the_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
