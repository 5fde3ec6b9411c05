/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Segment selectors, the same in the boot code, the trampoline and every CPU's own GDT. C and
 * assembly include it. Source: Intel SDM vol. 3 sections 3.4.5 (descriptors), 8.2.3 (64-bit TSS).
 */
#pragma once

#define GDT_CODE 0x08 /* 64-bit ring 0 code */
#define GDT_DATA 0x10 /* ring 0 data: ss; ds and es too, though 64-bit mode ignores them */
#define GDT_TSS	 0x18 /* two slots wide */

/* Flat descriptors with the accessed bit set, so that loading them never writes to the table. */
#define GDT_CODE_DESCRIPTOR 0x00af9b000000ffff
#define GDT_DATA_DESCRIPTOR 0x00cf93000000ffff
