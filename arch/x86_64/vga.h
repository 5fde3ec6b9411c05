/* SPDX-License-Identifier: GPL-2.0-only */
/* The VGA's registers, as far as text mode needs them. Source: IBM VGA technical reference, CRT controller. */
#pragma once

/* Turns the blinking cursor of text mode off: the console paints its own. */
void vga_hide_cursor(void);
