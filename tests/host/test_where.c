/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * What the allocator says of a pointer: results of requests, fields of pcpu_where, and every text.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

#define UNIT 65536ul

static const struct host_config page = {.nr_cpus = 3, .style = HOST_PAGE, .unit_size = UNIT};

static void check_area_where(const struct pcpu_where *where, unsigned long chunk, size_t offset,
			     size_t length)
{
	CHECK_EQ(where->what, PCPU_AREA);
	CHECK(where->has_chunk && where->populated);
	CHECK_EQ(where->chunk, chunk);
	CHECK_EQ(where->offset, offset);
	CHECK_EQ(where->area_offset, offset);
	CHECK_EQ(where->area_length, length);
	CHECK_EQ(where->cpu, 0);
}

HOST_TEST(results_say_where_the_area_is_and_was)
{
	struct pcpu_result result = {.error = "old", .warned = true};
	void __percpu *first, *second;

	host_boot(&page);
	first = pcpu_try_alloc(UNIT - 2, 8, false, &result);
	CHECK(result.error == NULL && !result.warned);
	check_area_where(&result.where, 1, 0, UNIT);
	second = pcpu_try_alloc(UNIT / 2, 8, false, &result);
	check_area_where(&result.where, 0, ALIGN_UP(host_static_size(), 8), UNIT / 2);
	pcpu_try_free(second, &result);
	CHECK(result.error == NULL && !result.warned);
	check_area_where(&result.where, 0, ALIGN_UP(host_static_size(), 8), UNIT / 2);
	pcpu_try_free(first, &result);
	check_area_where(&result.where, 1, 0, UNIT);
	pcpu_try_free(first, &result);
	CHECK(result.warned && strcmp(result.error, "not the start of a live area") == 0);
	CHECK_EQ(result.where.what, PCPU_FREE);
	CHECK_TEXT(result.text, "is already free: in the free 65536 bytes at offset 0 of chunk 1");
}

static void expect_text(uintptr_t number, const char *format, ...)
{
	const void __percpu *ptr = (const void __percpu *)number;
	char want[200], got[200];
	struct pcpu_where where;
	va_list args;

	va_start(args, format);
	vsnprintf(want, sizeof(want), format, args);
	va_end(args);
	pcpu_where(ptr, &where);
	pcpu_where_text(ptr, &where, got, sizeof(got));
	if (strcmp(got, want) != 0)
		host_check_failed(__FILE__, __LINE__, "got \"%s\", want \"%s\"", got, want);
}

HOST_TEST_OF(every_pointer_is_told_in_words, HOST_NO_FRONT)
{
	uintptr_t start, area, far;
	size_t at, length;

	host_boot(&page);
	start = (uintptr_t)__per_cpu_start;
	at = ALIGN_UP(host_static_size(), 64);
	area = (uintptr_t)must_alloc(1000, 64);
	CHECK_EQ(area, start + at);
	expect_text(area, "0x%lx is the live area of 1000 bytes at offset %zu of chunk 0", area,
		    at);
	expect_text(area + 5,
		    "0x%lx is inside an area: the one of 1000 bytes at offset %zu of chunk 0",
		    area + 5, at);
	length = UNIT - at - 1000;
	expect_text(area + 1000,
		    "0x%lx is already free: in the free %zu bytes at offset %zu of chunk 0",
		    area + 1000, length, at + 1000);
	expect_text(start + 7,
		    "0x%lx is in the static area, at offset 7 of its %zu bytes in chunk 0",
		    start + 7, host_static_size());
	far = start + 2 * UNIT + 9;
	expect_text(far, "0x%lx is in CPU 2's unit of chunk 0, at offset 9: not a per-CPU pointer",
		    far);
	far = start + 3 * UNIT;
	expect_text(far, "0x%lx is in the gap past the last chunk, chunk 0", far);
	expect_text((uintptr_t)&at, "0x%lx is an ordinary pointer or none, not a per-CPU pointer",
		    (uintptr_t)&at);
}

/* Between two chunks is a page that belongs to none, and below the first one there is nothing. */
HOST_TEST(gaps_are_told_in_words)
{
	uintptr_t start = (uintptr_t)__per_cpu_start, end;

	host_boot(&page);
	must_alloc(UNIT, 8);
	must_alloc(UNIT, 8);
	CHECK_EQ(look_chunk(1)->base, (uintptr_t)pcpu_base_addr + 3 * UNIT + PAGE_SIZE);
	expect_text(4096, "0x%lx is in the gap below every chunk", (uintptr_t)4096);
	end = start + 3 * UNIT;
	expect_text(end, "0x%lx is in a gap, in no chunk; the nearest below is chunk 0", end);
	end += PAGE_SIZE + 3 * UNIT;
	expect_text(end, "0x%lx is in a gap, in no chunk; the nearest below is chunk 1", end);
	end += PAGE_SIZE + 3 * UNIT;
	expect_text(end, "0x%lx is in the gap past the last chunk, chunk 2", end);
}

/* One chunk is meant, and where in it, whatever the pointer is. */
HOST_TEST(where_says_which_chunk)
{
	static const struct {
		size_t past; /* from the start of chunk 1 */
		enum pcpu_what what;
		unsigned int cpu;
	} cases[] = {{0, PCPU_AREA, 0},
		     {7, PCPU_INSIDE, 0},
		     {30000, PCPU_FREE, 0},
		     {UNIT - 1, PCPU_FREE, 0},
		     {UNIT, PCPU_OTHER_UNIT, 1},
		     {2 * UNIT + 5, PCPU_OTHER_UNIT, 2},
		     {3 * UNIT - 1, PCPU_OTHER_UNIT, 2}};
	const char __percpu *ptr;

	host_boot(&page);
	fill_chunks();
	ptr = must_alloc(30000, 8);
	CHECK_EQ(look_chunk_of(ptr), 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pcpu_where where;

		pcpu_where(ptr + cases[i].past, &where);
		CHECK_EQ(where.what, cases[i].what);
		CHECK(where.has_chunk && !where.past_last);
		CHECK_EQ(where.chunk, 1);
		CHECK_EQ(where.cpu, cases[i].cpu);
		CHECK_EQ(where.offset, cases[i].past % UNIT);
	}
}

HOST_TEST(where_says_whether_there_is_memory)
{
	struct pcpu_where where;
	const char __percpu *ptr;

	host_boot(&page);
	ptr = must_alloc(20000, 8);
	for (size_t at = 0; at < 20000; at += 1000) {
		pcpu_where(ptr + at, &where);
		CHECK(where.populated);
	}
	pcpu_where((const char __percpu *)(uintptr_t)__per_cpu_start, &where);
	CHECK_EQ(where.what, PCPU_STATIC);
	CHECK(where.populated);
	pcpu_where(ptr + 30000, &where);
	CHECK_EQ(where.what, PCPU_FREE);
	CHECK(!where.populated);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_say_where_the_area_is_and_was),
		cmocka_unit_test(every_pointer_is_told_in_words),
		cmocka_unit_test(gaps_are_told_in_words),
		cmocka_unit_test(where_says_which_chunk),
		cmocka_unit_test(where_says_whether_there_is_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
