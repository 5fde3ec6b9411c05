/* SPDX-License-Identifier: GPL-2.0-only */
/* See screen_model.h. */
#include "tests/host/screen_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void blank(struct screen *screen, size_t row, size_t from, size_t to)
{
	memset(&screen->cells[row][from], ' ', to - from);
}

void screen_clear(struct screen *screen, size_t rows, size_t columns)
{
	assert_true(rows <= SCREEN_MAX_ROWS && columns <= SCREEN_MAX_COLUMNS);
	memset(screen, 0, sizeof(*screen));
	screen->rows = rows;
	screen->columns = columns;
	memset(screen->cells, ' ', sizeof(screen->cells));
}

static void next_row(struct screen *screen)
{
	if (++screen->row < screen->rows)
		return;
	screen->row--;
	memmove(screen->cells[0], screen->cells[1], screen->row * SCREEN_MAX_COLUMNS);
	blank(screen, screen->row, 0, screen->columns);
}

static void put(struct screen *screen, char c)
{
	if (screen->column == screen->columns) {
		screen->column = 0;
		next_row(screen);
	}
	screen->cells[screen->row][screen->column++] = c;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ESC [ numbers letter */
static void sequence(struct screen *screen, const unsigned long *numbers, char letter)
{
	size_t n = numbers[0] ? numbers[0] : 1, column = least(screen->column, screen->columns - 1);

	if (letter == 'C')
		screen->column = least(column + n, screen->columns - 1);
	else if (letter == 'D')
		screen->column = column - least(n, column);
	else if (letter == 'K' && numbers[0] == 0)
		blank(screen, screen->row, column, screen->columns);
	else if (letter == 'J' && (numbers[0] == 2 || numbers[0] == 0))
		for (size_t row = numbers[0] ? 0 : screen->row; row < screen->rows; row++)
			blank(screen, row, numbers[0] || row > screen->row ? 0 : column,
			      screen->columns);
	else if (letter == 'H') {
		screen->row = least(n - 1, screen->rows - 1);
		screen->column = least(numbers[1] ? numbers[1] - 1 : 0, screen->columns - 1);
	} else if (letter != 'm' && letter != 'n') {
		fail_msg("ESC [ %lu %c is not known", numbers[0], letter);
	}
}

/* What follows ESC, up to its end; returns how many bytes that were. */
static size_t escape(struct screen *screen, const char *bytes)
{
	unsigned long numbers[2] = {0};
	const char *s = bytes;
	char *end;

	if (*s == '7') {
		screen->saved_row = screen->row;
		screen->saved_column = screen->column;
		return 1;
	}
	if (*s == '8') {
		screen->row = screen->saved_row;
		screen->column = screen->saved_column;
		return 1;
	}
	assert_int_equal(*s++, '[');
	for (size_t i = 0; i < 2; i++) {
		numbers[i] = strtoul(s, &end, 10);
		s = *end == ';' ? end + 1 : end;
	}
	sequence(screen, numbers, *s);
	return (size_t)(s + 1 - bytes);
}

void screen_send(struct screen *screen, const char *bytes, size_t n)
{
	char text[4096];

	assert_true(n < sizeof(text));
	memcpy(text, bytes, n);
	text[n] = '\0';
	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c >= ' ' && c <= '~') {
			put(screen, c);
		} else if (c == '\n') { /* as the runner's terminal has it: CR and LF */
			screen->column = 0;
			next_row(screen);
		} else if (c == '\r') {
			screen->column = 0;
		} else if (c == '\b') {
			screen->column -= screen->column > 0;
		} else if (c == '\a') {
			screen->nr_bells++;
		} else {
			assert_int_equal(c, 0x1b);
			i += escape(screen, &text[i + 1]);
		}
	}
}

const char *screen_row(const struct screen *screen, size_t row)
{
	static char text[SCREEN_MAX_COLUMNS + 1];
	size_t n = screen->columns;

	memcpy(text, screen->cells[row], n);
	while (n > 0 && text[n - 1] == ' ')
		n--;
	text[n] = '\0';
	return text;
}
