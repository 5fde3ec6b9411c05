/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The borders of the kernel image, from linker.ld; all but __text_end are page-aligned. Each is a
 * kernel-window address; virt_to_phys gives where it was loaded.
 */
#pragma once

extern char __image_start[], __image_end[];   /* everything that was loaded, .bss included */
extern char __text_start[], __text_end[];     /* readable, executable */
extern char __rodata_start[], __rodata_end[]; /* readable */
extern char __data_start[], __data_end[];     /* writable: data, per-CPU load image, bss */
extern char __ksyms_start[], __ksyms_end[];   /* readable; ends with the image */

/* The boot CPU's stack and the page below it, which paging_init leaves unmapped. */
extern char boot_stack_guard[], boot_stack[], boot_stack_top[];
