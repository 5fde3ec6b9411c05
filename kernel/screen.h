/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console's text on the monitor: a grid of characters that follows the output, and its picture in the
 * framebuffer or in the text memory that the boot loader left us.
 *
 * Writing only changes the grid. The picture follows a row at a time, when somebody has the time for it:
 * lines that scroll by faster than they can be read are never painted. Nothing is ever read from video
 * memory.
 *
 * None of these takes a lock: the caller holds the console (kernel/printk.c), or no other CPU runs yet.
 */
#pragma once

#include "boot/multiboot2.h"

/*
 * Begins with what the loader tells; without a screen, or with one that cannot be used, all else here does
 * nothing. Before paging_init or after it; video memory above 4 GiB is painted from screen_map on.
 */
void screen_init(const struct boot_framebuffer *framebuffer);
/* Gives video memory a mapping of its own, in which writes are combined. After vmalloc_init. */
void screen_map(void);

/* What a piece of output is, as its colour shows. */
enum screen_tone { TONE_NORMAL, TONE_WARNING, TONE_ERROR };
/*
 * Writes n bytes at the cursor. Known controls: \n (which also returns), \r, \b, \t, ESC [ with m (colours,
 * 1 bold, 7 inverse), A B C D G H f (cursor), J K (erase), ESC 7 and 8 (keep the cursor, go back to it); other
 * sequences are passed over.
 */
void screen_write(const char *text, size_t n, enum screen_tone tone);

/* The grid's size; leaves both as they are if there is no screen. */
void screen_size(size_t *rows, size_t *columns);

/* Paints the next row that has changed; false if there is none. */
bool screen_paint_row(void);
/* When something was last painted, by time_ns; and whether a row waits. Any context, without the console. */
uint64_t screen_painted_at(void);
bool screen_is_behind(void);
