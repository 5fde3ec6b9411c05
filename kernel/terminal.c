// SPDX-License-Identifier: GPL-2.0-only
/* What stands at the other end of COM1, see terminal.h. */
#include "kernel/terminal.h"

#include "kernel/cmdline.h"
#include "kernel/string.h"

static size_t nr_columns = 80, nr_rows = 24;

bool terminal_on(void)
{
	const char *console = cmdline_get("console");

	return console && strcmp(console, "tty") == 0;
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
