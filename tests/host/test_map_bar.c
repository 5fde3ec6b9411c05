/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/map_bar.c tests/host/stub_kernel.c */
/* The bar of an area map against a count byte by byte, and the scale above it. */
#include "kernel/map_bar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/host/stub_kernel.h"

#define MAX_ENTRIES 400
#define MAX_PAGES   20
#define MAX_CELLS   300

static int entries[MAX_ENTRIES];
static uint8_t pages[MAX_PAGES];
static uint8_t bytes[MAX_PAGES * PAGE_SIZE]; /* 1: in use */

static const char glyphs[MAP_NR_CELLS] = {'.', '-', '+', '#'};

/* The bar as text. */
static const char *draw(const struct map_view *view, size_t n)
{
	static char text[MAX_CELLS + 1];
	enum map_cell cells[MAX_CELLS];

	map_bar(view, cells, n);
	for (size_t i = 0; i < n; i++)
		text[i] = glyphs[cells[i]];
	text[n] = '\0';
	return text;
}

static void a_bar_shows_what_is_in_use_and_what_has_memory(void **state)
{
	static const int some[] = {-4096, +4096, -8, +4088, +4096};
	static const uint8_t three[] = {1, 0, 1, 0};
	const struct map_view view = {some, 5, three, 4};
	struct map_sums sums;

	(void)state;
	assert_string_equal(draw(&view, 4), "#.+.");
	assert_string_equal(draw(&view, 8), "##..+-..");
	assert_string_equal(draw(&view, 1), "+");
	map_sum(&view, &sums);
	assert_int_equal(sums.span, 16384);
	assert_int_equal(sums.used, 4104);
	assert_int_equal(sums.free, 12280);
	assert_int_equal(sums.longest_free, 4096);
	assert_int_equal(sums.nr_used, 2);
	assert_int_equal(sums.pages, 2);
}

/* Fewer bytes than columns, and none at all. */
static void small_spans_are_drawn_too(void **state)
{
	static const int few[] = {-1, +2};
	static const uint8_t one[] = {1};
	struct map_view view = {few, 2, one, 1};

	(void)state;
	assert_string_equal(draw(&view, 6), "##----");
	view.nr_entries = 0;
	assert_string_equal(draw(&view, 3), "---");
	view.nr_pages = 0;
	assert_string_equal(draw(&view, 3), "...");
}

/* Random runs that fill nr_pages pages; in use and free as they fall. */
static size_t make_map(size_t nr_pages)
{
	size_t at = 0, end = nr_pages * PAGE_SIZE, n = 0;

	for (size_t i = 0; i < nr_pages; i++)
		pages[i] = (uint8_t)host_random(2);
	while (at < end) {
		size_t length = 1 + host_random(host_random(4) == 0 ? 9000 : 300);
		bool used = host_random(2) == 0;

		length = n == MAX_ENTRIES - 1 || length > end - at ? end - at : length;
		memset(bytes + at, used, length);
		entries[n++] = used ? -(int)length : (int)length;
		at += length;
	}
	return n;
}

static char expected_glyph(size_t from, size_t to)
{
	size_t used = 0;
	bool memory = false;

	for (size_t i = from; i < to; i++) {
		used += bytes[i];
		memory |= pages[i / PAGE_SIZE];
	}
	if (used > 0)
		return used == to - from ? '#' : '+';
	return memory ? '-' : '.';
}

static void every_column_is_what_its_bytes_are(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 500; round++) {
		size_t nr_pages = 1 + host_random(MAX_PAGES), span = nr_pages * PAGE_SIZE;
		const struct map_view view = {entries, make_map(nr_pages), pages, nr_pages};
		size_t n = 1 + host_random(MAX_CELLS);
		const char *bar = draw(&view, n);

		for (size_t i = 0; i < n; i++)
			assert_int_equal(bar[i], expected_glyph(span * i / n, span * (i + 1) / n));
	}
}

static void expect_scale(size_t span, size_t n, const char *want_labels, const char *want_ticks)
{
	char labels[MAX_CELLS + 1], ticks[MAX_CELLS + 1];

	map_scale(span, labels, ticks, n);
	assert_string_equal(labels, want_labels);
	assert_string_equal(ticks, want_ticks);
}

static void the_scale_has_a_label_at_each_tick(void **state)
{
	(void)state;
	expect_scale(65536, 32, "0       16K     32K     48K     ",
		     "|-------|-------|-------|-------");
	expect_scale(65536, 30, "0              32K            ", "|--------------|--------------");
	expect_scale(4096, 32, "0       1K      2K      3K      ",
		     "|-------|-------|-------|-------");
	expect_scale(1024, 16, "0       512     ", "|-------|-------");
	expect_scale(3u << 20, 24, "0       1M      2M      ", "|-------|-------|-------");
	expect_scale(100, 8, "0       ", "|-------");
	expect_scale(0, 8, "        ", "--------");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bar_shows_what_is_in_use_and_what_has_memory),
		cmocka_unit_test(small_spans_are_drawn_too),
		cmocka_unit_test(every_column_is_what_its_bytes_are),
		cmocka_unit_test(the_scale_has_a_label_at_each_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
