/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What paging.c (the tables in use) and paging_init.c (making them) share: the form of an entry.
 * Source: Intel SDM vol. 3 tables 4-14 to 4-20.
 */
#pragma once

#include "arch/x86_64/paging.h"

#define PTE_PRESENT	  (1ul << 0)
#define PTE_WRITE	  (1ul << 1)
#define PTE_WRITE_THROUGH (1ul << 3)
#define PTE_NO_CACHE	  (1ul << 4)
#define PTE_ACCESSED	  (1ul << 5)
#define PTE_DIRTY	  (1ul << 6)
#define PTE_LARGE	  (1ul << 7) /* levels 2 and 3: a page, not a table */
#define PTE_GLOBAL	  (1ul << 8)
#define PTE_NO_EXECUTE	  (1ul << 63)
#define PTE_ADDRESS	  0x000ffffffffff000ul
#define PTE_TABLE	  (PTE_PRESENT | PTE_WRITE | PTE_ACCESSED)

#define PAGING_LEVELS  4
#define PAGING_ENTRIES 512
/* Bytes that one entry of a table of this level covers. */
#define PAGING_SPAN(level) (1ul << (PAGE_SHIFT + 9 * ((level)-1)))

/* The top table, through the direct map; NULL until paging_init has switched to it. */
extern uint64_t *paging_root;

/* The bits of a leaf with this protection, the address left out. Refuses write with execute. */
uint64_t paging_leaf_bits(unsigned int prot);

static inline unsigned int paging_index(uintptr_t va, unsigned int level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & (PAGING_ENTRIES - 1);
}

/* The table that an entry points at. */
static inline uint64_t *paging_table(uint64_t entry)
{
	return phys_to_virt(entry & PTE_ADDRESS);
}
