/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One line being typed on a terminal: its text, the cursor, and what the terminal shows of it.
 *
 *	percpu> <ommand one; command two; command thr>		the row: prompt, then a window of the text
 *	        |--------------- room ----------------|		'<' and '>' where the text goes on
 *
 * The line never takes a second row: a text that is longer than the room shows in part, around the
 * cursor. Keys change the text, edit_draw brings the terminal up to date and sends no more than the
 * difference. Only functions of bytes; builds on the host too.
 */
#pragma once

#include "kernel/compiler.h"

#define EDIT_SIZE      1024 /* longest text, in bytes */
#define EDIT_MAX_ROOM  256  /* most of it that is shown */
#define EDIT_DRAW_SIZE (EDIT_MAX_ROOM * 2 + 32)

struct edit {
	char text[EDIT_SIZE + 1]; /* not ended by 0 */
	size_t length, cursor;	  /* cursor: before which byte; 0 … length */
	bool overflowed;	  /* more was typed than fits, and not all of it taken back */
	size_t room;   /* cells of the row for text, the cursor's past its end left out */
	size_t window; /* first byte that is shown */
	char shown[EDIT_MAX_ROOM]; /* what the terminal shows after the prompt */
	size_t shown_length, shown_cursor;
};

/* What a key asks of the line's owner. */
enum edit_answer {
	EDIT_MORE,     /* nothing: draw, take the next key */
	EDIT_DONE,     /* the line is finished: Enter */
	EDIT_DROP,     /* Ctrl-C */
	EDIT_END,      /* Ctrl-D on an empty line */
	EDIT_COMPLETE, /* Tab */
	EDIT_OLDER,    /* up, Ctrl-P */
	EDIT_NEWER,    /* down, Ctrl-N */
	EDIT_CLEAR,    /* Ctrl-L: an empty screen, please */
	EDIT_FULL,     /* the key's character was left out: no room */
};

/* An empty line; the terminal shows nothing after the prompt. columns: of the terminal; prompt: cells. */
void edit_begin(struct edit *edit, size_t columns, size_t prompt);
/* The terminal has so many columns from now on. */
void edit_resize(struct edit *edit, size_t columns, size_t prompt);
/* Takes a key (keys.h). */
enum edit_answer edit_key(struct edit *edit, int key);
/* Replaces the text, cut to EDIT_SIZE; the cursor is at its end. */
void edit_set(struct edit *edit, const char *text);
/* Inserts a text at the cursor; false, and nothing is changed, if there is no room for all of it. */
bool edit_insert(struct edit *edit, const char *text, size_t length);

/* What to send to the terminal so that it shows the line as it is now: into out, up to EDIT_DRAW_SIZE
 * bytes, no 0 at the end. Returns how many. */
size_t edit_draw(struct edit *edit, char *out);
/* As edit_draw, for a terminal whose cursor is just after the prompt, with nothing behind it. */
size_t edit_draw_anew(struct edit *edit, char *out);
