// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deferred work: one list, one thread that runs its items one after the other. The fields of an
 * item belong to queue_lock; an item is touched for the last time when it stops running, so its
 * owner may free it after work_flush.
 */
#define LOG_AREA "work"
#include "kernel/workqueue.h"

#include "kernel/panic.h"
#include "kernel/thread.h"
#include "kernel/wait.h"

static struct spinlock queue_lock = SPINLOCK_INIT("work queue", LOCK_CLASS_WAIT);
static struct list_node items = LIST_INIT(items); /* queued, oldest first; queue_lock */
static struct wait_queue worker_queue = WAIT_QUEUE_INIT(worker_queue); /* the worker, idle */
static struct wait_queue flush_queue = WAIT_QUEUE_INIT(flush_queue);
static struct thread *worker;

void work_queue(struct work *work)
{
	irqflags_t flags = spin_lock_irqsave(&queue_lock);
	bool added = !work->queued;

	if (added) {
		work->queued = true;
		list_add_back(&work->node, &items);
	}
	spin_unlock_irqrestore(&queue_lock, flags);
	if (added)
		wake_one(&worker_queue);
}

static bool work_is_busy(const struct work *work)
{
	irqflags_t flags = spin_lock_irqsave(&queue_lock);
	bool busy = work->queued || work->running;

	spin_unlock_irqrestore(&queue_lock, flags);
	return busy;
}

void work_flush(struct work *work)
{
	if (worker != NULL && thread_current() == worker)
		panic("work_flush: called by the worker, which would wait for itself");
	if (work_is_busy(work))
		wait_event(&flush_queue, !work_is_busy(work));
}

static bool have_work(void)
{
	irqflags_t flags = spin_lock_irqsave(&queue_lock);
	bool have = !list_empty(&items);

	spin_unlock_irqrestore(&queue_lock, flags);
	return have;
}

/* The oldest item, from queued to running. There is one. */
static struct work *item_start(void)
{
	irqflags_t flags = spin_lock_irqsave(&queue_lock);
	struct work *work = list_first(&items, struct work, node);

	list_del(&work->node);
	work->queued = false;
	work->running = true;
	spin_unlock_irqrestore(&queue_lock, flags);
	return work;
}

static void item_stop(struct work *work)
{
	irqflags_t flags = spin_lock_irqsave(&queue_lock);

	work->running = false;
	spin_unlock_irqrestore(&queue_lock, flags);
	wake_all(&flush_queue);
}

static void worker_main(void *unused __unused)
{
	for (;;) {
		struct work *work;

		wait_event(&worker_queue, have_work());
		work = item_start();
		work->fn(work);
		item_stop(work);
	}
}

void workqueue_init(void)
{
	worker = thread_create("worker", worker_main, NULL, THREAD_ANY_CPU);
	if (worker == NULL)
		panic("workqueue_init: no memory for the worker thread");
	thread_detach(worker);
}
