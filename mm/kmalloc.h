/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel heap: size classes up to half a page cut from pages, larger blocks from the page
 * allocator (whole power-of-two page blocks up to 4 MiB). Any context but NMI; spinlock inside.
 */
#pragma once

#include "kernel/compiler.h"

#define HEAP_POISON 0xdf /* every byte of a freed object in test builds */

void kmalloc_init(void);
/* At least size bytes, aligned to 16 (to the size for powers of two up to a page); NULL when out of
 * memory, for size 0, for a size past 4 MiB and before kmalloc_init. kzalloc: zeroed. */
void *kmalloc(size_t size);
void *kzalloc(size_t size);
/* NULL does nothing; anything that kmalloc did not return, or that was freed already, panics. */
void kfree(void *ptr);
/* Bytes that live allocations asked for, rounded up to their class. */
size_t kmalloc_bytes(void);
/* What a live allocation of size bytes, 1 to 4 MiB, adds to kmalloc_bytes. */
size_t kmalloc_charge(size_t size);
/* Gives empty pages kept for reuse back to the page allocator. */
void kmalloc_trim(void);
/* Fault injection for tests: the n-th kmalloc or kzalloc from now fails, once; 0 turns it off. */
void kmalloc_fail_nth(unsigned long n);
bool kmalloc_fail_pending(void);
