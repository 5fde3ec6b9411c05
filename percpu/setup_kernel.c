/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This kernel's two first-chunk allocators, chosen by percpu_alloc=:
 *
 *	embed	all units in one block of the direct map: large pages, no page tables of its own;
 *the chunk is immutable. The block lies below PERCPU_LINK_BASE so that NULL reaches the hole below
 *the direct map. page	4 KiB pages for the static area, mapped into the vmalloc area; the rest is
 *populated on demand like any chunk's.
 */
#define LOG_AREA "percpu"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "mm/early.h"
#include "percpu/percpu.h"
#include "percpu/port_kernel.h"

#define DEFAULT_ENGINE "bitmap"

/* What the command line asks for. */
struct wish {
	size_t static_size, reserved_size;
	ssize_t unit_size, dyn_size; /* -1: not given */
};

/* embed: where units are and how much of each is used. */
static char *embed_base;
static size_t embed_unit_size, embed_pages;
/* page: per unit, the pages that hold the static area. */
static void **static_pages;
static size_t nr_static_pages;

static struct page *embed_get_page(unsigned int cpu, size_t n)
{
	char *page = embed_base + port_cpu_unit(cpu) * embed_unit_size + n * PAGE_SIZE;

	return n < embed_pages ? (struct page *)page : NULL;
}

static struct page *page_get_page(unsigned int cpu, size_t n)
{
	return n < nr_static_pages ? static_pages[port_cpu_unit(cpu) * nr_static_pages + n] : NULL;
}

static void page_populate_pte(uintptr_t addr)
{
	paging_populate_early(addr, addr + PAGE_SIZE);
}

/* Copies up to a page of the static area's initial image, from offset on. */
static void copy_static(char *to, size_t offset, size_t static_size)
{
	if (offset < static_size)
		memcpy(to, __per_cpu_load + offset, min(PAGE_SIZE, static_size - offset));
}

/* The unit size when the command line gives none: what the areas need. */
static size_t default_unit(const struct wish *wish)
{
	size_t need = wish->static_size + wish->reserved_size;

	if (wish->dyn_size > 0)
		need += (size_t)wish->dyn_size;
	return max(PCPU_MIN_UNIT_SIZE, PFN_UP(need) * PAGE_SIZE);
}

static void setup_embed(struct wish *wish)
{
	unsigned int nr_units = cpumask_weight(&cpu_possible_mask);
	phys_addr_t block;
	size_t bytes;

	if (wish->unit_size < 0)
		wish->unit_size = (ssize_t)default_unit(wish);
	embed_unit_size = (size_t)wish->unit_size;
	embed_pages = embed_unit_size / PAGE_SIZE;
	bytes = nr_units * embed_unit_size;
	/* The product must not have overflowed when it is believed. */
	block = PHYS_NONE;
	if (embed_unit_size <= PERCPU_LINK_BASE / nr_units)
		block = early_alloc_phys(bytes, PAGE_SIZE, PERCPU_LINK_BASE);
	if (block == PHYS_NONE)
		panic("percpu_alloc=embed: no memory in one piece below 0x%x for %u units of %zu "
		      "bytes: use percpu_alloc=page or smaller units",
		      PERCPU_LINK_BASE, nr_units, embed_unit_size);
	embed_base = phys_to_virt(block);
	for (unsigned int unit = 0; unit < nr_units; unit++) {
		char *to = embed_base + unit * embed_unit_size;

		/* A unit too small for it is refused below, before anyone looks inside. */
		for (size_t offset = 0; offset + PAGE_SIZE <= embed_unit_size; offset += PAGE_SIZE)
			copy_static(to + offset, offset, wish->static_size);
	}
	pcpu_setup_first_chunk(embed_get_page, wish->static_size, wish->reserved_size,
			       wish->unit_size, wish->dyn_size, embed_base, NULL);
}

static void setup_page(struct wish *wish)
{
	unsigned int nr_units = cpumask_weight(&cpu_possible_mask);

	nr_static_pages = PFN_UP(wish->static_size);
	static_pages = port_early_alloc(nr_units * nr_static_pages * sizeof(*static_pages));
	for (size_t i = 0; i < nr_units * nr_static_pages; i++) {
		static_pages[i] = early_alloc(PAGE_SIZE, PAGE_SIZE);
		copy_static(static_pages[i], i % nr_static_pages * PAGE_SIZE, wish->static_size);
	}
	if (wish->dyn_size >= 0 && wish->unit_size < 0)
		wish->unit_size = (ssize_t)default_unit(wish);
	pcpu_setup_first_chunk(page_get_page, wish->static_size, wish->reserved_size,
			       wish->unit_size, wish->dyn_size, NULL, page_populate_pte);
}

static ssize_t size_wish(const char *key)
{
	return cmdline_get(key) ? (ssize_t)cmdline_size(key, (uint64_t)-1) : -1;
}

/* percpu_engine=, percpu_front=. The placement of the area map is fixed by its contract, so it goes without a
 * front unless one is asked for. */
static void choose_engine(void)
{
	const char *engine = cmdline_get("percpu_engine"), *front = cmdline_get("percpu_front");

	if (!engine)
		engine = DEFAULT_ENGINE;
	if (!pcpu_engine_select(engine))
		panic("percpu_engine=%s: no such engine: use bitmap or areamap", engine);
	if (front && strcmp(front, "on") != 0 && strcmp(front, "off") != 0)
		panic("percpu_front=%s: use on or off", front);
	if (front ? strcmp(front, "on") == 0 : strcmp(engine, "bitmap") == 0)
		pcpu_front_enable();
}

void percpu_init(void)
{
	const char *alloc = cmdline_get("percpu_alloc");
	struct wish wish = {.static_size = (size_t)(__per_cpu_end - __per_cpu_start),
			    .reserved_size = cmdline_size("percpu_reserve", 0),
			    .unit_size = size_wish("percpu_unit"),
			    .dyn_size = size_wish("percpu_dyn")};

	choose_engine();
	if (!alloc || strcmp(alloc, "embed") == 0)
		setup_embed(&wish);
	else if (strcmp(alloc, "page") == 0)
		setup_page(&wish);
	else
		panic("percpu_alloc=%s: no such first-chunk allocator: use embed or page", alloc);
	arch_percpu_switch(smp_processor_id());
	if (cmdline_flag("percpu_debug"))
		pcpu_debug_enable();
}
