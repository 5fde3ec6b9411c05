// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler: one run queue a CPU, round robin, a time slice of one timer tick. A thread stays
 * on the CPU it was started on unless it asks to be moved: what looks at this CPU's queue touches
 * no other's, and a wake-up has one lock to take.
 */
#include "kernel/sched.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/smp.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/time.h"

#define IDLE_TICKS 2 /* before an idle CPU's tick stops */

struct run_queue {
	struct spinlock lock;
	struct list_node ready;	   /* threads that want to run, next one first */
	struct list_node sleepers; /* blocked with a deadline, earliest first */
	unsigned int nr_ready;
	struct thread *current;	 /* runs here; NULL until the CPU takes part */
	struct thread *idle;	 /* runs when nothing is ready; never in `ready` */
	struct thread *previous; /* who was switched away from, for finish_switch */
	bool resched;		 /* switch at the next chance; set by others under the lock */
	unsigned int idle_ticks; /* in a row with nothing to do; own CPU */
	bool tick_stopped;	 /* own CPU */
};

static DEFINE_PER_CPU_SHARED_ALIGNED(struct run_queue, run_queue);
static DEFINE_PER_CPU(struct thread *, current_thread);
DEFINE_PER_CPU(unsigned int, preempt_count); /* depth of preempt_disable */

/* Interrupts are off. */
static struct run_queue *this_queue(void)
{
	return this_cpu_ptr(&run_queue);
}

static void reschedule_irq(struct trap_frame *frame __unused)
{
	/* The sender set `resched`; thread_preempt_from_irq, which runs next, does the rest. */
}

void sched_init(void)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		struct run_queue *queue = per_cpu_ptr(&run_queue, cpu);

		queue->lock = (struct spinlock)SPINLOCK_INIT("run queue", LOCK_CLASS_SCHED);
		list_init(&queue->ready);
		list_init(&queue->sleepers);
	}
	irq_set_handler(VECTOR_RESCHEDULE, reschedule_irq);
}

void sched_thread_init(struct thread *thread, unsigned int cpu)
{
	list_init(&thread->run_node);
	list_init(&thread->sleep_node);
	thread->state = THREAD_READY;
	thread->deadline = NO_DEADLINE;
	thread->cpu = cpu;
}

void sched_adopt(struct thread *thread, const char *name, bool idle)
{
	irqflags_t flags = irq_save();
	struct run_queue *queue = this_queue();

	strlcpy(thread->name, name, sizeof(thread->name));
	sched_thread_init(thread, smp_processor_id());
	thread->state = THREAD_RUNNING;
	if (idle)
		queue->idle = thread;
	this_cpu_write(current_thread, thread);
	WRITE_ONCE(queue->current, thread);
	irq_restore(flags);
}

void sched_set_idle(struct thread *thread)
{
	this_queue()->idle = thread;
}

struct thread *thread_current(void)
{
	return this_cpu_read(current_thread);
}

bool thread_running(void)
{
	return thread_current() != NULL;
}

const char *sched_running_name(unsigned int cpu)
{
	const struct thread *thread = READ_ONCE(per_cpu_ptr(&run_queue, cpu)->current);

	return thread == NULL ? "none" : thread->name;
}

/* ---- Switching; the queue's lock is held, interrupts are off. ---- */

static void make_ready(struct run_queue *queue, struct thread *thread)
{
	thread->state = THREAD_READY;
	if (thread == queue->idle)
		return;
	list_add_back(&thread->run_node, &queue->ready);
	queue->nr_ready++;
}

static struct thread *pick_next(struct run_queue *queue)
{
	struct thread *next = queue->idle;

	if (!list_empty(&queue->ready)) {
		next = list_first(&queue->ready, struct thread, run_node);
		list_del(&next->run_node);
		queue->nr_ready--;
	}
	if (next == NULL)
		panic("sched: nothing to run on this CPU, which has no idle thread yet");
	return next;
}

static void check_stack(const struct thread *thread)
{
	if (thread->stack != NULL && thread->stack[0] != STACK_CANARY)
		panic("thread '%s' has written past the end of its stack of %d bytes", thread->name,
		      KERNEL_STACK_SIZE);
}

/* Queues a ready thread on its CPU and sees to it that an idle CPU notices. */
static void enqueue(struct thread *thread)
{
	unsigned int cpu = thread->cpu;
	struct run_queue *queue = per_cpu_ptr(&run_queue, cpu);
	irqflags_t flags = spin_lock_irqsave(&queue->lock);
	bool idle;

	make_ready(queue, thread);
	idle = queue->current == queue->idle;
	if (idle)
		WRITE_ONCE(queue->resched, true);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (idle && cpu != smp_processor_id())
		smp_send_reschedule(cpu);
}

/*
 * What the thread that was switched to does first: releases the queue's lock, which the one before
 * it took, and deals with that one if it left for good. Interrupts stay off.
 */
static void finish_switch(void)
{
	struct run_queue *queue = this_queue();
	struct thread *previous = queue->previous;
	bool moving = previous->state == THREAD_MOVING, dead = previous->state == THREAD_DEAD;

	queue->previous = NULL;
	if (moving) /* under the old lock: whoever found the thread here by now still owns its state
		     */
		WRITE_ONCE(previous->cpu, previous->target);
	spin_unlock_irqrestore(&queue->lock, 0);
	if (moving)
		enqueue(previous);
	else if (dead)
		thread_gone(previous);
}

/*
 * An idle CPU's tick wakes it for nothing, and where processors are virtual a thread of the host with it: with
 * 255 of them that is most of what the machine does. So it stops when a few have passed with nothing to do and
 * nobody to wake. The first CPU ticks on: it paints the screen, and hooks such as the tests' watchdog count on one.
 */
static void stop_tick_if_idle(struct run_queue *queue)
{
	if (queue->tick_stopped || queue->idle_ticks < IDLE_TICKS ||
	    smp_processor_id() == cpumask_next(&cpu_online_mask, 0))
		return;
	queue->tick_stopped = true;
	lapic_timer_stop();
}

static void start_tick(struct run_queue *queue)
{
	queue->idle_ticks = 0;
	if (!queue->tick_stopped)
		return;
	queue->tick_stopped = false;
	lapic_timer_start();
}

/* Switches to the next thread ready, if any, and releases the lock. The caller has set the current
 * thread's state and put it in `ready` if it wants to run again. Interrupts stay off. */
static void switch_away(struct run_queue *queue)
{
	struct thread *current = queue->current;
	struct thread *next = pick_next(queue);

	queue->resched = false;
	next->state = THREAD_RUNNING;
	if (next == current) {
		spin_unlock_irqrestore(&queue->lock, 0);
		return;
	}
	check_stack(current);
	start_tick(queue);
	queue->previous = current;
	WRITE_ONCE(queue->current, next);
	this_cpu_write(current_thread, next);
	arch_context_switch(&current->sp, next->sp);
	finish_switch(); /* much later, perhaps on another CPU */
}

void sched_enter(void)
{
	finish_switch();
	x86_sti();
}

/* The current thread goes to the end of the line. Interrupts are off. */
static void reschedule(void)
{
	struct run_queue *queue = this_queue();

	spin_lock_irqsave(&queue->lock);
	make_ready(queue, queue->current);
	switch_away(queue);
}

void sched_yield(void)
{
	irqflags_t flags = irq_save();

	reschedule();
	irq_restore(flags);
}

/* Leaves the CPU in a state from which others bring the thread back, or nobody does. */
static void leave(enum thread_state state)
{
	struct run_queue *queue = this_queue();

	spin_lock_irqsave(&queue->lock);
	queue->current->state = state;
	switch_away(queue);
}

void sched_exit(void)
{
	irq_save();
	leave(THREAD_DEAD);
	panic("sched: thread '%s' goes on after its end", thread_current()->name);
}

void sched_move(unsigned int cpu)
{
	irqflags_t flags = irq_save();

	thread_current()->target = cpu;
	if (cpu != smp_processor_id())
		leave(THREAD_MOVING);
	irq_restore(flags);
}

/* ---- Sleeping and waking ---- */

static void sleepers_insert(struct run_queue *queue, struct thread *thread)
{
	struct list_node *node;

	list_for_each (node, &queue->sleepers) {
		if (list_entry(node, struct thread, sleep_node)->deadline > thread->deadline)
			break;
	}
	list_add_back(&thread->sleep_node, node);
}

void sched_block(const bool *woken, uint64_t deadline)
{
	irqflags_t flags = irq_save();
	struct run_queue *queue = this_queue();
	struct thread *thread = queue->current;

	spin_lock_irqsave(&queue->lock);
	if (READ_ONCE(*woken)) {
		spin_unlock_irqrestore(&queue->lock, flags);
		return;
	}
	if (thread == queue->idle)
		panic("sched: the idle thread may not sleep");
	thread->state = THREAD_BLOCKED;
	thread->deadline = deadline;
	if (deadline != NO_DEADLINE)
		sleepers_insert(queue, thread);
	switch_away(queue);
	irq_restore(flags);
}

/* The thread is blocked on this queue, whose lock is held. */
static void unblock(struct run_queue *queue, struct thread *thread)
{
	list_del(&thread->sleep_node);
	make_ready(queue, thread);
	if (queue->current == queue->idle)
		WRITE_ONCE(queue->resched, true);
}

/* Takes the lock of the queue that the thread is on; it may move while we wait for it. */
static struct run_queue *lock_queue_of(const struct thread *thread, irqflags_t *flags)
{
	for (;;) {
		unsigned int cpu = READ_ONCE(thread->cpu);
		struct run_queue *queue = per_cpu_ptr(&run_queue, cpu);

		*flags = spin_lock_irqsave(&queue->lock);
		if (READ_ONCE(thread->cpu) == cpu)
			return queue;
		spin_unlock_irqrestore(&queue->lock, *flags);
	}
}

void sched_wake(struct thread *thread)
{
	irqflags_t flags;
	struct run_queue *queue = lock_queue_of(thread, &flags);
	unsigned int cpu = thread->cpu;
	bool poke = false;

	if (thread->state == THREAD_BLOCKED) {
		unblock(queue, thread);
		poke = queue->resched && cpu != smp_processor_id();
	}
	spin_unlock_irqrestore(&queue->lock, flags);
	if (poke)
		smp_send_reschedule(cpu);
}

void sched_start(struct thread *thread)
{
	enqueue(thread);
}

unsigned int sched_least_loaded(void)
{
	unsigned int cpu, best = smp_processor_id(), best_load = ~0u;

	for_each_online_cpu (cpu) {
		const struct run_queue *queue = per_cpu_ptr(&run_queue, cpu);
		unsigned int load = READ_ONCE(queue->nr_ready) +
				    (READ_ONCE(queue->current) != READ_ONCE(queue->idle));

		if (load < best_load) {
			best = cpu;
			best_load = load;
		}
	}
	return best;
}

/* ---- Time and preemption ---- */

void sched_tick(void)
{
	struct run_queue *queue = this_queue();
	uint64_t now = time_ns();

	if (queue->current == NULL)
		return;
	spin_lock_irqsave(&queue->lock);
	while (!list_empty(&queue->sleepers)) {
		struct thread *thread = list_first(&queue->sleepers, struct thread, sleep_node);

		if (thread->deadline > now)
			break;
		unblock(queue, thread);
	}
	if (queue->nr_ready > 0)
		WRITE_ONCE(queue->resched, true);
	if (queue->current == queue->idle && queue->nr_ready == 0 && list_empty(&queue->sleepers))
		queue->idle_ticks++;
	else
		queue->idle_ticks = 0;
	spin_unlock_irqrestore(&queue->lock, 0);
}

void sched_idle_loop(void *unused __unused)
{
	for (;;) {
		x86_cli();
		if (READ_ONCE(this_queue()->nr_ready) > 0) {
			reschedule();
		} else if (console_paint()) {
			x86_sti(); /* in time for the instruction after the next one */
			x86_pause();
		} else {
			stop_tick_if_idle(this_queue());
			x86_sti_hlt();
		}
	}
}

void thread_preempt_from_irq(void)
{
	if (!this_cpu_read(run_queue.resched) || this_cpu_read(preempt_count) != 0 ||
	    !thread_running())
		return;
	reschedule();
}

void preempt_disable(void)
{
	this_cpu_inc(preempt_count);
	barrier();
}

void preempt_enable(void)
{
	barrier();
	this_cpu_dec(preempt_count);
	if (this_cpu_read(preempt_count) == 0 && this_cpu_read(run_queue.resched) && may_sleep() &&
	    thread_running())
		sched_yield();
}

bool preempt_enabled(void)
{
	return this_cpu_read(preempt_count) == 0;
}

bool may_sleep(void)
{
	if (!thread_running())
		return true;
	return irqs_enabled() && preempt_enabled() && !in_interrupt() && spin_held_count() == 0 &&
	       thread_current() != this_cpu_read(run_queue.idle);
}
