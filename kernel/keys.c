// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys of a terminal, see keys.h.
 *
 *	ESC [ numbers letter	ESC O letter	ESC [ numbers ~		keys
 *	ESC [ rows ; columns R						the cursor's place
 *	ESC [ [ letter							function keys of Linux's console
 *	ESC ] P X ^ _ …							a string, up to a control character
 *
 * A control character inside a sequence ends it and counts itself, so that Enter and Ctrl-C work
 * whatever came before them.
 * Source: ECMA-48 5.4 (control sequences) and 8.3 (their functions); XTerm Control Sequences.
 */
#include "kernel/keys.h"

#define NUMBER_LIMIT 9999

static int begin_sequence(struct key_parser *keys)
{
	keys->state = KEYS_SEQUENCE;
	keys->private = false;
	keys->numbers[0] = keys->numbers[1] = 0;
	keys->nr_numbers = 0;
	return KEY_NONE;
}

static int after_escape(struct key_parser *keys, char c)
{
	switch (c) {
	case '[':
	case 'O':
		return begin_sequence(keys);
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		keys->state = KEYS_STRING;
		return KEY_NONE;
	default:
		keys->state = KEYS_PLAIN;
		return KEY_NONE;
	}
}

static int tilde_key(unsigned int number)
{
	switch (number) {
	case 1:
	case 7:
		return KEY_HOME;
	case 3:
		return KEY_DELETE;
	case 4:
	case 8:
		return KEY_END;
	default:
		return KEY_NONE;
	}
}

/* F3 with Shift ends in R too; no terminal has so few columns. */
static int size_told(struct key_parser *keys)
{
	if (keys->nr_numbers != 2 || keys->numbers[0] < 2 || keys->numbers[1] < 20)
		return KEY_NONE;
	keys->rows = keys->numbers[0];
	keys->columns = keys->numbers[1];
	return KEY_SIZE;
}

static int end_sequence(struct key_parser *keys, char c)
{
	keys->state = KEYS_PLAIN;
	if (keys->private)
		return KEY_NONE;
	switch (c) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	case 'R':
		return size_told(keys);
	case '~':
		return tilde_key(keys->numbers[0]);
	default:
		return KEY_NONE;
	}
}

static void take_digit(struct key_parser *keys, char c)
{
	if (keys->nr_numbers == 0)
		keys->nr_numbers = 1;
	if (keys->nr_numbers <= 2) {
		unsigned int *number = &keys->numbers[keys->nr_numbers - 1];

		*number = min(*number * 10 + (unsigned int)(c - '0'), NUMBER_LIMIT + 0u);
	}
}

static int in_sequence(struct key_parser *keys, char c)
{
	if (c >= '0' && c <= '9') {
		take_digit(keys, c);
	} else if (c == ';' || c == ':') {
		keys->nr_numbers = max(keys->nr_numbers, 1u) + 1;
	} else if (c >= '<' && c <= '?') {
		keys->private = true;
	} else if (c == '[' && keys->nr_numbers == 0) {
		keys->state = KEYS_ONE_MORE;
	} else if (c >= '@') {
		return end_sequence(keys, c);
	}
	return KEY_NONE;
}

int key_take(struct key_parser *keys, char c)
{
	if (c == KEY_ESCAPE) {
		keys->state = KEYS_ESCAPE;
		return KEY_NONE;
	}
	if ((c >= 0 && c < ' ') || c == KEY_RUBOUT) {
		keys->state = KEYS_PLAIN;
		return c;
	}
	if (keys->state == KEYS_PLAIN)
		return c > 0 ? c : KEY_NONE;
	if (c < 0) { /* no sequence has a byte past 127 */
		if (keys->state != KEYS_STRING)
			keys->state = KEYS_PLAIN;
		return KEY_NONE;
	}
	switch (keys->state) {
	case KEYS_ESCAPE:
		return after_escape(keys, c);
	case KEYS_SEQUENCE:
		return in_sequence(keys, c);
	case KEYS_ONE_MORE:
		keys->state = KEYS_PLAIN;
		return KEY_NONE;
	default:
		return KEY_NONE;
	}
}
