/* SPDX-License-Identifier: GPL-2.0-only */
/* Wait queues: threads that sleep until a condition holds, and whoever made it hold wakes them. */
#pragma once

#include "kernel/list.h"
#include "kernel/spinlock.h"

struct wait_queue {
	struct spinlock lock;
	struct list_node waiters;
};

#define WAIT_QUEUE_INIT(name)                                         \
	{                                                             \
		.lock = SPINLOCK_INIT("wait queue", LOCK_CLASS_WAIT), \
		.waiters = LIST_INIT((name).waiters)                  \
	}

void wait_queue_init(struct wait_queue *queue);
/* Wakes one waiter, all waiters. Any context but NMI; no lock above LOCK_CLASS_WAIT held. */
void wake_one(struct wait_queue *queue);
void wake_all(struct wait_queue *queue);

/* As wake_one, for a caller that holds the queue's lock; returns whom it woke, NULL if nobody waits. */
struct thread *wake_one_locked(struct wait_queue *queue);

/* The two halves of wait_event: between them the caller looks at its condition. */
struct wait_entry {
	struct list_node node;
	struct thread *thread;
	bool woken;
};
void wait_prepare(struct wait_queue *queue, struct wait_entry *entry);
/* Sleeps until woken or until timeout_ms (0: no limit) passed; false on time-out. */
bool wait_sleep(struct wait_entry *entry, unsigned int timeout_ms);
void wait_finish(struct wait_queue *queue, struct wait_entry *entry);

/* Sleeps until cond is true; looks again after each wake. Sleeping context. */
#define wait_event(queue, cond)                       \
	do {                                          \
		struct wait_entry entry_;             \
		for (;;) {                            \
			wait_prepare(queue, &entry_); \
			if (cond)                     \
				break;                \
			wait_sleep(&entry_, 0);       \
			wait_finish(queue, &entry_);  \
		}                                     \
		wait_finish(queue, &entry_);          \
	} while (0)
