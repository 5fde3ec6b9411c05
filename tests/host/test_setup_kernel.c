/* SPDX-License-Identifier: GPL-2.0-only */
/* links: percpu/setup_kernel.c tests/host/stub_kernel.c */
/* flags: -DCONFIG_LOCK_CHECKS=1 -no-pie -Wl,-T,tests/host/percpu.ld */
/*
 * The kernel's two first-chunk allocators: what they ask pcpu_setup_first_chunk for, with which pages,
 * and what those hold, by the command line. The set-up itself is the test's.
 */
#include "percpu/port_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/arch.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/cmdline.h"
#include "mm/early.h"
#include "percpu/percpu.h"
#include "tests/host/stub_kernel.h"

#define MEMORY	     ((size_t)1 << 20)
#define UNIT	     65536
#define STATIC_BYTES 9000 /* at least: three pages, the last one in part */

struct cpumask cpu_possible_mask;
unsigned int nr_cpu_ids;
DEFINE_PER_CPU(unsigned char, image[STATIC_BYTES]);

/* ---- A command line ---- */

static struct {
	const char *engine, *front, *alloc;
	size_t reserve;
	ssize_t unit, dyn; /* -1: not given */
	bool debug;
} asked;

const char *cmdline_get(const char *key)
{
	if (strcmp(key, "percpu_engine") == 0)
		return asked.engine;
	if (strcmp(key, "percpu_front") == 0)
		return asked.front;
	if (strcmp(key, "percpu_alloc") == 0)
		return asked.alloc;
	if (strcmp(key, "percpu_unit") == 0)
		return asked.unit < 0 ? NULL : "given";
	assert_string_equal(key, "percpu_dyn");
	return asked.dyn < 0 ? NULL : "given";
}

uint64_t cmdline_size(const char *key, uint64_t otherwise)
{
	if (strcmp(key, "percpu_reserve") == 0) {
		assert_int_equal(otherwise, 0);
		return asked.reserve;
	}
	assert_int_equal(otherwise, -1);
	return (uint64_t)(strcmp(key, "percpu_unit") == 0 ? asked.unit : asked.dyn);
}

bool cmdline_flag(const char *key)
{
	assert_string_equal(key, "percpu_debug");
	return asked.debug;
}

/* ---- A machine ---- */

static size_t taken, limit_seen;
static bool no_memory_below;
static unsigned int switched_to, debug_enabled;

phys_addr_t early_alloc_phys(size_t size, size_t align, phys_addr_t limit)
{
	size_t start = ALIGN_UP(taken, align);

	limit_seen = limit;
	if (no_memory_below || start + size > MEMORY)
		return PHYS_NONE;
	taken = start + size;
	return start;
}

void *early_alloc(size_t size, size_t align)
{
	return phys_to_virt(early_alloc_phys(size, align, 0));
}

void *port_early_alloc(size_t size)
{
	return early_alloc(size, sizeof(long));
}

unsigned int port_cpu_unit(unsigned int cpu)
{
	return (unsigned int)bitmap_weight(cpu_possible_mask.bits, cpu);
}

static uintptr_t populated_start, populated_end;

void paging_populate_early(uintptr_t start, uintptr_t end)
{
	populated_start = start;
	populated_end = end;
}

unsigned int smp_processor_id(void)
{
	return 2;
}

void arch_percpu_switch(unsigned int cpu)
{
	switched_to = cpu;
}

bool pcpu_debug_enable(void)
{
	debug_enabled++;
	return true;
}

bool pcpu_engine_select(const char *name)
{
	return strcmp(name, "areamap") == 0 || strcmp(name, "bitmap") == 0;
}

static unsigned int front_enabled;

bool pcpu_front_enable(void)
{
	front_enabled++;
	return true;
}

/* ---- The set-up, which keeps its arguments ---- */

static struct {
	pcpu_get_page_fn get_page;
	size_t static_size, reserved_size;
	ssize_t unit_size, dyn_size;
	void *base;
	pcpu_populate_pte_fn populate_pte;
	unsigned int calls;
} got;

size_t pcpu_setup_first_chunk(pcpu_get_page_fn get_page, size_t static_size, size_t reserved_size,
			      ssize_t unit_size, ssize_t dyn_size, void *base_addr,
			      pcpu_populate_pte_fn populate_pte)
{
	got.get_page = get_page;
	got.static_size = static_size;
	got.reserved_size = reserved_size;
	got.unit_size = unit_size;
	got.dyn_size = dyn_size;
	got.base = base_addr;
	got.populate_pte = populate_pte;
	got.calls++;
	assert_int_equal(switched_to, 0);
	return 0;
}

static size_t static_size(void)
{
	return (size_t)(__per_cpu_end - __per_cpu_start);
}

/* Three CPUs with holes; an image of which every byte can be told from its neighbours. */
static int power_on(void **state)
{
	static const unsigned int ids[] = {0, 2, 5};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		bitmap_set(cpu_possible_mask.bits, ids[i]);
	nr_cpu_ids = 6;
	for (size_t i = 0; i < static_size(); i++)
		__per_cpu_load[i] = (char)(1 + i % 251);
	memset(phys_to_virt(0), 0, MEMORY);
	memset(&asked, 0, sizeof(asked));
	memset(&got, 0, sizeof(got));
	asked.unit = asked.dyn = -1;
	taken = 100; /* not aligned */
	no_memory_below = false;
	switched_to = debug_enabled = 0;
	return 0;
}

static void init(ssize_t unit, ssize_t dyn, void *base)
{
	percpu_init();
	assert_int_equal(got.calls, 1);
	assert_int_equal(got.static_size, static_size());
	assert_int_equal(got.reserved_size, asked.reserve);
	assert_int_equal(got.unit_size, unit);
	assert_int_equal(got.dyn_size, dyn);
	assert_ptr_equal(got.base, base);
	assert_int_equal(switched_to, 2);
	assert_int_equal(debug_enabled, asked.debug);
}

/* Each CPU has n pages of its own, which hold the image and zeroes behind it. */
static void check_pages(size_t n)
{
	static const unsigned int ids[] = {0, 2, 5};

	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
		for (size_t k = 0; k < n; k++) {
			char *page = (char *)got.get_page(ids[i], k);

			assert_true(IS_ALIGNED((uintptr_t)page - host_memory_base, PAGE_SIZE));
			if (got.base != NULL)
				assert_ptr_equal(page, (char *)got.base + i * got.unit_size +
							       k * PAGE_SIZE);
			for (size_t at = 0; at < PAGE_SIZE; at++) {
				size_t offset = k * PAGE_SIZE + at;

				assert_int_equal(
					page[at],
					(char)(offset < static_size() ? 1 + offset % 251 : 0));
			}
			memset(page, 0x55, PAGE_SIZE); /* whoever shares it will see */
		}
		assert_null(got.get_page(ids[i], n));
		assert_null(got.get_page(ids[i], n + 1));
	}
}

/* Where the first whole page after what is taken is. */
static void *first_block(void)
{
	return phys_to_virt(PAGE_SIZE);
}

static void embed_by_default(void **state)
{
	(void)state;
	init(UNIT, -1, first_block());
	assert_null(got.populate_pte);
	assert_int_equal(limit_seen, PERCPU_LINK_BASE);
	assert_int_equal(taken, PAGE_SIZE + 3 * UNIT);
	check_pages(UNIT / PAGE_SIZE);
}

static void embed_with_sizes(void **state)
{
	(void)state;
	asked.alloc = "embed";
	asked.engine = "areamap";
	asked.debug = true;
	asked.unit = 2 * UNIT;
	asked.reserve = 8192;
	asked.dyn = 20480;
	init(2 * UNIT, 20480, first_block());
	check_pages(2 * UNIT / PAGE_SIZE);
}

/* Without percpu_unit= a unit holds what is asked for, in whole pages. */
static void embed_takes_a_unit_that_holds_all(void **state)
{
	size_t need = 2 * UNIT;

	(void)state;
	asked.reserve = 60000;
	asked.dyn = (ssize_t)(need - 60000 - static_size());
	init(2 * UNIT, asked.dyn, first_block());
	power_on(NULL);
	asked.reserve = 60000;
	asked.dyn = (ssize_t)(need - 60000 - static_size() + 1);
	init(2 * UNIT + PAGE_SIZE, asked.dyn, first_block());
	power_on(NULL);
	asked.reserve = UNIT;
	init((ssize_t)PFN_UP(UNIT + static_size()) * PAGE_SIZE, -1, first_block());
	power_on(NULL);
	asked.dyn = 0;
	init(UNIT, 0, first_block());
}

/* What is too small is for pcpu_setup_first_chunk to refuse; nothing is written past the block. */
static void embed_with_a_tiny_unit(void **state)
{
	(void)state;
	asked.unit = PAGE_SIZE + 100;
	init(PAGE_SIZE + 100, -1, first_block());
	for (size_t at = taken; at < MEMORY; at++)
		assert_int_equal(((char *)phys_to_virt(0))[at], 0);
}

static void embed_without_memory(void **state)
{
	(void)state;
	no_memory_below = true;
	EXPECT_PANIC(percpu_init(), "percpu_alloc=embed: no memory in one piece below 0x30000000 "
				    "for 3 units of 65536 bytes");
	no_memory_below = false;
	asked.unit = PERCPU_LINK_BASE / 3 + 1; /* more than fits, whatever there is */
	limit_seen = 0;
	EXPECT_PANIC(percpu_init(), "no memory in one piece");
	assert_int_equal(limit_seen, 0);
	asked.unit = (ssize_t)1 << 62; /* the product overflows */
	EXPECT_PANIC(percpu_init(), "no memory in one piece");
	asked.unit = PERCPU_LINK_BASE / 3;
	EXPECT_PANIC(percpu_init(), "no memory in one piece");
	assert_int_equal(limit_seen, PERCPU_LINK_BASE);
}

static void page_by_page(void **state)
{
	(void)state;
	asked.alloc = "page";
	init(-1, -1, NULL);
	check_pages(PFN_UP(static_size()));
	assert_non_null(got.populate_pte);
	got.populate_pte(VMALLOC_START + 0x7000);
	assert_int_equal(populated_start, VMALLOC_START + 0x7000);
	assert_int_equal(populated_end, VMALLOC_START + 0x8000);
}

static void page_with_sizes(void **state)
{
	(void)state;
	asked.alloc = "page";
	asked.dyn = 0;
	asked.reserve = 3000;
	init(UNIT, 0, NULL);
	power_on(NULL);
	asked.alloc = "page";
	asked.dyn = UNIT;
	init((ssize_t)PFN_UP(UNIT + static_size()) * PAGE_SIZE, UNIT, NULL);
	power_on(NULL);
	asked.alloc = "page";
	asked.unit = 3 * UNIT;
	init(3 * UNIT, -1, NULL);
	power_on(NULL);
	asked.alloc = "page";
	asked.unit = 3 * UNIT;
	asked.dyn = 1;
	init(3 * UNIT, 1, NULL);
}

static void the_front_comes_with_the_bitmap_or_when_asked_for(void **state)
{
	static const struct {
		const char *engine, *front;
		unsigned int enabled;
	} cases[] = {{NULL, NULL, 1},	    {"areamap", NULL, 0}, {"areamap", "on", 1},
		     {"areamap", "off", 0}, {"bitmap", NULL, 1},  {"bitmap", "off", 0},
		     {"bitmap", "on", 1}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		power_on(state);
		front_enabled = 0;
		asked.engine = cases[i].engine;
		asked.front = cases[i].front;
		percpu_init();
		assert_int_equal(front_enabled, cases[i].enabled);
	}
}

/* What set-up refuses is handed to it as it was given, not taken for a size that was not given. */
static void a_unit_of_no_bytes_is_not_the_default(void **state)
{
	static const char *const allocs[] = {NULL, "page"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		power_on(NULL);
		asked.alloc = allocs[i];
		asked.unit = 0;
		asked.dyn = 1;
		percpu_init();
		assert_int_equal(got.unit_size, 0);
		assert_int_equal(got.dyn_size, 1);
	}
}

static void unknown_names_panic(void **state)
{
	(void)state;
	asked.engine = "slab";
	EXPECT_PANIC(percpu_init(), "percpu_engine=slab: no such engine: use bitmap or areamap");
	asked.engine = NULL;
	asked.front = "maybe";
	EXPECT_PANIC(percpu_init(), "percpu_front=maybe: use on or off");
	asked.front = NULL;
	asked.alloc = "lpage";
	EXPECT_PANIC(percpu_init(), "percpu_alloc=lpage: no such first-chunk allocator");
	assert_int_equal(got.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(embed_by_default, power_on),
		cmocka_unit_test_setup(embed_with_sizes, power_on),
		cmocka_unit_test_setup(embed_takes_a_unit_that_holds_all, power_on),
		cmocka_unit_test_setup(embed_with_a_tiny_unit, power_on),
		cmocka_unit_test_setup(embed_without_memory, power_on),
		cmocka_unit_test_setup(page_by_page, power_on),
		cmocka_unit_test_setup(page_with_sizes, power_on),
		cmocka_unit_test_setup(the_front_comes_with_the_bitmap_or_when_asked_for, power_on),
		cmocka_unit_test_setup(a_unit_of_no_bytes_is_not_the_default, power_on),
		cmocka_unit_test_setup(unknown_names_panic, power_on),
	};

	host_memory_init(MEMORY);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
