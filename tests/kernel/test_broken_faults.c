// SPDX-License-Identifier: GPL-2.0-only
/* Faults whose cause the report names: tests/boot/deaths.py has the lines and hints of each. */
#include "arch/x86_64/smp.h"
#include "kernel/mutex.h"
#include "kernel/panic.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/percpu.h"

/* ---- Poison: pointers read out of freed memory ---- */

TEST(broken_uses_freed_heap, TEST_BROKEN)
{
	volatile int **pointers = kmalloc(64),
		     **neighbour = kmalloc(64); /* the page stays the heap's */

	EXPECT(neighbour != NULL);
	kfree(pointers);
	*pointers[2] = 1;
}

TEST(broken_uses_a_freed_page, TEST_BROKEN)
{
	struct page *page = page_alloc(0, PAGE_TEST);
	volatile int **pointers = page_address(page);

	page_free(page);
	*pointers[2] = 1;
}

TEST(broken_uses_a_freed_area, TEST_BROKEN)
{
	uintptr_t __percpu *area = alloc_percpu(uintptr_t);

	free_percpu(area);
	*(volatile int *)this_cpu_read(*area) = 1;
}

/* ---- Per-CPU pointers ---- */

TEST(broken_uses_an_area_as_an_ordinary_one, TEST_BROKEN)
{
	volatile uintptr_t number = (uintptr_t)alloc_percpu(int);

	*(volatile int *)number = 1;
}

/* The area fills a chunk but for its last page, which gets no memory. */
TEST(broken_passes_the_end_of_an_area, TEST_BROKEN)
{
	char __percpu *area = __alloc_percpu(60000, 8);

	REQUIRE(area != NULL);
	*(volatile char *)per_cpu_ptr(area + 60000 + PAGE_SIZE, 0) = 1;
}

/* ---- Addresses ---- */

TEST(broken_reads_past_a_range, TEST_BROKEN)
{
	const volatile char *buffer = vmalloc(PAGE_SIZE, "broken buffer");

	EXPECT(buffer[PAGE_SIZE] == 0);
}

TEST(broken_calls_nothing, TEST_BROKEN)
{
	void (*volatile nothing)(void) = NULL;

	nothing();
}

/* ---- Who holds what ---- */

DEFINE_MUTEX(mutex, "broken mutex");

static void wait_for_mutex(void *arg __unused)
{
	mutex_lock(&mutex);
}

TEST(broken_panics_owning_a_mutex, TEST_BROKEN)
{
	mutex_lock(&mutex);
	REQUIRE(thread_create("waiter", wait_for_mutex, NULL, smp_processor_id()) != NULL);
	while (list_empty(&mutex.queue.waiters))
		thread_sleep_ms(1);
	free_percpu(__alloc_percpu(40, 8));
	panic("with a mutex");
}
