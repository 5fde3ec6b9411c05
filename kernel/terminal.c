// SPDX-License-Identifier: GPL-2.0-only
/* What stands at the other end of COM1, see terminal.h. */
#include "kernel/terminal.h"

#include "kernel/cmdline.h"
#include "kernel/screen.h"
#include "kernel/string.h"

static size_t nr_columns = 80, nr_rows = 24;

static bool at_screen;

static bool com1_is_terminal(void)
{
	const char *console = cmdline_get("console");

	return console && strcmp(console, "tty") == 0;
}

bool terminal_on(void)
{
	return at_screen || com1_is_terminal();
}

void terminal_at_screen(void)
{
	if (!terminal_on())
		screen_size(&nr_rows, &nr_columns);
	at_screen = true;
}

size_t terminal_columns(void)
{
	return nr_columns;
}

size_t terminal_rows(void)
{
	return nr_rows;
}

void terminal_resize(size_t rows, size_t columns)
{
	nr_rows = rows;
	nr_columns = columns;
}
