/* SPDX-License-Identifier: GPL-2.0-only */
/* links: arch/x86_64/keymap.c */
/* What keys make which bytes, by scan codes of set 1. */
#include "arch/x86_64/keymap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct keymap map;
static char typed[512];
static size_t nr_typed;

/* Feeds codes and keeps what they make. */
static void feed(const uint8_t *codes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char bytes[KEYMAP_MAX_BYTES];
		size_t made = keymap_feed(&map, codes[i], bytes);

		assert_in_range(made, 0, KEYMAP_MAX_BYTES);
		assert_true(nr_typed + made < sizeof(typed));
		memcpy(typed + nr_typed, bytes, made);
		nr_typed += made;
	}
}

static void begin(void)
{
	memset(&map, 0, sizeof(map));
	nr_typed = 0;
}

#define FEED(...) feed((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define EXPECT_TYPED(text)                                    \
	do {                                                  \
		assert_int_equal(nr_typed, sizeof(text) - 1); \
		assert_memory_equal(typed, text, nr_typed);   \
		nr_typed = 0;                                 \
	} while (0)

/* Presses and releases each key of the four rows and the blank. */
static void press_all(void)
{
	for (uint8_t key = 0x02; key <= 0x39; key++)
		if (key != 0x1d && key != 0x2a && key != 0x36 && key != 0x37)
			FEED(key, key | 0x80);
}

static void every_key_of_the_us_layout(void **state)
{
	(void)state;
	begin();
	press_all();
	EXPECT_TYPED("1234567890-=\177\tqwertyuiop[]\rasdfghjkl;'`\\zxcvbnm,./ ");
	FEED(0x2a);
	press_all();
	FEED(0xaa);
	EXPECT_TYPED("!@#$%^&*()_+\177\tQWERTYUIOP{}\rASDFGHJKL:\"~|ZXCVBNM<>? ");
	FEED(0x01, 0x81, 0x56, 0xd6, 0x36, 0x56, 0xb6);
	EXPECT_TYPED("\033\\|");
}

static void shift_caps_and_control(void **state)
{
	(void)state;
	begin();
	FEED(0x2a, 0x36, 0xaa, 0x1e, 0xb6, 0x1e); /* both shifts, one let go */
	EXPECT_TYPED("Aa");
	FEED(0x3a, 0xba, 0x1e, 0x02, 0x2a, 0x1e, 0x02, 0xaa, 0x3a, 0xba, 0x1e);
	EXPECT_TYPED("A1a!a");
	FEED(0x1d, 0x2e, 0x16, 0x02, 0x1c, 0x0e, 0x9d, 0x2e);
	EXPECT_TYPED("\003\0251\r\177c");
	FEED(0xe0, 0x1d, 0x26, 0xe0, 0x9d, 0x26); /* the right one */
	EXPECT_TYPED("\014l");
}

static void cursor_and_editing_keys(void **state)
{
	(void)state;
	begin();
	FEED(0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0x4d, 0xe0, 0x4b, 0xe0, 0x47, 0xe0, 0x4f);
	EXPECT_TYPED("\033[A\033[B\033[C\033[D\033[H\033[F");
	FEED(0xe0, 0x53, 0xe0, 0x49, 0xe0, 0x51, 0xe0, 0x52);
	EXPECT_TYPED("\033[3~\033[5~\033[6~\033[2~");
	FEED(0xe0, 0x2a, 0xe0, 0x4b, 0xe0, 0xcb, 0xe0, 0xaa,
	     0x1e); /* with the shift that is none */
	EXPECT_TYPED("\033[Da");
}

static void keypad(void **state)
{
	(void)state;
	begin();
	FEED(0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x37);
	FEED(0xe0, 0x35, 0xe0, 0x1c);
	EXPECT_TYPED("789-456+1230.*/\r");
}

static void what_makes_nothing(void **state)
{
	(void)state;
	begin();
	FEED(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5); /* Pause */
	FEED(0x38, 0xb8, 0xe0, 0x38, 0xe0, 0xb8); /* Alt */
	FEED(0x3b, 0xbb, 0x45, 0x46, 0x57, 0x58, 0xe0, 0x5b, 0xe0, 0x4c, 0xe0, 0x37, 0xfa, 0x00,
	     0xff);
	EXPECT_TYPED("");
	FEED(0x1e);
	EXPECT_TYPED("a");
}

static void any_codes_are_survived(void **state)
{
	(void)state;
	begin();
	srand(1);
	for (unsigned int i = 0; i < 1000000; i++) {
		uint8_t code = (uint8_t)rand();

		feed(&code, 1);
		nr_typed = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_us_layout),
		cmocka_unit_test(shift_caps_and_control),
		cmocka_unit_test(cursor_and_editing_keys),
		cmocka_unit_test(keypad),
		cmocka_unit_test(what_makes_nothing),
		cmocka_unit_test(any_codes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
