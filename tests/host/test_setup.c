/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The first chunk: every wrong argument panics and names itself and the layout; right ones give the
 * layout that the contract says.
 */
#include "tests/host/host_test.h"
#include "tests/host/port_host_internal.h"

#define STATIC_SIZE 5000
#define UNIT	    65536
#define NO_PAGES    SIZE_MAX

struct arguments {
	const char *name; /* what the panic has to say is wrong */
	size_t static_size, reserved_size;
	ssize_t unit_size, dyn_size;
	bool with_base, with_populate;
	size_t base_offset;	   /* of base_addr from a page */
	size_t pages;		   /* that get_page has; 0: a whole unit */
	size_t pages_of_cpu_2;	   /* if not as the others */
	const unsigned int *units; /* of CPUs 0, 2, 5 */
	void (*before)(void);	   /* called right before set-up; NULL: nothing */
};

static const unsigned int cpus[] = {0, 2, 5};
static const unsigned int same_unit[] = {0, 1, 1}, unit_past_end[] = {0, 1, 3};

static void without_cpus(void)
{
	cpu_possible_mask = (struct cpumask){0};
}

static void with_cpus_past_the_last_id(void)
{
	nr_cpu_ids = 3;
}

static void without_memory_for_page_tables(void)
{
	host_fail(HOOK_MAP, 1);
}

static const struct arguments wrong[] = {
	{.name = "static_size", .static_size = 0, .unit_size = UNIT, .dyn_size = -1},
	{.name = "unit_size", .static_size = STATIC_SIZE, .unit_size = UNIT + 100, .dyn_size = -1},
	{.name = "unit_size", .static_size = STATIC_SIZE, .unit_size = UNIT + 1, .dyn_size = 0},
	{.name = "unit_size", .static_size = STATIC_SIZE, .unit_size = UNIT - 4096, .dyn_size = -1},
	{.name = "unit_size", .static_size = STATIC_SIZE, .unit_size = 0, .dyn_size = -1},
	{.name = "unit_size", .static_size = UNIT + 1, .unit_size = UNIT, .dyn_size = -1},
	{.name = "unit_size",
	 .static_size = STATIC_SIZE,
	 .unit_size = (ssize_t)1 << 31,
	 .dyn_size = -1,
	 .pages = 2},
	{.name = "unit_size",
	 .static_size = 40000,
	 .reserved_size = UNIT - 40000 + 1,
	 .unit_size = UNIT,
	 .dyn_size = -1},
	{.name = "unit_size",
	 .static_size = 40000,
	 .reserved_size = SIZE_MAX - 40000 + 1,
	 .unit_size = UNIT,
	 .dyn_size = -1},
	{.name = "unit_size",
	 .static_size = 40000,
	 .reserved_size = 10000,
	 .unit_size = UNIT,
	 .dyn_size = UNIT - 50000 + 1},
	{.name = "unit_size",
	 .static_size = 40000,
	 .unit_size = UNIT,
	 .dyn_size = (ssize_t)(SIZE_MAX / 2)},
	{.name = "unit_size",
	 .static_size = 40000,
	 .reserved_size = SIZE_MAX - 20000,
	 .unit_size = -1,
	 .dyn_size = -1},
	{.name = "dyn_size", .static_size = STATIC_SIZE, .unit_size = -1, .dyn_size = 4096},
	{.name = "dyn_size", .static_size = STATIC_SIZE, .unit_size = -1, .dyn_size = 0},
	{.name = "base_addr",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .with_base = true,
	 .with_populate = true},
	{.name = "base_addr",
	 .static_size = STATIC_SIZE,
	 .unit_size = -1,
	 .dyn_size = -1,
	 .with_base = true},
	{.name = "base_addr",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .with_base = true,
	 .base_offset = 64},
	{.name = "base_addr",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .with_base = true,
	 .base_offset = 1},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .pages = 4,
	 .pages_of_cpu_2 = 3},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .pages = 4,
	 .pages_of_cpu_2 = 5},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .pages = 1},
	{.name = "get_page", .static_size = 4097, .unit_size = -1, .dyn_size = -1, .pages = 1},
	{.name = "get_page", .static_size = 1, .unit_size = -1, .dyn_size = -1, .pages = NO_PAGES},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .with_base = true,
	 .pages = 15},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .reserved_size = 3193,
	 .unit_size = UNIT,
	 .dyn_size = 0,
	 .with_base = true,
	 .pages = 2},
	{.name = "get_page",
	 .static_size = STATIC_SIZE,
	 .reserved_size = 3192,
	 .unit_size = UNIT,
	 .dyn_size = 1,
	 .with_base = true,
	 .pages = 2},
	{.name = "port_cpu_unit",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .units = same_unit},
	{.name = "port_cpu_unit",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .units = unit_past_end},
	{.name = "possible CPUs",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .before = without_cpus},
	{.name = "possible CPUs",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .before = with_cpus_past_the_last_id},
	{.name = "populate_pte",
	 .static_size = STATIC_SIZE,
	 .unit_size = UNIT,
	 .dyn_size = -1,
	 .before = without_memory_for_page_tables},
};

static const struct arguments *current;
static struct page *first_page;

static struct page *get_page(unsigned int cpu, size_t n)
{
	size_t pages = current->pages ? current->pages : UNIT / PAGE_SIZE;
	unsigned int index = cpu == 0 ? 0 : cpu == 2 ? 1 : 2;

	if (cpu == 2 && current->pages_of_cpu_2)
		pages = current->pages_of_cpu_2;
	if (pages == NO_PAGES)
		return NULL;
	return n < pages ? first_page + index * (UNIT / PAGE_SIZE) + n : NULL;
}

static void set_up(const void *arg)
{
	char *base = NULL;
	size_t unit;

	current = arg;
	host_power_on(&(struct host_config){.cpus = cpus, .units = current->units, .nr_cpus = 3});
	first_page = host_take_pages(3 * UNIT / PAGE_SIZE);
	if (current->with_base)
		base = (char *)host_page_address(first_page) + current->base_offset;
	if (current->before)
		current->before();
	unit = pcpu_setup_first_chunk(
		get_page, current->static_size, current->reserved_size, current->unit_size,
		current->dyn_size, base,
		current->with_base && !current->with_populate ? NULL : host_early_pte);
	CHECK_EQ(unit, pcpu_unit_size);
	host_is_set_up = true;
	host_become_cpu(0);
	host_heap_up();
}

/* U6, O9 and O12 are among them. */
HOST_TEST(U6_O9_O12_wrong_arguments_panic)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char argument[64], layout[96];

		snprintf(argument, sizeof(argument), "pcpu_setup_first_chunk: %s: ", wrong[i].name);
		snprintf(layout, sizeof(layout), "(static %zu, reserved %zu, dyn",
			 wrong[i].static_size, wrong[i].reserved_size);
		host_expect_death(set_up, &wrong[i], HOST_EXIT_PANIC, argument, layout);
	}
}

/* Before the pages are counted there are none. */
HOST_TEST(the_panic_tells_the_whole_layout)
{
	static const struct arguments inside_a_page = {.static_size = STATIC_SIZE,
						       .reserved_size = 100,
						       .unit_size = UNIT,
						       .dyn_size = -1,
						       .with_base = true,
						       .base_offset = 64};

	host_expect_death(set_up, &inside_a_page, HOST_EXIT_PANIC,
			  "base_addr: not page-aligned: give the start of a page",
			  "(static 5000, reserved 100, dyn -1, unit 65536, pages 0, base 0x");
}

/* ---- Right arguments ---- */

static struct pcpu_chunk_info chunk_info(size_t index, size_t want_chunks)
{
	struct pcpu_chunk_info info[4];

	CHECK_EQ(pcpu_inspect_chunks(info, ARRAY_SIZE(info)), want_chunks);
	return info[index];
}

static void check_map(unsigned long id, int first, int second)
{
	int map[4] = {0};

	CHECK_EQ(pcpu_inspect_map(id, map, 4), second ? 2 : 1);
	CHECK_EQ(map[0], first);
	CHECK_EQ(map[1], second);
}

HOST_TEST(automatic_sizes)
{
	set_up(&(struct arguments){
		.static_size = STATIC_SIZE, .unit_size = -1, .dyn_size = -1, .pages = 2});
	CHECK_EQ(pcpu_unit_size, PCPU_MIN_UNIT_SIZE);
	CHECK_EQ(pcpu_nr_units, 3);
	check_map(0, -STATIC_SIZE, (int)PCPU_MIN_UNIT_SIZE - STATIC_SIZE);
	CHECK_EQ(chunk_info(0, 1).pages_populated, 2);
	CHECK(!chunk_info(0, 1).immutable && chunk_info(0, 1).first);
	check_invariants("automatic sizes");
}

/* Pages past the unit are not asked for. */
HOST_TEST(more_pages_than_a_unit_has)
{
	set_up(&(struct arguments){
		.static_size = STATIC_SIZE, .unit_size = UNIT, .dyn_size = -1, .pages = 17});
	CHECK_EQ(chunk_info(0, 1).pages_populated, UNIT / PAGE_SIZE);
	CHECK_EQ(chunk_info(0, 1).pages_total, UNIT / PAGE_SIZE);
	check_invariants("more pages than a unit has");
}

/* The last unit size whose bytes an int of the area map can count. */
HOST_TEST(the_largest_unit)
{
	const int unit = INT32_MAX / PAGE_SIZE * PAGE_SIZE;

	set_up(&(struct arguments){
		.static_size = STATIC_SIZE, .unit_size = unit, .dyn_size = -1, .pages = 2});
	check_map(0, -STATIC_SIZE, unit - STATIC_SIZE);
	CHECK(host_alloc(PCPU_MIN_UNIT_SIZE, PAGE_SIZE) != NULL);
	check_invariants("the largest unit");
}

HOST_TEST(automatic_unit_holds_static_and_reserved)
{
	set_up(&(struct arguments){.static_size = STATIC_SIZE,
				   .reserved_size = 65000,
				   .unit_size = -1,
				   .dyn_size = -1,
				   .pages = 2});
	CHECK_EQ(pcpu_unit_size, 73728);
	check_map(0, -STATIC_SIZE, 65000);
	check_map(1, -(STATIC_SIZE + 65000), 73728 - STATIC_SIZE - 65000);
	CHECK(chunk_info(1, 2).reserved && chunk_info(1, 2).slot == -1);
	CHECK_EQ(chunk_info(1, 2).id, 0);
	CHECK_EQ(chunk_info(0, 2).id, 1);
	check_invariants("automatic unit");
}

HOST_TEST(exact_fit_is_right)
{
	set_up(&(struct arguments){.static_size = 40000,
				   .reserved_size = 10000,
				   .unit_size = UNIT,
				   .dyn_size = UNIT - 50000,
				   .with_base = true,
				   .pages = 16});
	CHECK_EQ(chunk_info(0, 2).span, UNIT);
	CHECK(chunk_info(0, 2).immutable && chunk_info(1, 2).immutable);
	check_invariants("exact fit");
}

HOST_TEST(no_dynamic_part_beside_a_reserved_one)
{
	set_up(&(struct arguments){
		.static_size = STATIC_SIZE, .reserved_size = 3192, .unit_size = UNIT, .pages = 2});
	CHECK(chunk_info(0, 1).reserved);
	CHECK(host_alloc_reserved(3192, 8) != NULL);
	CHECK(host_alloc_reserved(1, 1) == NULL);
	CHECK(host_alloc(100, 8) != NULL);
	CHECK_EQ(chunk_info(0, 2).id, 1);
	check_invariants("no dynamic part");
}

/* The reserved part stands in for all of the first chunk, to its last byte. */
HOST_TEST(U9_every_unit_is_found_without_a_dynamic_part)
{
	const char __percpu *start = (const char __percpu *)(uintptr_t)__per_cpu_start;
	struct pcpu_where where;

	set_up(&(struct arguments){
		.static_size = STATIC_SIZE, .reserved_size = 3192, .unit_size = UNIT, .pages = 2});
	for (unsigned int unit = 0; unit < 3; unit++) {
		pcpu_where(start + unit * UNIT, &where);
		CHECK_EQ(where.what, unit == 0 ? PCPU_STATIC : PCPU_OTHER_UNIT);
		CHECK_EQ(where.cpu, cpus[unit]);
		pcpu_where(start + unit * UNIT + UNIT - 1, &where);
		CHECK_EQ(where.what, unit == 0 ? PCPU_GAP : PCPU_OTHER_UNIT);
		CHECK_EQ(where.cpu, cpus[unit]);
		CHECK(where.has_chunk);
	}
	pcpu_where(start + 3 * UNIT, &where);
	CHECK_EQ(where.what, PCPU_GAP);
	CHECK(!where.has_chunk);
}

HOST_TEST(a_reserved_area_of_one_byte)
{
	set_up(&(struct arguments){.static_size = STATIC_SIZE,
				   .reserved_size = 1,
				   .unit_size = UNIT,
				   .dyn_size = 1,
				   .pages = 2});
	check_map(0, -STATIC_SIZE, 1);
	check_map(1, -(STATIC_SIZE + 1), 1);
	CHECK(host_alloc_reserved(1, 1) != NULL);
	CHECK(host_alloc_reserved(1, 1) == NULL);
	check_invariants("one byte each");
}

HOST_TEST(a_static_area_that_fills_its_unit)
{
	set_up(&(struct arguments){
		.static_size = UNIT, .unit_size = UNIT, .dyn_size = -1, .pages = 16});
	check_map(0, -UNIT, 0);
	CHECK(host_alloc(1, 1) != NULL);
	CHECK_EQ(chunk_info(1, 2).first, false);
	check_invariants("full of static");
}

/* Bytes past static + reserved + dyn belong to nobody. */
HOST_TEST(bytes_past_the_dynamic_area_are_left_alone)
{
	struct arguments args = {.static_size = STATIC_SIZE,
				 .reserved_size = 3000,
				 .unit_size = UNIT,
				 .dyn_size = 6001,
				 .with_base = true,
				 .pages = 4};
	size_t end = STATIC_SIZE + 3000 + 6001, i = 0;

	set_up(&args);
	for (unsigned int unit = 0; unit < 3; unit++)
		memset(pcpu_base_addr + unit * UNIT + end, 0x77, UNIT - end);
	while (i++ < 50) {
		void __percpu *ptr = host_alloc(200 + i, 1u << i % 10);
		void __percpu *res = host_alloc_reserved(1 + i, 1);

		CHECK(ptr != NULL);
		pattern_fill(ptr, 200 + i, i);
		if (res != NULL)
			pattern_fill(res, 1 + i, i);
	}
	for (unsigned int unit = 0; unit < 3; unit++)
		for (size_t at = end; at < UNIT; at++)
			CHECK_EQ((unsigned char)pcpu_base_addr[unit * UNIT + at], 0x77);
	check_invariants("bytes past the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U6_O9_O12_wrong_arguments_panic),
		cmocka_unit_test(the_panic_tells_the_whole_layout),
		cmocka_unit_test(automatic_sizes),
		cmocka_unit_test(more_pages_than_a_unit_has),
		cmocka_unit_test(the_largest_unit),
		cmocka_unit_test(automatic_unit_holds_static_and_reserved),
		cmocka_unit_test(exact_fit_is_right),
		cmocka_unit_test(no_dynamic_part_beside_a_reserved_one),
		cmocka_unit_test(U9_every_unit_is_found_without_a_dynamic_part),
		cmocka_unit_test(a_reserved_area_of_one_byte),
		cmocka_unit_test(a_static_area_that_fills_its_unit),
		cmocka_unit_test(bytes_past_the_dynamic_area_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
