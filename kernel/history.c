// SPDX-License-Identifier: GPL-2.0-only
/* The lines typed before, see history.h. */
#include "kernel/history.h"

#include "kernel/string.h"

static char *line_back(struct history *history, size_t back)
{
	return history->lines[(history->count - back) % HISTORY_LINES];
}

static void copy(char *to, const char *from)
{
	size_t n = strnlen(from, EDIT_SIZE);

	memcpy(to, from, n);
	to[n] = '\0';
}

static bool is_blank(const char *line)
{
	while (*line == ' ')
		line++;
	return *line == '\0';
}

void history_leave(struct history *history)
{
	history->back = 0;
}

void history_add(struct history *history, const char *line)
{
	history->back = 0;
	if (is_blank(line) || (history->count > 0 && strcmp(line_back(history, 1), line) == 0))
		return;
	copy(line_back(history, 0), line);
	history->count++;
}

const char *history_older(struct history *history, const char *current)
{
	if (history->back == min(history->count, (size_t)HISTORY_LINES))
		return NULL;
	if (history->back == 0)
		copy(history->draft, current);
	history->back++;
	return line_back(history, history->back);
}

const char *history_newer(struct history *history)
{
	if (history->back == 0)
		return NULL;
	history->back--;
	return history->back == 0 ? history->draft : line_back(history, history->back);
}
