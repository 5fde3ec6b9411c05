// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests that go wrong, each in its own way. No selection runs them but their own names: they show that
 * the kernel sees it, and what it says. (break= is for kernels that fail as a whole.)
 */
#include "kernel/panic.h"

#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/mutex.h"
#include "kernel/spinlock.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/percpu.h"

TEST(broken_leaks_heap, TEST_BROKEN)
{
	EXPECT(kmalloc(100) != NULL);
}

TEST(broken_leaks_page, TEST_BROKEN)
{
	EXPECT(page_alloc(0, PAGE_TEST) != NULL);
}

TEST(broken_hangs, TEST_BROKEN)
{
	for (;;)
		x86_pause();
}

/* No watchdog sees this one but on another CPU; with one CPU the runner's time limit does. */
TEST(broken_hangs_with_interrupts_off, TEST_BROKEN)
{
	irq_save();
	for (;;)
		x86_pause();
}

static const volatile int *volatile nothing;

TEST(broken_reads_null, TEST_BROKEN)
{
	EXPECT(*nothing == 0);
}

/* Only make SANITIZE=1 sees it. */
TEST(broken_overflows_an_int, TEST_BROKEN)
{
	volatile int largest = INT32_MAX;

	/* cppcheck-suppress integerOverflow ; that is the point */
	EXPECT(largest + 1 != 0);
}

TEST(broken_writes_text, TEST_BROKEN)
{
	*(volatile char *)(uintptr_t)panic_at = 0;
}

static __noinline unsigned long recurse(volatile unsigned long depth)
{
	return depth == UINT64_MAX ? 0 : depth + recurse(depth + 1) + depth;
}

static void overflow_stack(void *arg __unused)
{
	recurse(0);
}

TEST(broken_overflows_its_stack, TEST_BROKEN)
{
	struct thread *thread = thread_create("too deep", overflow_stack, NULL, THREAD_ANY_CPU);

	REQUIRE(thread != NULL);
	thread_join(thread);
}

static struct spinlock outer = SPINLOCK_INIT("broken outer", LOCK_CLASS_TEST);
static struct spinlock inner = SPINLOCK_INIT("broken inner", LOCK_CLASS_WAIT);
DEFINE_MUTEX(mutex, "broken mutex");

TEST(broken_takes_a_lock_twice, TEST_BROKEN)
{
	spin_lock_irqsave(&outer);
	spin_lock_irqsave(&outer);
}

TEST(broken_takes_locks_in_the_wrong_order, TEST_BROKEN)
{
	spin_lock_irqsave(&inner);
	spin_lock_irqsave(&outer);
}

TEST(broken_releases_a_free_lock, TEST_BROKEN)
{
	spin_unlock_irqrestore(&outer, 0);
}

TEST(broken_takes_a_mutex_twice, TEST_BROKEN)
{
	mutex_lock(&mutex);
	mutex_lock(&mutex);
}

TEST(broken_sleeps_with_a_lock, TEST_BROKEN)
{
	spin_lock_irqsave(&outer);
	thread_sleep_ms(1);
}

static void hold_for_ever(void *arg)
{
	spin_lock_irqsave(&outer);
	*(volatile bool *)arg = true;
	for (;;)
		x86_pause();
}

/* Needs a second CPU; the holder shows in the panic's backtraces. */
TEST(broken_holds_a_lock_for_ever, TEST_BROKEN)
{
	unsigned int cpu, other = smp_processor_id();
	volatile bool held = false;

	for_each_online_cpu (cpu)
		other = cpu;
	if (other == smp_processor_id()) {
		test_skip(t, "needs two CPUs");
		return;
	}
	REQUIRE(thread_create("holder", hold_for_ever, (void *)&held, other) != NULL);
	while (!held)
		x86_pause();
	spin_lock_irqsave(&outer);
}

/* ---- Per-CPU memory ---- */

static DEFINE_PER_CPU(int, some_static);

/* Refused with a warning, which panic_on_warn makes a panic. */
TEST(broken_frees_a_static_variable, TEST_BROKEN)
{
	free_percpu(&some_static);
	barrier(); /* no tail call: this function is the caller */
}

static int __percpu *volatile no_area;

TEST(broken_uses_a_null_percpu_pointer, TEST_BROKEN)
{
	this_cpu_inc(*no_area);
}

TEST(broken_uses_a_null_percpu_pointer_of_another_cpu, TEST_BROKEN)
{
	unsigned int cpu, last = 0;

	for_each_possible_cpu (cpu)
		last = cpu;
	*per_cpu_ptr(no_area, last) = 1;
}

TEST(broken_uses_a_percpu_pointer_as_an_ordinary_one, TEST_BROKEN)
{
	volatile uintptr_t number = (uintptr_t)&some_static;

	*(volatile int *)number = 1;
}

/* ---- All CPUs ---- */

static void panic_here(void *arg __unused)
{
	panic("every CPU at once, this is cpu%u", smp_processor_id());
}

/* One of them tells its story; the others are stopped where they are. */
TEST(broken_panics_on_every_cpu, TEST_BROKEN)
{
	smp_call_all(panic_here, NULL);
}

static void wipe_canary(void *arg __unused)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	struct vm_range range;

	if (vm_range_find(here, &range))
		*(uint64_t *)range.start = 0;
	thread_yield();
	thread_sleep_ms(1);
}

TEST(broken_wipes_its_stack_canary, TEST_BROKEN)
{
	struct thread *thread = thread_create("scribbler", wipe_canary, NULL, THREAD_ANY_CPU);

	REQUIRE(thread != NULL);
	thread_join(thread);
}
