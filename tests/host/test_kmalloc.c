/* SPDX-License-Identifier: GPL-2.0-only */
/* links: mm/kmalloc.c mm/page.c mm/early.c tests/host/stub_kernel.c */
/* flags: -DCONFIG_LOCK_CHECKS=1 */
/* The heap against a list of what is live: contents, alignment, overlap, and pages back to the
 * start. */
#include "mm/kmalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/acpi.h"
#include "mm/early.h"
#include "mm/page.h"
#include "tests/host/stub_kernel.h"

#define NR_SLOTS 6144
#define MAX_LIVE 3000
#define MIB	 (1ul << 20)

static struct {
	unsigned char *ptr;
	size_t size;
	unsigned char byte;
} live[MAX_LIVE];

static size_t nr_live, start_free;

unsigned int acpi_node_of_phys(phys_addr_t pa __unused)
{
	return 0;
}

/* What a request costs, and how its address is aligned at least. */
static size_t rounded(size_t size)
{
	size_t n = 16;

	while (n < size)
		n *= 2;
	return n;
}

static void live_add(unsigned char *ptr, size_t size, bool zeroed)
{
	assert_int_equal((uintptr_t)ptr % min(rounded(size), PAGE_SIZE), 0);
	for (size_t i = 0; zeroed && i < size; i++)
		assert_int_equal(ptr[i], 0);
	live[nr_live].ptr = ptr;
	live[nr_live].size = size;
	live[nr_live].byte = (unsigned char)host_random(256);
	memset(ptr, live[nr_live].byte, size);
	nr_live++;
}

/* Every byte is as it was filled: nothing else lies there. */
static void live_free(size_t i)
{
	for (size_t n = 0; n < live[i].size; n++)
		assert_int_equal(live[i].ptr[n], live[i].byte);
	kfree(live[i].ptr);
	live[i] = live[--nr_live];
}

static size_t live_bytes(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < nr_live; i++)
		bytes += rounded(live[i].size);
	return bytes;
}

static void check_back_to_start(void)
{
	while (nr_live > 0)
		live_free(nr_live - 1);
	assert_int_equal(kmalloc_bytes(), 0);
	kmalloc_trim();
	assert_int_equal(page_count(PAGE_HEAP), 0);
	assert_int_equal(page_count(PAGE_FREE), start_free);
	assert_true(page_check());
	assert_int_equal(host_locks_held(), 0);
}

static int set_up(void **state __unused)
{
	host_memory_init(NR_SLOTS * PAGE_SIZE);
	early_direct_map();
	early_add(0, NR_SLOTS * PAGE_SIZE);
	page_init();
	assert_null(kmalloc(8));
	kmalloc_trim();
	kmalloc_init();
	start_free = page_count(PAGE_FREE);
	return 0;
}

static size_t random_size(void)
{
	switch (host_random(10)) {
	case 0:
		return 1 + host_random(64 * 1024);
	case 1:
		return 1 + host_random(PAGE_SIZE);
	default:
		return 1 + host_random(200);
	}
}

static void random_stream_matches_model(void **state __unused)
{
	for (unsigned int i = 0; i < 60000; i++) {
		bool grow = host_random(100) < (i / 10000 % 2 ? 45 : 55);
		size_t size = random_size();

		if (nr_live == MAX_LIVE || (nr_live > 0 && !grow)) {
			live_free(host_random(nr_live));
		} else {
			bool zeroed = host_random(2);
			unsigned char *ptr = zeroed ? kzalloc(size) : kmalloc(size);

			if (ptr != NULL)
				live_add(ptr, size, zeroed);
		}
		if (i % 100 == 0)
			assert_int_equal(kmalloc_bytes(), live_bytes());
	}
	check_back_to_start();
}

static void every_size_and_its_edges(void **state __unused)
{
	for (size_t size = 1; size <= 4 * MIB; size = size < 5000 ? size + 1 : size * 2 - 1) {
		live_add(kmalloc(size), size, false);
		live_free(0);
	}
	live_add(kmalloc(4 * MIB), 4 * MIB, false);
	assert_null(kmalloc(4 * MIB + 1));
	assert_null(kmalloc(0));
	assert_null(kzalloc(~(size_t)0));
	kfree(NULL);
	check_back_to_start();
}

/* A full page of each class holds what it should, and goes back when the last object goes. */
static void classes_use_whole_pages(void **state __unused)
{
	const size_t want[] = {254, 127, 64, 32, 16, 8, 4, 2};

	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++) {
		size_t size = (size_t)16 << i, n = 0;

		do {
			live_add(kmalloc(size), size, false);
			n++;
		} while (page_count(PAGE_HEAP) == 1);
		assert_int_equal(n, want[i] + 1);
		kfree(live[0].ptr); /* in the full page: has room again for one, the other has */
		for (n = 1; n <= want[i]; n++)
			live_add(kmalloc(size), size, false);
		assert_int_equal(page_count(PAGE_HEAP), 2);
		live[0] = live[--nr_live];
		check_back_to_start();
	}
}

static void empty_pages_are_kept_until_trim(void **state __unused)
{
	void *first = kmalloc(2048), *second = kmalloc(2048), *third = kmalloc(2048);

	assert_int_equal(page_count(PAGE_HEAP), 2);
	kfree(first);
	kfree(third);
	kfree(second);
	assert_int_equal(page_count(PAGE_HEAP), 1);
	check_back_to_start();
}

static void running_out_is_a_clean_no(void **state __unused)
{
	void *ptr, *last = NULL;

	while ((ptr = kmalloc(64 * 1024)) != NULL) {
		*(void **)ptr = last;
		last = ptr;
	}
	while (last != NULL) {
		ptr = *(void **)last;
		kfree(last);
		last = ptr;
	}
	check_back_to_start();
}

static void injected_faults_fail_one_call(void **state __unused)
{
	void *ptr;

	kmalloc_fail_nth(2);
	ptr = kmalloc(16);
	assert_true(ptr != NULL && kmalloc_fail_pending());
	kfree(ptr);
	assert_null(kzalloc(100000));
	assert_false(kmalloc_fail_pending());
	kmalloc_trim();
	page_fail_nth(PAGE_HEAP, 1);
	assert_null(kmalloc(16));
	page_fail_nth(PAGE_HEAP, 1);
	assert_null(kmalloc(16384));
	check_back_to_start();
}

static void bad_frees_panic(void **state __unused)
{
	char *small = kmalloc(16), *middle = kmalloc(100), *large = kmalloc(3 * PAGE_SIZE);
	char *last = kmalloc(100);
	char local;

	EXPECT_PANIC(kfree(small + 4), "inside an object of 16 bytes");
	EXPECT_PANIC(kfree(small - 32), "inside an object of 16 bytes");
	EXPECT_PANIC(kfree(middle + 64), "inside an object of 128 bytes");
	EXPECT_PANIC(kfree(large + 16), "inside a block of 16384 bytes");
	EXPECT_PANIC(kfree(large + PAGE_SIZE), "not the heap's");
	EXPECT_PANIC(kfree(&local), "kmalloc never returned it");
	EXPECT_PANIC(kfree(phys_to_virt(0)), "its page is inside a block or free");
	kfree(middle);
	EXPECT_PANIC(kfree(middle), "an object of 128 bytes, is free already");
	kfree(large);
	EXPECT_PANIC(kfree(large), "freed already");
	kfree(small);
	kfree(last);
	check_back_to_start();
	EXPECT_PANIC(kfree(small), "freed already");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_stream_matches_model),
		cmocka_unit_test(every_size_and_its_edges),
		cmocka_unit_test(classes_use_whole_pages),
		cmocka_unit_test(empty_pages_are_kept_until_trim),
		cmocka_unit_test(running_out_is_a_clean_no),
		cmocka_unit_test(injected_faults_fail_one_call),
		cmocka_unit_test(bad_frees_panic),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
