// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calling functions on other CPUs.
 *
 * Each CPU has a list of requests that others push on without a lock; an interrupt tells it to look.
 * A request lives on its caller's stack until the callee has counted it as done. A caller that waits
 * serves its own list meanwhile, so CPUs that call each other with interrupts off both get on:
 *
 *	cpu 0: push on 1 ... wait: serve 1's request ... done
 *	cpu 1: push on 0 ... wait: serve 0's request ... done
 */
#include "arch/x86_64/smp_internal.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/irq.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

#define BATCH	       32	     /* CPUs called at the same time, from smp_call_all */
#define HANG_NS	       10000000000ul /* with many CPUs, which a host may hardly run at once, longer */
#define SPINS_PER_LOOK 4096

/* What is to be done, and on how many CPUs it is not done yet. */
struct call {
	void (*fn)(void *arg);
	void *arg;
	unsigned int pending;
};

/* One CPU's share of a call. */
struct call_request {
	struct call_request *next;
	struct call *call;
};

/* Newest first. Others write to it, so it has cache lines of its own. */
static DEFINE_PER_CPU_SHARED_ALIGNED(struct call_request *, call_requests);

static void push(unsigned int cpu, struct call_request *request)
{
	struct call_request **head = per_cpu_ptr(&call_requests, cpu);

	request->next = __atomic_load_n(head, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(head, &request->next, request, true, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED))
		;
}

/* Runs what others asked for. Interrupts off. */
static void serve(void)
{
	struct call_request **head = this_cpu_ptr(&call_requests);
	struct call_request *request;

	if (__atomic_load_n(head, __ATOMIC_RELAXED) == NULL)
		return;
	request = __atomic_exchange_n(head, NULL, __ATOMIC_SEQ_CST);
	while (request != NULL) {
		struct call_request *next = request->next;
		struct call *call = request->call;

		call->fn(call->arg);
		__atomic_sub_fetch(&call->pending, 1, __ATOMIC_SEQ_CST); /* the caller may go */
		request = next;
	}
}

static void call_interrupt(struct trap_frame *frame __unused)
{
	serve();
}

static void wait_done(const struct call *call)
{
	uint64_t since = time_ns(), limit = HANG_NS * (1 + nr_cpu_ids / 32);

	for (unsigned int spins = 1; __atomic_load_n(&call->pending, __ATOMIC_SEQ_CST) != 0;
	     spins++) {
		serve();
		x86_pause();
		if (spins % SPINS_PER_LOOK == 0 && time_ns() - since > limit)
			panic("smp_call of %pS: %u CPUs have not answered for %lu s",
			      (void *)call->fn, call->pending, limit / 1000000000);
	}
}

static void start(struct call *call, struct call_request *request, unsigned int cpu)
{
	request->call = call;
	__atomic_add_fetch(&call->pending, 1, __ATOMIC_SEQ_CST);
	push(cpu, request);
	lapic_send_ipi(smp_apic_id(cpu), VECTOR_CALL);
}

/* A lock held here might be what the other CPU waits for before it serves us. */
static void check_locks(void (*fn)(void *arg))
{
	if (spin_innermost_class() > LOCK_CLASS_TEST)
		panic("smp_call of %pS: a spinlock of class %d is held", (void *)fn,
		      spin_innermost_class());
}

/* Calls up to BATCH other online CPUs from id `from` on, waits. Returns where to go on. */
static unsigned int call_others(unsigned int from, void (*fn)(void *arg), void *arg)
{
	struct call call = {.fn = fn, .arg = arg};
	struct call_request requests[BATCH];
	unsigned int cpu, nr = 0;

	for (cpu = cpumask_next(&cpu_online_mask, from); cpu < nr_cpu_ids && nr < BATCH;
	     cpu = cpumask_next(&cpu_online_mask, cpu + 1))
		if (cpu != smp_processor_id())
			start(&call, &requests[nr++], cpu);
	wait_done(&call);
	return cpu;
}

void smp_call(unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	irqflags_t flags = irq_save();
	struct call call = {.fn = fn, .arg = arg};
	struct call_request request;

	check_locks(fn);
	if (cpu == smp_processor_id()) {
		fn(arg);
	} else {
		if (!cpu_online(cpu))
			panic("smp_call of %pS: CPU %u is not online", (void *)fn, cpu);
		start(&call, &request, cpu);
		wait_done(&call);
	}
	irq_restore(flags);
}

void smp_call_all(void (*fn)(void *arg), void *arg)
{
	irqflags_t flags = irq_save();

	check_locks(fn);
	fn(arg);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids;)
		cpu = call_others(cpu, fn, arg);
	irq_restore(flags);
}

void smp_send_reschedule(unsigned int cpu)
{
	lapic_send_ipi(smp_apic_id(cpu), VECTOR_RESCHEDULE);
}

void smp_send_nmi(unsigned int cpu)
{
	lapic_send_nmi(smp_apic_id(cpu));
}

void smp_call_init(void)
{
	irq_set_handler(VECTOR_CALL, call_interrupt);
}
