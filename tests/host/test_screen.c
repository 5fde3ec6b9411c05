/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/screen.c kernel/screen_paint.c build/font.c tests/host/stub_kernel.c */
/*
 * The screen: what the grid holds after output with controls and sequences, and that the pixels of every form of
 * framebuffer show it. Video memory is a heap block of just its size, so that the sanitizer sees a stray write.
 */
#include "kernel/screen_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/vga.h"
#include "kernel/font.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"
#include "tests/host/stub_kernel.h"

#define ABOVE_BOOT_MAP (5ul << 30)

static uint8_t *video_memory;
static size_t video_size;
static unsigned int cursor_hidden, nr_mapped;

void vga_hide_cursor(void)
{
	cursor_hidden++;
}

uint64_t time_ns(void)
{
	static uint64_t now;

	return ++now;
}

void *vm_map_device(phys_addr_t pa __unused, size_t size, unsigned int caching,
		    const char *name __unused)
{
	assert_int_equal(caching, PROT_WRITE_COMBINE);
	assert_true(size <= video_size);
	nr_mapped++;
	return video_memory;
}

/* ---- Framebuffers ---- */

static struct boot_framebuffer rgb(unsigned int width, unsigned int height, uint8_t bits)
{
	struct boot_framebuffer framebuffer = {
		.type = FRAMEBUFFER_RGB,
		.address = ABOVE_BOOT_MAP,
		.pitch = width * ((bits + 7u) / 8) + 12,
		.width = width,
		.height = height,
		.bits = bits,
		.red = {16, 8},
		.green = {8, 8},
		.blue = {0, 8},
	};

	if (bits == 16 || bits == 15) {
		framebuffer.red = (struct boot_colour){bits - 5, 5};
		framebuffer.green = (struct boot_colour){5, bits - 10};
		framebuffer.blue = (struct boot_colour){0, 5};
	}
	return framebuffer;
}

/* A screen of rgb pixels, or of text if bits is 0, in fresh video memory full of rubbish. */
static void begin(const struct boot_framebuffer *framebuffer)
{
	free(video_memory);
	video_size = (size_t)framebuffer->pitch * framebuffer->height;
	video_memory = malloc(video_size);
	memset(video_memory, 0x5a, video_size);
	screen_init(framebuffer);
	screen_map();
}

static void begin_rgb(unsigned int rows, unsigned int columns)
{
	struct boot_framebuffer framebuffer = rgb(columns * 8, rows * 16, 32);

	begin(&framebuffer);
}

static void paint_all(void)
{
	while (screen_paint_row()) {
	}
}

static void put(const char *text)
{
	screen_write(text, strlen(text), TONE_NORMAL);
}

static void expect_row(unsigned int row, const char *want)
{
	char got[SCREEN_MAX_COLUMNS + 1];
	unsigned int end = screen_grid.columns;

	for (unsigned int column = 0; column < screen_grid.columns; column++)
		got[column] = (char)screen_grid.cells[row][column];
	while (end > 0 && got[end - 1] == ' ')
		end--;
	got[end] = '\0';
	if (strcmp(got, want) != 0)
		fail_msg("row %u: got '%s', want '%s'", row, got, want);
}

static unsigned int colours(unsigned int row, unsigned int column)
{
	return screen_grid.cells[row][column] >> 8;
}

/* ---- The grid ---- */

static void lines_wrap_and_scroll(void **state __unused)
{
	begin_rgb(3, 10);
	put("0123456789");
	expect_row(0, "0123456789");
	put("\nab\n0123456789x");
	expect_row(0, "ab");
	expect_row(1, "0123456789");
	expect_row(2, "x");
	put("\n\n");
	expect_row(0, "x");
	expect_row(1, "");
}

static void controls_move_the_cursor(void **state __unused)
{
	begin_rgb(3, 20);
	put("abc\rX\b\b\bY\tZ\t\t\tend");
	expect_row(0, "Ybc     Z          e");
	expect_row(1, "nd");
	put("\a\v\x0e!");
	expect_row(1, "nd!");
	put("\r\n\xc3\xa9\xe2\x82\xac|");
	assert_int_equal((uint8_t)screen_grid.cells[2][0], 0xc3);
	assert_int_equal((uint8_t)screen_grid.cells[2][2], '|');
}

static void sequences_move_and_erase(void **state __unused)
{
	begin_rgb(4, 10);
	put("aaaaaaaaaa\nbbbbbbbbbb\ncccccccccc\ndddddddddd");
	put("\033[2;3HX\033[AY\033[BZ\033[3DW\033[10CV\033[1G<");
	expect_row(0, "aaaYaaaaaa");
	expect_row(1, "<bWbZbbbbV");
	put("\033[2;5H\033[K\033[3;5f\033[1K\033[J");
	expect_row(1, "<bWb");
	expect_row(2, "");
	expect_row(3, "");
	put("\033[99;99H#\033[1;1H\033[1J");
	expect_row(0, " aaYaaaaaa");
	expect_row(3, "         #");
	put("\033[2J.");
	expect_row(0, ".");
	expect_row(3, "");
	put("\033[2;4H\0337\033[999;999H\033[6n\0338k");
	expect_row(1, "   k");
	put("\033[H\033[99A\033[99D\033[99B*\033[4G\033[2K");
	expect_row(3, "");
}

static void unknown_sequences_leave_no_trace(void **state __unused)
{
	begin_rgb(2, 40);
	put("a\033[?25l\033[=1;2Hb\033[1;2;3;4;5;6;7;8;9;10;11;12zc\033(d\033[999999999999q\033Me");
	put("\033[ !f\033[>m.");
	expect_row(0, "abce.");
}

static void colours_are_the_vgas(void **state __unused)
{
	begin_rgb(2, 40);
	put("a\033[31mb\033[1mc\033[42md\033[7me\033[0mf\033[93mg\033[39mh\033[44;34mi\033["
	    "49mj\033[mk");
	assert_int_equal(colours(0, 0), 0x07);
	assert_int_equal(colours(0, 1), 0x04);
	assert_int_equal(colours(0, 2), 0x0c);
	assert_int_equal(colours(0, 3), 0x2c);
	assert_int_equal(colours(0, 4), 0x42);
	assert_int_equal(colours(0, 5), 0x07);
	assert_int_equal(colours(0, 6), 0x0e);
	assert_int_equal(colours(0, 7), 0x07);
	assert_int_equal(colours(0, 8), 0x11);
	assert_int_equal(colours(0, 9), 0x01);
	assert_int_equal(colours(0, 10), 0x07);
	put("\r");
	screen_write("WE", 1, TONE_WARNING);
	screen_write("E", 1, TONE_ERROR);
	put("n\033[36m");
	screen_write("c", 1, TONE_ERROR);
	assert_int_equal(colours(0, 0), 0x0e);
	assert_int_equal(colours(0, 1), 0x0c);
	assert_int_equal(colours(0, 2), 0x07);
	assert_int_equal(colours(0, 3), 0x03);
}

/* ---- The picture ---- */

static uint32_t pixel(const struct boot_framebuffer *framebuffer, unsigned int x, unsigned int y)
{
	unsigned int bytes = (framebuffer->bits + 7u) / 8;
	uint32_t value = 0;

	memcpy(&value, video_memory + (size_t)y * framebuffer->pitch + (size_t)x * bytes, bytes);
	return value;
}

static void expect_glyph(const struct boot_framebuffer *framebuffer, unsigned int row,
			 unsigned int column, uint8_t c, uint32_t on, uint32_t off)
{
	const uint8_t *glyph = font_glyphs[c - FONT_FIRST];

	for (unsigned int y = 0; y < FONT_HEIGHT; y++)
		for (unsigned int x = 0; x < FONT_WIDTH; x++)
			assert_int_equal(pixel(framebuffer, column * 8 + x, row * 16 + y),
					 glyph[y] & 0x80 >> x ? on : off);
}

/* Bright yellow on blue, in each form of pixel. */
static void each_pixel_form_shows_the_grid(void **state __unused)
{
	static const struct {
		uint8_t bits;
		uint32_t yellow, blue, grey;
	} forms[] = {
		{32, 0xffff60, 0x0000b4, 0xb4b4b4},
		{24, 0xffff60, 0x0000b4, 0xb4b4b4},
		{16, 0xffec, 0x0016, 0xb5b6},
		{15, 0x7fec, 0x0016, 0x5ad6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct boot_framebuffer framebuffer = rgb(100, 50, forms[i].bits);

		begin(&framebuffer);
		assert_int_equal(screen_grid.rows, 3);
		assert_int_equal(screen_grid.columns, 12);
		put("\n\033[93;44mQ\033[0m\x80\xc0");
		paint_all();
		expect_glyph(&framebuffer, 1, 0, 'Q', forms[i].yellow, forms[i].blue);
		expect_glyph(&framebuffer, 1, 1, FONT_OTHER, forms[i].grey, 0);
		expect_glyph(&framebuffer, 1, 2, ' ', 0, forms[i].grey); /* the cursor */
		expect_glyph(&framebuffer, 2, 11, ' ', forms[i].grey, 0);
		assert_int_equal(video_memory[12 * 8 * ((forms[i].bits + 7) / 8)], 0x5a);
	}
}

static void wider_colours_keep_their_high_bits(void **state __unused)
{
	struct boot_framebuffer framebuffer = rgb(16, 32, 32);

	framebuffer.red = (struct boot_colour){20, 10};
	framebuffer.green = (struct boot_colour){10, 10};
	framebuffer.blue = (struct boot_colour){0, 10};
	begin(&framebuffer);
	put("\033[91mR\n");
	paint_all();
	expect_glyph(&framebuffer, 0, 0, 'R', 0xffu << 22 | 0x60u << 12 | 0x60u << 2, 0);
}

static void text_memory_shows_the_grid(void **state __unused)
{
	struct boot_framebuffer framebuffer = {.type = FRAMEBUFFER_TEXT,
					       .address = ABOVE_BOOT_MAP,
					       .pitch = 160,
					       .width = 80,
					       .height = 25,
					       .bits = 16};
	cell_t *cells;

	cursor_hidden = 0;
	begin(&framebuffer);
	assert_int_equal(cursor_hidden, 1);
	put("\n\033[31mA");
	paint_all();
	cells = (cell_t *)video_memory;
	assert_int_equal(cells[0], 0x0720);
	assert_int_equal(cells[80], 0x0441);
	assert_int_equal(cells[81], 0x7020);
	assert_int_equal(cells[80 * 25 - 1], 0x0720);
}

static void only_what_changed_is_painted(void **state __unused)
{
	struct boot_framebuffer framebuffer = rgb(80, 48, 32);

	begin(&framebuffer);
	put("abc\n\n");
	paint_all();
	assert_false(screen_is_behind());
	memset(video_memory, 0x77, video_size);
	paint_all();
	put("\033[1;3HX\033[3;1H");
	assert_true(screen_is_behind());
	paint_all();
	for (unsigned int y = 0; y < 48; y++)
		for (unsigned int x = 0; x < 80; x++) {
			bool inside = y < FONT_HEIGHT && x / FONT_WIDTH == 2;

			assert_int_equal(pixel(&framebuffer, x, y) != 0x77777777, inside);
		}
}

static void memory_below_4_gib_is_painted_before_it_is_mapped(void **state __unused)
{
	struct boot_framebuffer framebuffer = rgb(80, 32, 32);

	framebuffer.address = 0x2000;
	host_memory_init(1 << 20);
	nr_mapped = 0;
	screen_init(&framebuffer);
	put("early");
	assert_true(screen_is_behind());
	paint_all();
	assert_int_equal(nr_mapped, 0);
	assert_memory_not_equal(phys_to_virt(0x2000), phys_to_virt(0x2000 + 6 * framebuffer.pitch),
				32);
	framebuffer.address = ABOVE_BOOT_MAP;
	screen_init(&framebuffer);
	put("late");
	assert_false(screen_paint_row());
	assert_false(screen_is_behind());
}

static void expect_unusable(struct boot_framebuffer framebuffer)
{
	size_t rows = 24, columns = 80;

	screen_init(&framebuffer);
	screen_size(&rows, &columns);
	assert_true(rows == 24 && columns == 80);
	assert_int_equal(screen_grid.rows, 0);
	put("nothing\n");
	nr_mapped = 0;
	screen_map();
	assert_int_equal(nr_mapped, 0);
	assert_false(screen_paint_row());
	assert_false(screen_is_behind());
}

static void what_cannot_be_used_is_left_alone(void **state __unused)
{
	struct boot_framebuffer good = rgb(640, 480, 32), bad;

	expect_unusable((struct boot_framebuffer){0});
	bad = good, bad.bits = 8, expect_unusable(bad);
	bad = good, bad.bits = 64, expect_unusable(bad);
	bad = good, bad.pitch = 640 * 4 - 1, expect_unusable(bad);
	bad = good, bad.pitch = 1u << 31, expect_unusable(bad);
	bad = good, bad.pitch++, expect_unusable(bad);
	bad = good, bad.address++, expect_unusable(bad);
	bad = good, bad.address = UINT64_MAX - 3, expect_unusable(bad);
	bad = good, bad.red.position = 25, expect_unusable(bad);
	bad = good, bad.green.size = 0, expect_unusable(bad);
	bad = good, bad.blue.size = 255, expect_unusable(bad);
	bad = good, bad.width = 7, expect_unusable(bad);
	bad = good, bad.height = 15, expect_unusable(bad);
	bad = good, bad.type = FRAMEBUFFER_TEXT, expect_unusable(bad);
}

static void a_large_screen_is_used_as_far_as_the_grid_reaches(void **state __unused)
{
	struct boot_framebuffer framebuffer = rgb(3840, 2160, 32);
	size_t rows, columns;

	begin(&framebuffer);
	screen_size(&rows, &columns);
	assert_int_equal(rows, SCREEN_MAX_ROWS);
	assert_int_equal(columns, SCREEN_MAX_COLUMNS);
	assert_int_equal(screen_grid.rows, SCREEN_MAX_ROWS);
	assert_int_equal(screen_grid.columns, SCREEN_MAX_COLUMNS);
	for (unsigned int i = 0; i < 100; i++)
		put("a line that scrolls by\n");
	paint_all();
	assert_int_equal(video_memory[(size_t)framebuffer.pitch * SCREEN_MAX_ROWS * 16], 0x5a);
}

/* Any bytes, most of them parts of sequences: nothing outside the grid is touched. */
static void any_output_is_survived(void **state __unused)
{
	static const char parts[] = "\033\033[[[0123456789;;;ABCDGHfJKmh?\n\r\b\t xyz\x80\xff";

	for (unsigned int size = 1; size < 5; size++) {
		begin_rgb(size, 3 * size);
		for (unsigned int i = 0; i < 200000; i++) {
			char c = parts[host_random(sizeof(parts) - 1)];

			screen_write(&c, 1, (enum screen_tone)host_random(3));
			if (i % 64 == 0)
				screen_paint_row();
		}
		paint_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_wrap_and_scroll),
		cmocka_unit_test(controls_move_the_cursor),
		cmocka_unit_test(sequences_move_and_erase),
		cmocka_unit_test(unknown_sequences_leave_no_trace),
		cmocka_unit_test(colours_are_the_vgas),
		cmocka_unit_test(each_pixel_form_shows_the_grid),
		cmocka_unit_test(wider_colours_keep_their_high_bits),
		cmocka_unit_test(text_memory_shows_the_grid),
		cmocka_unit_test(only_what_changed_is_painted),
		cmocka_unit_test(memory_below_4_gib_is_painted_before_it_is_mapped),
		cmocka_unit_test(what_cannot_be_used_is_left_alone),
		cmocka_unit_test(a_large_screen_is_used_as_far_as_the_grid_reaches),
		cmocka_unit_test(any_output_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
