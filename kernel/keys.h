/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keys of a terminal, read byte by byte. A key that sends a sequence may arrive in pieces, however
 * late; a sequence that is not known is passed over whole. Builds on the host too.
 */
#pragma once

#include "kernel/compiler.h"

#define CTRL(letter) ((letter)&0x1f)

/* What a byte completed. Values from 1 to 127 are the character or control key itself. */
enum {
	KEY_NONE = 0,
	KEY_ESCAPE = 0x1b,
	KEY_RUBOUT = 0x7f, /* what Backspace sends on most terminals */
	KEY_UP = 0x100,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_SIZE, /* no key: the answer to TERMINAL_ASK_SIZE, in rows and columns */
};

/* Asks a terminal where the cursor would stand if it were moved far down and right. */
#define TERMINAL_ASK_SIZE "\0337\033[999;999H\033[6n\0338"

enum key_state { KEYS_PLAIN, KEYS_ESCAPE, KEYS_SEQUENCE, KEYS_ONE_MORE, KEYS_STRING };

/* All 0 at first. */
struct key_parser {
	enum key_state state;
	bool private;		    /* the sequence has a '<', '=', '>' or '?': an answer, no key */
	unsigned int numbers[2];    /* of the sequence; 0 if not given */
	unsigned int nr_numbers;    /* begun; those past the second are not kept */
	unsigned int rows, columns; /* with KEY_SIZE */
};

/* Takes the next byte; returns the key that it completes. Any context. */
int key_take(struct key_parser *keys, char byte);
