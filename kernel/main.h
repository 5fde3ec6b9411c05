/* SPDX-License-Identifier: GPL-2.0-only */
/* Where boot.S enters C. */
#pragma once

#include "kernel/compiler.h"

/*
 * Boots the kernel and does not return. magic: what the loader left in eax; info: physical address
 * of its Multiboot2 information, below 4 GiB. Boot CPU, boot page tables, interrupts off.
 */
void kmain(uint32_t magic, uint32_t info) __noreturn;
