/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls between CPUs, and TLB flushes made of them.
 *
 * There is one call at a time in the whole machine. Its caller owns `call`, sets the bit of every CPU
 * that is to run the function, interrupts them and waits until all bits are clear. Whoever waits, for
 * ownership or for answers, looks at its own bit all the time and serves it, with interrupts off too;
 * so CPUs that call each other at the same moment all get done.
 */
#include "arch/x86_64/apic.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp_internal.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/time.h"

#define RANGE_PAGES 32		      /* larger flushes take the whole TLB */
#define LIMIT_US    (20ull * 1000000) /* a CPU that does not answer for so long hangs */

static struct {
	bool busy; /* some CPU owns the fields below */
	void (*fn)(void *arg);
	void *arg;
	struct cpumask pending; /* who has not run fn yet */
} call;

static uint64_t nr_flushes;

/* Runs the current call if this CPU is asked to. Interrupts off. */
static void serve(unsigned int self)
{
	if (!bitmap_test(call.pending.bits, self))
		return;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	call.fn(call.arg);
	bitmap_clear_atomic(call.pending.bits, self);
}

static void call_interrupt(struct trap_frame *frame __unused)
{
	serve(smp_processor_id());
}

void smp_calls_init(void)
{
	irq_set_handler(VECTOR_CALL, call_interrupt);
}

static void check_time(uint64_t start, const char *what)
{
	unsigned int cpu;

	if (time_us() - start < LIMIT_US)
		return;
	for_each_online_cpu (cpu) {
		if (bitmap_test(call.pending.bits, cpu))
			break;
	}
	panic("cross-CPU call: %s for 20 s; CPU %u does not answer", what, cpu);
}

static void own_call(unsigned int self)
{
	uint64_t start = time_us();

	while (__atomic_exchange_n(&call.busy, true, __ATOMIC_ACQUIRE)) {
		serve(self);
		x86_pause();
		check_time(start, "waited for another call to end");
	}
}

static void wait_for_answers(unsigned int self)
{
	uint64_t start = time_us();
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		while (cpu != self && bitmap_test(call.pending.bits, cpu)) {
			x86_pause();
			check_time(start, "waited for answers");
		}
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* Asks every CPU of the set but this one, which is none of its business here. */
static void ask(const struct cpumask *targets, unsigned int self)
{
	unsigned int cpu;

	for_each_cpu_in(cpu, targets)
	{
		if (cpu != self)
			bitmap_set_atomic(call.pending.bits, cpu);
	}
	for_each_cpu_in(cpu, targets)
	{
		if (cpu != self)
			lapic_send_ipi(smp_apic_id(cpu), VECTOR_CALL);
	}
}

static void call_cpus(const struct cpumask *targets, void (*fn)(void *arg), void *arg)
{
	irqflags_t flags = irq_save();
	unsigned int self = smp_processor_id();

	if (spin_innermost_class() > LOCK_CLASS_TEST)
		panic("cross-CPU call with a spinlock of class %d held", spin_innermost_class());
	own_call(self);
	call.fn = fn;
	call.arg = arg;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ask(targets, self);
	if (bitmap_test(targets->bits, self))
		fn(arg);
	wait_for_answers(self);
	__atomic_store_n(&call.busy, false, __ATOMIC_RELEASE);
	irq_restore(flags);
}

void smp_call(unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	struct cpumask target = {0};

	if (!cpu_online(cpu))
		panic("smp_call: CPU %u is not online", cpu);
	bitmap_set(target.bits, cpu);
	call_cpus(&target, fn, arg);
}

void smp_call_all(void (*fn)(void *arg), void *arg)
{
	struct cpumask targets = cpu_online_mask;

	call_cpus(&targets, fn, arg);
}

void smp_send_reschedule(unsigned int cpu)
{
	lapic_send_ipi(smp_apic_id(cpu), VECTOR_RESCHEDULE);
}

void smp_send_nmi(unsigned int cpu)
{
	lapic_send_nmi(smp_apic_id(cpu));
}

struct flush_range {
	uintptr_t start, end;
};

void tlb_flush_local(void)
{
	uint64_t cr4 = x86_read_cr4();

	x86_write_cr4(cr4 & ~(uint64_t)CR4_PGE);
	x86_write_cr4(cr4);
	x86_write_cr3(x86_read_cr3());
}

static void flush_range(void *arg)
{
	const struct flush_range *range = arg;

	if (range->end - range->start > RANGE_PAGES * PAGE_SIZE) {
		tlb_flush_local();
		return;
	}
	for (uintptr_t addr = range->start; addr < range->end; addr += PAGE_SIZE)
		x86_invlpg(addr);
}

void tlb_flush_range(uintptr_t start, uintptr_t end)
{
	struct flush_range range = {ALIGN_DOWN(start, PAGE_SIZE), end};

	__atomic_add_fetch(&nr_flushes, 1, __ATOMIC_RELAXED);
	smp_call_all(flush_range, &range);
}

uint64_t tlb_flush_count(void)
{
	return __atomic_load_n(&nr_flushes, __ATOMIC_RELAXED);
}
