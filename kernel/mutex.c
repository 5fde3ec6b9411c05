// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutexes. A free mutex belongs to whoever comes first, a waiter just woken included: nobody waits
 * for a sleeper to get the CPU while the mutex is free. A waiter that lost that race PATIENCE times
 * is handed the mutex by the next unlock.
 */
#include "kernel/mutex.h"

#include "kernel/panic.h"
#include "kernel/thread.h"

#define PATIENCE 4

/* The queue's lock is held. */
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

/* Queues the caller, takes the mutex if it came free meanwhile, else sleeps once. demand: the next
 * unlock shall hand it over to the first waiter. True once the caller owns the mutex. */
static bool wait_turn(struct mutex *mutex, bool demand)
{
	struct wait_entry entry;
	bool taken;

	wait_prepare(&mutex->queue, &entry);
	taken = mutex_trylock(mutex);
	if (!taken) {
		if (demand)
			WRITE_ONCE(mutex->hand_over, true);
		wait_sleep(&entry, 0);
	}
	wait_finish(&mutex->queue, &entry);
	return taken || mutex_is_held(mutex);
}

void mutex_lock(struct mutex *mutex)
{
	const char *name = mutex->name == NULL ? "?" : mutex->name;

	if (mutex_is_held(mutex))
		panic("mutex_lock of '%s': thread '%s' owns it already", name,
		      thread_name(thread_current()));
	if (!may_sleep())
		panic("mutex_lock of '%s': this context may not sleep", name);
	if (mutex_trylock(mutex))
		return;
	for (unsigned int tries = 0; !wait_turn(mutex, tries >= PATIENCE); tries++)
		;
}

void mutex_unlock(struct mutex *mutex)
{
	irqflags_t flags = spin_lock_irqsave(&mutex->queue.lock);

	if (!mutex->locked || mutex->owner != thread_current())
		panic("mutex_unlock of '%s': thread '%s' does not own it",
		      mutex->name == NULL ? "?" : mutex->name, thread_name(thread_current()));
	mutex->owner = wake_one_locked(&mutex->queue);
	if (!mutex->hand_over)
		mutex->owner = NULL;
	mutex->locked = mutex->owner != NULL;
	mutex->hand_over = false;
	spin_unlock_irqrestore(&mutex->queue.lock, flags);
}

bool mutex_is_held(const struct mutex *mutex)
{
	return READ_ONCE(mutex->locked) && READ_ONCE(mutex->owner) == thread_current();
}
