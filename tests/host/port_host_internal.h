/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the host port share. */
#pragma once

#include "tests/host/port_host.h"

struct page {
	unsigned int nr_mapped; /* mappings in the range area that the page tables have */
	unsigned int nr_stale;	/* … and that only TLBs still have */
	bool allocated;
	bool counted;		/* by port_pages_alloc */
	unsigned int next_free; /* index of the next free page */
};

#define HOST_PHYS_BASE 0x100000ul /* physical address of page 0 */

extern bool host_is_set_up; /* the first chunk exists */
extern char *host_direct_map;
extern struct page *host_pages;
extern size_t host_nr_pages;
extern struct host_ledger host_books; /* what host_ledger tells */
extern bool host_heap_is_up;

/* Reserves all addresses and makes the physical memory. */
void host_memory_init(size_t nr_pages, bool ranges_fall);
/* A run of pages for the first chunk, zeroed, not counted as the allocator's. */
struct page *host_take_pages(size_t n);
void *host_page_address(const struct page *page);
void host_heap_set(bool up);
void host_early_pte(uintptr_t addr);

bool host_hook_fails(enum host_hook hook);
/* Ends the process if the caller may not call a hook that sleeps or needs the mutex. */
void host_assert_may_sleep(const char *hook);
void host_assert_mutex(const char *hook);
void host_locks_init(void);
