// SPDX-License-Identifier: GPL-2.0-only
/* Scan codes to bytes, see keymap.h. */
#include "arch/x86_64/keymap.h"

#include "kernel/string.h"

enum {
	CODE_RELEASED = 0x80, /* with it a key goes up */
	CODE_EXTENDED = 0xe0,
	CODE_PAUSE = 0xe1, /* and two more, each way */
	KEY_CONTROL = 0x1d,
	KEY_SHIFT_LEFT = 0x2a,
	KEY_SHIFT_RIGHT = 0x36,
	KEY_CAPS = 0x3a,
	KEY_KEYPAD_SLASH = 0x35,
	KEY_ENTER = 0x1c,
};

/* By code, from 0 to 0x39; \0 where there is no character. */
static const char plain[] =
	"\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
_Static_assert(sizeof(plain) == 0x3a + 1 && sizeof(shifted) == 0x3a + 1, "a key was left out");

enum { KEYPAD_FIRST = 0x47, KEYPAD_LAST = 0x53, KEY_102ND = 0x56 };
static const char keypad[] = "789-456+1230."; /* Num Lock is always on */

/* What the same keys send behind CODE_EXTENDED, after ESC [ ; NULL: nothing. */
static const char *const editing[] = {"H",  "A", "5~", NULL, "D",  NULL, "C",
				      NULL, "F", "B",  "6~", "2~", "3~"};
_Static_assert(ARRAY_SIZE(editing) == sizeof(keypad) - 1, "a key was left out");

static bool is_modifier(struct keymap *map, uint8_t key, bool down)
{
	if (key == KEY_CONTROL)
		map->control[map->extended] = down;
	else if (map->extended) /* shifts here are no keys: the keyboard undoes Num Lock by them */
		return false;
	else if (key == KEY_SHIFT_LEFT || key == KEY_SHIFT_RIGHT)
		map->shift[key == KEY_SHIFT_RIGHT] = down;
	else if (key == KEY_CAPS)
		map->caps ^= down;
	else
		return false;
	return true;
}

static char character(const struct keymap *map, uint8_t key)
{
	bool shift = map->shift[0] || map->shift[1];
	char c;

	if (key >= KEYPAD_FIRST && key <= KEYPAD_LAST)
		return keypad[key - KEYPAD_FIRST];
	if (key == KEY_102ND)
		return shift ? '|' : '\\';
	if (key >= sizeof(plain) - 1)
		return '\0';
	c = plain[key];
	if (map->caps && c >= 'a' && c <= 'z')
		shift = !shift;
	return shift ? shifted[key] : c;
}

static size_t extended_key(uint8_t key, char *bytes)
{
	const char *sequence = NULL;
	size_t n;

	if (key == KEY_ENTER || key == KEY_KEYPAD_SLASH) {
		bytes[0] = plain[key];
		return 1;
	}
	if (key >= KEYPAD_FIRST && key <= KEYPAD_LAST)
		sequence = editing[key - KEYPAD_FIRST];
	if (sequence == NULL)
		return 0;
	n = strlen(sequence);
	memcpy(bytes, "\033[", 2);
	memcpy(bytes + 2, sequence, n);
	return 2 + n;
}

static size_t plain_key(const struct keymap *map, uint8_t key, char *bytes)
{
	char c = character(map, key);

	if ((map->control[0] || map->control[1]) && c >= '@' && c < 0x7f)
		c &= 0x1f;
	bytes[0] = c;
	return c != '\0';
}

size_t keymap_feed(struct keymap *map, uint8_t code, char bytes[KEYMAP_MAX_BYTES])
{
	uint8_t key = code & (uint8_t)~CODE_RELEASED;
	size_t n = 0;

	if (map->skip > 0) {
		map->skip--;
	} else if (code == CODE_PAUSE) {
		map->skip = 2;
	} else if (code == CODE_EXTENDED) {
		map->extended = true;
		return 0;
	} else if (!is_modifier(map, key, !(code & CODE_RELEASED)) && !(code & CODE_RELEASED)) {
		n = map->extended ? extended_key(key, bytes) : plain_key(map, key, bytes);
	}
	map->extended = false;
	return n;
}
