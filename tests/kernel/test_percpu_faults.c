// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps of failure, each under its id: what a request that fails leaves behind (U5, U6, U15), and
 * the state of interrupts on every way out (U3).
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "mm/page.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

#define STATIC_WORD 0x57a71c0057a71c00
static DEFINE_PER_CPU(uint64_t, static_word) = STATIC_WORD;

/* ---- U5: a failed populate and the neighbours' pages ---- */

#define SIZE_A 64
#define SIZE_B (PAGE_SIZE + 1000) /* behind A: the rest of page 0, and page 1 */

static void expect_static_alive(struct test_run *t)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		EXPECT_EQ(READ_ONCE(per_cpu(static_word, cpu)), STATIC_WORD);
}

/* The k-th call of the hook fails: B is refused, A and the ledger stay as they were. */
static void fail_on(struct test_run *t, void __percpu *a, enum port_hook hook, unsigned long k)
{
	size_t pages = port_pages_owned();
	uint64_t digest;
	void __percpu *b;

	pcpu_settle(); /* else the request is tried again with what was ready */
	digest = test_books_digest();
	port_fail_nth(hook, k);
	b = __alloc_percpu(SIZE_B, 1);
	if (b || port_fail_pending(hook))
		test_fail(t, __FILE__, __LINE__, "hook %u, call %lu: got 0x%lx, want NULL", hook, k,
			  (uintptr_t)b);
	port_fail_nth(hook, 0);
	EXPECT_EQ(test_wrong_bytes(a, SIZE_A, 5), 0);
	EXPECT_EQ(port_pages_owned(), pages);
	EXPECT_EQ(test_books_digest(), digest);
	expect_static_alive(t);
	test_expect_sound(t, "after a failed populate");
	free_percpu(b);
}

TEST(percpu_U5_a_failed_populate_leaves_the_neighbours_their_pages, TEST_QUICK)
{
	void __percpu *a, *b;

	test_chunks_exhaust(t);
	a = __alloc_percpu(SIZE_A, 1);
	EXPECT(a);
	if (a) {
		EXPECT(test_offset_of(a) + SIZE_A < PAGE_SIZE / 2); /* page 0, and B fits behind */
		test_fill(a, SIZE_A, 5);
		for (unsigned int k = 1; k <= pcpu_nr_units; k++) {
			if (!test_takes(k - 1))
				continue;
			fail_on(t, a, PORT_PAGE, k);
			fail_on(t, a, PORT_MAP, k);
		}
		b = __alloc_percpu(SIZE_B, 1);
		EXPECT_EQ(test_chunk_of(b), test_chunk_of(a));
		EXPECT_EQ(test_nonzero_bytes(b, SIZE_B), 0);
		EXPECT_EQ(test_wrong_bytes(a, SIZE_A, 5), 0);
		free_percpu(b);
	}
	free_percpu(a);
	test_chunks_release();
}

/* The first chunk: static variables share a page with the dynamic area. */
TEST(percpu_U5_a_failed_populate_beside_the_static_area_spares_it, TEST_QUICK)
{
	for (unsigned int k = 1; k <= pcpu_nr_units; k++) {
		size_t pages = port_pages_owned();
		void __percpu *ptr;

		if (!test_takes(k - 1))
			continue;
		port_fail_nth(PORT_PAGE, k);
		ptr = __alloc_percpu(2 * PAGE_SIZE, 4);
		port_fail_nth(PORT_PAGE, 0);
		expect_static_alive(t);
		if (!ptr)
			EXPECT_EQ(port_pages_owned(), pages);
		free_percpu(ptr);
		test_expect_sound(t, "after a failed populate of the first chunk");
	}
}

/* ---- U6: requests that can never be served make no chunks for ever ---- */

TEST(percpu_U6_the_largest_request_needs_bounded_work, TEST_QUICK)
{
	struct pcpu_stats before, after;
	struct pcpu_result result;
	void __percpu *ptr;

	EXPECT(pcpu_unit_size >= PCPU_MIN_UNIT_SIZE);
	pcpu_sync();
	pcpu_stats_get(&before);
	for (unsigned int i = 0; i < 20; i++) {
		port_fail_nth(PORT_PAGE, PORT_FAIL_ALWAYS);
		ptr = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
		port_fail_nth(PORT_PAGE, 0);
		if (ptr) /* a chunk kept in reserve has pages */
			free_percpu(ptr);
		EXPECT(!pcpu_try_alloc(PCPU_MIN_UNIT_SIZE + 1, 1, false, &result));
	}
	pcpu_sync();
	pcpu_stats_get(&after);
	EXPECT(after.chunks_made - after.chunks_freed <=
	       before.chunks_made - before.chunks_freed + 1);
	EXPECT(after.chunks_made - before.chunks_made <= 20);
	EXPECT(after.chunks_visited - before.chunks_visited <=
	       20 * 3 * (before.chunks_made - before.chunks_freed + 1));
	ptr = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	EXPECT(ptr);
	free_percpu(ptr);
}

/* ---- U15: the locks after every failure ---- */

static void expect_unlocked(struct test_run *t, const char *after)
{
	if (port_mutex_held() || port_lock_held() || spin_held_count() != 0 || !irqs_enabled())
		test_fail(t, __FILE__, __LINE__,
			  "after %s: mutex %d, spinlock %d, locks %u, interrupts %d", after,
			  port_mutex_held(), port_lock_held(), spin_held_count(), irqs_enabled());
}

/* Another thread can take both locks: the checker does. */
static void check_elsewhere(void *arg)
{
	test_expect_sound(arg, "on another CPU after a failure");
}

/* Fails the first, second, … call of the hook until a request that makes a chunk succeeds. Where there are many CPUs,
 * each of which has its pages and each step asks all of them, the steps are long. */
static void fail_each(struct test_run *t, enum port_hook hook, const char *name)
{
	void __percpu *ptr = NULL;
	unsigned long n, step = test_stride() == 1 ? 1 : 8 * test_stride();

	for (n = 1; n < 1000 && !ptr; n += step) {
		test_chunks_exhaust(t);
		port_fail_nth(hook, n);
		ptr = __alloc_percpu(3 * PAGE_SIZE, 64);
		EXPECT(!ptr == !port_fail_pending(hook));
		port_fail_nth(hook, 0);
		expect_unlocked(t, name);
		if (ptr)
			EXPECT_EQ(test_nonzero_bytes(ptr, 3 * PAGE_SIZE), 0);
		free_percpu(ptr);
		test_chunks_release();
	}
	EXPECT(ptr && n > 2); /* the hook was called, and failed at least once */
	test_on_cpu(t, test_other_cpu(), check_elsewhere, t);
}

TEST(percpu_U15_no_failure_leaves_a_lock_held, TEST_QUICK)
{
	struct pcpu_result result;

	fail_each(t, PORT_RANGE, "a failed range");
	fail_each(t, PORT_HEAP, "a failed heap allocation");
	fail_each(t, PORT_PAGE, "a failed page");
	fail_each(t, PORT_MAP, "a failed mapping");
	pcpu_try_alloc(0, 8, false, &result);
	expect_unlocked(t, "an illegal size");
	pcpu_try_free((void __percpu *)&static_word, &result);
	expect_unlocked(t, "an illegal free");
}

/* ---- U3: interrupts on every way out ---- */

/* Calls that may be made anywhere; each is looked at with interrupts on and off. */
static void call_free(void __percpu *live)
{
	free_percpu(live);
}

static void call_free_twice(void __percpu *live)
{
	struct pcpu_result result;

	free_percpu(live);
	pcpu_try_free(live, &result);
}

static void call_free_inside(void __percpu *live)
{
	struct pcpu_result result;

	pcpu_try_free((void __percpu *)((uintptr_t)live + 4), &result);
	free_percpu(live);
}

static void call_free_static(void __percpu *live)
{
	struct pcpu_result result;

	pcpu_try_free((void __percpu *)&static_word, &result);
	free_percpu(live);
}

static void call_free_null(void __percpu *live)
{
	free_percpu(NULL);
	free_percpu(live);
}

static void call_bad_alloc(void __percpu *live)
{
	struct pcpu_result result;

	pcpu_try_alloc(0, 0, false, &result);
	free_percpu(live);
}

static void call_warning(void __percpu *live)
{
	warn_expect_begin();
	__alloc_percpu(0, 0);
	free_percpu((void __percpu *)&static_word);
	warn_expect_end();
	free_percpu(live);
}

static void call_queries(void __percpu *live)
{
	struct pcpu_where where;
	struct pcpu_stats stats;

	pcpu_where(live, &where);
	pcpu_stats_get(&stats);
	per_cpu_ptr_to_phys(test_copy(live, 0));
	is_kernel_percpu_address((uintptr_t)test_copy(live, 0));
	free_percpu(live);
}

TEST(percpu_U3_interrupts_stay_off_for_a_caller_that_had_them_off, TEST_QUICK)
{
	static void (*const calls[])(void __percpu *live) = {
		call_free,	call_free_twice, call_free_inside, call_free_static,
		call_free_null, call_bad_alloc,	 call_warning,	   call_queries};

	for (size_t i = 0; i < ARRAY_SIZE(calls) * 2; i++) {
		bool on = i % 2;
		void __percpu *live = __alloc_percpu(64, 8);
		irqflags_t flags = irq_save();
		bool were;

		if (on)
			irq_restore(flags);
		calls[i / 2](live);
		were = irqs_enabled();
		irq_restore(flags);
		if (were != on)
			test_fail(t, __FILE__, __LINE__, "call %zu: interrupts got %d, want %d",
				  i / 2, were, on);
	}
}

TEST(percpu_U3_a_free_that_wakes_reclaim_keeps_interrupts_off, TEST_QUICK)
{
	static void __percpu *areas[64];
	irqflags_t flags;
	size_t n;

	test_chunks_exhaust(t);
	n = test_fill_chunk(areas, ARRAY_SIZE(areas), PCPU_MIN_UNIT_SIZE);
	flags = irq_save();
	for (size_t i = 0; i < n; i++) {
		free_percpu(areas[i]);
		EXPECT(!irqs_enabled());
	}
	irq_restore(flags);
	EXPECT(irqs_enabled());
	test_chunks_release();
}

/* ---- No memory at all ---- */

#define MANY_PAGES ((size_t)1 << 18)

/* Takes all blocks of an order; they are put in front. */
static void take_blocks(struct list_node *taken, unsigned int order)
{
	struct page *page;

	while ((page = page_alloc(order, PAGE_TEST)) != NULL)
		list_add_front(&page->node, taken);
}

/* Takes all memory: large blocks, but one of the largest as single pages, which come first. */
static void take_all(struct list_node *taken)
{
	struct page *largest = page_alloc(PAGE_MAX_ORDER, PAGE_TEST);

	for (unsigned int order = PAGE_MAX_ORDER + 1; order-- > 0;)
		take_blocks(taken, order);
	if (largest)
		page_free(largest);
	take_blocks(taken, 0);
}

/* Gives back one of the smallest blocks that are left; false if there are none. */
static bool give_one_back(struct list_node *taken)
{
	struct page *page = list_first(taken, struct page, node);

	if (list_empty(taken))
		return false;
	list_del(&page->node);
	page_free(page);
	return true;
}

/* A request for as much as there may be; where it fails, nothing has changed. */
static bool try_largest(struct test_run *t)
{
	size_t pages = port_pages_owned();
	void __percpu *ptr = __alloc_percpu(PCPU_MIN_UNIT_SIZE, 8);

	if (!ptr) {
		EXPECT_EQ(port_pages_owned(), pages);
		pcpu_sync();
		test_expect_sound(t, "with no memory left");
		return false;
	}
	EXPECT_EQ(test_nonzero_bytes(ptr, PCPU_MIN_UNIT_SIZE), 0);
	free_percpu(ptr);
	return true;
}

/* From no page at all upwards, page by page: the request fails at one step after the other. */
TEST(percpu_requests_fail_cleanly_when_memory_runs_out, TEST_SLOW)
{
	struct list_node taken = LIST_INIT(taken);
	unsigned int failures = 0;
	bool served = false;

	if (page_total() > MANY_PAGES) {
		test_skip(t, "so much memory takes long to fill");
		return;
	}
	test_chunks_exhaust(t);
	take_all(&taken);
	do {
		served = try_largest(t);
		failures += !served;
	} while (!served && give_one_back(&taken));
	EXPECT(served);
	EXPECT(failures > pcpu_nr_units);
	while (give_one_back(&taken))
		;
	test_chunks_release();
}
