/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages and heap in the kernel: every test ends with each free list and each owner's count as they
 * were. What panics is tested on the host (tests/host/test_page.c, test_kmalloc.c).
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/page.h"

#define NR_LIVE 48

/* Pseudo-random numbers, xorshift64 of Marsaglia, "Xorshift RNGs" (2003). */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct free_state {
	size_t blocks[PAGE_MAX_ORDER + 1];
	size_t owned[PAGE_NR_OWNERS];
};

static void free_state_take(struct free_state *state)
{
	kmalloc_trim();
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++)
		state->blocks[order] = page_free_blocks(order);
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		state->owned[owner] = page_count(owner);
}

static void expect_free_state(struct test_run *t, const struct free_state *before)
{
	struct free_state now;

	free_state_take(&now);
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++)
		EXPECT_EQ(now.blocks[order], before->blocks[order]);
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		EXPECT_EQ(now.owned[owner], before->owned[owner]);
	EXPECT(page_check());
}

/* ---- Pages ---- */

static void fill_block(struct page *page, unsigned int order, uint64_t pattern)
{
	uint64_t *words = page_address(page);

	for (size_t i = 0; i < (PAGE_SIZE << order) / sizeof(*words); i += 64)
		words[i] = pattern + i;
}

static bool block_is_filled(struct page *page, unsigned int order, uint64_t pattern)
{
	const uint64_t *words = page_address(page);

	for (size_t i = 0; i < (PAGE_SIZE << order) / sizeof(*words); i += 64) {
		if (words[i] != pattern + i)
			return false;
	}
	return true;
}

/* Allocates and frees blocks at random; the number of blocks whose contents were not their own. */
static unsigned long page_stream(uint64_t seed, unsigned int operations)
{
	struct page *live[NR_LIVE] = {NULL};
	unsigned int orders[NR_LIVE];
	unsigned long wrong = 0;

	for (unsigned int n = 0; n < operations + NR_LIVE; n++) {
		unsigned int i = n < operations ? next_random(&seed) % NR_LIVE : n - operations;
		uint64_t pattern = (uintptr_t)&live[i];

		if (live[i] != NULL) {
			wrong += !block_is_filled(live[i], orders[i], pattern);
			page_free(live[i]);
			live[i] = NULL;
		} else if (n < operations) {
			orders[i] = next_random(&seed) % 5;
			live[i] = page_alloc(orders[i], PAGE_TEST);
			if (live[i] != NULL)
				fill_block(live[i], orders[i], pattern);
		}
	}
	return wrong;
}

TEST(mm_pages_are_back_after_a_random_stream, TEST_QUICK)
{
	struct free_state before;

	free_state_take(&before);
	EXPECT_EQ(page_stream(1, 2000), 0);
	expect_free_state(t, &before);
}

TEST(mm_buddies_join_again_in_any_order, TEST_QUICK)
{
	struct free_state before;
	struct list_node pages[3];
	struct page *page, *next;

	free_state_take(&before);
	for (unsigned int i = 0; i < 3; i++)
		list_init(&pages[i]);
	for (unsigned int i = 0; i < 1500; i++) {
		page = page_alloc(0, PAGE_TEST);
		REQUIRE(page != NULL);
		list_add_front(&page->node, &pages[i % 3]);
	}
	EXPECT_EQ(page_count(PAGE_TEST), before.owned[PAGE_TEST] + 1500);
	for (unsigned int i = 0; i < 3; i++) {
		list_for_each_entry_safe (page, next, &pages[i], node)
			page_free(page);
	}
	expect_free_state(t, &before);
}

TEST(mm_blocks_are_aligned_and_apart, TEST_QUICK)
{
	struct page *blocks[PAGE_MAX_ORDER + 1];

	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++) {
		blocks[order] = page_alloc(order, PAGE_TEST);
		REQUIRE(blocks[order] != NULL);
		EXPECT(IS_ALIGNED(page_to_phys(blocks[order]), PAGE_SIZE << order));
		EXPECT_EQ(virt_to_phys(page_address(blocks[order])), page_to_phys(blocks[order]));
		fill_block(blocks[order], order, order);
	}
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++) {
		EXPECT(block_is_filled(blocks[order], order, order));
		page_free(blocks[order]);
	}
}

TEST(mm_O4_free_pages_are_poisoned, TEST_QUICK)
{
#if CONFIG_LOCK_CHECKS
	struct page *page = page_alloc(0, PAGE_TEST);
	volatile uint64_t *words;

	REQUIRE(page != NULL);
	words = page_address(page);
	memset(page_address(page), 0, PAGE_SIZE);
	page_free(page);
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		EXPECT_EQ(words[i], PAGE_POISON);
#else
	test_skip(t, "built without checks");
#endif
}

TEST(mm_nth_page_of_an_owner_fails, TEST_QUICK)
{
	struct page *first, *second;

	page_fail_nth(PAGE_TEST, 2);
	first = page_alloc(0, PAGE_TEST);
	EXPECT(first != NULL);
	EXPECT(page_fail_pending());
	EXPECT(page_alloc(3, PAGE_TEST) == NULL);
	EXPECT(!page_fail_pending());
	second = page_alloc(3, PAGE_TEST);
	REQUIRE(first != NULL && second != NULL);
	page_free(first);
	page_free(second);
}

/* ---- Heap ---- */

static size_t class_of(size_t size)
{
	size_t n = 16;

	while (n < size)
		n *= 2;
	return n;
}

static bool bytes_are(const uint8_t *bytes, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* Sizes from 1 byte to two pages at random; the number of wrong contents or alignments. */
static unsigned long heap_stream(uint64_t seed, unsigned int operations)
{
	uint8_t *live[NR_LIVE] = {NULL};
	size_t sizes[NR_LIVE];
	unsigned long wrong = 0;

	for (unsigned int n = 0; n < operations + NR_LIVE; n++) {
		unsigned int i = n < operations ? next_random(&seed) % NR_LIVE : n - operations;

		if (live[i] != NULL) {
			wrong += !bytes_are(live[i], sizes[i], (uint8_t)i);
			kfree(live[i]);
			live[i] = NULL;
		} else if (n < operations) {
			sizes[i] = 1 + next_random(&seed) % (1ul << (next_random(&seed) % 14));
			live[i] = kzalloc(sizes[i]);
			if (live[i] == NULL)
				continue;
			wrong += !bytes_are(live[i], sizes[i], 0);
			wrong += (uintptr_t)live[i] % min(class_of(sizes[i]), PAGE_SIZE) != 0;
			memset(live[i], (int)i, sizes[i]);
		}
	}
	return wrong;
}

TEST(mm_heap_is_back_after_a_random_stream, TEST_QUICK)
{
	size_t bytes = kmalloc_bytes();
	struct free_state before;

	free_state_take(&before);
	EXPECT_EQ(heap_stream(2, 3000), 0);
	EXPECT_EQ(kmalloc_bytes(), bytes);
	expect_free_state(t, &before);
}

TEST(mm_heap_counts_what_classes_cost, TEST_QUICK)
{
	for (size_t size = 1; size <= 4ul << 20; size = size * 3 / 2 + 1) {
		size_t bytes = kmalloc_bytes();
		void *ptr = kmalloc(size);

		REQUIRE(ptr != NULL);
		EXPECT_EQ(kmalloc_bytes() - bytes, class_of(size));
		kfree(ptr);
	}
	EXPECT(kmalloc(0) == NULL);
	EXPECT(kmalloc((4ul << 20) + 1) == NULL);
	EXPECT(kzalloc(SIZE_MAX) == NULL);
	kfree(NULL);
}

TEST(mm_heap_survives_no_pages, TEST_QUICK)
{
	struct free_state before;

	free_state_take(&before);
	kmalloc_fail_nth(1);
	EXPECT(kzalloc(64) == NULL);
	EXPECT(!kmalloc_fail_pending());
	page_fail_nth(PAGE_HEAP, 1);
	EXPECT(kmalloc(3 * PAGE_SIZE) == NULL);
	expect_free_state(t, &before);
}

TEST(mm_U3_interrupts_stay_as_they_were, TEST_QUICK)
{
	irqflags_t flags = irq_save();
	struct page *page = page_alloc(0, PAGE_TEST);
	void *ptr = kmalloc(100);
	bool off_after_alloc = !irqs_enabled();

	kfree(ptr);
	if (page != NULL)
		page_free(page);
	EXPECT(off_after_alloc);
	EXPECT(!irqs_enabled());
	irq_restore(flags);
	EXPECT_EQ(irqs_enabled(), (flags & RFLAGS_IF) != 0);
}

/* ---- Every CPU at once ---- */

static unsigned long wrong_contents; /* atomic */
static unsigned int stream_length;   /* operations of each thread on pages, and on the heap */

static void stream_thread(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 100;
	unsigned long wrong = page_stream(seed, stream_length);

	wrong += heap_stream(seed, stream_length);

	__atomic_fetch_add(&wrong_contents, wrong, __ATOMIC_SEQ_CST);
}

static void stream_on_every_cpu(struct test_run *t, unsigned int length)
{
	static struct thread *threads[NR_CPUS];
	struct free_state before;
	unsigned int cpu;

	free_state_take(&before);
	wrong_contents = 0;
	stream_length = length;
	for_each_online_cpu (cpu) {
		if (test_takes(cpu))
			threads[cpu] = thread_create("test_mm", stream_thread,
						     (void *)(uintptr_t)cpu, cpu);
	}
	for_each_online_cpu (cpu) {
		EXPECT(threads[cpu] != NULL || !test_takes(cpu));
		if (threads[cpu] != NULL)
			thread_join(threads[cpu]);
	}
	EXPECT_EQ(wrong_contents, 0);
	expect_free_state(t, &before);
}

TEST(mm_pages_and_heap_on_every_cpu, TEST_QUICK)
{
	stream_on_every_cpu(t, 100);
}

TEST(mm_pages_and_heap_on_every_cpu_for_long, TEST_SLOW)
{
	stream_on_every_cpu(t, 2000);
}
