/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The early allocator: physical memory as the boot loader describes it, handed out before the page
 * allocator stands. Everything it gave away stays taken for good, except early_free. Boot CPU only,
 * no locks; after page_init it panics.
 */
#pragma once

#include "kernel/compiler.h"

/* Adds usable memory; reserves part of what was or will be added. Any order, overlaps allowed. */
void early_add(phys_addr_t start, phys_addr_t end);
void early_reserve(phys_addr_t start, phys_addr_t end);
/*
 * Zeroed memory, physically contiguous, below limit (0: anywhere). size and align in bytes, align a
 * power of two ≥ 1. Returns its physical address; PHYS_NONE-like ~0 when there is none.
 */
phys_addr_t early_alloc_phys(size_t size, size_t align, phys_addr_t limit);
/* The same, as a kernel pointer; panics with the size when there is none. See early_virt. */
void *early_alloc(size_t size, size_t align);
/*
 * A pointer to early memory: in the boot page tables' window on the first GiB (at KERNEL_BASE) until
 * early_direct_map, afterwards in the direct map. What must outlive the switch is kept as a physical
 * address, or as phys_to_virt of it.
 */
void *early_virt(phys_addr_t pa);
/* paging_init says that the direct map stands. Until then only the first GiB is handed out. */
void early_direct_map(void);
/* Gives whole pages back. */
void early_free(phys_addr_t start, size_t size);
/* Bytes of usable memory in all; bytes handed out or reserved. */
uint64_t early_total(void);
uint64_t early_taken(void);
/* Calls fn for each range [start, end) of usable memory, of those whole pages that are still free,
 * rising. For page_init. */
void early_for_each_usable(void (*fn)(phys_addr_t start, phys_addr_t end));
void early_for_each_free(void (*fn)(phys_addr_t start, phys_addr_t end));
/* The end of the early allocator: every later add, reserve, alloc or free panics. */
void early_close(void);
