/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scheduler as wait queues, threads and panic see it. Everybody else uses kernel/thread.h.
 *
 * A thread lives on one CPU's run queue at a time: thread->cpu says which, and that queue's lock
 * guards everything below marked (Q). The lock is held across a switch: who is switched away from is
 * off the CPU before anybody can see it as anything but running.
 *
 *	READY --switch to--> RUNNING --sched_block--> BLOCKED --sched_wake, time--> READY
 *	RUNNING --preempted, yield--> READY     RUNNING --thread_pin--> MOVING --> READY elsewhere
 *	RUNNING --thread_exit--> DEAD
 */
#pragma once

#include "kernel/spinlock.h"
#include "kernel/thread.h"

#define THREAD_NAME_SIZE 24
#define STACK_BYTE	 0xa5 /* fresh stacks are filled with it: how deep they got can be seen */
#define STACK_CANARY	 0x5bd1e9955bd1e995ul /* lowest word of every thread's stack */
#define NO_DEADLINE	 (~0ul)

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_MOVING, THREAD_DEAD };

struct thread {
	uintptr_t sp;		     /* (Q) saved stack pointer while not running */
	struct list_node run_node;   /* (Q) in ready */
	struct list_node sleep_node; /* (Q) in sleepers */
	enum thread_state state;     /* (Q) */
	uint64_t deadline;	     /* (Q) of the sleep, in time_ns; NO_DEADLINE: none */
	unsigned int cpu;	     /* (Q) whose run queue; changed only by finish_switch */
	unsigned int target;	     /* MOVING: where to; own */
	void (*fn)(void *);	     /* constant */
	void *arg;		     /* constant */
	uint64_t *stack;     /* constant; NULL for a context that the boot code gave a stack */
	bool detached, gone; /* thread.c's life lock */
	char name[THREAD_NAME_SIZE]; /* constant */
};

/* Boot CPU: makes every possible CPU's run queue. Before anything else here. */
void sched_init(void);
/* Makes the running context a thread of this CPU. idle: it is also what runs when nothing is ready. */
void sched_adopt(struct thread *thread, const char *name, bool idle);
/* Sets the thread that runs on this CPU when nothing is ready: made, never started. */
void sched_set_idle(struct thread *thread);
/* What an idle thread does for ever. */
void sched_idle_loop(void *unused) __noreturn;

/* Fills a new thread's scheduling fields. */
void sched_thread_init(struct thread *thread, unsigned int cpu);
/* First words of a new thread: ends the switch that brought it here, interrupts on. */
void sched_enter(void);
/* Puts a thread that never ran on its CPU's run queue. */
void sched_start(struct thread *thread);
/* The online CPU with the fewest threads that run or want to. */
unsigned int sched_least_loaded(void);

/*
 * Blocks the caller until sched_wake or until the deadline (time_ns); at once back if *woken is set
 * already. Who wakes sets *woken before it calls sched_wake, so that no wake is lost. Sleeping context, or interrupts off with nothing held.
 */
void sched_block(const bool *woken, uint64_t deadline);
/* Makes a blocked thread ready; nothing if it is not blocked. The caller sees to it that the thread
 * lives. Any context but NMI, locks up to LOCK_CLASS_WAIT held. */
void sched_wake(struct thread *thread);
/* Gives the CPU away: to the next one ready / for good / on to another CPU. */
void sched_yield(void);
void sched_exit(void) __noreturn;
void sched_move(unsigned int cpu);

/* Called by finish_switch for a thread that has left its stack for good (thread.c). */
void thread_gone(struct thread *thread);

/* The timer's interrupt: ends sleeps and time slices. */
void sched_tick(void);
/* For panic: names what runs on a CPU; reads without locks. */
const char *sched_running_name(unsigned int cpu);
