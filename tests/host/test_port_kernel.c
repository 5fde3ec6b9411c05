/* SPDX-License-Identifier: GPL-2.0-only */
/* links: percpu/port_kernel.c tests/host/stub_kernel.c tests/host/tell_kernel.c */
/* flags: -DCONFIG_LOCK_CHECKS=1 -no-pie -Wl,-T,tests/host/percpu.ld */
/*
 * The kernel's side of percpu/port.h, hook by hook, between a kernel that only tells what it was asked
 * and a caller that is the test.
 */
#include "percpu/port_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/workqueue.h"
#include "mm/vmalloc.h"
#include "tests/host/stub_kernel.h"
#include "tests/host/tell_kernel.h"

struct cpumask cpu_possible_mask;
unsigned int nr_cpu_ids;
uintptr_t __per_cpu_offset[NR_CPUS];
DEFINE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);

static int start(void **state)
{
	(void)state;
	forget_story();
	kernel.map_fails_at = 0;
	kernel.out_of_memory = kernel.mutex_owned = false;
	kernel.sleep_allowed = true;
	kernel.early_range_start = VMALLOC_START;
	port_kernel_heap_ready();
	return 0;
}

/* ---- Pages, addresses ---- */

static struct page *page_at(phys_addr_t pa)
{
	return phys_to_virt(pa);
}

static void a_page_is_its_direct_map_address(void **state)
{
	struct page *got[] = {NULL, NULL, NULL};

	(void)state;
	assert_int_equal(port_pages_alloc(5, got, 2), 2);
	assert_ptr_equal(got[0], page_at(0x3000));
	assert_ptr_equal(got[1], page_at(0x4000));
	assert_null(got[2]);
	expect_story("pages 105 percpu 2;");
	assert_int_equal(port_page_to_phys(got[0]), 0x3000);
	port_page_free(got[0]);
	expect_story("page_free 3;");
	kernel.out_of_memory = true;
	assert_int_equal(port_pages_alloc(0, got, 1), 0);
	expect_story("pages 100 percpu 1;");
	assert_int_equal(port_pages_owned(), 77);
	assert_int_equal(port_lookup(VMALLOC_START), 0x3000);
	assert_int_equal(port_lookup(VMALLOC_START + 1), ~(phys_addr_t)0);
}

static void ranges_are_charged(void **state)
{
	size_t before = port_kernel_heap_bytes();

	(void)state;
	assert_int_equal(port_range_alloc(0x20000), VMALLOC_START + 0x5000);
	expect_story("range 131072 4096 percpu chunk;");
	assert_int_equal(port_kernel_heap_bytes(), before + 48);
	port_range_free(VMALLOC_START + 0x5000, 0x20000);
	expect_story("range_free ffffd00000005000;");
	assert_int_equal(port_kernel_heap_bytes(), before);
	kernel.out_of_memory = true;
	assert_int_equal(port_range_alloc(0x20000), 0);
	assert_int_equal(port_kernel_heap_bytes(), before);
}

/* NULL must reach the hole below the vmalloc area, from the range's last byte too. */
static void the_first_range_lies_low(void **state)
{
	(void)state;
	assert_int_equal(port_range_register_early(0x10000), VMALLOC_START);
	expect_story("register 65536 4096 percpu first chunk;");
	kernel.early_range_start = VMALLOC_START + PERCPU_LINK_BASE - 0x10000;
	assert_int_equal(port_range_register_early(0x10000), kernel.early_range_start);
	kernel.early_range_start += PAGE_SIZE;
	EXPECT_PANIC(port_range_register_early(0x10000),
		     "percpu first chunk: 65536 bytes at 0xffffd0002fff1000 end more than "
		     "0x30000000 above the vmalloc area's start");
}

static struct page *three[3];

static void map_three(int want)
{
	for (size_t i = 0; i < 3; i++)
		three[i] = page_at(0x1000 * (2 * i + 1));
	assert_int_equal(port_map(0x10000, three, 3), want);
}

static void a_mapping_that_fails_is_taken_back(void **state)
{
	(void)state;
	map_three(0);
	expect_story("map 10000 1000 rw;map 11000 3000 rw;map 12000 5000 rw;");
	kernel.map_fails_at = 3;
	map_three(-ENOMEM);
	expect_story("map 10000 1000 rw;map 11000 3000 rw;map 12000 5000 rw;"
		     "unmap 10000 2;flush 10000 13000;");
	port_unmap(0x20000, 7);
	port_flush_unmap(0x20000, 0x27000);
	expect_story("unmap 20000 7;flush 20000 27000;");
	port_flush_map(0x20000, 0x27000);
	expect_story("%s", "");
}

/* ---- Heap ---- */

static void books_are_charged(void **state)
{
	size_t before = port_kernel_heap_bytes();
	void *ptr = port_zalloc(100);

	(void)state;
	assert_ptr_equal(ptr, tell_heap_object());
	assert_int_equal(port_kernel_heap_bytes(), before + 108);
	port_free(ptr, 100);
	expect_story("kzalloc 100;kfree it;");
	assert_int_equal(port_kernel_heap_bytes(), before);
	kernel.out_of_memory = true;
	assert_null(port_zalloc(100));
	assert_int_equal(port_kernel_heap_bytes(), before);
	EXPECT_PANIC(port_early_alloc(24), "no 24 bytes of memory for the first chunk's books");
	kernel.out_of_memory = false;
	forget_story();
	assert_ptr_equal(port_early_alloc(24), phys_to_virt(0x4000));
	expect_story("early 24 8 0;");
}

/* The first test: heap_is_up is never taken back. */
static void no_heap_before_it_is_up(void **state)
{
	(void)state;
	assert_null(port_zalloc(8));
	expect_story("%s", "");
	assert_int_equal(port_kernel_heap_bytes(), 0);
}

/* ---- Planted failures ---- */

static bool call_works(enum port_hook hook)
{
	switch (hook) {
	case PORT_PAGE:
		return port_pages_alloc(0, three, 1) == 1;
	case PORT_RANGE:
		return port_range_alloc(PAGE_SIZE) != 0;
	case PORT_MAP:
		three[0] = page_at(0);
		return port_map(0x10000, three, 1) == 0;
	default:
		return port_zalloc(8) != NULL;
	}
}

static void the_nth_call_fails_once(void **state)
{
	(void)state;
	for (enum port_hook hook = 0; hook < PORT_NR_HOOKS; hook++) {
		assert_true(call_works(hook));
		port_fail_nth(hook, 3);
		for (unsigned int call = 1; call <= 5; call++) {
			for (enum port_hook other = 0; other < PORT_NR_HOOKS; other++)
				if (other != hook)
					assert_true(call_works(other));
			assert_int_equal(port_fail_pending(hook), call <= 3);
			assert_int_equal(call_works(hook), call != 3);
		}
		port_fail_nth(hook, PORT_FAIL_ALWAYS);
		for (unsigned int call = 1; call <= 5; call++)
			assert_false(call_works(hook));
		assert_true(port_fail_pending(hook));
		port_fail_nth(hook, 0);
		assert_true(call_works(hook));
		forget_story();
	}
}

static void pages_are_counted_one_by_one(void **state)
{
	struct page *got[5] = {NULL};

	(void)state;
	port_fail_nth(PORT_PAGE, 4);
	assert_int_equal(port_pages_alloc(1, got, 2), 2);
	assert_int_equal(port_pages_alloc(1, got + 2, 3), 1);
	assert_false(port_fail_pending(PORT_PAGE));
	assert_non_null(got[2]);
	assert_null(got[3]);
	expect_story("pages 101 percpu 2;pages 101 percpu 1;");
}

/* ---- Locks, deferred work ---- */

static void told_unlock(enum port_unlock_kind kind)
{
	assert_false(port_lock_held());
	tell("%s free;", kind == PORT_UNLOCKED_MUTEX ? "mutex" : "spinlock");
}

static void locks_are_taken_and_released(void **state)
{
	struct spinlock inner = SPINLOCK_INIT("next in the order", LOCK_CLASS_VMALLOC);
	struct spinlock outer = SPINLOCK_INIT("a test's", LOCK_CLASS_TEST);
	irqflags_t flags;

	(void)state;
	assert_false(port_mutex_held());
	port_mutex_lock();
	assert_true(port_mutex_held());
	flags = port_lock();
	assert_true(port_lock_held());
	assert_int_equal(host_locks_held(), 1);
	spin_unlock_irqrestore(&inner, spin_lock_irqsave(&inner));
	port_unlock(flags);
	assert_int_equal(host_locks_held(), 0);
	assert_false(port_lock_held());
	port_mutex_unlock();
	assert_false(port_mutex_held());
	expect_story("lock pcpu_alloc_mutex;unlock pcpu_alloc_mutex;");
	port_set_unlock_hook(told_unlock);
	port_mutex_lock();
	port_unlock(port_lock());
	port_mutex_unlock();
	port_set_unlock_hook(NULL);
	port_unlock(port_lock());
	expect_story("lock pcpu_alloc_mutex;spinlock free;unlock pcpu_alloc_mutex;mutex free;");
	flags = port_lock();
	EXPECT_PANIC(spin_lock_irqsave(&outer), "a test's: taken while pcpu_lock is held");
	assert_true(port_may_sleep());
	kernel.sleep_allowed = false;
	assert_false(port_may_sleep());
}

static void locks_are_counted(void **state)
{
	struct port_lock_counts before = port_kernel_lock_counts(), after;

	(void)state;
	port_mutex_lock();
	for (unsigned int i = 0; i < 3; i++)
		port_unlock(port_lock());
	port_mutex_unlock();
	after = port_kernel_lock_counts();
	assert_int_equal(after.mutex - before.mutex, 1);
	assert_int_equal(after.spinlock - before.spinlock, 3);
}

static void reclaim_is_work(void **state)
{
	irqflags_t flags;

	(void)state;
	port_reclaim_schedule();
	port_reclaim_wait();
	expect_story("queue;flush work queued;");
	kernel.queued->fn(kernel.queued);
	expect_story("reclaim;");
	flags = port_lock();
	EXPECT_PANIC(port_reclaim_schedule(), "assertion failed: !port_lock_held()");
	(void)flags;
	expect_story("%s", "");
}

/* ---- CPUs, reports ---- */

static void units_are_in_the_order_of_ids(void **state)
{
	static char copy[2][64];
	static const unsigned int ids[] = {0, 2, 5, 64, 65};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++)
		bitmap_set(cpu_possible_mask.bits, ids[i]);
	nr_cpu_ids = 66;
	for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++)
		assert_int_equal(port_cpu_unit(ids[i]), i);
	for (unsigned int i = 0; i < 2; i++) {
		uintptr_t offset = (uintptr_t)copy[i] - (uintptr_t)&this_cpu_off;

		port_set_offset(ids[i], offset);
		assert_int_equal(__per_cpu_offset[ids[i]], offset);
		assert_int_equal(*(uintptr_t *)copy[i], offset);
	}
}

static void reports_are_passed_on(void **state)
{
	char buf[32];

	(void)state;
	port_warn(0x1234, "bad %d", 7);
	expect_story("percpu: bad 7, called by 0x1234 (0x1234S);");
	port_info("%u units", 3);
	expect_story("%d percpu: 3 units;", LOG_INFO);
	EXPECT_PANIC(port_panic("%s: %d", "why", 5), "why: 5");
	assert_int_equal(port_format(buf, 4, "%d", 123456), 6);
	assert_string_equal(buf, "123");
	port_symbol(0x77, buf, sizeof(buf));
	assert_string_equal(buf, "0x77S");
	kernel.microseconds = 2999;
	assert_int_equal(port_time_ms(), 2);
}

static void kernel_addresses_are_told_from_others(void **state)
{
	static const struct {
		uintptr_t start, end;
	} areas[] = {{VMALLOC_START, VMALLOC_END}, {KERNEL_BASE, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		assert_false(port_is_kernel_address(areas[i].start - 1));
		assert_true(port_is_kernel_address(areas[i].start));
		assert_true(port_is_kernel_address(areas[i].end - 1));
		if (areas[i].end != 0)
			assert_false(port_is_kernel_address(areas[i].end));
	}
	assert_false(port_is_kernel_address(DIRECT_MAP_BASE - 1));
	assert_true(port_is_kernel_address(DIRECT_MAP_BASE));
	assert_true(port_is_kernel_address(DIRECT_MAP_BASE + DIRECT_MAP_SIZE - 1));
	assert_false(port_is_kernel_address(DIRECT_MAP_BASE + DIRECT_MAP_SIZE));
	assert_false(port_is_kernel_address(PERCPU_LINK_BASE));
}

static void count_a_call(void *arg)
{
	++*(unsigned int *)arg;
}

static void every_cpu_is_called(void **state)
{
	unsigned int calls = 0;

	(void)state;
	port_on_each_cpu(count_a_call, &calls);
	expect_story("call_all;");
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_heap_before_it_is_up),
		cmocka_unit_test_setup(every_cpu_is_called, start),
		cmocka_unit_test_setup(a_page_is_its_direct_map_address, start),
		cmocka_unit_test_setup(ranges_are_charged, start),
		cmocka_unit_test_setup(the_first_range_lies_low, start),
		cmocka_unit_test_setup(a_mapping_that_fails_is_taken_back, start),
		cmocka_unit_test_setup(books_are_charged, start),
		cmocka_unit_test_setup(the_nth_call_fails_once, start),
		cmocka_unit_test_setup(pages_are_counted_one_by_one, start),
		cmocka_unit_test_setup(locks_are_taken_and_released, start),
		cmocka_unit_test_setup(locks_are_counted, start),
		cmocka_unit_test_setup(reclaim_is_work, start),
		cmocka_unit_test_setup(units_are_in_the_order_of_ids, start),
		cmocka_unit_test_setup(reports_are_passed_on, start),
		cmocka_unit_test_setup(kernel_addresses_are_told_from_others, start),
	};

	host_memory_init(TELL_PAGES * PAGE_SIZE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
