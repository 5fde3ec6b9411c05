/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks that are safe against interrupts. Test builds (CONFIG_LOCK_CHECKS) check at every
 * acquisition that locks are taken in rising order of class, that a CPU does not take a lock it
 * holds, and that the holder releases it; each violation panics and names both locks.
 *
 * Lock order, outermost first (a lock may be taken while holding only lower numbers):
 */
#pragma once

#include "arch/x86_64/irq.h"

enum lock_class {
	LOCK_CLASS_TEST = 0,	 /* tests' own outer locks */
	LOCK_CLASS_PERCPU = 10,	 /* pcpu_lock: slots, tree, area maps */
	LOCK_CLASS_RECORDS = 15, /* what is remembered of operations */
	LOCK_CLASS_VMALLOC = 20, /* vmalloc ranges */
	LOCK_CLASS_HEAP = 30,	 /* kmalloc */
	LOCK_CLASS_PAGING = 40,	 /* page tables */
	LOCK_CLASS_PAGES = 50,	 /* page allocator */
	LOCK_CLASS_WAIT = 60,	 /* wait queues, mutexes, work queues */
	LOCK_CLASS_SCHED = 70,	 /* run queues */
	LOCK_CLASS_IPI = 80,	 /* cross-CPU calls */
	LOCK_CLASS_CONSOLE = 90, /* console and log: may be taken under anything */
};

struct spinlock {
	uint32_t locked;       /* 1: taken */
	uint32_t nr_taken;     /* how often it was taken: shows that a waited-for lock moves */
	unsigned int holder;   /* id of the CPU that holds it + 1; 0 when free */
	enum lock_class class; /* place in the lock order */
	const char *name;      /* for messages */
};

#define SPINLOCK_INIT(lock_name, lock_class_)               \
	{                                                   \
		.name = (lock_name), .class = (lock_class_) \
	}

/* Turns interrupts off, takes the lock; returns what unlock needs. Any context but NMI. */
irqflags_t spin_lock_irqsave(struct spinlock *lock);
/* Releases the lock and puts interrupts back as they were at the matching lock. */
void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags);
/* Takes it if it is free: true, with *flags for the unlock; else false, nothing changed. */
bool spin_trylock_irqsave(struct spinlock *lock, irqflags_t *flags);
/* Whether this CPU holds the lock. */
bool spin_is_held(const struct spinlock *lock);
/* How many spinlocks this CPU holds. */
unsigned int spin_held_count(void);
/* The class of the lock this CPU took last and still holds; -1 when it holds none. */
int spin_innermost_class(void);
/*
 * The calling CPU stopped all others for a panic: from now on it gets each lock at once, whoever holds it,
 * and mutexes too, to read what they guard. What it reads may be half changed. spin_broken: whether so.
 */
void spin_break(void);
bool spin_broken(void);
/* Prints the locks a CPU holds (for panic). */
void spin_print_held(unsigned int cpu);
