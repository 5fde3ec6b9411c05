/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines typed before, and a walk through them from the line being typed. Builds on the host too. */
#pragma once

#include "kernel/edit.h"

#define HISTORY_LINES 32

/* All 0 at first. */
struct history {
	char lines[HISTORY_LINES][EDIT_SIZE + 1]; /* a ring: line n is in [n % HISTORY_LINES] */
	size_t count;				  /* lines ever kept */
	size_t back;		   /* how far back the walk is; 0: at the line being typed */
	char draft[EDIT_SIZE + 1]; /* that line, while the walk is elsewhere */
};

/* Keeps a finished line, unless it is blank or the last one again; the walk is over. */
void history_add(struct history *history, const char *line);
/* One step back or forth: the line to show, or NULL at the end. current: the line as it is shown now;
 * it comes back when the walk does. */
const char *history_older(struct history *history, const char *current);
const char *history_newer(struct history *history);
/* The walk is over; nothing is kept. */
void history_leave(struct history *history);
