/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page an application processor starts in: code copied to TRAMPOLINE_PHYS, and near its end what the
 * boot CPU hands over. C and assembly include this; C checks the offsets.
 */
#pragma once

#define TRAMPOLINE_PARAMS 0xf00 /* offset of struct trampoline_params in the page */
#define PARAMS_CR3   0
#define PARAMS_EFER  8
#define PARAMS_STACK 16
#define PARAMS_ENTRY 24
#define PARAMS_CPU   32

#ifndef __ASSEMBLER__
#include "kernel/compiler.h"

struct trampoline_params {
	uint64_t cr3;	/* the kernel's page tables, below 4 GiB */
	uint64_t efer;	/* LME, NXE as on the boot CPU */
	uint64_t stack; /* top of the stack */
	uint64_t entry; /* void entry(unsigned int cpu) */
	uint64_t cpu;	/* id of the CPU that is being started */
};

_Static_assert(offsetof(struct trampoline_params, cr3) == PARAMS_CR3, "trampoline.S");
_Static_assert(offsetof(struct trampoline_params, efer) == PARAMS_EFER, "trampoline.S");
_Static_assert(offsetof(struct trampoline_params, stack) == PARAMS_STACK, "trampoline.S");
_Static_assert(offsetof(struct trampoline_params, entry) == PARAMS_ENTRY, "trampoline.S");
_Static_assert(offsetof(struct trampoline_params, cpu) == PARAMS_CPU, "trampoline.S");

extern const char trampoline_start[], trampoline_end[];
#endif
