/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vmalloc area: address ranges in [VMALLOC_START, VMALLOC_END), found in logarithmic time in a tree
 * that knows the largest gap of each subtree; each range is followed by an unmapped gap of one page.
 * Finding: lowest address that fits. Ranges and mappings are separate: a range is only addresses.
 */
#pragma once

#include "arch/x86_64/paging.h"
#include "mm/page.h"

/* A range with a purpose; start and size in bytes, whole pages, without the gap. */
struct vm_range {
	uintptr_t start;
	size_t size;
	const char *name;
};

/*
 * Early form of vm_range_alloc: before vmalloc_init, from the bottom of the area; stays for good. The
 * caller owns `range`, sets size and name, finds start filled in. align: a power of two ≥ PAGE_SIZE.
 * Boot CPU only. Panics when called after vmalloc_init.
 */
void vm_area_register_early(struct vm_range *range, size_t align);
/* Needs kmalloc. Takes over the early ranges. */
void vmalloc_init(void);

/* An address range of size bytes (rounded up to pages) at align. Returns its start, 0 when there are
 * no addresses or no memory for the bookkeeping. name is kept, not copied. May be called anywhere but
 * in an interrupt. */
uintptr_t vm_range_alloc(size_t size, size_t align, const char *name);
/* Gives a range back; nothing may be mapped in it any more, and its flush is done. Panics when start
 * is not the start of a live range. */
void vm_range_free(uintptr_t start);
/* Heap bytes that the bookkeeping of one live range takes, as kmalloc_bytes counts. */
size_t vm_range_charge(void);
/* The range that holds addr: true and a copy in *out. Any context but NMI. */
bool vm_range_find(uintptr_t addr, struct vm_range *out);
/* The range with the lowest start > after: true and a copy in *out; false at the end. For listings. */
bool vm_range_next(uintptr_t after, struct vm_range *out);

/*
 * Maps n pages side by side from va on, writable and not executable. Returns 0, or -ENOMEM with
 * nothing left mapped. Needs no flush: nothing was mapped there, and whoever unmapped flushed.
 */
int vm_map_pages(uintptr_t va, struct page *const *pages, size_t n);
/* Takes the mappings of n pages away. No flush: the caller calls vm_flush before it frees a page. */
void vm_unmap_pages(uintptr_t va, size_t n);
/* Flushes [start, end) on every CPU and frees page tables that are left empty there. */
void vm_flush(uintptr_t start, uintptr_t end);

/* Memory that is contiguous only in addresses; page granular, zeroed, with unmapped gaps. NULL when
 * out of memory. vfree: may not be called in an interrupt. */
void *vmalloc(size_t size, const char *name);
void vfree(void *addr);
/* Maps device memory, writable; caching: PROT_NOCACHE or PROT_WRITE_COMBINE. pa and size need not be
 * aligned. Panics when it can't: boot only. */
void *vm_map_device(phys_addr_t pa, size_t size, unsigned int caching, const char *name);

/* Fault injection for tests: the n-th vm_range_alloc, vm_map_pages from now fails, once; 0: off. */
void vm_range_fail_nth(unsigned long n);
void vm_map_fail_nth(unsigned long n);
bool vm_fail_pending(void);
/* Tree, gaps and order of the ranges agree; for checkers. */
bool vmalloc_check(void);
/* Ranges that all searches for free addresses have looked at since boot; for tests of their cost. */
uint64_t vm_range_steps(void);
