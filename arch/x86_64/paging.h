/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own page tables: one set, shared by all CPUs. Source: Intel SDM vol. 3 chapter 4.
 * Changes are serialised inside by a spinlock; nothing here flushes a TLB unless it says so.
 */
#pragma once

#include "arch/x86_64/memlayout.h"
#include "kernel/compiler.h"

enum {
	PROT_READ = 0,
	PROT_WRITE = 1 << 0,
	PROT_EXEC = 1 << 1,	    /* never together with PROT_WRITE: refused with a panic */
	PROT_NOCACHE = 1 << 2,	    /* device memory */
	PROT_WRITE_COMBINE = 1 << 3 /* video memory: not cached, writes may be joined */
};

#define PHYS_NONE (~(phys_addr_t)0)

/*
 * Builds the final tables (kernel image by section, direct map of large pages, the vmalloc area's
 * top-level entries, the trampoline's page at its own address, readable and executable) with pages
 * from mm/early.h, and switches to them with CR0.WP, NX, global pages and, where the CPU has them,
 * SMEP, SMAP and UMIP. max_phys: end of the highest memory of any type that the direct map must
 * reach, in bytes. Context: boot CPU, once, before any other function here.
 */
void paging_init(phys_addr_t max_phys);
/* Sets this CPU's CR0, CR4 and EFER as paging_init did on the boot CPU; called by each AP. */
void paging_init_ap(void);
/* Takes the identity map of low memory away, on every CPU. After the last AP has started. */
void paging_drop_identity(void);

/*
 * Maps one 4 KiB page of the vmalloc area. va and pa are page-aligned; nothing may be mapped at va.
 * Returns 0, or -ENOMEM with nothing changed if a page table could not be had. Any context that may
 * take a spinlock with interrupts off.
 */
int paging_map(uintptr_t va, phys_addr_t pa, unsigned int prot);
/* As paging_map for n pages from va on, whose direct-map addresses are in pages; returns how many it mapped:
 * fewer than n if a page table could not be had. */
size_t paging_map_pages(uintptr_t va, void *const *pages, size_t n, unsigned int prot);
/* Removes the mapping of one page; returns the physical page that was there or PHYS_NONE. Page
 * tables left empty stay until paging_flush. The caller flushes, then frees. */
phys_addr_t paging_unmap(uintptr_t va);
/* Flushes [start, end) on every CPU and frees the page tables there that hold no entry any more; when
 * it returns, no CPU uses what was unmapped there before. Context as for tlb_flush_range. */
void paging_flush(uintptr_t start, uintptr_t end);
/* Makes the page tables for [start, end) from mm/early.h, so that paging_map never allocates there.
 * Only before the page allocator is up. */
void paging_populate_early(uintptr_t start, uintptr_t end);

/* What is mapped at va, large pages included: the physical address of that very byte and, unless
 * prot is NULL, its protection; PHYS_NONE if nothing is. */
phys_addr_t paging_lookup(uintptr_t va, unsigned int *prot);

/* Calls visit for each leaf, rising by address, until it returns false. size: of the page in bytes.
 * For checks: takes no lock. */
typedef bool (*paging_visit_fn)(uintptr_t va, size_t size, unsigned int prot, void *arg);
void paging_walk(paging_visit_fn visit, void *arg);
