/* SPDX-License-Identifier: GPL-2.0-only */
/* A lock whose waiters sleep. Before the scheduler runs it only keeps its owner. */
#pragma once

#include "kernel/wait.h"

struct mutex {
	struct thread *owner;	 /* NULL when free */
	struct wait_queue queue; /* who waits; its lock guards owner */
	const char *name;	 /* for messages */
	bool locked;
	bool waking;	/* a waiter was woken and has not tried yet */
	bool hand_over; /* the next unlock gives it to the first waiter */
};

#define MUTEX_INIT(var, mutex_name)                                         \
	{                                                                   \
		.queue = WAIT_QUEUE_INIT((var).queue), .name = (mutex_name) \
	}

/* A static mutex that a panic's report knows. */
#define DEFINE_MUTEX(var, mutex_name)                          \
	static struct mutex var = MUTEX_INIT(var, mutex_name); \
	static struct mutex *const mutex_entry_##var __used __section(".mutexes") = &(var)

/* Sleeps until the mutex is free and takes it. Panics if the caller owns it or may not sleep. */
void mutex_lock(struct mutex *mutex);
bool mutex_trylock(struct mutex *mutex);
/* Panics unless the caller owns it. */
void mutex_unlock(struct mutex *mutex);
/* Whether the calling thread owns it. */
bool mutex_is_held(const struct mutex *mutex);
/* Prints who owns which mutex of DEFINE_MUTEX and how many wait. Takes no lock: for a panic. */
void mutex_print_held(void);
