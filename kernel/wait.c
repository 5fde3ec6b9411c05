// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wait queues. A waiter queues itself, looks at its condition, and only then sleeps; a waker takes
 * entries off the queue and marks them under the queue's lock. A wake-up between the look and the
 * sleep finds the entry queued, marks it, and the sleep ends before it begins.
 *
 * wait_finish takes the lock even when the entry is off the queue: a waker that has marked the
 * entry may still be waking the thread, and must be done before the entry, or the thread, goes
 * away.
 */
#include "kernel/wait.h"

#include "kernel/panic.h"
#include "kernel/sched.h"
#include "kernel/time.h"

void wait_queue_init(struct wait_queue *queue)
{
	queue->lock = (struct spinlock)SPINLOCK_INIT("wait queue", LOCK_CLASS_WAIT);
	list_init(&queue->waiters);
}

struct thread *wake_one_locked(struct wait_queue *queue)
{
	struct wait_entry *entry;
	struct thread *thread;

	if (list_empty(&queue->waiters))
		return NULL;
	entry = list_first(&queue->waiters, struct wait_entry, node);
	thread = entry->thread;
	list_del(&entry->node);
	WRITE_ONCE(entry->woken, true);
	sched_wake(thread);
	return thread;
}

void wake_one(struct wait_queue *queue)
{
	irqflags_t flags = spin_lock_irqsave(&queue->lock);

	wake_one_locked(queue);
	spin_unlock_irqrestore(&queue->lock, flags);
}

void wake_all(struct wait_queue *queue)
{
	irqflags_t flags = spin_lock_irqsave(&queue->lock);

	while (wake_one_locked(queue) != NULL)
		;
	spin_unlock_irqrestore(&queue->lock, flags);
}

void wait_prepare(struct wait_queue *queue, struct wait_entry *entry)
{
	irqflags_t flags;

	entry->thread = thread_current();
	if (entry->thread == NULL || !may_sleep())
		panic("wait: this context may not sleep");
	entry->woken = false;
	flags = spin_lock_irqsave(&queue->lock);
	list_add_back(&entry->node, &queue->waiters);
	spin_unlock_irqrestore(&queue->lock, flags);
}

bool wait_sleep(struct wait_entry *entry, unsigned int timeout_ms)
{
	uint64_t deadline = timeout_ms == 0 ? NO_DEADLINE : time_ns() + timeout_ms * 1000000ul;

	if (!may_sleep())
		panic("wait: this context may not sleep");
	sched_block(&entry->woken, deadline);
	return READ_ONCE(entry->woken);
}

void wait_finish(struct wait_queue *queue, struct wait_entry *entry)
{
	irqflags_t flags = spin_lock_irqsave(&queue->lock);

	list_del(&entry->node);
	spin_unlock_irqrestore(&queue->lock, flags);
}
