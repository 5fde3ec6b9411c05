/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page allocator: a binary buddy system over all memory that the early allocator left, with a
 * ledger of who owns how many pages. Any context but NMI; a spinlock with interrupts off inside.
 * Source: Knuth, "The Art of Computer Programming" vol. 1, 2.5 (buddy system).
 */
#pragma once

#include "arch/x86_64/memlayout.h"
#include "kernel/list.h"

enum page_owner {
	PAGE_FREE,
	PAGE_BOOT,    /* taken before page_init: image, tables, first chunk, modules */
	PAGE_PGTABLE, /* page tables of the vmalloc area */
	PAGE_HEAP,    /* kmalloc */
	PAGE_PERCPU,  /* per-CPU chunks */
	PAGE_VMALLOC, /* vmalloc: stacks, big buffers */
	PAGE_TEST,    /* tests */
	PAGE_NR_OWNERS
};

struct page {
	struct list_node node;	/* free list, or its owner's */
	uint8_t owner;		/* enum page_owner, in the head; PAGE_NR_OWNERS: no memory there */
	uint8_t order;		/* of the block this page heads, PAGE_NOT_HEAD inside a block */
	uint8_t free_head : 1;	/* heads a free block */
	uint8_t heap_shift : 4; /* heap: log2 of the object size, 0: one large block */
	uint8_t poisoned : 1;	/* free and filled with PAGE_POISON (test builds) */
	uint8_t node_id;	/* memory node */
	uint32_t entries;	/* page tables: entries in use. heap: its own */
	unsigned long heap_map; /* heap: objects in use, a bit each. page tables: their own */
};

#define PAGE_MAX_ORDER 10 /* blocks of up to 2^10 pages */
#define PAGE_NOT_HEAD  0xff
#define PAGE_MAX_NODES 16 /* memory nodes with free lists of their own; higher ids share the last */
#define PAGE_POISON    0xd1efa11ed1efa11e /* every eight bytes of a free page in test builds */

/* Takes over from the early allocator; after acpi_init. Panics when there is no memory. */
void page_init(void);
/* 2^order pages, contents undefined (poisoned in test builds); NULL when there are none. */
struct page *page_alloc(unsigned int order, enum page_owner owner);
/* The same, from the given memory node first, then from any. */
struct page *page_alloc_node(unsigned int node, unsigned int order, enum page_owner owner);
/* n single pages so, their direct-map addresses into pages[0] to pages[n - 1]. Returns how many there were;
 * the rest of the array is as it was. */
size_t page_alloc_many(unsigned int node, enum page_owner owner, void **pages, size_t n);
/* Gives a block back. Panics on a page that is free already, not the head of a block, or taken before
 * page_init; in test builds page_alloc panics when a free page was written to. */
void page_free(struct page *page);

phys_addr_t page_to_phys(const struct page *page);
struct page *phys_to_page(phys_addr_t pa);   /* NULL if pa is not memory the allocator knows */
void *page_address(const struct page *page); /* in the direct map */

/* The ledger, in pages. */
size_t page_count(enum page_owner owner);
size_t page_total(void);
const char *page_owner_name(enum page_owner owner);
/* The name of who owns the page at pa, inside a block too; "nobody" where there is no memory. For messages:
 * takes no lock. */
const char *page_owner_at(phys_addr_t pa);
/* Free blocks of that order, on all nodes. */
size_t page_free_blocks(unsigned int order);
/* Whether free lists, struct pages and ledger agree. Reads every struct page: for tests. */
bool page_check(void);

/*
 * Fault injection for tests: the n-th page_alloc from now (1: the next) by owner fails, once; 0 turns
 * it off. page_fail_pending: whether one of any owner has not fired yet.
 */
void page_fail_nth(enum page_owner owner, unsigned long n);
bool page_fail_pending(void);
