/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a PC keyboard's scan codes (set 1) to the bytes that a terminal would send, for the US layout. Knows
 * nothing of any device. Source: IBM PS/2 hardware interface technical reference, keyboard section.
 */
#pragma once

#include "kernel/compiler.h"

#define KEYMAP_MAX_BYTES 4 /* that one key makes */

struct keymap {
	bool shift[2], control[2]; /* left, right: held down */
	bool caps;		   /* Caps Lock is on */
	bool extended;		   /* the code before was 0xe0 */
	unsigned int skip;	   /* codes left of the Pause key */
};

/* Takes one code; writes the bytes it makes, 0 to KEYMAP_MAX_BYTES, and returns how many. Cursor and editing
 * keys make the usual ESC [ sequences, Enter \r, Backspace 0x7f. */
size_t keymap_feed(struct keymap *map, uint8_t code, char bytes[KEYMAP_MAX_BYTES]);
