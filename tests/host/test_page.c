/* SPDX-License-Identifier: GPL-2.0-only */
/* links: mm/page.c mm/early.c tests/host/stub_kernel.c */
/* flags: -DCONFIG_LOCK_CHECKS=1 */
/* The page allocator against a table that says for every page who has it. */
#include "mm/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/acpi.h"
#include "mm/early.h"
#include "tests/host/stub_kernel.h"

#define NR_SLOTS    8192 /* pages of the machine, holes included */
#define HOLE_START  3000
#define HOLE_END    3500
#define NODE1_START 5001 /* odd on purpose: no block may lie on two nodes */
#define MAX_LIVE    600

static struct {
	struct page *page;
	unsigned int order;
	enum page_owner owner;
	uint64_t pattern;
} live[MAX_LIVE];

static size_t nr_live;
static bool used[NR_SLOTS];
static size_t start_blocks[PAGE_MAX_ORDER + 1], start_free;

unsigned int acpi_node_of_phys(phys_addr_t pa)
{
	return PFN_DOWN(pa) >= NODE1_START ? 1 : 0;
}

static size_t number_of(const struct page *page)
{
	return PFN_DOWN(page_to_phys(page));
}

static void fill(struct page *page, unsigned int order, uint64_t pattern)
{
	uint64_t *words = page_address(page);

	for (size_t i = 0; i < (PAGE_SIZE << order) / 8; i++)
		words[i] = pattern + i;
}

static void live_add(struct page *page, unsigned int order, enum page_owner owner)
{
	size_t first = number_of(page);

	assert_int_equal(first & ((1u << order) - 1), 0);
	for (size_t i = first; i < first + (1u << order); i++) {
		assert_false(used[i]);
		assert_false(i >= HOLE_START && i < HOLE_END);
		assert_int_equal(i >= NODE1_START, first >= NODE1_START);
		used[i] = true;
	}
	live[nr_live].page = page;
	live[nr_live].order = order;
	live[nr_live].owner = owner;
	live[nr_live].pattern = host_random(1ul << 50);
	fill(page, order, live[nr_live].pattern);
	nr_live++;
}

static void live_free(size_t i)
{
	const uint64_t *words = page_address(live[i].page);
	size_t first = number_of(live[i].page);

	for (size_t w = 0; w < (PAGE_SIZE << live[i].order) / 8; w++)
		assert_true(words[w] == live[i].pattern + w);
	memset(&used[first], 0, (size_t)1 << live[i].order);
	page_free(live[i].page);
	live[i] = live[--nr_live];
}

static void check_ledger(void)
{
	size_t owned[PAGE_NR_OWNERS] = {0}, all = 0;

	for (size_t i = 0; i < nr_live; i++)
		owned[live[i].owner] += (size_t)1 << live[i].order;
	for (unsigned int owner = PAGE_PGTABLE; owner < PAGE_NR_OWNERS; owner++) {
		assert_int_equal(page_count(owner), owned[owner]);
		all += owned[owner];
	}
	assert_int_equal(page_count(PAGE_FREE), start_free - all);
	assert_true(page_check());
	assert_int_equal(host_locks_held(), 0);
}

static void check_back_to_start(void)
{
	while (nr_live > 0)
		live_free(nr_live - 1);
	check_ledger();
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++)
		assert_int_equal(page_free_blocks(order), start_blocks[order]);
}

static int set_up(void **state __unused)
{
	host_memory_init(NR_SLOTS * PAGE_SIZE);
	early_direct_map();
	early_add(PAGE_SIZE, HOLE_START * PAGE_SIZE);
	early_add(HOLE_END * PAGE_SIZE, NR_SLOTS * PAGE_SIZE);
	early_reserve(0, 256 * PAGE_SIZE);
	assert_null(page_alloc(0, PAGE_TEST));
	assert_null(phys_to_page(PAGE_SIZE));
	page_init();
	assert_int_equal(phys_to_page(PAGE_SIZE)->owner, PAGE_BOOT);
	start_free = page_count(PAGE_FREE);
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++)
		start_blocks[order] = page_free_blocks(order);
	return 0;
}

static void set_up_knows_all_memory(void **state __unused)
{
	assert_int_equal(page_total(), NR_SLOTS - 1 - (HOLE_END - HOLE_START));
	assert_int_equal(page_count(PAGE_FREE) + page_count(PAGE_BOOT), page_total());
	assert_null(phys_to_page(0));
	assert_null(phys_to_page(HOLE_START * PAGE_SIZE));
	assert_null(phys_to_page(NR_SLOTS * PAGE_SIZE));
	assert_non_null(phys_to_page(NR_SLOTS * PAGE_SIZE - 1));
	assert_true(start_blocks[PAGE_MAX_ORDER] > 0);
	assert_true(page_check());
}

static void random_stream_matches_model(void **state __unused)
{
	for (unsigned int i = 0; i < 20000; i++) {
		unsigned int order = host_random(4) ? host_random(3) : host_random(PAGE_MAX_ORDER);
		enum page_owner owner = PAGE_PGTABLE + host_random(PAGE_NR_OWNERS - PAGE_PGTABLE);

		if (nr_live > 0 && (nr_live == MAX_LIVE || host_random(2))) {
			live_free(host_random(nr_live));
		} else {
			struct page *page = page_alloc_node(host_random(2), order, owner);

			if (page != NULL)
				live_add(page, order, owner);
		}
		if (i % 64 == 0)
			check_ledger();
	}
	check_back_to_start();
}

/* The last page can be had, then there is a clean no; afterwards everything joins again. */
static void all_pages_then_none(void **state __unused)
{
	struct list_node all;
	struct page *page, *next;
	size_t n = 0;

	list_init(&all);
	while ((page = page_alloc(0, PAGE_TEST)) != NULL) {
		list_add_back(&page->node, &all);
		n++;
	}
	assert_int_equal(n, start_free);
	assert_int_equal(page_count(PAGE_FREE), 0);
	assert_null(page_alloc_node(1, 0, PAGE_HEAP));
	list_for_each_entry_safe (page, next, &all, node)
		page_free(page);
	check_back_to_start();
}

static void nodes_are_preferred_not_required(void **state __unused)
{
	for (unsigned int node = 0; node < 2; node++) {
		struct page *page = page_alloc_node(node, 3, PAGE_TEST);

		assert_int_equal(page->node_id, node);
		page_free(page);
	}
	while (nr_live < MAX_LIVE) {
		struct page *page = page_alloc_node(1, 6, PAGE_TEST);

		if (page == NULL)
			break;
		live_add(page, 6, PAGE_TEST);
	}
	assert_int_equal(live[0].page->node_id, 1);
	assert_int_equal(live[nr_live - 1].page->node_id, 0);
	check_back_to_start();
}

static struct page *page_of(const void *address)
{
	return phys_to_page(virt_to_phys(address));
}

/* More than one hold of the lock takes, and more than there are. */
static void many_at_once(void **state __unused)
{
	static void *many[NR_SLOTS];
	size_t nr;

	assert_true(start_free < NR_SLOTS);
	assert_int_equal(page_alloc_many(1, PAGE_TEST, many, 50), 50);
	assert_int_equal(page_count(PAGE_TEST), 50);
	assert_null(many[50]);
	for (size_t i = 0; i < 50; i++) {
		struct page *page = page_of(many[i]);

		assert_true(page->node_id == 1 && page->order == 0 && page->entries == 0);
		page_free(page);
	}
	nr = page_alloc_many(0, PAGE_TEST, many, NR_SLOTS);
	assert_int_equal(nr, start_free);
	assert_null(many[nr]);
	assert_int_equal(page_alloc_many(0, PAGE_TEST, &many[nr], 1), 0);
	while (nr > 0)
		page_free(page_of(many[--nr]));
	page_fail_nth(PAGE_HEAP, 20);
	assert_int_equal(page_alloc_many(0, PAGE_HEAP, many, 40), 19);
	assert_false(page_fail_pending());
	for (nr = 0; nr < 19; nr++)
		page_free(page_of(many[nr]));
	EXPECT_PANIC(page_alloc_many(0, PAGE_FREE, many, 1), "owner 0");
	check_back_to_start();
}

static void nth_allocation_of_the_owner_fails(void **state __unused)
{
	struct page *first, *second;

	page_fail_nth(PAGE_HEAP, 2);
	first = page_alloc(0, PAGE_HEAP);
	second = page_alloc(0, PAGE_TEST);
	assert_true(first != NULL && second != NULL && page_fail_pending());
	assert_null(page_alloc(0, PAGE_HEAP));
	assert_false(page_fail_pending());
	page_free(first);
	page_free(second);
	page_fail_nth(PAGE_HEAP, 1);
	page_fail_nth(PAGE_HEAP, 0);
	first = page_alloc(0, PAGE_HEAP);
	assert_non_null(first);
	page_free(first);
	check_back_to_start();
}

static void bad_frees_panic(void **state __unused)
{
	struct page *block = page_alloc(3, PAGE_TEST), hole = {0};

	EXPECT_PANIC(page_free(block + 1), "inside a block");
	EXPECT_PANIC(page_free(phys_to_page(PAGE_SIZE)), "taken before page_init");
	EXPECT_PANIC(page_free(&hole), "not a struct page");
	page_free(block);
	EXPECT_PANIC(page_free(block), "free already");
	EXPECT_PANIC(page_free(block + 5), "free already");
	EXPECT_PANIC(page_alloc(PAGE_MAX_ORDER + 1, PAGE_TEST), "order 11");
	EXPECT_PANIC(page_alloc(0, PAGE_FREE), "owner 0");
	check_back_to_start();
}

#if CONFIG_LOCK_CHECKS
static void write_after_free_is_caught(void **state __unused)
{
	struct page *page = page_alloc(0, PAGE_TEST);
	uint64_t *words = page_address(page);

	page_free(page);
	assert_true(words[100] == PAGE_POISON);
	words[100] = 1;
	EXPECT_PANIC(page_alloc(0, PAGE_TEST), "was written to: 0x1");
	page_free(page);
	check_back_to_start();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_up_knows_all_memory),
		cmocka_unit_test(random_stream_matches_model),
		cmocka_unit_test(all_pages_then_none),
		cmocka_unit_test(nodes_are_preferred_not_required),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(nth_allocation_of_the_owner_fails),
		cmocka_unit_test(bad_frees_panic),
#if CONFIG_LOCK_CHECKS
		cmocka_unit_test(write_after_free_is_caught),
#endif
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
