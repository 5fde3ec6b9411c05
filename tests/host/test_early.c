/* SPDX-License-Identifier: GPL-2.0-only */
/* links: mm/early.c tests/host/stub_kernel.c */
/* The early allocator against a model that keeps two flags for every byte. */
#include "mm/early.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/memlayout.h"
#include "tests/host/stub_kernel.h"

#define MODEL_SIZE (64 * PAGE_SIZE)

static bool usable[MODEL_SIZE], taken[MODEL_SIZE];
static size_t walked; /* bytes that the callback of early_for_each_free was given */

static void model_set(bool *flags, phys_addr_t start, phys_addr_t end)
{
	for (phys_addr_t pa = start; pa < end && pa < MODEL_SIZE; pa++)
		flags[pa] = true;
}

static size_t model_count(bool want_taken)
{
	size_t n = 0;

	for (size_t i = 0; i < MODEL_SIZE; i++)
		n += usable[i] && taken[i] == want_taken;
	return n;
}

/* The lowest address where size free bytes lie; ~0 if there is none. */
static phys_addr_t model_find(size_t size, size_t align, phys_addr_t limit)
{
	for (size_t start = 0; start + size <= (limit ? limit : MODEL_SIZE); start += align) {
		size_t n = 0;

		while (n < size && usable[start + n] && !taken[start + n])
			n++;
		if (n == size)
			return start;
	}
	return ~(phys_addr_t)0;
}

static void check_free_range(phys_addr_t start, phys_addr_t end)
{
	assert_true(start < end && IS_ALIGNED(start, PAGE_SIZE) && IS_ALIGNED(end, PAGE_SIZE));
	for (phys_addr_t pa = start; pa < end; pa++)
		assert_true(usable[pa] && !taken[pa]);
	walked += end - start;
}

/* Whole free pages by the model. */
static size_t model_free_pages(void)
{
	size_t nr = 0;

	for (size_t page = 0; page < MODEL_SIZE; page += PAGE_SIZE) {
		size_t n = 0;

		while (n < PAGE_SIZE && usable[page + n] && !taken[page + n])
			n++;
		nr += n == PAGE_SIZE;
	}
	return nr;
}

static void alloc_and_compare(void)
{
	size_t size = 1 + host_random(host_random(2) ? 200 : 3 * PAGE_SIZE);
	size_t align = (size_t)1 << host_random(14);
	phys_addr_t limit = host_random(3) ? 0 : host_random(MODEL_SIZE);
	phys_addr_t want = model_find(size, align, limit);
	phys_addr_t got = early_alloc_phys(size, align, limit);

	assert_int_equal(got, want);
	if (got == ~(phys_addr_t)0)
		return;
	for (size_t i = 0; i < size; i++)
		assert_int_equal(((char *)phys_to_virt(got))[i], 0);
	memset(phys_to_virt(got), 0xee, size);
	model_set(taken, got, got + size);
}

/* Frees a run of whole taken pages, if there is one at a random place. */
static void free_some_pages(void)
{
	size_t start = host_random(MODEL_SIZE / PAGE_SIZE) * PAGE_SIZE, n = 0;

	while (start + n < MODEL_SIZE && taken[start + n] && n < 3 * PAGE_SIZE)
		n++;
	n = ALIGN_DOWN(n, PAGE_SIZE);
	if (n == 0)
		return;
	early_free(start, n);
	memset(&taken[start], 0, n);
}

static void only_the_first_gib_before_the_direct_map(void **state __unused)
{
	early_add(1ull << 30, 2ull << 30);
	assert_int_equal(early_alloc_phys(64, 64, 0), ~(phys_addr_t)0);
	early_reserve(1ull << 30, 2ull << 30);
	assert_int_equal(early_taken(), 1ull << 30);
	assert_int_equal((uintptr_t)early_virt(0x1234), KERNEL_BASE + 0x1234);
	early_direct_map();
	assert_ptr_equal(early_virt(0x1234), phys_to_virt(0x1234));
	early_free(1ull << 30, 1ull << 30);
	assert_int_equal(early_alloc_phys(64, 64, 1ull << 30), ~(phys_addr_t)0);
	early_reserve(1ull << 30, 2ull << 30);
}

/* The memory map comes in any order, in odd pieces, and overlaps. */
static void random_stream_matches_model(void **state __unused)
{
	uint64_t far_total = early_total();

	for (unsigned int i = 0; i < 20; i++) {
		phys_addr_t start = host_random(MODEL_SIZE);
		phys_addr_t end = start + host_random(8 * PAGE_SIZE);

		end = min(end, (phys_addr_t)MODEL_SIZE);
		if (i % 4 == 3) {
			early_reserve(start, end);
			if (start < end)
				model_set(taken, ALIGN_DOWN(start, PAGE_SIZE),
					  ALIGN_UP(end, PAGE_SIZE));
		} else {
			early_add(start, end);
			model_set(usable, ALIGN_UP(start, PAGE_SIZE), ALIGN_DOWN(end, PAGE_SIZE));
		}
	}
	assert_int_equal(early_total() - far_total, model_count(true) + model_count(false));
	for (unsigned int i = 0; i < 300; i++) {
		if (host_random(6) == 0)
			free_some_pages();
		else
			alloc_and_compare();
		assert_int_equal(early_taken() - far_total, model_count(true));
	}
}

static void what_is_left_is_whole_free_pages(void **state __unused)
{
	walked = 0;
	early_for_each_free(check_free_range);
	assert_int_equal(walked, model_free_pages() * PAGE_SIZE);
}

static void misuse_panics(void **state __unused)
{
	EXPECT_PANIC(early_alloc_phys(0, 8, 0), "size 0");
	EXPECT_PANIC(early_alloc_phys(8, 24, 0), "align 24");
	EXPECT_PANIC(early_alloc(1ull << 40, 8), "1099511627776 bytes");
	EXPECT_PANIC(early_free(0x123, PAGE_SIZE), "early_free: 0x123");
	EXPECT_PANIC(early_free(5ull << 30, PAGE_SIZE), "early_free");
	early_close();
	EXPECT_PANIC(early_alloc_phys(8, 8, 0), "after page_init");
	EXPECT_PANIC(early_reserve(0, 8), "after page_init");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_first_gib_before_the_direct_map),
		cmocka_unit_test(random_stream_matches_model),
		cmocka_unit_test(what_is_left_is_whole_free_pages),
		cmocka_unit_test(misuse_panics),
	};

	host_memory_init(MODEL_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
