/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/edit.c kernel/history.c kernel/keys.c tests/host/screen_model.c */
/* links: tests/host/stub_kernel.c */
/*
 * What a terminal shows while somebody types: keys go in as bytes, whole or split, and the screen of a
 * small terminal model must show the line; and the history of lines.
 */
#include "kernel/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/history.h"
#include "kernel/keys.h"
#include "tests/host/screen_model.h"
#include "tests/host/stub_kernel.h"

#define PROMPT	     "percpu> "
#define PROMPT_CELLS 8

static struct edit edit;
static struct key_parser keys;
static struct screen screen;
static enum edit_answer last;

static void draw(void)
{
	char out[EDIT_DRAW_SIZE];
	size_t n = edit_draw(&edit, out);

	assert_true(n <= sizeof(out));
	screen_send(&screen, out, n);
}

static void begin(size_t columns)
{
	memset(&keys, 0, sizeof(keys));
	screen_clear(&screen, 3, columns);
	screen_send(&screen, PROMPT, PROMPT_CELLS);
	edit_begin(&edit, columns, PROMPT_CELLS);
	last = EDIT_MORE;
}

/* Types the bytes, drawing after each key. */
static void type_n(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int key = key_take(&keys, bytes[i]);

		if (key == KEY_NONE || key == KEY_SIZE)
			continue;
		last = edit_key(&edit, key);
		draw();
	}
}

static void type(const char *bytes)
{
	type_n(bytes, strlen(bytes));
}

/* The first row shows prompt and text, blanks at the end apart, the cursor at that cell of the text. */
static void expect(const char *text, size_t cursor)
{
	char row[SCREEN_MAX_COLUMNS + 1];
	int n = snprintf(row, sizeof(row), "%s%s", PROMPT, text);

	while (row[n - 1] == ' ')
		row[--n] = '\0';
	if (strcmp(screen_row(&screen, 0), row) != 0)
		fail_msg("row: got '%s', want '%s'", screen_row(&screen, 0), row);
	assert_int_equal(screen.row, 0);
	assert_int_equal(screen.column, PROMPT_CELLS + cursor);
	assert_string_equal(screen_row(&screen, 1), "");
}

static void each_key_does_what_shells_do(void **state)
{
	static const struct {
		const char *bytes, *text;
		size_t cursor;
	} cases[] = {
		{"abc", "abc", 3},
		{"abc\x7f", "ab", 2},
		{"abc\b\b", "a", 1},
		{"\x7f\b", "", 0},
		{"abc\033[D\033[DX", "aXbc", 2},
		{"abc\033[D\033[D\033[D\033[DX", "Xabc", 1},
		{"abc\033[D\033[C\033[CX", "abcX", 4},
		{"abc\002\006\002X", "abXc", 3},
		{"abc\033[HX", "Xabc", 1},
		{"abc\001X\005Y", "XabcY", 5},
		{"abc\033[1~X\033[4~Y", "XabcY", 5},
		{"abc\033[7~X\033[8~Y", "XabcY", 5},
		{"abc\033OHX\033OFY", "XabcY", 5},
		{"abc\033OD\033ODX", "aXbc", 2},
		{"abc\033[D\033[3~", "ab", 2},
		{"abc\033[3~", "abc", 3},
		{"abc\001\004", "bc", 0},
		{"abc\033[D\x7f", "ac", 1},
		{"abcdef\001\033[C\013", "a", 1},
		{"abcdef\033[D\033[D\025", "ef", 0},
		{"one two  \027", "one ", 4},
		{"one\027\027", "", 0},
		{"a long line of words\033[HX", "Xa long line of words", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(80);
		type(cases[i].bytes);
		expect(cases[i].text, cases[i].cursor);
	}
}

static void keys_ask_the_owner(void **state)
{
	static const struct {
		const char *bytes;
		enum edit_answer answer;
	} cases[] = {
		{"a\r", EDIT_DONE},	{"\n", EDIT_DONE},    {"ab\003", EDIT_DROP},
		{"\004", EDIT_END},	{"a\004", EDIT_MORE}, {"a\t", EDIT_COMPLETE},
		{"\033[A", EDIT_OLDER}, {"\020", EDIT_OLDER}, {"\033OB", EDIT_NEWER},
		{"\016", EDIT_NEWER},	{"\014", EDIT_CLEAR}, {"a\007", EDIT_MORE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(80);
		type(cases[i].bytes);
		assert_int_equal(last, cases[i].answer);
	}
}

/* Sequences that no key of ours has; nothing of them may be taken for text. */
static const char *const unknown[] = {
	"\033[5~",
	"\033[24~",
	"\033OP",
	"\033[[A",
	"\033[Z",
	"\033[?1;2c",
	"\033[I",
	"\033[200~",
	"\033[1;5P",
	"\033x",
	"\033[1;2;3;4;5z",
	"\033[>0;95;0c",
	"\033]0;title\007",
	"\033P1$r0m\033\\",
	"\033[99999999999q",
};

static void sequences_that_mean_nothing_leave_no_trace(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		begin(80);
		type("ab");
		type(unknown[i]);
		type("c");
		expect("abc", 3);
	}
	begin(80);
	type("ab\xc3\xa9\xff\x80"
	     "c");
	expect("abc", 3);
}

/* A control key counts wherever it comes: Enter after a lone Escape, Ctrl-C inside a sequence. */
static void control_keys_end_what_had_begun(void **state)
{
	static const char *const begun[] = {"\033",  "\033[",  "\033[1;",
					    "\033O", "\033[[", "\033]x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(begun); i++) {
		begin(80);
		type("a");
		type(begun[i]);
		type("\r");
		assert_int_equal(last, EDIT_DONE);
		type(begun[i]);
		type("\003");
		assert_int_equal(last, EDIT_DROP);
		type(begun[i]);
		type("\033[D");
		expect("a", 0);
	}
}

static void the_terminal_tells_its_size_among_the_keys(void **state)
{
	(void)state;
	begin(80);
	type("a\033[40;132Rb");
	expect("ab", 2);
	assert_int_equal(keys.rows, 40);
	assert_int_equal(keys.columns, 132);
	for (const char *s = "\033[24;79R"; s[1]; s++)
		assert_int_equal(key_take(&keys, *s), KEY_NONE);
	assert_int_equal(key_take(&keys, 'R'), KEY_SIZE);
	assert_int_equal(keys.columns, 79);
	keys.columns = 0;
	type("\033[1;2R\033[5;2R\033[?24;80R\033[80R\033[0;0R"); /* Shift-F3, and no answers */
	assert_int_equal(keys.columns, 0);
}

static void a_full_line_takes_no_more_and_says_so(void **state)
{
	(void)state;
	begin(80);
	for (size_t i = 0; i < EDIT_SIZE; i++)
		type("y");
	assert_int_equal(last, EDIT_MORE);
	assert_false(edit.overflowed);
	type("z");
	assert_int_equal(last, EDIT_FULL);
	assert_true(edit.overflowed);
	assert_int_equal(edit.length, EDIT_SIZE);
	assert_false(edit_insert(&edit, "a", 1));
	type("\x7f");
	assert_true(edit.overflowed); /* what was left out is still missing */
	type("\025");
	assert_false(edit.overflowed);
	expect("", 0);
}

static void a_long_line_scrolls_in_its_row(void **state)
{
	(void)state;
	begin(20); /* 11 cells of text */
	type("0123456789a");
	expect("0123456789a", 11);
	type("bcd");
	expect("<89abcd", 7);
	type("\001");
	expect("0123456789>", 0);
	type("\033[C\033[C\033[C\033[C\033[C\033[C\033[C\033[C\033[C");
	expect("0123456789>", 9);
	type("\033[C");
	expect("<6789abcd", 5);
	type("\013");
	expect("0123456789", 10);
}

/* Whatever is typed: what the screen shows is prompt and window, and the cursor is at its place. */
static void check_screen(size_t columns)
{
	char row[EDIT_MAX_ROOM + 1];
	size_t left = edit.length - edit.window, n = left < edit.room ? left : edit.room;

	assert_true(edit.cursor <= edit.length && edit.length <= EDIT_SIZE);
	assert_true(edit.cursor >= edit.window && edit.cursor - edit.window <= edit.room);
	memcpy(row, edit.text + edit.window, n);
	row[n] = '\0';
	if (edit.window > 0)
		row[0] = '<';
	if (left > n)
		row[n - 1] = '>';
	expect(row, edit.cursor - edit.window);
	assert_true(screen.column < columns);
}

static void random_keys(size_t columns, unsigned int count)
{
	static const char *const sequences[] = {
		"\033[D", "\033[C", "\033[H", "\033[F", "\033[3~", "\x7f", "\013",
		"\025",	  "\027",   "\033[D", "\033[D", "\033[5~", "\001", "\005",
	};
	char word[16];

	begin(columns);
	for (unsigned int i = 0; i < count; i++) {
		size_t n = host_random(sizeof(word));

		for (size_t c = 0; c < n; c++)
			word[c] = (char)(' ' + host_random(95));
		if (host_random(3) == 0)
			type(sequences[host_random(ARRAY_SIZE(sequences))]);
		else
			type_n(word, n);
		check_screen(columns);
	}
}

static void whatever_is_typed_the_screen_shows_it(void **state)
{
	static const size_t widths[] = {17, 18, 20, 40, 79, 80, 120, 264, 265, 300};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
		random_keys(widths[i], 2000);
}

static void any_bytes_at_all_do_no_harm(void **state)
{
	(void)state;
	begin(80);
	for (unsigned int i = 0; i < 200000; i++) {
		char byte = (char)host_random(256);

		type_n(&byte, 1);
		check_screen(80);
	}
}

/* Only what changed is sent: a character typed at the end is one byte. */
static void typing_at_the_end_sends_one_byte_a_key(void **state)
{
	char out[EDIT_DRAW_SIZE];

	(void)state;
	begin(80);
	edit_key(&edit, 'a');
	assert_int_equal(edit_draw(&edit, out), 1);
	assert_int_equal(edit_draw(&edit, out), 0);
	edit_key(&edit, KEY_RUBOUT);
	assert_int_equal(edit_draw(&edit, out), 3);
	assert_memory_equal(out, "\b \b", 3);
}

static void drawn_anew_it_is_the_same_row(void **state)
{
	char out[EDIT_DRAW_SIZE];
	char before[SCREEN_MAX_COLUMNS + 1];
	size_t column;

	(void)state;
	begin(40);
	type("a line that is longer than its row has room\033[D\033[D\033[D");
	snprintf(before, sizeof(before), "%s", screen_row(&screen, 0));
	column = screen.column;
	screen_send(&screen, "\r\033[K", 4);
	assert_string_equal(screen_row(&screen, 0), "");
	screen_send(&screen, PROMPT, PROMPT_CELLS);
	screen_send(&screen, out, edit_draw_anew(&edit, out));
	assert_string_equal(screen_row(&screen, 0), before);
	assert_int_equal(screen.column, column);
}

static void a_new_width_is_used_from_then_on(void **state)
{
	(void)state;
	begin(60);
	type("0123456789abcdefghij");
	edit_resize(&edit, 20, PROMPT_CELLS);
	screen_clear(&screen, 3, 20);
	screen_send(&screen, PROMPT, PROMPT_CELLS);
	edit.shown_length = edit.shown_cursor = 0;
	draw();
	check_screen(20);
	edit_resize(&edit, 0, PROMPT_CELLS);
	assert_true(edit.room > 0);
}

/* ---- History ---- */

static struct history history;

static void start_history(size_t lines)
{
	char line[16];

	memset(&history, 0, sizeof(history));
	for (size_t i = 1; i <= lines; i++) {
		snprintf(line, sizeof(line), "line %zu", i);
		history_add(&history, line);
	}
}

static void history_walks_back_and_forth(void **state)
{
	(void)state;
	start_history(3);
	assert_null(history_newer(&history));
	assert_string_equal(history_older(&history, "draft"), "line 3");
	assert_string_equal(history_older(&history, "line 3"), "line 2");
	assert_string_equal(history_newer(&history), "line 3");
	assert_string_equal(history_newer(&history), "draft");
	assert_null(history_newer(&history));
	assert_string_equal(history_older(&history, "other"), "line 3");
	assert_string_equal(history_older(&history, ""), "line 2");
	assert_string_equal(history_older(&history, ""), "line 1");
	assert_null(history_older(&history, ""));
	history_leave(&history);
	assert_string_equal(history_older(&history, ""), "line 3");
}

static void history_keeps_the_last_lines(void **state)
{
	char line[16];

	(void)state;
	start_history(HISTORY_LINES + 5);
	for (size_t i = HISTORY_LINES + 5; i > 5; i--) {
		snprintf(line, sizeof(line), "line %zu", i);
		assert_string_equal(history_older(&history, ""), line);
	}
	assert_null(history_older(&history, ""));
}

static void history_keeps_no_blank_line_and_none_twice(void **state)
{
	(void)state;
	start_history(2);
	history_add(&history, "");
	history_add(&history, "   ");
	history_add(&history, "line 2");
	history_add(&history, "line 1");
	assert_string_equal(history_older(&history, ""), "line 1");
	assert_string_equal(history_older(&history, ""), "line 2");
	assert_string_equal(history_older(&history, ""), "line 1");
	assert_null(history_older(&history, ""));
}

static void history_of_nothing_is_empty(void **state)
{
	(void)state;
	start_history(0);
	assert_null(history_older(&history, "x"));
	assert_null(history_newer(&history));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_does_what_shells_do),
		cmocka_unit_test(keys_ask_the_owner),
		cmocka_unit_test(sequences_that_mean_nothing_leave_no_trace),
		cmocka_unit_test(control_keys_end_what_had_begun),
		cmocka_unit_test(the_terminal_tells_its_size_among_the_keys),
		cmocka_unit_test(a_full_line_takes_no_more_and_says_so),
		cmocka_unit_test(a_long_line_scrolls_in_its_row),
		cmocka_unit_test(whatever_is_typed_the_screen_shows_it),
		cmocka_unit_test(any_bytes_at_all_do_no_harm),
		cmocka_unit_test(typing_at_the_end_sends_one_byte_a_key),
		cmocka_unit_test(drawn_anew_it_is_the_same_row),
		cmocka_unit_test(a_new_width_is_used_from_then_on),
		cmocka_unit_test(history_walks_back_and_forth),
		cmocka_unit_test(history_keeps_the_last_lines),
		cmocka_unit_test(history_keeps_no_blank_line_and_none_twice),
		cmocka_unit_test(history_of_nothing_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
