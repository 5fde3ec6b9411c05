/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/trace.c */
/*
 * The trace parser: what is well-formed, what is refused and with which line number, the three
 * recorded traces counted against their own heads, and random damage done to them. Texts are handed
 * over in blocks of exactly their size, so that the sanitizer sees a read past the end.
 */
#include "kernel/trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
	struct trace_event *events;
	size_t nr_events, nr_areas;
	struct trace_error error;
	int status;
};

/* Both passes over a copy without a terminator. */
static struct parsed parse(const char *text, size_t size)
{
	struct parsed p = {0};
	char *copy = malloc(size ? size : 1);
	struct trace_id *ids;

	memcpy(copy, text, size);
	p.status = trace_scan(copy, size, &p.nr_events, &p.error);
	if (p.status == 0) {
		p.events = malloc(p.nr_events * sizeof(*p.events) + 1);
		ids = malloc(p.nr_events * TRACE_IDS_PER_EVENT * sizeof(*ids) + 1);
		p.status =
			trace_parse(copy, size, p.events, p.nr_events, ids, &p.nr_areas, &p.error);
		free(ids);
	}
	free(copy);
	return p;
}

static void expect_good(const char *text, size_t events, size_t areas)
{
	struct parsed p = parse(text, strlen(text));

	if (p.status != 0)
		fail_msg("refused at line %u (%s): %s", p.error.line, p.error.what, text);
	assert_int_equal(p.nr_events, events);
	assert_int_equal(p.nr_areas, areas);
	free(p.events);
}

static void expect_bad_bytes(const char *text, size_t size, unsigned int line)
{
	struct parsed p = parse(text, size);

	if (p.status != -EINVAL)
		fail_msg("accepted: %.200s", text);
	if (p.error.line != line)
		fail_msg("line %u (%s), want %u: %.200s", p.error.line, p.error.what, line, text);
	assert_non_null(p.error.what);
	assert_true(strlen(p.error.what) > 0);
	free(p.events);
}

static void expect_bad(const char *text, unsigned int line)
{
	expect_bad_bytes(text, strlen(text), line);
}

static void good_texts_are_read(void **state __unused)
{
	expect_good("", 0, 0);
	expect_good("# only a comment", 0, 0);
	expect_good("#\n\n  \t\n", 0, 0);
	expect_good("a 1 8 8 0 - f\nf 1 0 -\n", 2, 1);
	expect_good("a 1 8 8 0 - f\nf 1 0 -", 2, 1);
	expect_good("a 1 8 8 0 - f\r\nf 1 0 i\r\n", 2, 1);
	expect_good("  a\t1  8 8 0 rni f+0x1/0x2 \n", 1, 1);
	expect_good("a 18446744073709551615 65536 4096 65535 inr [m]\n", 1, 1);
	expect_good("a 0 1 1 0 - f\na 1 1 1 0 - f\nf 0 0 -\na 0 2 2 0 - f\nf 0 0 -\n", 5, 3);
	expect_good("a 007 008 8 00 - f\nf 7 0 -\n", 2, 1);
}

static void events_carry_what_the_lines_say(void **state __unused)
{
	static const char text[] =
		"# head\na 7 16 8 3 n f\na 9 24 4 1 ri g\nf 7 2 i\na 7 1 1 0 - h\n";
	static const struct trace_event want[] = {
		{0, 16, 8, 3, TRACE_NOSLEEP},
		{1, 24, 4, 1, TRACE_RESERVED | TRACE_IRQS_OFF},
		{0, 0, 0, 2, TRACE_IRQS_OFF},
		{2, 1, 1, 0, 0},
	};
	struct parsed p = parse(text, strlen(text));

	assert_int_equal(p.status, 0);
	assert_int_equal(p.nr_events, ARRAY_SIZE(want));
	assert_int_equal(p.nr_areas, 3);
	assert_memory_equal(p.events, want, sizeof(want));
	free(p.events);
}

static void each_malformed_field_is_refused_with_its_line(void **state __unused)
{
	static const char *const lines[] = {
		"b 1 8 8 0 - f",
		"A 1 8 8 0 - f",
		"alloc 1 8 8 0 - f",
		"1 8 8 0 - f",
		"a",
		"f",
		"-",
		"a # 8 8 0 - f",
		"a -1 8 8 0 - f",
		"a +1 8 8 0 - f",
		"a 0x1 8 8 0 - f",
		"a 1k 8 8 0 - f",
		"a 18446744073709551616 8 8 0 - f",
		"a 99999999999999999999999999999999999999 8 8 0 - f",
		"a 1 0 8 0 - f",
		"a 1 65537 8 0 - f",
		"a 1 -8 8 0 - f",
		"a 1 4294967304 8 0 - f",
		"a 1 8.0 8 0 - f",
		"a 1 8 0 0 - f",
		"a 1 8 3 0 - f",
		"a 1 8 8192 0 - f",
		"a 1 8 4294967296 0 - f",
		"a 1 8 8 65536 - f",
		"a 1 8 8 -1 - f",
		"a 1 8 8 x - f",
		"a 1 8 8 0 x f",
		"a 1 8 8 0 rr f",
		"a 1 8 8 0 -- f",
		"a 1 8 8 0 -r f",
		"a 1 8 8 0 R f",
		"a 1 8 8 0 -",
		"a 1 8 8 0",
		"a 1 8 8",
		"a 1 8",
		"a 1",
		"a 1 8 8 0 - f g",
		"a 1 8 8 0 - f\001",
		"a 1 8 8 0 - \377",
		"a 1 8 8 0 - f # comment",
		" # comment",
		"f 1 0 - f",
		"f 1 0",
		"f 1",
		"f 1 0 q",
		"f x 0 -",
		"f 1 65536 -",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(text, sizeof(text), "# head\na 2 8 8 0 - f\n%s\nf 2 0 -\n", lines[i]);
		expect_bad(text, 3);
		expect_bad(lines[i], 1);
		snprintf(text, sizeof(text), "\r\n\r\n%s\r\n", lines[i]);
		expect_bad(text, 3);
	}
}

static void ids_are_followed(void **state __unused)
{
	expect_bad("a 1 8 8 0 - f\na 2 8 8 0 - f\na 1 8 8 0 - f\n", 3);
	expect_bad("f 1 0 -\n", 1);
	expect_bad("a 1 8 8 0 - f\nf 1 0 -\n\nf 1 0 -\n", 4);
	expect_bad("a 1 8 8 0 - f\nf 2 0 -\n", 2);
	expect_bad("a 1 8 8 0 - f\nf 1 0 -\na 1 8 8 0 - f\na 01 8 8 0 - f\n", 4);
}

static void any_byte_is_survived(void **state __unused)
{
	static const char nul_in_line[] = "a 1 8 8 0 - f\na 2 8\0 8 0 - f\n";
	static const char nul_line[] = "a 1 8 8 0 - f\n\0\n";
	static const char nul_comment[] = "# \0 \377\na 1 8 8 0 - f\n";
	struct parsed p = parse(nul_comment, sizeof(nul_comment) - 1);

	assert_int_equal(p.status, 0);
	free(p.events);
	expect_bad_bytes(nul_in_line, sizeof(nul_in_line) - 1, 2);
	expect_bad_bytes(nul_line, sizeof(nul_line) - 1, 2);
	for (int byte = 0; byte < 256; byte++) {
		char text[] = "a 1 8 8 0 - f\n?\n";

		text[14] = (char)byte;
		if (byte == '\n' || byte == '\r' || byte == ' ' || byte == '\t' || byte == '#')
			expect_good(text, 1, 1);
		else
			expect_bad_bytes(text, sizeof(text) - 1, 2);
	}
}

static void lines_of_any_length(void **state __unused)
{
	size_t size = 1 << 20;
	char *text = malloc(size);
	struct parsed p;

	memset(text, 'x', size);
	expect_bad_bytes(text, size, 1);
	memset(text, '7', size);
	memcpy(text, "a ", 2);
	expect_bad_bytes(text, size, 1);
	text[0] = '#';
	p = parse(text, size);
	assert_int_equal(p.status, 0);
	free(p.events);
	free(text);
}

/* Many IDs that hash alike in a bad table, all live at once, then freed backwards. */
static void many_ids(void **state __unused)
{
	size_t n = 20000, used = 0, room = n * 80;
	char *text = malloc(room);
	struct parsed p;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, room - used, "a %zu 8 8 0 - f\n", i << 32);
	for (size_t i = n; i-- > 0;)
		used += (size_t)snprintf(text + used, room - used, "f %zu 0 -\n", i << 32);
	p = parse(text, used);
	assert_int_equal(p.status, 0);
	assert_int_equal(p.nr_events, 2 * n);
	assert_int_equal(p.nr_areas, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p.events[2 * n - 1 - i].area, p.events[i].area);
	free(p.events);
	free(text);
}

static char *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(4 << 20);

	if (!file)
		fail_msg("cannot open %s: run in the top folder", path);
	*size = fread(text, 1, 4 << 20, file);
	fclose(file);
	return text;
}

static const struct {
	const char *path;
	size_t allocs, frees, peak;
} recorded[] = {
	{"tests/traces/pods.trace", 22474, 20565, 185672},
	{"tests/traces/netns.trace", 5275, 5274, 63020},
	{"tests/traces/nft.trace", 2400, 2400, 6400},
};

static void recorded_traces_match_their_heads(void **state __unused)
{
	for (size_t i = 0; i < ARRAY_SIZE(recorded); i++) {
		size_t size, live = 0, peak = 0;
		char *text = read_file(recorded[i].path, &size);
		struct parsed p = parse(text, size);
		uint32_t *sizes = calloc(p.nr_areas + 1, sizeof(*sizes));

		assert_int_equal(p.status, 0);
		assert_int_equal(p.nr_areas, recorded[i].allocs);
		assert_int_equal(p.nr_events, recorded[i].allocs + recorded[i].frees);
		for (size_t n = 0; n < p.nr_events; n++) {
			const struct trace_event *event = &p.events[n];

			if (event->size > 0)
				sizes[event->area] = event->size;
			live += event->size > 0 ? event->size : -(size_t)sizes[event->area];
			peak = max(peak, live);
		}
		assert_int_equal(peak, recorded[i].peak);
		free(sizes);
		free(p.events);
		free(text);
	}
}

/* One random change of a text: a byte replaced, dropped or doubled, or the end cut off. */
static size_t damage(char *text, size_t size)
{
	size_t at = (size_t)rand() % size;

	switch (rand() % 4) {
	case 0:
		text[at] = (char)rand();
		return size;
	case 1:
		memmove(text + at, text + at + 1, size - at - 1);
		return size - 1;
	case 2:
		memmove(text + at + 1, text + at, size - at - 1);
		return size;
	default:
		return at;
	}
}

/* Whatever is done to a trace, the answer is events that refer to live areas or a line number that
 * exists. */
static void damaged_traces_are_refused_or_consistent(void **state __unused)
{
	size_t size;
	char *text = read_file("tests/traces/nft.trace", &size), *copy = malloc(size);
	unsigned int refused = 0;

	for (int round = 0; round < 400; round++) {
		size_t length = min(size, (size_t)4000), lines = 1;
		struct parsed p;

		memcpy(copy, text, length);
		for (int n = 1 + rand() % 3; n > 0 && length > 1; n--)
			length = damage(copy, length);
		for (size_t i = 0; i < length; i++)
			lines += copy[i] == '\n';
		p = parse(copy, length);
		if (p.status != 0) {
			refused++;
			assert_in_range(p.error.line, 1, lines);
		}
		for (size_t i = 0; p.status == 0 && i < p.nr_events; i++)
			assert_true(p.events[i].area < p.nr_areas);
		free(p.events);
	}
	assert_true(refused > 100);
	free(copy);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_read),
		cmocka_unit_test(events_carry_what_the_lines_say),
		cmocka_unit_test(each_malformed_field_is_refused_with_its_line),
		cmocka_unit_test(ids_are_followed),
		cmocka_unit_test(any_byte_is_survived),
		cmocka_unit_test(lines_of_any_length),
		cmocka_unit_test(many_ids),
		cmocka_unit_test(recorded_traces_match_their_heads),
		cmocka_unit_test(damaged_traces_are_refused_or_consistent),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
