/* SPDX-License-Identifier: GPL-2.0-only */
/* What screen.c (the grid) and screen_paint.c (its picture) share. */
#pragma once

#include "kernel/screen.h"

enum { SCREEN_MAX_ROWS = 80, SCREEN_MAX_COLUMNS = 240 };

/*
 * A character and its colours, as the VGA has them in text mode: 7-0 character, 11-8 foreground, 14-12
 * background. A colour is 1 blue, 2 green, 4 red and, of a foreground, 8 bright.
 */
typedef uint16_t cell_t;
#define CELL(character, colours) ((cell_t)((colours) << 8 | (uint8_t)(character)))
#define CELL_INVERSE(cell) \
	((cell_t)(((cell)&0xff) | ((cell) >> 4 & 0x0700) | ((cell) << 4 & 0x7000)))

struct grid {
	unsigned int rows, columns; /* 0: there is no screen */
	cell_t cells[SCREEN_MAX_ROWS][SCREEN_MAX_COLUMNS];
	bool changed[SCREEN_MAX_ROWS]; /* since the row was painted */
};
extern struct grid screen_grid;

/* Prepares painting: 0 rows if the framebuffer cannot be used. */
void screen_paint_init(const struct boot_framebuffer *framebuffer, unsigned int *rows,
		       unsigned int *columns);
void screen_paint_map(void);
/* Whether there is a way to video memory yet. */
bool screen_can_paint(void);
/* Paints those cells of a row that differ from what is on the screen. */
void screen_paint_cells(unsigned int row, const cell_t *cells);
