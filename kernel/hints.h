/* SPDX-License-Identifier: GPL-2.0-only */
/* What a fault looks like, in words: what lies at its address, and hints for what is seen often. */
#pragma once

#include "arch/x86_64/irq.h"

/*
 * Prints what addr, the address of a page fault, is or was, by all books that the kernel keeps, and a line
 * "hint: …" for each known pattern: a NULL pointer, per-CPU or not; a per-CPU pointer used as an ordinary
 * one; the filling of freed memory in a register; a stack's guard page; a page of a chunk without memory;
 * read-only memory written to. Reads books under their locks: for a panic, after spin_break.
 */
void hints_print(const struct trap_frame *frame, uintptr_t addr);
/* What is at addr, without "0x… is", in up to size bytes. Context as above. */
void hints_address_text(uintptr_t addr, char *buf, size_t size);
