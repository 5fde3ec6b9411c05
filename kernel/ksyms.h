/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's symbol table, linked into its image by the build. Any context. */
#pragma once

#include "kernel/compiler.h"

/* The function or object that holds addr; its offset in *offset and size in *size (either may be
 * NULL). "?" if there is none. */
const char *ksym_name(uintptr_t addr, size_t *offset, size_t *size);
/* The address of a symbol, 0 if there is none of that name. */
uintptr_t ksym_address(const char *name);
