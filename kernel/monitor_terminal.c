/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line from a terminal: editing (edit.c), history (history.c), completion (complete.c). The row is sent anew only where
 * it changed. Log lines that come meanwhile go above it: the console is told how to hide and how to
 * show it (console_overlay).
 *
 * The terminal is asked for its size whenever it is waited for; an answer comes among the keys, or
 * never.
 */
#include "kernel/edit.h"
#include "kernel/history.h"
#include "kernel/keys.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"

#define HIDE_ROW     "\r\033[K"
#define CLEAR_SCREEN "\033[H\033[2J"

_Static_assert(EDIT_SIZE == MONITOR_LINE_SIZE, "a line is a line");

static struct key_parser keys;
static struct history history;
static struct edit edit;
static char prompt_shown[48]; /* with its colours */
static size_t prompt_cells;
static unsigned int nr_tabs; /* in a row */
static bool after_cr;	     /* the line before ended in CR: an LF now belongs to it */

/* Sends what changed, after `before`. */
static void update(const char *before)
{
	static char shows[2][64 + EDIT_DRAW_SIZE]; /* the console has one of them */
	static unsigned int turn;
	char out[64 + EDIT_DRAW_SIZE], *show = shows[turn++ % 2];
	size_t n = strlcpy(out, before, 64), m = strlcpy(show, prompt_shown, 64);

	n += edit_draw(&edit, out + n);
	m += edit_draw_anew(&edit, show + m);
	console_overlay(out, n, HIDE_ROW, show, m);
}

/* Shows prompt and line on a row of their own, after `before`. */
static void show_anew(const char *before)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%s", before, prompt_shown);
	edit.shown_length = edit.shown_cursor = 0;
	update(text);
}

static void begin(const char *prompt)
{
	snprintf(prompt_shown, sizeof(prompt_shown), "%s%s%s", monitor_colour(COLOUR_PROMPT),
		 prompt, monitor_colour(COLOUR_OFF));
	prompt_cells = strlen(prompt);
	edit_begin(&edit, terminal_columns(), prompt_cells);
	history_leave(&history);
	show_anew(monitor_byte_ready() ? "" : TERMINAL_ASK_SIZE);
}

/* The row stays as it is, with `after` behind it; what is printed now goes below. */
static const char *end(const char *after)
{
	edit.text[edit.length] = '\0';
	edit.cursor = edit.length;
	update("");
	console_overlay(after, strlen(after), NULL, "", 0);
	return edit.overflowed ? NULL : edit.text;
}

static void replace(const char *text)
{
	if (text)
		edit_set(&edit, text);
	update("");
}

static const char *older(void)
{
	edit.text[edit.length] = '\0';
	return history_older(&history, edit.text);
}

static void insert(const char *text, size_t length)
{
	update(edit_insert(&edit, text, length) ? "" : "\a");
}

/* Prints below the line what its word may be, and shows the line anew below that. */
static void list_words(void)
{
	size_t cursor = edit.cursor;

	end("\n");
	monitor_list_words(edit.text, cursor);
	edit.cursor = cursor;
	show_anew("");
}

/* Tab: what is sure is inserted; where nothing is, the second one in a row lists what may be. */
static void complete(void)
{
	struct completion found;
	const char *rest;

	complete_find(&monitor_words, edit.text, edit.cursor, &found);
	rest = found.common + (found.count > 0 ? edit.cursor - found.start : 0);
	nr_tabs++;
	if (found.count == 1) {
		insert(rest, strlen(rest));
		insert(" ", edit.cursor == edit.length || edit.text[edit.cursor] != ' ');
	} else if (*rest != '\0') {
		insert(rest, strlen(rest));
	} else if (found.count > 0 && nr_tabs > 1) {
		list_words();
	} else {
		update("\a");
	}
}

/* Takes a key; true if it ended the line, which is in *line then. */
static bool take(int key, const char **line)
{
	if (key != '\t')
		nr_tabs = 0;
	switch (edit_key(&edit, key)) {
	case EDIT_COMPLETE:
		complete();
		return false;
	case EDIT_DONE:
		*line = end("\n");
		if (*line)
			history_add(&history, *line);
		return true;
	case EDIT_DROP:
		end("^C\n");
		*line = "";
		return true;
	case EDIT_END:
		edit_set(&edit, "poweroff");
		*line = end("\n");
		return true;
	case EDIT_OLDER:
		replace(older());
		return false;
	case EDIT_NEWER:
		replace(history_newer(&history));
		return false;
	case EDIT_CLEAR:
		show_anew(CLEAR_SCREEN);
		return false;
	case EDIT_FULL:
		update("\a");
		return false;
	default:
		update("");
		return false;
	}
}

int monitor_next_key(unsigned int timeout_ms)
{
	while (monitor_wait_byte(timeout_ms)) {
		int key = key_take(&keys, monitor_next_byte());

		if (key == KEY_SIZE) {
			terminal_resize(keys.rows, keys.columns);
			edit_resize(&edit, keys.columns, prompt_cells);
		} else if (key != KEY_NONE) {
			return key;
		}
	}
	if (keys.state != KEYS_ESCAPE)
		return KEY_NONE;
	keys.state = KEYS_PLAIN; /* nothing came after it: the key itself */
	return KEY_ESCAPE;
}

/* The next key for the line: of CR and LF together, the first. */
static int next_key(void)
{
	bool was_cr;
	int key;

	do {
		was_cr = after_cr;
		key = monitor_next_key(0);
		after_cr = key == '\r';
	} while (key == '\n' && was_cr);
	return key;
}

const char *monitor_read_terminal(const char *prompt)
{
	const char *line;

	begin(prompt);
	while (!take(next_key(), &line)) {
	}
	return line;
}
