/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host port: the two locks, interrupts, failure injection, and the public calls with a look at
 * the locks afterwards. Any use out of order ends the process.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/port_host_internal.h"

#include <pthread.h>

struct host_fault host_faults[NR_HOOKS];
unsigned int host_fail_page_cpu = NR_CPUS;
struct host_lock_stats host_lock_stats;
void (*host_after_unlock)(void);
void (*host_after_cpu_call)(void);
void (*host_after_mutex_unlock)(void);

static pthread_mutex_t alloc_mutex, spinlock;
static _Thread_local bool holds_mutex, holds_lock;
static unsigned int mutex_waiters;
static _Thread_local bool irqs_off, in_irq, in_callback;

static pthread_mutex_t
	cpu_sections[NR_CPUS]; /* held with a CPU's interrupts off by port_irq_save */
static _Thread_local unsigned int section_depth;

void host_locks_init(void)
{
	pthread_mutex_init(&alloc_mutex, NULL);
	pthread_mutex_init(&spinlock, NULL);
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++)
		pthread_mutex_init(&cpu_sections[cpu], NULL);
}

/* Runs a test's callback as if on its own: no callback from inside it. */
static void run_callback(void (*callback)(void))
{
	if (callback == NULL || in_callback)
		return;
	in_callback = true;
	callback();
	in_callback = false;
}

/* ---- Mutex ---- */

void port_mutex_lock(void)
{
	if (holds_lock)
		host_die("the mutex is taken under the spinlock");
	if (holds_mutex)
		host_die("the mutex is taken twice");
	if (irqs_off || in_irq)
		host_die("the mutex is taken in a context that must not sleep");
	__atomic_add_fetch(&mutex_waiters, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&alloc_mutex);
	__atomic_sub_fetch(&mutex_waiters, 1, __ATOMIC_SEQ_CST);
	holds_mutex = true;
	host_lock_stats.mutex_locks++;
}

void port_mutex_unlock(void)
{
	if (!holds_mutex)
		host_die("the mutex is released by a thread that does not hold it");
	if (holds_lock)
		host_die("the mutex is released under the spinlock");
	holds_mutex = false;
	pthread_mutex_unlock(&alloc_mutex);
	run_callback(host_after_mutex_unlock);
}

bool port_mutex_held(void)
{
	return holds_mutex;
}

unsigned int host_mutex_waiters(void)
{
	return __atomic_load_n(&mutex_waiters, __ATOMIC_SEQ_CST);
}

bool port_may_sleep(void)
{
	return !irqs_off && !in_irq && !holds_lock;
}

/* ---- Spinlock ---- */

static bool counters_watched;
static struct pcpu_stats counters_seen; /* when the spinlock was last released */

void host_watch_counters(bool on)
{
	counters_seen = pcpu_counters;
	counters_watched = on;
}

/* With the spinlock just taken: what has changed since it was released, changed without it. */
static void check_counters(void)
{
	if (counters_watched && memcmp(&counters_seen, &pcpu_counters, sizeof(counters_seen)) != 0)
		host_die("a counter was changed without the spinlock");
}

irqflags_t port_lock(void)
{
	irqflags_t flags = irqs_off ? 0 : RFLAGS_IF;

	if (holds_lock)
		host_die("the spinlock is taken twice");
	if (section_depth > 0)
		host_die("the spinlock is taken between port_irq_save and port_irq_restore");
	irqs_off = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(&spinlock);
	holds_lock = true;
	host_lock_stats.locks++;
	check_counters();
	return flags;
}

void port_unlock(irqflags_t flags)
{
	if (!holds_lock)
		host_die("the spinlock is released by a thread that does not hold it");
	if (flags != 0 && flags != RFLAGS_IF)
		host_die("the spinlock is released with flags %#lx that port_lock did not return",
			 flags);
	counters_seen = pcpu_counters;
	holds_lock = false;
	pthread_mutex_unlock(&spinlock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	irqs_off = !(flags & RFLAGS_IF);
	run_callback(host_after_unlock);
}

bool port_lock_held(void)
{
	return holds_lock;
}

/* ---- Interrupts ---- */

irqflags_t port_irq_save(void)
{
	irqflags_t flags = irqs_off ? 0 : RFLAGS_IF;

	irqs_off = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (section_depth++ == 0)
		pthread_mutex_lock(&cpu_sections[host_cpu()]);
	return flags;
}

void port_irq_restore(irqflags_t flags)
{
	if (section_depth == 0)
		host_die("port_irq_restore without port_irq_save");
	if (--section_depth == 0)
		pthread_mutex_unlock(&cpu_sections[host_cpu()]);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	irqs_off = !(flags & RFLAGS_IF);
}

bool port_irq_may_sleep(irqflags_t flags)
{
	return (flags & RFLAGS_IF) && !in_irq && !holds_lock;
}

void port_on_each_cpu(void (*fn)(void *arg), void *arg)
{
	unsigned int old_cpu = host_cpu(), cpu;

	host_assert_mutex("port_on_each_cpu");
	for_each_possible_cpu (cpu) {
		irqflags_t flags;

		host_become_cpu(cpu);
		flags = port_irq_save();
		fn(arg);
		port_irq_restore(flags);
		run_callback(host_after_cpu_call);
	}
	host_become_cpu(old_cpu);
}

bool host_irqs(bool on)
{
	bool were_on = !irqs_off;

	irqs_off = !on;
	return were_on;
}

/* Runs fn(arg) with this thread's state put aside. */
static void run_aside(unsigned int cpu, bool interrupt, void (*fn)(void *arg), void *arg)
{
	unsigned int old_cpu = host_cpu();
	bool old_mutex = holds_mutex, old_off = irqs_off, old_in = in_irq;

	if (holds_lock)
		host_die("another CPU runs inside the spinlock");
	irqs_off = in_irq = interrupt;
	holds_mutex = false;
	host_become_cpu(cpu);
	fn(arg);
	host_assert_clean("code of another CPU or an interrupt handler", !interrupt);
	host_become_cpu(old_cpu);
	holds_mutex = old_mutex;
	irqs_off = old_off;
	in_irq = old_in;
}

void host_interrupt(unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	run_aside(cpu, true, fn, arg);
}

void host_run_as(unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	run_aside(cpu, false, fn, arg);
}

void host_assert_clean(const char *after, bool irqs_on)
{
	if (holds_lock)
		host_die("%s ended with the spinlock held", after);
	if (holds_mutex)
		host_die("%s ended with the mutex held", after);
	if (irqs_off == irqs_on)
		host_die("%s ended with interrupts %s", after, irqs_off ? "off" : "on");
}

void host_assert_may_sleep(const char *hook)
{
	if (holds_lock)
		host_die("%s under the spinlock", hook);
	if (irqs_off || in_irq)
		host_die("%s in a context that must not sleep", hook);
}

void host_assert_mutex(const char *hook)
{
	host_assert_may_sleep(hook);
	if (host_is_set_up && !holds_mutex)
		host_die("%s without the mutex", hook);
}

/* ---- Failures ---- */

void (*host_in_hook)(enum host_hook hook);

bool host_hook_fails(enum host_hook hook)
{
	struct host_fault *fault = &host_faults[hook];
	unsigned long call = __atomic_add_fetch(&fault->calls, 1, __ATOMIC_RELAXED);

	if (host_in_hook != NULL && !in_callback) {
		in_callback = true;
		host_in_hook(hook);
		in_callback = false;
	}

	if (!fault->fail_all && call != fault->fail_at)
		return false;
	fault->hit = true;
	return true;
}

void host_fail(enum host_hook hook, unsigned long n)
{
	host_faults[hook].hit = false;
	host_faults[hook].fail_at = n == 0 ? 0 : host_faults[hook].calls + n;
}

void host_fail_none(void)
{
	for (unsigned int i = 0; i < NR_HOOKS; i++) {
		host_faults[i].fail_at = 0;
		host_faults[i].fail_all = false;
	}
	host_fail_page_cpu = NR_CPUS;
}

/* ---- Public calls ---- */

/* What a caller had before a call, and has to have again after it. */
struct caller_state {
	bool mutex, irqs_off;
};

static struct caller_state caller_before(void)
{
	struct caller_state state = {holds_mutex, irqs_off};

	return state;
}

static void caller_after(const struct caller_state *before, const char *call)
{
	if (holds_lock || holds_mutex != before->mutex || irqs_off != before->irqs_off)
		host_die("%s left lock=%d mutex=%d (was %d) irqs_off=%d (was %d)", call, holds_lock,
			 holds_mutex, before->mutex, irqs_off, before->irqs_off);
}

void __percpu *host_alloc(size_t size, size_t align)
{
	struct caller_state before = caller_before();
	void __percpu *ptr = __alloc_percpu(size, align);

	caller_after(&before, "__alloc_percpu");
	return ptr;
}

void __percpu *host_alloc_reserved(size_t size, size_t align)
{
	struct caller_state before = caller_before();
	void __percpu *ptr = __alloc_reserved_percpu(size, align);

	caller_after(&before, "__alloc_reserved_percpu");
	return ptr;
}

void host_free(void __percpu *ptr)
{
	struct caller_state before = caller_before();

	free_percpu(ptr);
	caller_after(&before, "free_percpu");
}
