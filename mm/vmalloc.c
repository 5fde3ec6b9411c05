/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings in the vmalloc area, see vmalloc.h. Memory is always taken away in three steps: unmap,
 * flush every CPU, free the pages. Between the first and the last step unmapped pages wait on a
 * list, linked through struct page, so that nothing has to be allocated to free something.
 */
#include "mm/vmalloc.h"

#include "kernel/errno.h"
#include "kernel/panic.h"
#include "kernel/string.h"
#include "mm/vmalloc_internal.h"

static unsigned long map_fail_in; /* fault injection, 0: off; atomic */

/* Counts down to an injected fault; true when it is this call that fails. */
static bool map_fail_now(void)
{
	unsigned long n = READ_ONCE(map_fail_in);

	while (n != 0) {
		if (__atomic_compare_exchange_n(&map_fail_in, &n, n - 1, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return n == 1;
	}
	return false;
}

/* ---- Arrays of pages ---- */

int vm_map_pages(uintptr_t va, struct page *const *pages, size_t n)
{
	size_t i;
	int err = map_fail_now() ? -ENOMEM : 0;

	for (i = 0; i < n && err == 0; i++)
		err = paging_map(va + i * PAGE_SIZE, page_to_phys(pages[i]), PROT_WRITE);
	if (err == 0)
		return 0;
	/* The last call, if there was one, failed and left nothing; the ones before it are undone.
	 * Their page tables may be in some CPU's paging-structure cache, so they too go by way of a
	 * flush. */
	if (i > 1) {
		vm_unmap_pages(va, i - 1);
		vm_flush(va, va + (i - 1) * PAGE_SIZE);
	}
	return err;
}

void vm_unmap_pages(uintptr_t va, size_t n)
{
	for (size_t i = 0; i < n; i++)
		paging_unmap(va + i * PAGE_SIZE);
}

void vm_flush(uintptr_t start, uintptr_t end)
{
	paging_flush(start, end);
}

/* ---- vmalloc ---- */

/* Unmaps what is mapped of size bytes at va, flushes, and frees the pages. */
static void unmap_and_free(uintptr_t va, size_t size)
{
	struct list_node unmapped = LIST_INIT(unmapped);
	struct page *page, *next;

	for (size_t done = 0; done < size; done += PAGE_SIZE) {
		phys_addr_t pa = paging_unmap(va + done);

		if (pa == PHYS_NONE)
			continue;
		page = phys_to_page(pa);
		if (unlikely(page == NULL || page->owner != PAGE_VMALLOC))
			panic("vfree: %#lx maps %#lx, which is not vmalloc's", va + done,
			      (unsigned long)pa);
		list_add_back(&page->node, &unmapped);
	}
	vm_flush(va, va + size);
	list_for_each_entry_safe (page, next, &unmapped, node)
		page_free(page);
}

/* A zeroed page mapped at va. */
static bool fill_page(uintptr_t va)
{
	struct page *page = page_alloc(0, PAGE_VMALLOC);

	if (page == NULL)
		return false;
	memset(page_address(page), 0, PAGE_SIZE);
	if (vm_map_pages(va, &page, 1) == 0)
		return true;
	page_free(page);
	return false;
}

void *vmalloc(size_t size, const char *name)
{
	uintptr_t va = vm_range_alloc(size, PAGE_SIZE, name);

	if (va == 0)
		return NULL;
	for (size_t done = 0; done < size; done += PAGE_SIZE) {
		if (fill_page(va + done))
			continue;
		if (done > 0)
			unmap_and_free(va, done);
		vm_range_free(va);
		return NULL;
	}
	return (void *)va;
}

void vfree(void *addr)
{
	uintptr_t va = (uintptr_t)addr;
	struct vm_range range;

	if (addr == NULL)
		return;
	if (!vm_range_find(va, &range) || range.start != va)
		panic("vfree: %p is not the start of a live range", addr);
	unmap_and_free(va, range.size);
	vm_range_free(va);
}

void *vm_map_device(phys_addr_t pa, size_t size, unsigned int caching, const char *name)
{
	size_t offset = pa & (PAGE_SIZE - 1);
	size_t span = ALIGN_UP(offset + size, PAGE_SIZE);
	uintptr_t va = vm_range_alloc(span, PAGE_SIZE, name);

	if (va == 0)
		panic("vm_map_device: %s: no %zu bytes of addresses", name, span);
	for (size_t done = 0; done < span; done += PAGE_SIZE) {
		if (paging_map(va + done, pa - offset + done, PROT_WRITE | caching) != 0)
			panic("vm_map_device: %s: no page table for %#lx", name,
			      (unsigned long)pa + done);
	}
	return (void *)(va + offset);
}

void vm_map_fail_nth(unsigned long n)
{
	__atomic_store_n(&map_fail_in, n, __ATOMIC_SEQ_CST);
}

bool vm_fail_pending(void)
{
	return READ_ONCE(map_fail_in) != 0 || vm_range_fail_pending();
}
