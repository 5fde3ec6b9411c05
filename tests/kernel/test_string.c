// SPDX-License-Identifier: GPL-2.0-only
/* kernel/string.c: every length and alignment of the block functions that can matter, and the parsers. */
#include "kernel/string.h"
#include "kernel/test.h"

enum { ROOM = 96 };

static void fill(uint8_t *buf)
{
	for (unsigned int i = 0; i < ROOM; i++)
		buf[i] = (uint8_t)(i * 7 + 1);
}

/* What memmove(buf + to, buf + from, n) must do, by a copy of everything. */
static void move_plainly(uint8_t *buf, size_t to, size_t from, size_t n)
{
	uint8_t old[ROOM];

	for (size_t i = 0; i < ROOM; i++)
		old[i] = buf[i];
	for (size_t i = 0; i < n; i++)
		buf[to + i] = old[from + i];
}

TEST(string_memmove_is_right_for_every_overlap, TEST_QUICK)
{
	uint8_t got[ROOM], want[ROOM];

	for (size_t to = 0; to < 24; to++)
		for (size_t from = 0; from < 24; from++)
			for (size_t n = 0; n < 40; n++) {
				fill(got);
				fill(want);
				memmove(got + to, got + from, n);
				move_plainly(want, to, from, n);
				if (memcmp(got, want, ROOM) != 0)
					test_fail(t, __FILE__, __LINE__, "to %zu from %zu n %zu",
						  to, from, n);
			}
}

TEST(string_memset_touches_just_its_bytes, TEST_QUICK)
{
	uint8_t buf[ROOM];

	for (size_t at = 0; at < 16; at++)
		for (size_t n = 0; n < 40; n++) {
			fill(buf);
			memset(buf + at, 0xfe, n);
			for (size_t i = 0; i < ROOM; i++) {
				bool inside = i >= at && i < at + n;

				EXPECT_EQ(buf[i], inside ? 0xfe : (uint8_t)(i * 7 + 1));
			}
		}
}

TEST(string_compare_and_search, TEST_QUICK)
{
	char small[4];

	EXPECT(memcmp("\x80", "\x01", 1) > 0 && memcmp("a", "b", 0) == 0);
	EXPECT(strcmp("\x80", "\x01") > 0 && strcmp("a", "ab") < 0 && strcmp("", "") == 0);
	EXPECT(strncmp("abc", "abd", 2) == 0 && strncmp("abc", "abd", 3) < 0);
	EXPECT_EQ(strlen("abc"), 3);
	EXPECT_EQ(strnlen("abc", 2), 2);
	EXPECT(strchr("abc", 'd') == NULL && *strchr("abc", 'c') == 'c' && *strchr("abc", 0) == 0);
	EXPECT(strstr("abc", "d") == NULL && strcmp(strstr("aab", "ab"), "ab") == 0);
	EXPECT(strstr("abc", "abcd") == NULL && strcmp(strstr("abc", ""), "abc") == 0);
	EXPECT_EQ(strlcpy(small, "abcdef", sizeof(small)), 6);
	EXPECT(strcmp(small, "abc") == 0);
}

/* Fails unless parse_size says `ok` and, if so, gives value. */
static void expect_size(struct test_run *t, const char *text, bool ok, uint64_t value)
{
	uint64_t got = 12345;

	if (parse_size(text, &got) != ok || got != (ok ? value : 12345))
		test_fail(t, __FILE__, __LINE__, "parse_size(\"%s\") gave %lu", text, got);
}

TEST(string_numbers_are_parsed_whole_or_not_at_all, TEST_QUICK)
{
	uint64_t got = 12345;

	EXPECT(parse_u64("18446744073709551615", &got) && got == UINT64_MAX);
	EXPECT(!parse_u64("18446744073709551616", &got));
	EXPECT(!parse_u64("", &got) && !parse_u64("-1", &got) && !parse_u64("+1", &got));
	EXPECT(!parse_u64("1 ", &got) && !parse_u64(" 1", &got) && !parse_u64("0x", &got));
	EXPECT(!parse_u64("1a", &got) && !parse_u64("1K", &got));
	EXPECT_EQ(got, UINT64_MAX);
	EXPECT(parse_u64("0xfFfFfFfFfFfFfFfF", &got) && got == UINT64_MAX);
	EXPECT(!parse_u64("0x10000000000000000", &got));
	expect_size(t, "64K", true, 65536);
	expect_size(t, "0x10M", true, 16 << 20);
	expect_size(t, "7", true, 7);
	expect_size(t, "7KK", false, 0);
	expect_size(t, "K", false, 0);
	expect_size(t, "18014398509481984K", false, 0);
}

TEST(string_glob_patterns, TEST_QUICK)
{
	EXPECT(glob_match("*", "") && glob_match("", "") && !glob_match("", "a"));
	EXPECT(glob_match("a*c", "abbc") && glob_match("a*b*c", "aXbYbZc"));
	EXPECT(!glob_match("a*c", "abbd") && !glob_match("?", "") && glob_match("?b", "ab"));
	EXPECT(glob_match("*ab", "aab") && glob_match("**", "x") && !glob_match("a", "ab"));
}
