/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A terminal for tests: what stands on its screen after the bytes that were sent to it. It knows the
 * few sequences that the kernel sends, and a byte it does not know fails the test.
 */
#pragma once

#include <stddef.h>

#define SCREEN_MAX_COLUMNS 300
#define SCREEN_MAX_ROWS	   60

struct screen {
	size_t rows, columns;
	size_t row, column; /* the cursor; column == columns: the next character begins a row */
	size_t saved_row, saved_column;
	size_t nr_bells;
	char cells[SCREEN_MAX_ROWS][SCREEN_MAX_COLUMNS];
};

void screen_clear(struct screen *screen, size_t rows, size_t columns);
void screen_send(struct screen *screen, const char *bytes, size_t n);
/* A row without the blanks at its end; stays valid until the next call. */
const char *screen_row(const struct screen *screen, size_t row);
