// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutexes. A free mutex belongs to whoever comes first, a waiter just woken included: nobody waits
 * for a sleeper to get the CPU while the mutex is free, and no second waiter is woken while the first
 * is on its way. A waiter keeps its place when it comes too late; when that has gone on for
 * PATIENCE_NS, the next unlock hands the mutex over to the first in line.
 */
#include "kernel/mutex.h"

#include "arch/x86_64/smp.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/time.h"

#define PATIENCE_NS 10000000ul
#define MAX_WAITERS 1000 /* counted in a list that may be half changed */

/* linker.ld */
extern struct mutex *const __mutexes_start[], *const __mutexes_end[];

static const char *mutex_name(const struct mutex *mutex)
{
	return mutex->name == NULL ? "?" : mutex->name;
}

static bool take_locked(struct mutex *mutex)
{
	if (mutex->locked)
		return false;
	mutex->locked = true;
	mutex->owner = thread_current();
	return true;
}

bool mutex_trylock(struct mutex *mutex)
{
	irqflags_t flags = spin_lock_irqsave(&mutex->queue.lock);
	bool taken = take_locked(mutex);

	spin_unlock_irqrestore(&mutex->queue.lock, flags);
	return taken;
}

/* Sleeps until an unlock wakes this waiter; the queue's lock is let go meanwhile. True if that unlock
 * handed the mutex over. */
static bool sleep_locked(struct mutex *mutex, struct wait_entry *entry, irqflags_t flags)
{
	entry->woken = false;
	spin_unlock_irqrestore(&mutex->queue.lock, flags);
	sched_block(&entry->woken, NO_DEADLINE);
	spin_lock_irqsave(&mutex->queue.lock);
	if (mutex->locked && mutex->owner == entry->thread)
		return true;
	mutex->waking = false;
	return false;
}

/* The mutex was taken a moment ago. */
static void wait_and_take(struct mutex *mutex)
{
	struct wait_entry entry = {.thread = thread_current()};
	uint64_t start = time_ns();
	irqflags_t flags = spin_lock_irqsave(&mutex->queue.lock);

	if (!take_locked(mutex)) {
		list_add_back(&entry.node, &mutex->queue.waiters);
		while (!sleep_locked(mutex, &entry, flags) && !take_locked(mutex)) {
			list_add_front(&entry.node, &mutex->queue.waiters);
			if (time_ns() - start > PATIENCE_NS)
				mutex->hand_over = true;
		}
	}
	spin_unlock_irqrestore(&mutex->queue.lock, flags);
}

void mutex_lock(struct mutex *mutex)
{
	if (spin_broken())
		return;
	if (mutex_is_held(mutex))
		panic("mutex_lock of '%s': thread '%s' owns it already", mutex_name(mutex),
		      thread_name(thread_current()));
	if (!may_sleep())
		panic("mutex_lock of '%s': this context may not sleep", mutex_name(mutex));
	if (!mutex_trylock(mutex))
		wait_and_take(mutex);
}

void mutex_unlock(struct mutex *mutex)
{
	irqflags_t flags;

	if (spin_broken())
		return;
	flags = spin_lock_irqsave(&mutex->queue.lock);
	if (!mutex->locked || mutex->owner != thread_current())
		panic("mutex_unlock of '%s': thread '%s' does not own it", mutex_name(mutex),
		      thread_name(thread_current()));
	mutex->owner = NULL;
	if (mutex->hand_over)
		mutex->owner = wake_one_locked(&mutex->queue);
	else if (!mutex->waking)
		mutex->waking = wake_one_locked(&mutex->queue) != NULL;
	mutex->locked = mutex->owner != NULL;
	mutex->hand_over = false;
	spin_unlock_irqrestore(&mutex->queue.lock, flags);
}

bool mutex_is_held(const struct mutex *mutex)
{
	return READ_ONCE(mutex->locked) && READ_ONCE(mutex->owner) == thread_current();
}

static void print_owner(const struct mutex *mutex)
{
	const struct thread *owner = READ_ONCE(mutex->owner);
	const struct list_node *node = mutex->queue.waiters.next;
	unsigned int waiters = 0;

	for (; node != &mutex->queue.waiters && waiters < MAX_WAITERS; node = node->next)
		waiters++;
	log_line(LOG_ERROR, "panic", "thread %s of cpu%u owns mutex '%s', %u wait",
		 thread_name(owner), owner == NULL ? smp_processor_id() : owner->cpu,
		 mutex_name(mutex), waiters);
}

void mutex_print_held(void)
{
	for (struct mutex *const *mutex = __mutexes_start; mutex < __mutexes_end; mutex++) {
		if (READ_ONCE((*mutex)->locked))
			print_owner(*mutex);
	}
}
