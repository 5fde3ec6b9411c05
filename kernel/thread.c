// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of threads: stacks, start, end, join. Who runs when is sched.c's.
 *
 * A thread ends on its own stack, so others free it: the joiner, or for a detached one the work
 * queue. Which of them is settled under life_lock.
 */
#include "kernel/thread.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "kernel/workqueue.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"

#define MAX_TICK_HOOKS 4

static DEFINE_PER_CPU(struct thread, first_thread); /* what ran when the CPU came here */

static void reap(struct work *work);

static struct spinlock life_lock = SPINLOCK_INIT("thread life", LOCK_CLASS_WAIT);
static struct wait_queue join_queue = WAIT_QUEUE_INIT(join_queue);
static struct list_node dead =
	LIST_INIT(dead); /* detached threads to free; by run_node; life_lock */
static struct work reap_work = WORK_INIT(reap_work, reap);

static void (*tick_hooks[MAX_TICK_HOOKS])(void);

/* ---- Making and freeing ---- */

static void thread_free(struct thread *thread)
{
	vfree(thread->stack);
	kfree(thread);
}

static void thread_entry(void *arg)
{
	struct thread *thread = arg;

	sched_enter();
	thread->fn(thread->arg);
	thread_exit();
}

/*
 * The pages beside a stack stay unmapped: above it is its own range's gap, below it that of the
 * range before, or nothing. The page below catches a stack that grows too far.
 */
static bool stack_make(struct thread *thread)
{
	uintptr_t top;

	thread->stack = vmalloc(KERNEL_STACK_SIZE, thread->name);
	if (thread->stack == NULL)
		return false;
	if (paging_lookup((uintptr_t)thread->stack - 1, NULL) != PHYS_NONE)
		panic("thread: memory is mapped right below the stack at %p",
		      (void *)thread->stack);
	memset(thread->stack, STACK_BYTE, KERNEL_STACK_SIZE);
	thread->stack[0] = STACK_CANARY;
	top = (uintptr_t)thread->stack + KERNEL_STACK_SIZE;
	thread->sp = arch_thread_stack(top, thread_entry, thread);
	return true;
}

/* A thread that does not run yet; NULL when out of memory. */
static struct thread *thread_make(const char *name, void (*fn)(void *), void *arg, unsigned int cpu)
{
	struct thread *thread = kzalloc(sizeof(*thread));

	if (thread == NULL)
		return NULL;
	strlcpy(thread->name, name, sizeof(thread->name));
	thread->fn = fn;
	thread->arg = arg;
	sched_thread_init(thread, cpu);
	if (!stack_make(thread)) {
		kfree(thread);
		return NULL;
	}
	return thread;
}

struct thread *thread_create(const char *name, void (*fn)(void *), void *arg, unsigned int cpu)
{
	struct thread *thread;

	if (spin_held_count() != 0)
		panic("thread_create of '%s': a spinlock is held", name);
	if (cpu == THREAD_ANY_CPU)
		cpu = sched_least_loaded();
	if (!cpu_online(cpu))
		return NULL;
	thread = thread_make(name, fn, arg, cpu);
	if (thread != NULL)
		sched_start(thread);
	return thread;
}

/* ---- The end ---- */

void thread_exit(void)
{
	if (!may_sleep())
		panic("thread_exit of '%s': its context may not sleep", thread_current()->name);
	sched_exit();
}

/* Interrupts are off; the thread's own stack is not in use any more. */
void thread_gone(struct thread *thread)
{
	irqflags_t flags = spin_lock_irqsave(&life_lock);
	bool detached = thread->detached;

	if (detached)
		list_add_back(&thread->run_node, &dead);
	else
		WRITE_ONCE(thread->gone, true); /* from here on the joiner may free it */
	spin_unlock_irqrestore(&life_lock, flags);
	if (detached)
		work_queue(&reap_work);
	else
		wake_all(&join_queue);
}

static struct thread *dead_take(void)
{
	irqflags_t flags = spin_lock_irqsave(&life_lock);
	struct thread *thread = NULL;

	if (!list_empty(&dead)) {
		thread = list_first(&dead, struct thread, run_node);
		list_del(&thread->run_node);
	}
	spin_unlock_irqrestore(&life_lock, flags);
	return thread;
}

static void reap(struct work *work __unused)
{
	struct thread *thread;

	while ((thread = dead_take()) != NULL)
		thread_free(thread);
}

void thread_reap_wait(void)
{
	work_flush(&reap_work);
}

static bool is_gone(const struct thread *thread)
{
	irqflags_t flags = spin_lock_irqsave(&life_lock);
	bool gone = thread->gone;

	spin_unlock_irqrestore(&life_lock, flags);
	return gone;
}

void thread_join(struct thread *thread)
{
	if (thread == thread_current())
		panic("thread_join: thread '%s' waits for itself", thread->name);
	wait_event(&join_queue, is_gone(thread));
	thread_free(thread);
}

void thread_detach(struct thread *thread)
{
	irqflags_t flags = spin_lock_irqsave(&life_lock);
	bool gone = thread->gone;

	thread->detached = true;
	spin_unlock_irqrestore(&life_lock, flags);
	if (gone)
		thread_free(thread);
}

/* ---- What a thread does to itself ---- */

const char *thread_name(const struct thread *thread)
{
	return thread == NULL ? "boot" : thread->name;
}

static void require_sleep(const char *what)
{
	if (!thread_running())
		panic("%s: there are no threads yet", what);
	if (!may_sleep())
		panic("%s: interrupts or preemption are off, or a spinlock is held", what);
}

void thread_yield(void)
{
	require_sleep("thread_yield");
	sched_yield();
}

void thread_sleep_ms(unsigned int ms)
{
	const bool never = false;

	require_sleep("thread_sleep_ms");
	sched_block(&never, time_ns() + ms * 1000000ul);
}

void thread_pin(unsigned int cpu)
{
	require_sleep("thread_pin");
	if (cpu == THREAD_ANY_CPU)
		return; /* threads stay where they are unless they ask */
	if (!cpu_online(cpu))
		panic("thread_pin: CPU %u is not online", cpu);
	sched_move(cpu);
}

/* ---- The timer ---- */

bool thread_tick_hook_add(void (*fn)(void))
{
	for (size_t i = 0; i < MAX_TICK_HOOKS; i++) {
		void (*none)(void) = NULL;

		if (__atomic_compare_exchange_n(&tick_hooks[i], &none, fn, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

void thread_tick_hook_remove(void (*fn)(void))
{
	for (size_t i = 0; i < MAX_TICK_HOOKS; i++) {
		void (*mine)(void) = fn;

		__atomic_compare_exchange_n(&tick_hooks[i], &mine, NULL, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
	}
}

static void tick(void)
{
	for (size_t i = 0; i < MAX_TICK_HOOKS; i++) {
		void (*hook)(void) = __atomic_load_n(&tick_hooks[i], __ATOMIC_ACQUIRE);

		if (hook != NULL)
			hook();
	}
	sched_tick();
}

/* ---- Set-up ---- */

static void boot_init(void)
{
	struct thread *idle;

	sched_init();
	sched_adopt(this_cpu_ptr(&first_thread), "main", false);
	idle = thread_make("idle", sched_idle_loop, NULL, smp_processor_id());
	if (idle == NULL)
		panic("thread_init: no memory for the idle thread's stack");
	sched_set_idle(idle);
	timer_set_handler(tick);
}

void thread_init(void)
{
	static bool booted;

	if (booted) {
		sched_adopt(this_cpu_ptr(&first_thread), "idle", true);
		return;
	}
	booted = true;
	boot_init();
}

void thread_start_cpu(void)
{
	sched_idle_loop(NULL);
}
