// SPDX-License-Identifier: GPL-2.0-only
/*
 * The picture of the grid, in pixels of whatever form the loader describes, or in the VGA's text memory. What
 * is on the screen is remembered, so that a cell is painted only when it has changed.
 * Source: Multiboot2 specification 2.0, section 3.6.12 (framebuffer info).
 */
#define LOG_AREA "screen"
#include "arch/x86_64/memlayout.h"
#include "kernel/font.h"
#include "kernel/printk.h"
#include "kernel/screen_internal.h"
#include "kernel/string.h"
#include "mm/vmalloc.h"

#define BOOT_MAPPED_END (4ul << 30) /* video memory below is in the direct map from the start */
#define PHYS_END	(1ul << 52) /* of all addresses that an x86-64 can have */
#define MAX_PITCH	(1u << 20)
#define NR_COLOURS	16

static struct boot_framebuffer video;
static uint8_t *memory;			     /* NULL: no way to it yet */
static unsigned int cell_width, cell_height; /* pixels; in text mode a pixel is a whole cell */
static uint32_t palette[NR_COLOURS];
static cell_t shown[SCREEN_MAX_ROWS][SCREEN_MAX_COLUMNS]; /* 0: not known */

static unsigned int pixel_bytes(void)
{
	return (video.bits + 7u) / 8;
}

static uint32_t scaled(unsigned int value, struct boot_colour to)
{
	uint32_t bits = to.size <= 8 ? value >> (8 - to.size) : value << (to.size - 8);

	return bits << to.position;
}

/* Dark colours at two thirds, and the bright ones never quite dark, which is easier to read on black. */
static void make_palette(void)
{
	for (unsigned int colour = 0; colour < NR_COLOURS; colour++) {
		unsigned int on = colour & 8 ? 0xff : 0xb4, off = colour & 8 ? 0x60 : 0;

		palette[colour] = scaled(colour & 4 ? on : off, video.red) |
				  scaled(colour & 2 ? on : off, video.green) |
				  scaled(colour & 1 ? on : off, video.blue);
	}
}

static bool colour_fits(struct boot_colour colour)
{
	return colour.size >= 1 && colour.size <= 16 && colour.position + colour.size <= video.bits;
}

/* What keeps the framebuffer from being used, or NULL. */
static const char *unusable(void)
{
	if (video.type == FRAMEBUFFER_TEXT && video.bits != 8 * sizeof(cell_t))
		return "its characters are not of 16 bits";
	if (video.bits < 15 || video.bits > 32)
		return "its pixels are not of 15 to 32 bits";
	if (video.type == FRAMEBUFFER_RGB &&
	    !(colour_fits(video.red) && colour_fits(video.green) && colour_fits(video.blue)))
		return "its colours lie outside the pixel";
	if (video.pitch < (uint64_t)video.width * pixel_bytes() || video.pitch > MAX_PITCH)
		return "its pitch does not fit";
	if (pixel_bytes() != 3 && (video.address | video.pitch) % pixel_bytes() != 0)
		return "its pixels are not aligned";
	if (video.address >= PHYS_END)
		return "its address is none";
	return NULL;
}

/* Of the part that the grid covers. */
static size_t memory_size(unsigned int rows)
{
	return (size_t)video.pitch * rows * cell_height;
}

void screen_paint_init(const struct boot_framebuffer *framebuffer, unsigned int *rows,
		       unsigned int *columns)
{
	bool text = framebuffer->type == FRAMEBUFFER_TEXT;
	const char *problem;

	video = *framebuffer;
	*rows = *columns = 0;
	memory = NULL;
	memset(shown, 0, sizeof(shown));
	if (video.type == FRAMEBUFFER_NONE)
		return;
	problem = unusable();
	if (problem != NULL) {
		log_warn("framebuffer of %ux%u, %u bits, pitch %u: %s: the screen stays empty",
			 video.width, video.height, video.bits, video.pitch, problem);
		return;
	}
	cell_width = text ? 1 : FONT_WIDTH;
	cell_height = text ? 1 : FONT_HEIGHT;
	if (video.width < cell_width || video.height < cell_height)
		return;
	*columns = min(video.width / cell_width, (unsigned int)SCREEN_MAX_COLUMNS);
	*rows = min(video.height / cell_height, (unsigned int)SCREEN_MAX_ROWS);
	make_palette();
	if (video.address + memory_size(*rows) <= BOOT_MAPPED_END)
		memory = phys_to_virt(video.address);
}

void screen_paint_map(void)
{
	if (screen_grid.rows > 0)
		memory = vm_map_device(video.address, memory_size(screen_grid.rows),
				       PROT_WRITE_COMBINE, "screen");
}

bool screen_can_paint(void)
{
	return memory != NULL;
}

static void paint_pixels(uint8_t *to, uint8_t bits, uint32_t on, uint32_t off)
{
	unsigned int bytes = pixel_bytes();

	for (unsigned int x = 0; x < FONT_WIDTH; x++, to += bytes) {
		uint32_t pixel = bits & (0x80 >> x) ? on : off;

		if (bytes == 4)
			*(volatile uint32_t *)to = pixel;
		else if (bytes == 2)
			*(volatile uint16_t *)to = (uint16_t)pixel;
		else
			memcpy(to, &pixel, 3);
	}
}

static void paint_glyph(uint8_t *to, cell_t cell)
{
	uint8_t c = (uint8_t)cell;
	const uint8_t *glyph =
		font_glyphs[c >= FONT_FIRST && c < FONT_OTHER ? c - FONT_FIRST : FONT_GLYPHS - 1];
	uint32_t on = palette[cell >> 8 & 15], off = palette[cell >> 12 & 7];

	for (unsigned int y = 0; y < FONT_HEIGHT; y++, to += video.pitch)
		paint_pixels(to, glyph[y], on, off);
}

void screen_paint_cells(unsigned int row, const cell_t *cells)
{
	uint8_t *to = memory + (size_t)row * cell_height * video.pitch;

	for (unsigned int column = 0; column < screen_grid.columns; column++) {
		if (shown[row][column] != cells[column]) {
			shown[row][column] = cells[column];
			if (video.type == FRAMEBUFFER_TEXT)
				*(volatile cell_t *)to = cells[column];
			else
				paint_glyph(to, cells[column]);
		}
		to += cell_width * pixel_bytes();
	}
}
