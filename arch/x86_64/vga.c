// SPDX-License-Identifier: GPL-2.0-only
/* The VGA's text cursor, see vga.h. */
#include "arch/x86_64/vga.h"

#include "arch/x86_64/cpu.h"

enum {
	CRT_INDEX = 0x3d4, /* of the colour adapter */
	CRT_DATA = 0x3d5,
	CRT_CURSOR_START = 0x0a,
	CURSOR_OFF = 1 << 5,
};

void vga_hide_cursor(void)
{
	x86_outb(CRT_INDEX, CRT_CURSOR_START);
	x86_outb(CRT_DATA, CURSOR_OFF);
}
