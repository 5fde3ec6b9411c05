/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preemptive kernel threads: a run queue per CPU, round robin, switched by the local APIC timer.
 */
#pragma once

#include "arch/x86_64/percpu.h"
#include "kernel/list.h"

#define THREAD_ANY_CPU (~0u)

struct thread; /* fields are the scheduler's own */

/* Makes the running context thread "main" of this CPU; after it, thread_current works. Boot CPU:
 * needs the heap. APs: called as they start, then they enter the idle loop by thread_start_cpu. */
void thread_init(void);
void thread_start_cpu(void) __noreturn;

/*
 * Starts fn(arg) as a thread, pinned to a CPU or free to be started on the least loaded one. The
 * name is copied. Returns NULL when out of memory, or for an offline CPU. The caller must
 * thread_join it or call thread_detach. May not be called with a spinlock held.
 */
struct thread *thread_create(const char *name, void (*fn)(void *), void *arg, unsigned int cpu);
/* Waits until the thread has ended and frees it. Sleeps. */
void thread_join(struct thread *thread);
/* Lets the thread free itself at its end. */
void thread_detach(struct thread *thread);
void thread_exit(void) __noreturn;

struct thread *thread_current(void);
const char *thread_name(const struct thread *thread);
/* Gives the CPU to the next runnable thread. Sleeping context. */
void thread_yield(void);
void thread_sleep_ms(unsigned int ms);
/* Moves the calling thread to that online CPU and pins it there; THREAD_ANY_CPU unpins. */
void thread_pin(unsigned int cpu);
/*
 * Runs fn in the timer interrupt of every CPU, each tick, from now on / no more (a call that has begun
 * on another CPU may still run). CPUs that are idle for long do not tick, but for the first. False: there
 * are four already.
 */
bool thread_tick_hook_add(void (*fn)(void));
void thread_tick_hook_remove(void (*fn)(void));
/* Sleeps until the threads that ended detached so far are freed. */
void thread_reap_wait(void);

/* Whether the scheduler runs on this CPU (so that sleeping and preemption are possible). */
bool thread_running(void);

/* Nestable; while disabled the thread keeps this CPU. Interrupts still come. Any context. */
void preempt_disable(void);
void preempt_enable(void);
bool preempt_enabled(void);
DECLARE_PER_CPU(unsigned int, preempt_count); /* 0: enabled. To be read only */

/*
 * Switches threads when the tick or a reschedule request asked for it and preemption is enabled. The
 * trap code calls it last in the dispatch of every vector above 31: after the handler and the
 * end-of-interrupt, interrupts still off, once in_interrupt() tells of the interrupted context again
 * (so never in a nested handler), on the interrupted thread's own stack. It may return much later.
 */
void thread_preempt_from_irq(void);

/*
 * Whether the caller may sleep: interrupts on, preemption on, not in an interrupt, no spinlock held;
 * before the scheduler runs there is one context and it counts as one that may.
 */
bool may_sleep(void);
