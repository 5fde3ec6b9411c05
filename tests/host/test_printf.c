/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/format.c */
/* flags: -Dvsnprintf=kernel_vsnprintf -Dsnprintf=kernel_snprintf */
/* flags: -Wno-format -Wno-format-truncation */
/*
 * The kernel's vsnprintf against the C library's, for every conversion with every combination of
 * flags, widths and precisions; and what only the kernel's has: %pS and its answers to bad input.
 */
#include "kernel/printk.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/ksyms.h"

const char *ksym_name(uintptr_t addr, size_t *offset, size_t *size)
{
	if (offset != NULL)
		*offset = addr - 0x1000;
	if (size != NULL)
		*size = 0x20;
	return addr >= 0x1000 && addr < 0x1020 ? "start" : "?";
}

/* Formats with both and compares text and length, in a large buffer and in all small ones. */
#define SAME(...)                                                                   \
	do {                                                                        \
		char want_[256], got_[256];                                         \
		int n_ = __builtin_snprintf(want_, sizeof(want_), __VA_ARGS__);     \
		assert_int_equal(snprintf(got_, sizeof(got_), __VA_ARGS__), n_);    \
		assert_string_equal(got_, want_);                                   \
		memset(got_, '#', sizeof(got_));                                    \
		assert_int_equal(snprintf(got_, 5, __VA_ARGS__), n_);               \
		assert_int_equal(strncmp(got_, want_, n_ < 4 ? (size_t)n_ : 4), 0); \
		assert_int_equal(got_[n_ < 4 ? n_ : 4], '\0');                      \
		assert_int_equal(got_[5], '#');                                     \
	} while (0)

static const char *const flag_sets[] = {"", "-", "0", "+", " ", "#", "-0", "+0", "-#", "#0", "- "};
static const char *const widths[] = {"", "1", "8", "20"};
static const char *const precisions[] = {"", ".", ".0", ".1", ".12"};

/* Builds "%FLAGS WIDTH PRECISION TAIL" and hands it to one. */
static void for_each_format(const char *tail, void (*one)(const char *fmt))
{
	for (size_t f = 0; f < ARRAY_SIZE(flag_sets); f++)
		for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
			for (size_t p = 0; p < ARRAY_SIZE(precisions); p++) {
				char fmt[64];

				strcpy(fmt, "<%");
				strcat(fmt, flag_sets[f]);
				strcat(fmt, widths[w]);
				strcat(fmt, precisions[p]);
				strcat(fmt, tail);
				strcat(fmt, ">");
				one(fmt);
			}
}

static const uint64_t values[] = {
	0,	    1,		9,	    10,		255,
	0x7fff,	    0x8000,	0x7fffffff, 0x80000000, ~0ull,
	0xfffffffe, 1ull << 63, 123456789,  0xdeadbeef, 0x0123456789abcdefull};

static void one_int(const char *fmt)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		SAME(fmt, (int)values[i]);
}

static void one_long(const char *fmt)
{
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		SAME(fmt, values[i]);
}

static void one_string(const char *fmt)
{
	SAME(fmt, "");
	SAME(fmt, "a");
	SAME(fmt, "percpu allocator");
}

static void integers_print_as_the_standard_says(void **state)
{
	static const char *const lengths[] = {"", "h", "hh"}, *const long_lengths[] = {"l", "ll",
										       "z"};
	static const char letters[] = "diuoxX";

	(void)state;
	for (const char *c = letters; *c != '\0'; c++) {
		if (*c == 'o')
			continue; /* "#o" is a rule of its own, and no line of the kernel uses it */
		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
			char tail[4] = {0}, long_tail[4] = {0};

			strcpy(tail, lengths[i]);
			strncat(tail, c, 1);
			strcpy(long_tail, long_lengths[i]);
			strncat(long_tail, c, 1);
			for_each_format(tail, one_int);
			for_each_format(long_tail, one_long);
		}
	}
	SAME("%o %lo", 0777, 0x123456789abul);
}

static void strings_obey_width_and_precision(void **state)
{
	(void)state;
	for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
		for (size_t p = 0; p < ARRAY_SIZE(precisions); p++) {
			char fmt[32] = "<%";

			strcat(fmt, widths[w]);
			strcat(fmt, precisions[p]);
			one_string(strcat(fmt, "s>"));
		}
	SAME("%-12s|%c|%-3c|%3c|%%", "left", 'x', 'y', 'z');
	SAME("%*d %-*d %*d %.*s", 6, 42, 6, 42, -6, 42, 3, "abcdef");
}

static void a_string_is_not_read_past_its_precision(void **state)
{
	char *four = malloc(4); /* no 0 at its end: the sanitizer sees a read past it */
	char got[16];

	(void)state;
	memcpy(four, "abcd", 4);
	assert_int_equal(snprintf(got, sizeof(got), "%.4s", four), 4);
	assert_string_equal(got, "abcd");
	free(four);
}

static void pointers_and_symbols(void **state)
{
	char got[64];

	(void)state;
	SAME("%p", (void *)0xffffffffc0200000);
	snprintf(got, sizeof(got), "%p", NULL);
	assert_string_equal(got, "0x0");
	snprintf(got, sizeof(got), "[%pS]", (void *)0x1004);
	assert_string_equal(got, "[start+0x4/0x20]");
	snprintf(got, sizeof(got), "[%20pS]", (void *)0x1004);
	assert_string_equal(got, "[      start+0x4/0x20]");
	snprintf(got, sizeof(got), "%pS", (void *)0x9000);
	assert_string_equal(got, "0x9000");
}

static const char *volatile nothing;

static void bad_input_is_shown_not_obeyed(void **state)
{
	static const char *const bad_formats[] = {"a%qb", "end%", "%"};
	char got[64];

	(void)state;
	snprintf(got, sizeof(got), "%s", nothing);
	assert_string_equal(got, "(null)");
	for (size_t i = 0; i < ARRAY_SIZE(bad_formats); i++) {
		snprintf(got, sizeof(got), bad_formats[i]);
		assert_string_equal(got, bad_formats[i]);
	}
	assert_int_equal(snprintf(NULL, 0, "%d", 12345), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_print_as_the_standard_says),
		cmocka_unit_test(strings_obey_width_and_precision),
		cmocka_unit_test(a_string_is_not_read_past_its_precision),
		cmocka_unit_test(pointers_and_symbols),
		cmocka_unit_test(bad_input_is_shown_not_obeyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
