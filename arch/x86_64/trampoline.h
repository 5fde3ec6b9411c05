/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the boot CPU hands to the code that starts the others, at the end of the trampoline's page.
 * C and assembly include it.
 */
#pragma once

/* Offsets in the page at TRAMPOLINE_PHYS. */
#define TRAMPOLINE_CR3	  0xfe0
#define TRAMPOLINE_TICKET 0xfe4
#define TRAMPOLINE_NR	  0xfe8
#define TRAMPOLINE_STACKS 0xff0
#define TRAMPOLINE_ENTRY  0xff8

#ifndef __ASSEMBLER__
#include "kernel/compiler.h"

struct trampoline_page {
	uint8_t code[TRAMPOLINE_CR3];
	uint32_t cr3;	 /* the kernel's page tables, below 4 GiB */
	uint32_t ticket; /* how many CPUs came by; each takes the stack of that number */
	uint32_t nr;	 /* stacks; a CPU with a higher ticket stops for good */
	uint32_t unused;
	uint64_t stacks; /* uint64_t *: tops of stacks */
	uint64_t entry;	 /* void (*)(void): does not return */
};

_Static_assert(offsetof(struct trampoline_page, cr3) == TRAMPOLINE_CR3, "trampoline.S reads it");
_Static_assert(offsetof(struct trampoline_page, ticket) == TRAMPOLINE_TICKET, "trampoline.S");
_Static_assert(offsetof(struct trampoline_page, nr) == TRAMPOLINE_NR, "trampoline.S reads it");
_Static_assert(offsetof(struct trampoline_page, stacks) == TRAMPOLINE_STACKS, "trampoline.S");
_Static_assert(offsetof(struct trampoline_page, entry) == TRAMPOLINE_ENTRY, "trampoline.S");
_Static_assert(sizeof(struct trampoline_page) == 4096, "it is one page");

/* The code to copy to the page's start. */
extern const char trampoline_start[], trampoline_end[];
#endif
