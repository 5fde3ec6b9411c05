/* SPDX-License-Identifier: GPL-2.0-only */
/* The screen's font, drawn in kernel/font.txt and made into C by tools/font.py. */
#pragma once

#include "kernel/compiler.h"

enum {
	FONT_WIDTH = 8, /* pixels */
	FONT_HEIGHT = 16,
	FONT_FIRST = 0x20, /* the character of the first glyph */
	FONT_OTHER = 0x7f, /* the last glyph: stands for all that has none */
	FONT_GLYPHS = FONT_OTHER - FONT_FIRST + 1,
};

/* A byte is a row of pixels, its highest bit leftmost. */
extern const uint8_t font_glyphs[FONT_GLYPHS][FONT_HEIGHT];
