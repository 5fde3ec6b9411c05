/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The checker sees each kind of damage, and names it: a checker that finds nothing proves nothing.
 */
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config machine = {.nr_cpus = 2, .style = HOST_PAGE, .nr_pages = 8192};

/* The map of the chunk that damage is done to: {-static, -100, +100, -100, +rest}. */
enum { AREA = 1, HOLE = 2, REST = 4 };

struct damage {
	const char *text; /* what the checker has to say */
	void (*fn)(struct pcpu_chunk *chunk);
};

/* ---- The area map ---- */

static void zero_entry(struct pcpu_chunk *chunk)
{
	chunk->space.map[HOLE] = 0;
}

static void free_neighbours(struct pcpu_chunk *chunk)
{
	chunk->space.map[AREA] = -chunk->space.map[AREA];
}

static void short_entry(struct pcpu_chunk *chunk)
{
	chunk->space.map[REST] -= 4;
}

static void wrong_free_size(struct pcpu_chunk *chunk)
{
	chunk->space.free_size += 4;
}

static void low_hint(struct pcpu_chunk *chunk)
{
	chunk->space.hint = 64;
}

static void small_room(struct pcpu_chunk *chunk)
{
	chunk->space.map_room = 4;
}

static void memo_past_the_map(struct pcpu_chunk *chunk)
{
	chunk->space.memo = (struct areamap_memo){8, 8, 100, 0, 0};
}

static void memo_passes_room(struct pcpu_chunk *chunk)
{
	chunk->space.memo = (struct areamap_memo){8, 8, HOLE + 1, 0, 0};
}

static void memo_at_wrong_offset(struct pcpu_chunk *chunk)
{
	chunk->space.memo = (struct areamap_memo){8, 8, HOLE, 4, 0};
}

static void memo_with_wrong_run(struct pcpu_chunk *chunk)
{
	chunk->space.memo = (struct areamap_memo){8, 8, 1, pcpu_static_size, 4};
}

/* ---- The chunk ---- */

static void wrong_slot(struct pcpu_chunk *chunk)
{
	chunk->slot--;
}

static void wrong_count_of_areas(struct pcpu_chunk *chunk)
{
	chunk->nr_areas++;
}

static void page_not_marked(struct pcpu_chunk *chunk)
{
	bitmap_clear(chunk->memory->populated, pcpu_static_size / PAGE_SIZE);
}

static void wrong_count_of_pages(struct pcpu_chunk *chunk)
{
	chunk->memory->nr_populated++;
}

static void page_of_one_cpu_only(struct pcpu_chunk *chunk)
{
	chunk->memory->pages[pcpu_unit_pages] = NULL;
}

static void exchanged_pages(struct pcpu_chunk *chunk)
{
	struct page **pages = chunk->memory->pages, *first = pages[0];

	pages[0] = pages[pcpu_unit_pages];
	pages[pcpu_unit_pages] = first;
}

/* In CPU 1's unit only, where the array has no page. */
static void mapping_without_a_page(struct pcpu_chunk *chunk)
{
	uintptr_t addr = (uintptr_t)chunk->base + 2 * pcpu_unit_size - PAGE_SIZE;
	struct page *page = NULL;

	port_mutex_lock();
	CHECK_EQ(port_pages_alloc(1, &page, 1), 1);
	CHECK_EQ(port_map(addr, &page, 1), 0);
	port_flush_map(addr, addr + PAGE_SIZE);
	port_mutex_unlock();
}

static struct rb_node *root_of(struct pcpu_chunk *chunk)
{
	struct rb_node *node = &chunk->tree_node;

	while (node->parent)
		node = node->parent;
	return node;
}

static void lost_subtrees(struct pcpu_chunk *chunk)
{
	struct rb_node *root = root_of(chunk);

	root->left = NULL;
	root->right = NULL;
}

static void red_root(struct pcpu_chunk *chunk)
{
	root_of(chunk)->red = true;
}

/* ---- Totals ---- */

#define TOTAL(counter)                                                 \
	static void wrong_##counter(struct pcpu_chunk *chunk __unused) \
	{                                                              \
		pcpu_counters.counter++;                               \
	}

TOTAL(live_areas)
TOTAL(allocs)
TOTAL(live_bytes)
TOTAL(populated_pages)
TOTAL(chunks_freed)
TOTAL(pages_owned)

static void lost_page(struct pcpu_chunk *chunk __unused)
{
	struct page *page = NULL;

	port_mutex_lock();
	CHECK_EQ(port_pages_alloc(0, &page, 1), 1);
	port_mutex_unlock();
}

/* Of several findings the first is told. */
static void several_things(struct pcpu_chunk *chunk)
{
	chunk->nr_areas++;
	chunk->memory->nr_populated++;
	page_of_one_cpu_only(chunk);
	exchanged_pages(chunk);
	wrong_slot(chunk);
}

static const struct damage map_damages[] = {
	{"an area map entry is zero", zero_entry},
	{"two free entries stand side by side", free_neighbours},
	{"the entries do not add up to the span", short_entry},
	{"free_size is not the sum of the free entries", wrong_free_size},
	{"the hint is below the longest free run", low_hint},
	{"more entries than the map has room for", small_room},
	{"the scan memo does not fit the map", memo_past_the_map},
	{"the scan memo does not fit the map", memo_passes_room},
	{"the scan memo does not fit the map", memo_at_wrong_offset},
	{"the scan memo does not fit the map", memo_with_wrong_run},
};

static const struct damage damages[] = {
	{": slot ", wrong_slot},
	{": areas 3, should be 2", wrong_count_of_areas},
	{"no memory under a live area in page", page_not_marked},
	{": populated pages ", wrong_count_of_pages},
	{"populated on some CPUs only: page 0", page_of_one_cpu_only},
	{"the page tables disagree on page 0", exchanged_pages},
	{"the page tables disagree on page 15", mapping_without_a_page},
	{"not found in the tree at", lost_subtrees},
	{"chunks in the tree: 0, should be", red_root},
	{"live_areas: ", wrong_live_areas},
	{"live_areas by allocs - frees: ", wrong_allocs},
	{"live_bytes: ", wrong_live_bytes},
	{"populated_pages: ", wrong_populated_pages},
	{"chunks_made - chunks_freed: ", wrong_chunks_freed},
	{"pages_owned: ", wrong_pages_owned},
	{"pages taken from the page allocator: ", lost_page},
	{": slot ", several_things},
};

/* The first chunk with two areas and a hole between them, and two full chunks beside it. */
static void boot_with_areas(void)
{
	void __percpu *hole;

	host_boot(&machine);
	must_alloc(65536, 1);
	must_alloc(65536, 1);
	must_alloc(100, 4);
	hole = must_alloc(100, 4);
	must_alloc(100, 4);
	host_free(hole);
	pcpu_settle();
	CHECK_EQ(look_chunk(0)->nr_entries, REST + 1);
	check_invariants("before any damage");
}

static unsigned int finds(const void *arg)
{
	const struct damage *damage = arg;
	struct pcpu_check_result result;

	boot_with_areas();
	host_watch_counters(false);
	damage->fn(pcpu_first_chunk);
	if (!pcpu_check(&result) && strstr(result.error, damage->text))
		return 1;
	fprintf(stderr, "want \"%s\", got \"%s\"\n", damage->text, result.error);
	return 0;
}

HOST_TEST_OF(O20_each_damage_of_a_map_is_found_and_named, HOST_AREAMAP)
{
	for (size_t i = 0; i < ARRAY_SIZE(map_damages); i++)
		CHECK_EQ(host_in_fork(finds, &map_damages[i]), 1);
}

HOST_TEST(O20_each_damage_is_found_and_named)
{
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
		CHECK_EQ(host_in_fork(finds, &damages[i]), 1);
}

static void damage_chunk(struct pcpu_chunk *chunk, void *arg __unused)
{
	wrong_free_size(chunk);
}

static unsigned int finds_damage_in_two_maps(const void *arg __unused)
{
	struct pcpu_check_result result;
	irqflags_t flags;

	boot_with_areas();
	CHECK(pcpu_debug_enable() == false); /* there are areas already */
	pcpu_guard_on = true;
	flags = port_lock();
	pcpu_for_each_chunk(damage_chunk, NULL);
	port_unlock(flags);
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "free_size is not the sum");
	return 1;
}

HOST_TEST(the_first_of_several_findings_is_told)
{
	CHECK_EQ(host_in_fork(finds_damage_in_two_maps, NULL), 1);
}

HOST_TEST(damage_around_areas_is_told_last)
{
	struct pcpu_check_result result;
	char __percpu *ptr;

	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	ptr = must_alloc(10, 2);
	*per_cpu_ptr(ptr + 10, 1) = 0;
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "write past an area");
	host_watch_counters(false);
	pcpu_counters.live_areas++;
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "live_areas: 2, should be 1");
}

/* ---- Before set-up, and corners ---- */

HOST_TEST(U24_queries_before_the_first_chunk_have_answers)
{
	static const struct pcpu_engine other;
	struct pcpu_where where;

	host_power_on(&machine);
	pcpu_engine = &other;
	CHECK(!pcpu_engine_select("no such engine"));
	CHECK(pcpu_engine == &other);
	CHECK(pcpu_engine_select("areamap"));
	CHECK(pcpu_engine == &areamap_engine);
	CHECK_EQ(per_cpu_ptr_to_phys(&where), ~(phys_addr_t)0);
	pcpu_where((void __percpu *)8, &where);
	CHECK_EQ(where.what, PCPU_ORDINARY);
	pcpu_where(NULL, &where);
	CHECK_EQ(where.what, PCPU_NULL);
}

/* Head bytes that were given to what lies before the dynamic area belong to nobody's area. */
HOST_TEST(slivers_before_the_first_area_are_not_areas)
{
	struct host_config odd = machine;
	struct pcpu_where where;
	char __percpu *ptr;

	odd.reserved = 8 + ALIGN_UP(host_static_size(), 8) - host_static_size() - 2;
	odd.unit_size = 65536;
	host_boot(&odd);
	ptr = must_alloc(8, 8);
	pcpu_where(ptr - 1, &where);
	CHECK_EQ(where.what, PCPU_STATIC);
	host_free(ptr - 1);
	CHECK_EQ(host_warnings, 1);
	check_invariants("slivers");
}

/* The text of a live area, which no warning is about. */
HOST_TEST(a_live_area_is_described)
{
	struct pcpu_where where;
	char text[200];
	void __percpu *ptr;

	host_boot(&machine);
	ptr = must_alloc(24, 8);
	pcpu_where(ptr, &where);
	pcpu_where_text(ptr, &where, text, sizeof(text));
	CHECK_TEXT(text, "is the live area of 24 bytes at offset ");
}

/* One area from the static area to the end of the map, which lies that far past a page's start. */
static size_t boot_with_last_bytes(size_t past, size_t size_less)
{
	size_t static_size = host_static_size(), last = PFN_UP(static_size) + 3;
	size_t dyn = last * PAGE_SIZE + past - static_size;

	host_boot(&(struct host_config){
		.nr_cpus = 2, .style = HOST_PAGE, .unit_size = 65536, .dyn_size = (ssize_t)dyn});
	must_alloc(dyn - size_less, 1);
	return last;
}

/* Three bytes of slack at the end of the map need no page; with a fourth there is one that was asked for. */
HOST_TEST_OF(slack_needs_no_memory, HOST_AREAMAP)
{
	size_t last = boot_with_last_bytes(3, 3);

	CHECK(!pcpu_page_populated(pcpu_first_chunk, last));
	CHECK_EQ(pcpu_first_chunk->space.nr_entries, 2);
	check_invariants("three bytes past the last page");
}

HOST_TEST(O20_bytes_past_the_slack_need_memory)
{
	struct pcpu_check_result result;
	size_t last = boot_with_last_bytes(4, 0);

	check_invariants("four bytes in the last page");
	bitmap_clear(pcpu_first_chunk->memory->populated, last);
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "no memory under a live area in page");
}

/* ---- Guards ---- */

HOST_TEST(large_areas_in_quarantine_leave_chunks_to_reclaim)
{
	void __percpu *ptrs[3];

	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(65536, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	CHECK_EQ(pcpu_sync(), 2);
	check_invariants("reclaimed");
}

HOST_TEST(guarded_requests_fail_cleanly)
{
	void __percpu *ptr;

	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	host_faults[HOOK_RANGE].fail_all = true;
	CHECK(host_alloc(65536, 8) == NULL);
	host_fail_none();
	ptr = must_alloc(65536, 8);
	host_free(ptr);
	host_faults[HOOK_RANGE].fail_all = true; /* what waits in quarantine has to do */
	ptr = must_alloc(65536, 8);
	host_fail_none();
	host_fail(HOOK_HEAP, 1);
	CHECK(host_alloc(8, 8) == NULL);
	host_fail_none();
	host_free(ptr);
	pcpu_sync();
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("guarded failures");
}

/* The quarantine is emptied for the second try, which makes a chunk and then finds no page. */
HOST_TEST(O6_a_second_try_that_made_a_chunk_wakes_reclaim)
{
	void __percpu *small;

	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	small = must_alloc(8, 8);
	must_alloc(40000, 8);
	host_free(small);
	host_fail(HOOK_RANGE, 1);
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(host_alloc(60000, 8) == NULL);
	host_fail_none();
	CHECK_EQ(look_chunks(), 2);
	CHECK(host_reclaim_pending);
	check_invariants("two tries");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(O20_each_damage_of_a_map_is_found_and_named),
		cmocka_unit_test(O20_each_damage_is_found_and_named),
		cmocka_unit_test(the_first_of_several_findings_is_told),
		cmocka_unit_test(damage_around_areas_is_told_last),
		cmocka_unit_test(U24_queries_before_the_first_chunk_have_answers),
		cmocka_unit_test(slivers_before_the_first_area_are_not_areas),
		cmocka_unit_test(a_live_area_is_described),
		cmocka_unit_test(slack_needs_no_memory),
		cmocka_unit_test(O20_bytes_past_the_slack_need_memory),
		cmocka_unit_test(large_areas_in_quarantine_leave_chunks_to_reclaim),
		cmocka_unit_test(guarded_requests_fail_cleanly),
		cmocka_unit_test(O6_a_second_try_that_made_a_chunk_wakes_reclaim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
