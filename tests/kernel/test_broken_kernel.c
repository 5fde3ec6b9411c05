// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths that the rest of the kernel promises, one test each: memory given back wrongly, wrong mappings,
 * wrong contexts, exceptions. tests/boot/deaths.py has what each of them must say.
 */
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "boot/sections.h"
#include "kernel/mutex.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "kernel/workqueue.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"

#define BROKEN(what, ...)                \
	TEST(broken_##what, TEST_BROKEN) \
	{                                \
		__VA_ARGS__;             \
	}

static volatile uint64_t word; /* no page, nobody's memory */

/* ---- Pages ---- */

TEST(broken_frees_a_page_twice, TEST_BROKEN)
{
	struct page *page = page_alloc(0, PAGE_TEST);

	page_free(page);
	page_free(page);
}

BROKEN(frees_a_page_inside_a_block, page_free(page_alloc(2, PAGE_TEST) + 1))
BROKEN(frees_a_page_of_the_image, page_free(phys_to_page((uintptr_t)&word - KERNEL_BASE)))
BROKEN(frees_what_is_no_page, page_free((struct page *)(uintptr_t)&word))
BROKEN(sets_pages_up_twice, page_init())

TEST(broken_writes_to_a_free_page, TEST_BROKEN)
{
	struct page *page = page_alloc(0, PAGE_TEST);
	volatile uint64_t *words = page_address(page);

	page_free(page);
	words[3] = 0x1234;
	while (page_alloc(0, PAGE_TEST))
		;
}

/* ---- Heap ---- */

TEST(broken_frees_heap_twice, TEST_BROKEN)
{
	void *ptr = kmalloc(64), *neighbour = kmalloc(64); /* the page stays the heap's */

	EXPECT(neighbour);
	kfree(ptr);
	kfree(ptr);
}

BROKEN(frees_the_inside_of_heap, kfree((char *)kmalloc(64) + 16))
BROKEN(frees_the_inside_of_much_heap, kfree((char *)kmalloc(4 * PAGE_SIZE) + 16))
BROKEN(frees_a_variable, kfree((void *)(uintptr_t)&word))
BROKEN(frees_what_is_no_memory, kfree((void *)8))

/* ---- Addresses ---- */

BROKEN(frees_the_inside_of_vmalloc, vfree((char *)vmalloc(2 * PAGE_SIZE, "broken") + PAGE_SIZE))
BROKEN(frees_addresses_that_are_mapped, vm_range_free((uintptr_t)vmalloc(2 * PAGE_SIZE, "broken")))
BROKEN(frees_addresses_of_nobody, vm_range_free(VMALLOC_END - PAGE_SIZE))
BROKEN(aligns_addresses_to_three, vm_range_alloc(PAGE_SIZE, 3, "broken"))

TEST(broken_maps_a_device_without_addresses, TEST_BROKEN)
{
	vm_range_fail_nth(1);
	vm_map_device(0xfee00000, 0x1800, PROT_NOCACHE, "broken");
}

TEST(broken_registers_addresses_late, TEST_BROKEN)
{
	static struct vm_range range = {.size = PAGE_SIZE, .name = "broken"};

	vm_area_register_early(&range, PAGE_SIZE);
}

TEST(broken_maps_a_page_twice, TEST_BROKEN)
{
	uintptr_t va = (uintptr_t)vmalloc(PAGE_SIZE, "broken");

	paging_map(va, 0x5000, PROT_WRITE);
}

BROKEN(maps_code_to_write_to, paging_map(VMALLOC_START, 0x5000, PROT_WRITE | PROT_EXEC))
BROKEN(maps_outside_the_vmalloc_area, paging_map(0x1000, 0x5000, PROT_WRITE))
BROKEN(maps_part_of_a_page, paging_map(VMALLOC_END - PAGE_SIZE, 0x5008, PROT_WRITE))
BROKEN(uses_early_memory_late, early_alloc(64, 8))

/* ---- Contexts ---- */

DEFINE_MUTEX(mutex, "broken mutex");
static struct spinlock lock = SPINLOCK_INIT("broken lock", LOCK_CLASS_TEST);
static struct spinlock high_lock = SPINLOCK_INIT("broken high lock", LOCK_CLASS_HEAP);
static struct wait_queue queue = WAIT_QUEUE_INIT(queue);

static void nothing(void *arg __unused)
{
}

BROKEN(releases_a_mutex_of_nobody, mutex_unlock(&mutex))
BROKEN(waits_for_itself, thread_join(thread_current()))
BROKEN(moves_to_a_cpu_that_is_off, thread_pin(NR_CPUS - 1))
BROKEN(calls_a_cpu_that_is_off, smp_call(NR_CPUS - 1, nothing, NULL))
BROKEN(ends_with_interrupts_off, irq_save(); thread_exit())
BROKEN(waits_with_interrupts_off, irq_save(); wait_event(&queue, word != 0))
BROKEN(starts_a_thread_under_a_lock, spin_lock_irqsave(&lock);
       thread_create("broken", nothing, NULL, THREAD_ANY_CPU))
BROKEN(calls_a_cpu_under_a_lock, spin_lock_irqsave(&high_lock); smp_call_all(nothing, NULL))

static void flush_itself(struct work *work)
{
	work_flush(work);
}

TEST(broken_flushes_its_own_work, TEST_BROKEN)
{
	static struct work work = WORK_INIT(work, flush_itself);

	work_queue(&work);
	work_flush(&work);
}

static void release_lock(void *arg __unused)
{
	spin_unlock_irqrestore(&lock, 0);
}

/* Needs a second CPU. */
TEST(broken_releases_the_lock_of_another_cpu, TEST_BROKEN)
{
	unsigned int cpu;

	spin_lock_irqsave(&lock);
	for_each_online_cpu (cpu) {
		if (cpu != smp_processor_id())
			smp_call(cpu, release_lock, NULL);
	}
}

static void on_irq(struct trap_frame *frame __unused)
{
}

BROKEN(handles_an_exception_as_interrupt, irq_set_handler(VECTOR_PAGE_FAULT, on_irq))
BROKEN(handles_an_interrupt_twice, irq_set_handler(VECTOR_TIMER, on_irq))
BROKEN(ends_warnings_that_did_not_begin, warn_expect_end())

TEST(broken_expects_warnings_too_deep, TEST_BROKEN)
{
	for (int depth = 0; depth < 9; depth++)
		warn_expect_begin();
}

/* ---- Exceptions ---- */

static volatile unsigned int zero;

TEST(broken_divides_by_zero, TEST_BROKEN)
{
	word = zero / zero;
}

TEST(broken_reads_a_noncanonical_address, TEST_BROKEN)
{
	word = *(volatile uint64_t *)0x8000000000000000;
}

TEST(broken_runs_data, TEST_BROKEN)
{
	static char data[16] = {0};

	((void (*)(void))(uintptr_t)data)();
}

TEST(broken_runs_into_a_trap, TEST_BROKEN)
{
	__builtin_trap();
}
