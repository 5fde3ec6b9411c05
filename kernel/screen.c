// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grid of characters, see screen.h. It understands what this kernel's console prints and the usual
 * sequences for colours, cursor and erasing, and passes over the rest without a trace.
 * Source: ECMA-48, section 8.3 (control functions).
 */
#include "kernel/screen.h"

#include "arch/x86_64/vga.h"
#include "kernel/screen_internal.h"
#include "kernel/string.h"
#include "kernel/time.h"

#define ESCAPE	    0x1b
#define TAB_COLUMNS 8
#define MAX_ARGS    8
#define GREY	    0x07
#define YELLOW	    0x0e
#define BRIGHT_RED  0x0c
#define BRIGHT	    0x08
#define FOREGROUND  0x0f
#define BACKGROUND  0x70

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_ARGS };

struct grid screen_grid;

static struct {
	unsigned int row, column; /* column == columns: the next character begins a row */
	unsigned int saved_row, saved_column;
	uint8_t colours; /* that a sequence has set */
	bool inverse;
	enum escape_state escape;
	bool private;		     /* a sequence with more than numbers: none that we know */
	unsigned int args[MAX_ARGS]; /* of the sequence that is being read; 0 if left out */
	unsigned int nr_args;	     /* begun */
} pen;

static bool behind;	    /* a row waits to be painted */
static unsigned int next;   /* row to look at first */
static uint64_t painted_at; /* ns */

void screen_init(const struct boot_framebuffer *framebuffer)
{
	memset(&pen, 0, sizeof(pen));
	pen.colours = GREY;
	screen_paint_init(framebuffer, &screen_grid.rows, &screen_grid.columns);
	if (framebuffer->type == FRAMEBUFFER_TEXT)
		vga_hide_cursor();
	for (unsigned int row = 0; row < screen_grid.rows; row++) {
		for (unsigned int column = 0; column < screen_grid.columns; column++)
			screen_grid.cells[row][column] = CELL(' ', GREY);
		screen_grid.changed[row] = true;
	}
	behind = screen_grid.rows > 0;
}

void screen_map(void)
{
	screen_paint_map();
}

void screen_size(size_t *rows, size_t *columns)
{
	if (screen_grid.rows == 0)
		return;
	*rows = screen_grid.rows;
	*columns = screen_grid.columns;
}

/* ---- Changing the grid ---- */

static void touch(unsigned int row)
{
	screen_grid.changed[row] = true;
	WRITE_ONCE(behind, true);
}

static void blank(unsigned int row, unsigned int from, unsigned int to)
{
	for (unsigned int column = from; column < to; column++)
		screen_grid.cells[row][column] =
			CELL(' ', pen.colours & BACKGROUND ? pen.colours : GREY);
	touch(row);
}

static void scroll(void)
{
	unsigned int last = screen_grid.rows - 1;

	memmove(screen_grid.cells[0], screen_grid.cells[1], last * sizeof(screen_grid.cells[0]));
	for (unsigned int row = 0; row < last; row++)
		touch(row);
	blank(last, 0, screen_grid.columns);
}

static void move_to(unsigned int row, unsigned int column)
{
	touch(pen.row);
	pen.row = min(row, screen_grid.rows - 1);
	pen.column = min(column, screen_grid.columns - 1);
	touch(pen.row);
}

static void new_line(void)
{
	touch(pen.row);
	pen.column = 0;
	if (pen.row + 1 < screen_grid.rows)
		pen.row++;
	else
		scroll();
	touch(pen.row);
}

static uint8_t tone_colours(enum screen_tone tone)
{
	if (tone == TONE_NORMAL || (pen.colours & FOREGROUND) != GREY)
		return pen.colours;
	return (pen.colours & BACKGROUND) | (tone == TONE_ERROR ? BRIGHT_RED : YELLOW);
}

static void put(char c, enum screen_tone tone)
{
	cell_t cell = CELL(c, tone_colours(tone));

	if (pen.column == screen_grid.columns)
		new_line();
	screen_grid.cells[pen.row][pen.column++] = pen.inverse ? CELL_INVERSE(cell) : cell;
	touch(pen.row);
}

/* ---- Sequences: ESC [ ARG ; ARG ... LETTER ---- */

static unsigned int arg(unsigned int i, unsigned int otherwise)
{
	return i < pen.nr_args && pen.args[i] != 0 ? pen.args[i] : otherwise;
}

/* ECMA-48 counts colours from the bit for red, the VGA from that for blue. */
static uint8_t vga_colour(unsigned int colour)
{
	return (uint8_t)((colour & 2) | (colour & 1) << 2 | (colour & 4) >> 2);
}

static void set_colour(unsigned int code)
{
	if (code == 0) {
		pen.colours = GREY;
		pen.inverse = false;
	} else if (code == 1) {
		pen.colours |= BRIGHT;
	} else if (code == 7) {
		pen.inverse = true;
	} else if (code >= 30 && code <= 37) {
		pen.colours = (pen.colours & (BACKGROUND | BRIGHT)) | vga_colour(code - 30);
	} else if (code == 39) {
		pen.colours = (pen.colours & BACKGROUND) | GREY;
	} else if (code >= 40 && code <= 47) {
		pen.colours = (pen.colours & FOREGROUND) | vga_colour(code - 40) << 4;
	} else if (code == 49) {
		pen.colours &= FOREGROUND;
	} else if (code >= 90 && code <= 97) {
		pen.colours = (pen.colours & BACKGROUND) | BRIGHT | vga_colour(code - 90);
	}
}

static void erase_line(unsigned int what)
{
	unsigned int from = what == 0 ? pen.column : 0;
	unsigned int to = what == 1 ? pen.column + 1 : screen_grid.columns;

	blank(pen.row, from, min(to, screen_grid.columns));
}

/* 0: from the cursor to the end, 1: from the beginning to the cursor, 2 and more: all. */
static void erase_screen(unsigned int what)
{
	unsigned int from = what == 0 ? pen.row + 1 : 0;
	unsigned int to = what == 1 ? pen.row : screen_grid.rows;

	if (what < 2)
		erase_line(what);
	for (unsigned int row = from; row < to; row++)
		blank(row, 0, screen_grid.columns);
}

static void run_sequence(char letter)
{
	unsigned int n = arg(0, 1);

	switch (letter) {
	case 'A':
		move_to(pen.row - min(n, pen.row), pen.column);
		break;
	case 'B':
		move_to(pen.row + min(n, screen_grid.rows), pen.column);
		break;
	case 'C':
		move_to(pen.row, pen.column + min(n, screen_grid.columns));
		break;
	case 'D':
		move_to(pen.row, pen.column - min(n, pen.column));
		break;
	case 'G':
		move_to(pen.row, n - 1);
		break;
	case 'H':
	case 'f':
		move_to(n - 1, arg(1, 1) - 1);
		break;
	case 'J':
		erase_screen(arg(0, 0));
		break;
	case 'K':
		erase_line(arg(0, 0));
		break;
	case 'm':
		for (unsigned int i = 0; i < max(pen.nr_args, 1u); i++)
			set_colour(arg(i, 0));
		break;
	default:
		break;
	}
}

static void read_sequence(char c)
{
	if (c >= '0' && c <= '9') {
		unsigned int *value = &pen.args[max(pen.nr_args, 1u) - 1];

		pen.nr_args = max(pen.nr_args, 1u);
		*value = min(*value * 10 + (unsigned int)(c - '0'), 9999u);
	} else if (c == ';') {
		pen.nr_args = min(max(pen.nr_args, 1u) + 1, (unsigned int)MAX_ARGS);
	} else if (c < '@') {
		pen.private = true;
	} else {
		pen.escape = ESCAPE_NONE;
		if (!pen.private)
			run_sequence(c);
	}
}

static void escape(char c)
{
	if (pen.escape == ESCAPE_ARGS) {
		read_sequence(c);
		return;
	}
	if (c < '0') /* ESC ( B and the like: one more follows */
		return;
	if (c == '7') {
		pen.saved_row = pen.row;
		pen.saved_column = pen.column;
	} else if (c == '8') {
		move_to(pen.saved_row, pen.saved_column);
	}
	pen.escape = c == '[' ? ESCAPE_ARGS : ESCAPE_NONE;
	pen.private = false;
	pen.nr_args = 0;
	memset(pen.args, 0, sizeof(pen.args));
}

/* ---- Text ---- */

static void control(char c)
{
	switch (c) {
	case '\n':
		new_line();
		break;
	case '\r':
		move_to(pen.row, 0);
		break;
	case '\b':
		move_to(pen.row, pen.column - min(1u, pen.column));
		break;
	case '\t':
		move_to(pen.row, ALIGN_DOWN(pen.column, TAB_COLUMNS) + TAB_COLUMNS);
		break;
	case ESCAPE:
		pen.escape = ESCAPE_SEEN;
		break;
	default:
		break;
	}
}

void screen_write(const char *text, size_t n, enum screen_tone tone)
{
	if (screen_grid.rows == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)text[i];

		if (byte < ' ')
			control(text[i]);
		else if (pen.escape != ESCAPE_NONE)
			escape(text[i]);
		else if ((byte & 0xc0) != 0x80) /* of a character in UTF-8 only the first byte */
			put(text[i], tone);
	}
}

/* ---- Painting ---- */

/* The cursor is the cell it stands on, inverse. */
static void paint(unsigned int row)
{
	cell_t *cells = screen_grid.cells[row], *under;
	cell_t saved;

	screen_grid.changed[row] = false;
	if (row != pen.row) {
		screen_paint_cells(row, cells);
		return;
	}
	under = &cells[min(pen.column, screen_grid.columns - 1)];
	saved = *under;
	*under = CELL_INVERSE(saved);
	screen_paint_cells(row, cells);
	*under = saved;
}

bool screen_paint_row(void)
{
	if (!screen_can_paint())
		return false;
	for (unsigned int i = 0; i < screen_grid.rows; i++) {
		unsigned int row = (next + i) % screen_grid.rows;

		if (!screen_grid.changed[row])
			continue;
		paint(row);
		next = row + 1;
		WRITE_ONCE(painted_at, time_ns());
		return true;
	}
	WRITE_ONCE(behind, false);
	return false;
}

uint64_t screen_painted_at(void)
{
	return READ_ONCE(painted_at);
}

bool screen_is_behind(void)
{
	return READ_ONCE(behind) && screen_can_paint();
}
