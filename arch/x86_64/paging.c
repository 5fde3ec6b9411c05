// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's page tables after boot: four levels, one set for all CPUs.
 *
 *   table level   4 (PML4)     3 (PDPT)    2 (PD)      1 (PT)
 *   entry covers  512 GiB      1 GiB       2 MiB       4 KiB
 *
 * Only leaves decide on protection; entries that point at tables allow everything. The vmalloc
 * area's level-4 entries are made once, so no later change ever touches the top table, and no CPU
 * can miss one. Tables made before the page allocator stands are never freed; the others carry in
 * struct page the number of entries in use, and paging_flush takes the empty ones.
 * Source: Intel SDM vol. 3 sections 4.5 (4-level paging), 4.10 (caches and their invalidation).
 */
#include "arch/x86_64/paging.h"

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/paging_internal.h"
#include "arch/x86_64/smp.h"
#include "kernel/errno.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "mm/page.h"

uint64_t *paging_root;

/* (paging_lock) Tables that paging_flush unlinked and has not freed: heap_map is their table_key,
 * entries the number of the flush. */
static struct list_node dying_tables = LIST_INIT(dying_tables);
static struct spinlock paging_lock = SPINLOCK_INIT("page tables", LOCK_CLASS_PAGING);

uint64_t paging_leaf_bits(unsigned int prot)
{
	uint64_t bits = PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;

	if ((prot & PROT_WRITE) && (prot & PROT_EXEC))
		panic("paging: a mapping both writable and executable was asked for");
	if (prot & PROT_WRITE)
		bits |= PTE_WRITE;
	if (!(prot & PROT_EXEC))
		bits |= PTE_NO_EXECUTE;
	if (prot & PROT_NOCACHE)
		bits |= PTE_NO_CACHE | PTE_WRITE_THROUGH;
	if (prot & PROT_WRITE_COMBINE)
		bits |= PTE_WRITE_THROUGH; /* alone: type 1 of PAT_TYPES */
	return bits;
}

/* The entry for va in the table of the given level, whatever lies between; NULL if a table on the way
 * is missing or a large page ends the way early. */
static uint64_t *entry_find(uintptr_t va, unsigned int level)
{
	uint64_t *table = paging_root;

	for (unsigned int at = PAGING_LEVELS; at > level; at--) {
		uint64_t entry = READ_ONCE(table[paging_index(va, at)]);

		if (!(entry & PTE_PRESENT) || (entry & PTE_LARGE))
			return NULL;
		table = paging_table(entry);
	}
	return &table[paging_index(va, level)];
}

/* The page of a table that paging_map made; NULL for one from before the page allocator. */
static struct page *table_page(const uint64_t *entry)
{
	struct page *page =
		phys_to_page(virt_to_phys((void *)ALIGN_DOWN((uintptr_t)entry, PAGE_SIZE)));

	return page != NULL && page->owner == PAGE_PGTABLE ? page : NULL;
}

/* Stores an entry that was empty, or empties one, and keeps its table's count. */
static void entry_fill(uint64_t *entry, uint64_t value)
{
	struct page *page = table_page(entry);

	WRITE_ONCE(*entry, value);
	if (page != NULL)
		page->entries++;
}

static void entry_clear(uint64_t *entry)
{
	struct page *page = table_page(entry);

	WRITE_ONCE(*entry, 0);
	if (page != NULL)
		page->entries--;
}

/* What a table that is being taken away was linked for: the span of addresses and its entry's level. */
static unsigned long table_key(uintptr_t va, unsigned int level)
{
	return ALIGN_DOWN(va, PAGING_SPAN(level)) | level;
}

static bool table_is_dying(const struct page *page)
{
	return page->heap_map != 0;
}

/*
 * A table to link at va's entry of that level. While paging_flush takes one away from there, CPUs may
 * still have it cached and would not see another one: then it must be the same again.
 */
static struct page *table_get(uintptr_t va, unsigned int level)
{
	struct page *page;

	list_for_each_entry (page, &dying_tables, node) {
		if (page->heap_map == table_key(va, level))
			return page;
	}
	page = page_alloc(0, PAGE_PGTABLE);
	if (page != NULL)
		memset(page_address(page), 0, PAGE_SIZE);
	return page;
}

static void table_link(uint64_t *entry, struct page *page)
{
	if (table_is_dying(page)) {
		list_del(&page->node);
		page->heap_map = 0;
	}
	page->entries = 0;
	entry_fill(entry, page_to_phys(page) | PTE_TABLE);
}

/*
 * Makes the level-1 table of va, and the level-2 one above if that is missing too. Both are had before
 * either is linked, so running out changes nothing.
 */
static int tables_make(uintptr_t va)
{
	uint64_t *upper = entry_find(va, 3);
	bool need_middle = !(*upper & PTE_PRESENT);
	struct page *lower = table_get(va, 2);
	struct page *middle = lower != NULL && need_middle ? table_get(va, 3) : NULL;

	if (lower == NULL || (need_middle && middle == NULL)) {
		if (lower != NULL && !table_is_dying(lower))
			page_free(lower);
		return -ENOMEM;
	}
	if (need_middle)
		table_link(upper, middle);
	table_link(entry_find(va, 2), lower);
	return 0;
}

static void check_vmalloc_page(uintptr_t va, const char *function)
{
	if (va < VMALLOC_START || va >= VMALLOC_END || va % PAGE_SIZE != 0)
		panic("%s: 0x%lx is not a page address in the vmalloc area", function, va);
}

static int map_locked(uintptr_t va, uint64_t leaf)
{
	uint64_t *entry = entry_find(va, 1);

	if (entry == NULL) {
		int error = tables_make(va);

		if (error != 0)
			return error;
		entry = entry_find(va, 1);
	}
	if (*entry & PTE_PRESENT)
		panic("paging_map: 0x%lx is mapped to 0x%lx already", va, *entry & PTE_ADDRESS);
	entry_fill(entry, leaf);
	return 0;
}

int paging_map(uintptr_t va, phys_addr_t pa, unsigned int prot)
{
	uint64_t leaf = pa | paging_leaf_bits(prot);
	irqflags_t flags;
	int error;

	check_vmalloc_page(va, "paging_map");
	if ((pa & ~PTE_ADDRESS) != 0)
		panic("paging_map: 0x%lx is not the physical address of a page", pa);
	flags = spin_lock_irqsave(&paging_lock);
	error = map_locked(va, leaf);
	spin_unlock_irqrestore(&paging_lock, flags);
	return error;
}

/* Fills entries of one table, which are empty, up to its end. Returns how many. */
static size_t fill_table(uint64_t *entry, uintptr_t va, void *const *pages, size_t n, uint64_t bits)
{
	struct page *table = table_page(entry);
	size_t count = min(n, PAGING_ENTRIES - paging_index(va, 1));

	for (size_t i = 0; i < count; i++) {
		if (entry[i] & PTE_PRESENT)
			panic("paging_map: 0x%lx is mapped to 0x%lx already", va + i * PAGE_SIZE,
			      entry[i] & PTE_ADDRESS);
		WRITE_ONCE(entry[i], virt_to_phys(pages[i]) | bits);
	}
	if (table != NULL)
		table->entries += count;
	return count;
}

size_t paging_map_pages(uintptr_t va, void *const *pages, size_t n, unsigned int prot)
{
	uint64_t bits = paging_leaf_bits(prot);
	size_t done = 0;
	irqflags_t flags;

	check_vmalloc_page(va, "paging_map");
	flags = spin_lock_irqsave(&paging_lock);
	while (done < n) {
		uint64_t *entry = entry_find(va, 1);

		if (entry == NULL && tables_make(va) != 0)
			break;
		if (entry != NULL) {
			size_t count = fill_table(entry, va, pages + done, n - done, bits);

			done += count;
			va += count * PAGE_SIZE;
		}
	}
	spin_unlock_irqrestore(&paging_lock, flags);
	return done;
}

phys_addr_t paging_unmap(uintptr_t va)
{
	phys_addr_t pa = PHYS_NONE;
	irqflags_t flags;
	uint64_t *entry;

	check_vmalloc_page(va, "paging_unmap");
	flags = spin_lock_irqsave(&paging_lock);
	entry = entry_find(va, 1);
	if (entry != NULL && (*entry & PTE_PRESENT)) {
		pa = *entry & PTE_ADDRESS;
		entry_clear(entry);
	}
	spin_unlock_irqrestore(&paging_lock, flags);
	return pa;
}

/* If the entry of that level points at a table with nothing in it: unlinks it, to be freed by the
 * flush of that number. */
static void table_unlink_if_empty(uintptr_t va, unsigned int level, uint32_t flush)
{
	uint64_t *entry = entry_find(va, level);
	struct page *page;

	if (entry == NULL || !(*entry & PTE_PRESENT))
		return;
	page = table_page(paging_table(*entry));
	if (page == NULL || page->entries != 0)
		return;
	entry_clear(entry);
	page->heap_map = table_key(va, level);
	page->entries = flush;
	list_add_back(&page->node, &dying_tables);
}

/* Takes the tables in [start, end) that have no entry out of use. Returns the number of the flush
 * after which they can be freed. */
static uint32_t tables_unlink(uintptr_t start, uintptr_t end)
{
	static uint32_t nr_flushes;
	irqflags_t flags = spin_lock_irqsave(&paging_lock);
	uint32_t flush = ++nr_flushes;

	for (uintptr_t va = start, span; va < end; va = ALIGN_DOWN(va, span) + span) {
		span = entry_find(va, 2) != NULL ? PAGING_SPAN(2) : PAGING_SPAN(3);
		table_unlink_if_empty(va, 2, flush);
		table_unlink_if_empty(va, 3, flush);
	}
	spin_unlock_irqrestore(&paging_lock, flags);
	return flush;
}

/* Frees the tables that were unlinked before the flush and not linked again since. */
static void tables_free(uint32_t flush)
{
	struct list_node unused = LIST_INIT(unused);
	irqflags_t flags = spin_lock_irqsave(&paging_lock);
	struct page *page, *next;

	list_for_each_entry_safe (page, next, &dying_tables, node) {
		if (page->entries != flush)
			continue;
		list_del(&page->node);
		list_add_back(&page->node, &unused);
	}
	spin_unlock_irqrestore(&paging_lock, flags);
	list_for_each_entry_safe (page, next, &unused, node)
		page_free(page);
}

/*
 * CPUs cache entries that point at tables, so a table may be used by a walk until the next flush
 * even though nothing was mapped by it: it is unlinked, flushed, then freed.
 */
void paging_flush(uintptr_t start, uintptr_t end)
{
	uint32_t flush = tables_unlink(start, end);

	tlb_flush_range(start, end);
	tables_free(flush);
}

/* PROT_ bits of a leaf. */
static unsigned int leaf_prot(uint64_t leaf)
{
	unsigned int prot = PROT_READ;

	if (leaf & PTE_WRITE)
		prot |= PROT_WRITE;
	if (!(leaf & PTE_NO_EXECUTE))
		prot |= PROT_EXEC;
	if (leaf & PTE_NO_CACHE)
		prot |= PROT_NOCACHE;
	else if (leaf & PTE_WRITE_THROUGH)
		prot |= PROT_WRITE_COMBINE;
	return prot;
}

/* With interrupts off: paging_flush flushes this CPU before it frees a table, so a table that the
 * walk has reached stays until the walk is over. */
static phys_addr_t lookup_pinned(uintptr_t va, unsigned int *prot)
{
	uint64_t *table = paging_root;

	for (unsigned int level = PAGING_LEVELS; level >= 1; level--) {
		uint64_t entry = READ_ONCE(table[paging_index(va, level)]);

		if (!(entry & PTE_PRESENT))
			return PHYS_NONE;
		if (level == 1 || (entry & PTE_LARGE)) {
			if (prot != NULL)
				*prot = leaf_prot(entry);
			return (entry & PTE_ADDRESS & ~(PAGING_SPAN(level) - 1)) |
			       (va & (PAGING_SPAN(level) - 1));
		}
		table = paging_table(entry);
	}
	return PHYS_NONE;
}

phys_addr_t paging_lookup(uintptr_t va, unsigned int *prot)
{
	irqflags_t flags;
	phys_addr_t pa;

	if (paging_root == NULL || (intptr_t)(va << 16) >> 16 != (intptr_t)va)
		return PHYS_NONE;
	flags = irq_save();
	pa = lookup_pinned(va, prot);
	irq_restore(flags);
	return pa;
}

/* The lowest address of the entry at index of a table that starts at va, in canonical form. */
static uintptr_t entry_va(uintptr_t table_va, unsigned int level, unsigned int index)
{
	uintptr_t va = table_va + index * PAGING_SPAN(level);

	return level == PAGING_LEVELS ? (uintptr_t)((intptr_t)(va << 16) >> 16) : va;
}

static bool walk_table(const uint64_t *table, uintptr_t table_va, unsigned int level,
		       paging_visit_fn visit, void *arg)
{
	for (unsigned int i = 0; i < PAGING_ENTRIES; i++) {
		uint64_t entry = READ_ONCE(table[i]);
		uintptr_t va = entry_va(table_va, level, i);
		bool is_leaf = level == 1 || (entry & PTE_LARGE);

		if (!(entry & PTE_PRESENT))
			continue;
		if (is_leaf && !visit(va, PAGING_SPAN(level), leaf_prot(entry), arg))
			return false;
		if (!is_leaf && !walk_table(paging_table(entry), va, level - 1, visit, arg))
			return false;
	}
	return true;
}

void paging_walk(paging_visit_fn visit, void *arg)
{
	irqflags_t flags = irq_save(); /* as in paging_lookup */

	walk_table(paging_root, 0, PAGING_LEVELS, visit, arg);
	irq_restore(flags);
}

void paging_drop_identity(void)
{
	WRITE_ONCE(paging_root[0], 0);
	tlb_flush_range(TRAMPOLINE_PHYS, TRAMPOLINE_PHYS + PAGE_SIZE);
}
