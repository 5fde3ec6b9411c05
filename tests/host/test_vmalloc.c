/* SPDX-License-Identifier: GPL-2.0-only */
/* links: mm/vm_range.c mm/vmalloc.c kernel/rbtree.c tests/host/stub_kernel.c */
/* links: mm/kmalloc.c mm/page.c mm/early.c */
/* flags: -DCONFIG_LOCK_CHECKS=1 */
/*
 * The vmalloc area over pretended page tables: one table for 512 pages, made when its first page is
 * mapped. They remember what was unmapped and not flushed: nothing may be mapped there or freed.
 */
#include "mm/vmalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/acpi.h"
#include "kernel/errno.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "tests/host/stub_kernel.h"

#define NR_SLOTS  8192
#define NR_VPAGES (512 * 512)
#define NR_TABLES (NR_VPAGES / 512)
#define MAX_LIVE  500

static phys_addr_t mapped[NR_VPAGES], unflushed[NR_VPAGES];
static unsigned int mapped_prot[NR_VPAGES];
static struct page *tables[NR_TABLES];
static size_t nr_mapped, nr_unflushed;
static size_t start_free, start_bytes;

static struct {
	uintptr_t start;
	size_t size;
	bool filled; /* by vmalloc */
} live[MAX_LIVE];

static size_t nr_live;

unsigned int acpi_node_of_phys(phys_addr_t pa __unused)
{
	return 0;
}

/* ---- Pretended paging ---- */

static size_t vpage(uintptr_t va)
{
	size_t n = (va - VMALLOC_START) >> PAGE_SHIFT;

	assert_true(va >= VMALLOC_START && n < NR_VPAGES);
	return n;
}

int paging_map(uintptr_t va, phys_addr_t pa, unsigned int prot)
{
	size_t n = vpage(va);

	assert_int_equal(mapped[n], 0);
	assert_int_equal(unflushed[n], 0);
	if (tables[n / 512] == NULL)
		tables[n / 512] = page_alloc(0, PAGE_PGTABLE);
	if (tables[n / 512] == NULL)
		return -ENOMEM;
	tables[n / 512]->entries++;
	mapped[n] = pa;
	mapped_prot[n] = prot;
	nr_mapped++;
	return 0;
}

phys_addr_t paging_unmap(uintptr_t va)
{
	size_t n = vpage(va);
	phys_addr_t pa = mapped[n];

	if (pa == 0)
		return PHYS_NONE;
	tables[n / 512]->entries--;
	unflushed[n] = pa;
	mapped[n] = 0;
	nr_mapped--;
	nr_unflushed++;
	return pa;
}

phys_addr_t paging_lookup(uintptr_t va, unsigned int *prot)
{
	size_t n = vpage(va);

	if (prot != NULL)
		*prot = mapped_prot[n];
	return mapped[n] != 0 ? mapped[n] : PHYS_NONE;
}

static void flush_tlbs(uintptr_t start, uintptr_t end)
{
	assert_int_equal(host_locks_held(), 0);
	assert_true(start < end);
	for (size_t n = vpage(start); n < vpage(end - 1) + 1; n++) {
		struct page *page = phys_to_page(unflushed[n]);

		if (unflushed[n] == 0)
			continue;
		assert_true(page == NULL || page->owner != PAGE_FREE);
		unflushed[n] = 0;
		nr_unflushed--;
	}
}

void paging_flush(uintptr_t start, uintptr_t end)
{
	flush_tlbs(start, end);
	for (size_t i = vpage(start) / 512; i <= vpage(end - 1) / 512; i++) {
		if (tables[i] == NULL || tables[i]->entries > 0)
			continue;
		page_free(tables[i]);
		tables[i] = NULL;
	}
}

/* ---- Model of the ranges ---- */

static int compare_live(const void *a, const void *b)
{
	const uintptr_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

/* The lowest address with room for size bytes and a page behind them. */
static uintptr_t model_find(size_t size, size_t align)
{
	uintptr_t at = VMALLOC_START + 6 * PAGE_SIZE; /* 3 and 1 pages of early ranges, 2 guards */

	qsort(live, nr_live, sizeof(live[0]), compare_live);
	for (size_t i = 0; i < nr_live; i++) {
		if (ALIGN_UP(at, align) + size + PAGE_SIZE <= live[i].start)
			break;
		at = live[i].start + live[i].size + PAGE_SIZE;
	}
	return ALIGN_UP(at, align);
}

static void live_add(uintptr_t start, size_t size, bool filled)
{
	live[nr_live].start = start;
	live[nr_live].size = ALIGN_UP(size, PAGE_SIZE);
	live[nr_live].filled = filled;
	nr_live++;
}

static void live_free(size_t i)
{
	if (live[i].filled)
		vfree((void *)live[i].start);
	else
		vm_range_free(live[i].start);
	live[i] = live[--nr_live];
}

static void check_all(void)
{
	size_t want_mapped = 0;

	for (size_t i = 0; i < nr_live; i++)
		want_mapped += live[i].filled ? live[i].size / PAGE_SIZE : 0;
	assert_int_equal(nr_mapped, want_mapped);
	assert_int_equal(page_count(PAGE_VMALLOC), want_mapped);
	assert_int_equal(nr_unflushed, 0);
	assert_true(vmalloc_check());
	assert_int_equal(host_locks_held(), 0);
}

static void check_back_to_start(void)
{
	while (nr_live > 0)
		live_free(nr_live - 1);
	check_all();
	kmalloc_trim();
	assert_int_equal(kmalloc_bytes(), start_bytes);
	assert_int_equal(page_count(PAGE_PGTABLE), 0);
	assert_int_equal(page_count(PAGE_FREE), start_free);
	assert_true(page_check());
}

static int set_up(void **state __unused)
{
	static struct vm_range first = {0, 3 * PAGE_SIZE - 5, "first"}, second = {0, 1, "second"};
	struct vm_range found;

	host_memory_init(NR_SLOTS * PAGE_SIZE);
	early_direct_map();
	early_add(PAGE_SIZE, NR_SLOTS * PAGE_SIZE);
	assert_false(vm_range_find(VMALLOC_START, &found));
	vm_area_register_early(&first, PAGE_SIZE);
	vm_area_register_early(&second, PAGE_SIZE);
	assert_true(first.start == VMALLOC_START && first.size == 3 * PAGE_SIZE);
	assert_true(second.start == VMALLOC_START + 4 * PAGE_SIZE);
	page_init();
	kmalloc_init();
	assert_int_equal(vm_range_alloc(1, 1, "too early"), 0);
	vmalloc_init();
	start_free = page_count(PAGE_FREE);
	start_bytes = kmalloc_bytes();
	return 0;
}

static void random_ranges_take_the_lowest_place(void **state __unused)
{
	for (unsigned int i = 0; i < 20000; i++) {
		size_t size = 1 + host_random(20 * PAGE_SIZE);
		size_t align = host_random(3) ? 1 : PAGE_SIZE << host_random(6);

		if (nr_live == MAX_LIVE || (nr_live > 0 && host_random(9) < 4)) {
			live_free(host_random(nr_live));
		} else {
			uintptr_t want =
				model_find(ALIGN_UP(size, PAGE_SIZE), max(align, PAGE_SIZE));
			uintptr_t start = vm_range_alloc(size, align, "random");

			assert_int_equal(start, want);
			live_add(start, size, false);
		}
		assert_true(vmalloc_check());
	}
	check_back_to_start();
}

static void listing_and_lookup_agree(void **state __unused)
{
	struct vm_range range;
	uintptr_t after = 0;
	size_t n = 0;

	for (unsigned int i = 0; i < 50; i++)
		live_add(vm_range_alloc(2 * PAGE_SIZE, PAGE_SIZE, "list"), 2 * PAGE_SIZE, false);
	live_free(17);
	while (vm_range_next(after, &range)) {
		struct vm_range found;

		assert_true(range.start > after);
		after = range.start;
		assert_true(vm_range_find(range.start + range.size - 1, &found));
		assert_int_equal(found.start, range.start);
		assert_false(vm_range_find(range.start + range.size, &found));
		n++;
	}
	assert_int_equal(n, nr_live + 2);
	assert_false(vm_range_find(VMALLOC_END, &range));
	check_back_to_start();
}

static void finding_looks_at_few_ranges(void **state __unused)
{
	static uintptr_t starts[10000];
	uint64_t steps;

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		starts[i] = vm_range_alloc(PAGE_SIZE * (1 + i % 3), 1, "many");
	steps = vm_range_steps();
	for (size_t i = 0; i < ARRAY_SIZE(starts); i += 7) {
		size_t size = PAGE_SIZE * (1 + i % 3);

		vm_range_free(starts[i]);
		starts[i] = vm_range_alloc(size, 1, "again");
	}
	/* A path has at most 2 log2(10002) = 27 nodes; with each, one child may be looked at in
	 * vain. */
	assert_true(vm_range_steps() - steps <= 10000 / 7 * 54 + 54);
	assert_true(vmalloc_check());
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		vm_range_free(starts[i]);
	check_back_to_start();
}

static void random_vmallocs_with_faults(void **state __unused)
{
	for (unsigned int i = 0; i < 3000; i++) {
		size_t size = 1 + host_random(host_random(20) ? 30 * PAGE_SIZE : 900 * PAGE_SIZE);
		unsigned long *words;

		if (nr_live == MAX_LIVE || (nr_live > 0 && host_random(9) < 4)) {
			live_free(host_random(nr_live));
			check_all();
			continue;
		}
		if (host_random(4) == 0)
			page_fail_nth(host_random(2) ? PAGE_VMALLOC : PAGE_PGTABLE,
				      1 + host_random(30));
		words = vmalloc(size, "random");
		page_fail_nth(PAGE_VMALLOC, 0);
		page_fail_nth(PAGE_PGTABLE, 0);
		if (words != NULL)
			live_add((uintptr_t)words, size, true);
		check_all();
	}
	check_back_to_start();
}

static void vmalloc_is_zeroed_and_guarded(void **state __unused)
{
	uintptr_t va = (uintptr_t)vmalloc(5 * PAGE_SIZE, "zero");
	unsigned int prot;

	for (size_t i = 0; i < 5; i++) {
		const char *page = phys_to_virt(paging_lookup(va + i * PAGE_SIZE, &prot));

		assert_int_equal(prot, PROT_WRITE);
		for (size_t n = 0; n < PAGE_SIZE; n++)
			assert_int_equal(page[n], 0);
	}
	assert_true(paging_lookup(va + 5 * PAGE_SIZE, NULL) == PHYS_NONE);
	assert_true(paging_lookup(va - PAGE_SIZE, NULL) == PHYS_NONE);
	assert_true(vm_range_alloc(PAGE_SIZE, 1, "next") == va + 6 * PAGE_SIZE);
	vm_range_free(va + 6 * PAGE_SIZE);
	vfree((void *)va);
	vfree(NULL);
	check_back_to_start();
}

/* Each page table that a mapping of 1,100 pages needs fails in turn: nothing is left. */
static void failed_map_leaves_nothing(void **state __unused)
{
	static struct page *pages[1100];
	uintptr_t va = vm_range_alloc(sizeof(pages) / 8 * PAGE_SIZE, 512 * PAGE_SIZE, "map");
	unsigned long step = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = page_alloc(0, PAGE_TEST);
	do {
		assert_int_equal(page_count(PAGE_PGTABLE), 0);
		page_fail_nth(PAGE_PGTABLE, ++step);
		if (vm_map_pages(va, pages, ARRAY_SIZE(pages)) == 0)
			break;
		assert_int_equal(nr_mapped, 0);
		assert_int_equal(nr_unflushed, 0);
	} while (true);
	assert_int_equal(step, 4);
	page_fail_nth(PAGE_PGTABLE, 0);
	assert_int_equal(nr_mapped, ARRAY_SIZE(pages));
	vm_unmap_pages(va, ARRAY_SIZE(pages));
	assert_int_equal(nr_unflushed, ARRAY_SIZE(pages));
	vm_flush(va, va + ARRAY_SIZE(pages) * PAGE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		page_free(pages[i]);
	vm_range_free(va);
	check_back_to_start();
}

static void injected_faults_fail_one_call(void **state __unused)
{
	struct page *page = page_alloc(0, PAGE_TEST);
	uintptr_t va;

	vm_range_fail_nth(2);
	va = vm_range_alloc(1, 1, "a");
	assert_true(va != 0 && vm_fail_pending());
	assert_int_equal(vm_range_alloc(1, 1, "b"), 0);
	assert_false(vm_fail_pending());
	kmalloc_fail_nth(1);
	assert_int_equal(vm_range_alloc(1, 1, "c"), 0);
	vm_map_fail_nth(2);
	assert_int_equal(vm_map_pages(va, &page, 1), 0);
	assert_true(vm_fail_pending());
	vm_unmap_pages(va, 1);
	vm_flush(va, va + PAGE_SIZE);
	assert_int_equal(vm_map_pages(va, &page, 1), -ENOMEM);
	assert_false(vm_fail_pending());
	vm_map_fail_nth(3);
	assert_null(vmalloc(5 * PAGE_SIZE, "d"));
	vm_range_free(va);
	page_free(page);
	check_back_to_start();
}

static void device_keeps_the_offset(void **state __unused)
{
	uintptr_t va = (uintptr_t)vm_map_device(0xfee00ff0, 0x20, PROT_NOCACHE, "device");
	unsigned int prot;

	assert_int_equal(va & (PAGE_SIZE - 1), 0xff0);
	assert_int_equal(paging_lookup(va - 0xff0, &prot), 0xfee00000);
	assert_int_equal(paging_lookup(va - 0xff0 + PAGE_SIZE, NULL), 0xfee01000);
	assert_int_equal(prot, PROT_WRITE | PROT_NOCACHE);
	assert_true(paging_lookup(va - 0xff0 + 2 * PAGE_SIZE, NULL) == PHYS_NONE);
	vm_unmap_pages(va - 0xff0, 2);
	vm_flush(va - 0xff0, va - 0xff0 + 2 * PAGE_SIZE);
	vm_range_free(va - 0xff0);
	check_back_to_start();
}

static void misuse_is_refused(void **state __unused)
{
	struct vm_range late = {0, PAGE_SIZE, "late"};
	uintptr_t va = vm_range_alloc(2 * PAGE_SIZE, 1, "range");
	struct page *page = page_alloc(0, PAGE_TEST);

	assert_int_equal(vm_range_alloc(0, 1, "none"), 0);
	assert_int_equal(vm_range_alloc(~(size_t)0, 1, "all"), 0);
	assert_int_equal(vm_range_alloc(VMALLOC_END - VMALLOC_START, 1, "all"), 0);
	EXPECT_PANIC(vm_range_alloc(1, 3, "odd"), "align 3");
	EXPECT_PANIC(vm_area_register_early(&late, PAGE_SIZE), "late comes after vmalloc_init");
	EXPECT_PANIC(vm_range_free(va + PAGE_SIZE), "not the start of a live range");
	EXPECT_PANIC(vm_range_free(VMALLOC_END), "not the start of a live range");
	EXPECT_PANIC(vm_range_free(VMALLOC_START), "was registered early");
	EXPECT_PANIC(vfree((void *)(va + PAGE_SIZE)), "not the start");
	assert_int_equal(vm_map_pages(va, &page, 1), 0);
	EXPECT_PANIC(vm_range_free(va), "is still mapped");
	vm_unmap_pages(va, 1);
	vm_flush(va, va + PAGE_SIZE);
	page_free(page);
	vm_range_free(va);
	EXPECT_PANIC(vm_range_free(va), "not the start of a live range");
	check_back_to_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ranges_take_the_lowest_place),
		cmocka_unit_test(listing_and_lookup_agree),
		cmocka_unit_test(finding_looks_at_few_ranges),
		cmocka_unit_test(random_vmallocs_with_faults),
		cmocka_unit_test(vmalloc_is_zeroed_and_guarded),
		cmocka_unit_test(failed_map_leaves_nothing),
		cmocka_unit_test(injected_faults_fail_one_call),
		cmocka_unit_test(device_keeps_the_offset),
		cmocka_unit_test(misuse_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
