/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Known defects of this design, each with the test that would have found it: placement, books,
 * CPUs and units. Pages: test_pages.c; bad input: test_refusals.c; locks: test_interleave.c;
 * failures: test_fail.c; set-up: test_setup.c.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config two_cpus = {.nr_cpus = 2};
static const struct host_config two_cpus_page = {.nr_cpus = 2, .style = HOST_PAGE};
static const unsigned int holes[] = {0, 2, 5};

/* ---- Books ---- */

/* Maps larger than a page are freed while 1,100 areas live; the port refuses it under the lock. */
HOST_TEST(U2_eleven_hundred_areas_in_one_chunk)
{
	static void __percpu *ptrs[1100];

	host_boot(&two_cpus_page);
	fill_chunks();
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptrs[i] = must_alloc(8, 8);
		pattern_fill(ptrs[i], 8, i);
		CHECK_EQ(look_chunk_of(ptrs[i]), look_chunk_of(ptrs[0]));
	}
	CHECK(look_chunk(look_chunk_of(ptrs[0]))->map_room * sizeof(int) > PAGE_SIZE);
	check_invariants("1,100 areas");
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
		pattern_check(ptrs[i], 8, i);
		host_free(ptrs[i]);
	}
	check_invariants("no areas");
}

HOST_TEST(U10_U19_the_hint_is_the_longest_run_or_more)
{
	uint64_t random = 10;
	void __percpu *ptrs[64] = {0};

	host_boot(&two_cpus);
	for (unsigned int i = 0; i < 3000; i++) {
		void __percpu **ptr = &ptrs[host_random(&random) % ARRAY_SIZE(ptrs)];

		if (*ptr != NULL) {
			host_free(*ptr);
			*ptr = NULL;
		} else {
			*ptr = must_alloc(1 + host_random(&random) % 40,
					  1u << host_random(&random) % 8);
		}
		check_invariants("odd heads");
	}
}

/* Scans must not start over for each of a row of like requests. */
HOST_TEST(U12_U13_O14_wrong_alignment_is_not_scanned_again_and_again)
{
	/* Of area maps, entries; of bitmaps, nodes and the runs of a leaf of 4 KiB. */
	const unsigned long nr = 30000, limit = host_has(HOST_AREAMAP) ? 8 : 300;
	struct pcpu_stats before, after;

	host_boot(&(struct host_config){.nr_cpus = 1});
	before = look_stats();
	for (unsigned long i = 0; i < nr; i++)
		must_alloc(4, 8);
	after = look_stats();
	printf("# entries touched per allocation: %lu.%02lu, chunks visited: %lu.%02lu\n",
	       (after.entries_touched - before.entries_touched) / nr,
	       (after.entries_touched - before.entries_touched) * 100 / nr % 100,
	       (after.chunks_visited - before.chunks_visited) / nr,
	       (after.chunks_visited - before.chunks_visited) * 100 / nr % 100);
	CHECK(after.entries_touched - before.entries_touched < nr * limit);
	check_invariants("wrong alignment");
}

static unsigned long touched_by_an_alloc(void)
{
	unsigned long before = look_stats().entries_touched;

	must_alloc(64, 8);
	return look_stats().entries_touched - before;
}

/* Where the last scan ended the next one begins, and only a free before that place sends it back. */
HOST_TEST_OF(U13_a_scan_goes_on_where_the_last_one_ended, HOST_AREAMAP | HOST_NO_FRONT)
{
	void __percpu *ptrs[3];

	host_boot(&(struct host_config){.nr_cpus = 1});
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(64, 8);
	CHECK_EQ(pcpu_first_chunk->space.nr_entries, 5); /* static, the three, the rest */
	host_free(ptrs[2]);
	CHECK_EQ(touched_by_an_alloc(), 1);
	CHECK_EQ(touched_by_an_alloc(), 2);
	host_free(ptrs[1]);
	CHECK_EQ(touched_by_an_alloc(), 3);
	CHECK_EQ(touched_by_an_alloc(), 4);
	must_alloc(32, 8); /* easier: from the front */
	CHECK_EQ(touched_by_an_alloc(), 2);
}

static const struct {
	size_t bytes;
	unsigned int slot;
} slot_table[] = {{1, 1},      {3, 1},	    {4, 1},	{15, 1},    {16, 2},	 {31, 2},
		  {32, 3},     {63, 3},	    {64, 4},	{127, 4},   {128, 5},	 {255, 5},
		  {256, 6},    {511, 6},    {512, 7},	{1023, 7},  {1024, 8},	 {2048, 9},
		  {4095, 9},   {4096, 10},  {8191, 10}, {8192, 11}, {16384, 12}, {32767, 12},
		  {32768, 13}, {65535, 13}, {65536, 15}};

HOST_TEST(O13_slot_table)
{
	size_t room[20];

	host_boot(&two_cpus);
	CHECK_EQ(pcpu_nr_slots, 16);
	for (size_t i = 0; i < ARRAY_SIZE(slot_table); i++)
		CHECK_EQ(pcpu_slot_of(slot_table[i].bytes), slot_table[i].slot);
	/* And a chunk is on the slot that the table says, all the way down. */
	fill_chunks();
	for (size_t i = 0; i < ARRAY_SIZE(room); i++) {
		unsigned long id =
			look_chunk_of(must_alloc(i == 0 ? 32768 : (size_t)20000 >> i | 4, 4));
		size_t left = look_chunk(id)->free_size;

		CHECK_EQ(look_chunk(id)->slot, left == 0 ? 0 : pcpu_slot_of(left));
	}
}

HOST_TEST(O18_U21_odd_sizes_freed_leave_all_bytes_free)
{
	static void __percpu *ptrs[500];
	uint64_t random = 18;
	size_t free_before, n;

	host_boot(&(struct host_config){.nr_cpus = 1});
	look_chunks();
	free_before = look_at[0].free_size;
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(1 + host_random(&random) % 13, 1u << host_random(&random) % 5);
	check_invariants("odd sizes");
	for (size_t i = ARRAY_SIZE(ptrs); i-- > 0;)
		host_free(ptrs[i * 7 % ARRAY_SIZE(ptrs)]);
	pcpu_settle();
	n = look_chunks();
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(look_at[i].free_size, look_at[i].first ? free_before : pcpu_unit_size);
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("all free");
}

/* Fills a new chunk to the last byte: two large areas, one of 50 bytes, and areas of 2 bytes, of
 * which every other one is freed. Its hint says 50 and is stale: what was 50 bytes is in use again. */
static unsigned long make_holes(void)
{
	static void __percpu *tiny[2742]; /* the last has 4 bytes */
	void __percpu *fifty;
	unsigned long id = look_chunk_of(must_alloc(30000, 4));

	must_alloc(30000, 4);
	fifty = must_alloc(50, 2);
	for (size_t i = 0; i < ARRAY_SIZE(tiny); i++)
		tiny[i] = must_alloc(2, 2);
	CHECK_EQ(look_chunk(id)->free_size, 0);
	CHECK_EQ(look_chunk(id)->slot, 0);
	host_free(fifty);
	CHECK_EQ(look_chunk_of(must_alloc(50, 2)), id);
	for (size_t i = 0; i < ARRAY_SIZE(tiny); i += 2)
		host_free(tiny[i]);
	CHECK_EQ(look_chunk(id)->hint, 50);
	CHECK_EQ(look_chunk(id)->slot, pcpu_slot_of(look_chunk(id)->free_size));
	return id;
}

/* The failed scan moves its chunk to slot 0 while the list is walked: no hole is worth a search. */
HOST_TEST_OF(O29_O14_a_failed_scan_moves_its_chunk, HOST_AREAMAP | HOST_NO_FRONT)
{
	unsigned long holes, behind;

	host_boot(&two_cpus);
	fill_chunks();
	holes = make_holes();
	host_faults[HOOK_RANGE].fail_all = true;
	CHECK(host_alloc(50, 2) == NULL);
	CHECK_EQ(look_chunk(holes)->slot, 0);
	CHECK_EQ(look_chunk(holes)->hint, 2);
	host_fail_none();
	behind = look_chunk_of(must_alloc(50, 2));
	CHECK(behind != holes);
	CHECK_EQ(look_chunk_of(must_alloc(2, 2)), behind); /* slot 0 is never searched */
	check_invariants("holes");
}

/* A unit as large as the largest request, no smaller: one new chunk serves anything legal. */
HOST_TEST(U6_the_largest_request_makes_one_chunk)
{
	unsigned long made;

	host_boot(&(struct host_config){.nr_cpus = 2, .unit_size = 65536});
	made = look_stats().chunks_made;
	must_alloc(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	CHECK_EQ(look_stats().chunks_made, made + 1);
	CHECK(host_alloc(PCPU_MIN_UNIT_SIZE + 1, 1) == NULL);
	CHECK_EQ(look_stats().chunks_made, made + 1);
	CHECK(look_stats().chunks_visited < 20);
}

/* ---- CPUs and units ---- */

static void translate_unit(const struct pcpu_chunk_info *chunk, unsigned int cpu, unsigned int unit)
{
	uintptr_t start = chunk->base + unit * pcpu_unit_size;

	for (size_t n = 0; n < pcpu_unit_size; n += PAGE_SIZE) {
		uintptr_t first = start + n, last = first + PAGE_SIZE - 1;
		phys_addr_t pa = port_lookup(first);

		CHECK_EQ(per_cpu_ptr_to_phys((void *)first), pa);
		CHECK_EQ(per_cpu_ptr_to_phys((void *)last), port_lookup(last));
	}
	CHECK_EQ(is_kernel_percpu_address(start), chunk->first);
	CHECK_EQ(is_kernel_percpu_address(start + host_static_size() - 1), chunk->first);
	CHECK(!is_kernel_percpu_address(start + host_static_size()));
	CHECK_EQ(__per_cpu_offset[cpu] + (uintptr_t)__per_cpu_start,
		 (uintptr_t)pcpu_base_addr + unit * pcpu_unit_size);
}

static unsigned int permuted_units(const void *arg)
{
	const unsigned int *units = arg;
	const char __percpu *ptr;
	size_t n;

	host_boot(&(struct host_config){
		.cpus = holes, .units = units, .nr_cpus = 3, .style = HOST_PAGE});
	CHECK_EQ(pcpu_nr_units, 3);
	ptr = must_alloc(100, 64);
	must_alloc(65536, 4096);
	pattern_fill(ptr, 100, 7);
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_EQ((uintptr_t)per_cpu_ptr(ptr, holes[i]),
			 (uintptr_t)ptr - (uintptr_t)__per_cpu_start + (uintptr_t)pcpu_base_addr +
				 units[i] * pcpu_unit_size);
		n = look_chunks();
		for (size_t k = 0; k < n; k++)
			translate_unit(&look_at[k], holes[i], units[i]);
	}
	pattern_check(ptr, 100, 7);
	check_invariants("permuted units");
	return 0;
}

HOST_TEST(U7_U9_ids_with_holes_and_units_in_any_order)
{
	static const unsigned int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
						  {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
		host_in_fork(permuted_units, orders[i]);
}

/* The first request after set-up flushes what it mapped: the port shows no page before that. */
HOST_TEST(U8_flush_bounds_right_after_set_up)
{
	void __percpu *ptr;
	unsigned long maps;

	host_boot(&(struct host_config){.cpus = holes,
					.units = (const unsigned int[]){1, 2, 0},
					.nr_cpus = 3,
					.style = HOST_PAGE});
	maps = host_flush_maps;
	ptr = must_alloc(50000, 8);
	CHECK_EQ(host_flush_maps, maps + 1);
	check_filled(ptr, 50000, 0, "the first area");
}

/* Units past 2 and 4 GiB from the first one. */
HOST_TEST(O8_products_past_4_gib)
{
	char __percpu *ptr;
	unsigned int cpu;

	host_boot(&(struct host_config){
		.nr_cpus = 512, .style = HOST_PAGE, .unit_size = 16 << 20, .nr_pages = 20000});
	ptr = must_alloc(65536, 4096);
	check_filled(ptr, 65536, 0, "a fresh area");
	for_each_possible_cpu (cpu)
		*per_cpu_ptr(ptr + 65535, cpu) = (char)(cpu % 251);
	for_each_possible_cpu (cpu) {
		uintptr_t addr = (uintptr_t)per_cpu_ptr(ptr, cpu);

		CHECK_EQ(*per_cpu_ptr(ptr + 65535, cpu), (char)(cpu % 251));
		CHECK_EQ(addr - (uintptr_t)per_cpu_ptr(ptr, 0), (uintptr_t)cpu * (16 << 20));
		CHECK_EQ(per_cpu_ptr_to_phys((void *)addr), port_lookup(addr));
	}
	check_invariants("8 GiB of units");
	host_free(ptr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U2_eleven_hundred_areas_in_one_chunk),
		cmocka_unit_test(U6_the_largest_request_makes_one_chunk),
		cmocka_unit_test(U7_U9_ids_with_holes_and_units_in_any_order),
		cmocka_unit_test(U8_flush_bounds_right_after_set_up),
		cmocka_unit_test(U10_U19_the_hint_is_the_longest_run_or_more),
		cmocka_unit_test(U12_U13_O14_wrong_alignment_is_not_scanned_again_and_again),
		cmocka_unit_test(U13_a_scan_goes_on_where_the_last_one_ended),
		cmocka_unit_test(O8_products_past_4_gib),
		cmocka_unit_test(O13_slot_table),
		cmocka_unit_test(O18_U21_odd_sizes_freed_leave_all_bytes_free),
		cmocka_unit_test(O29_O14_a_failed_scan_moves_its_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
