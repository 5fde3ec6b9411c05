// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs: which are online and who they are, calls between them, TLB flushes, ticks, the clock, and
 * that serial input is not lost. Each test works with any number of CPUs; those that need a second
 * one are skipped without it.
 */
#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp_internal.h"
#include "kernel/cmdline.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"

#define QUICK_ROUNDS  300
#define SLOW_ROUNDS   10000
#define TICKS_TO_SEE  3
#define QUIET_TICKS   5
#define TICK_LIMIT_US 20000000 /* a busy host may hold a CPU up for long */
#define DUEL_LIMIT_US 12000000 /* fewer rounds on a host that is too busy for all of them */
#define WIDE_PAGES    40       /* more than are flushed one by one */

/* ---- Who is there ---- */

TEST(smp_every_processor_that_is_wanted_is_online, TEST_QUICK)
{
	uint64_t maxcpus = max(cmdline_u64("maxcpus", NR_CPUS), (uint64_t)1);
	unsigned int cpu, processors = 0;

	for_each_possible_cpu (cpu) {
		processors += smp_is_startable(cpu);
		EXPECT(!cpu_online(cpu) || smp_apic_id(cpu) != APIC_ID_NONE);
	}
	EXPECT_EQ(cpumask_weight(&cpu_online_mask), min((uint64_t)processors, maxcpus));
	EXPECT(cpu_online(cpumask_next(&cpu_possible_mask, 0)));
}

TEST(smp_U7_highest_id_and_number_of_cpus_are_told_apart, TEST_QUICK)
{
	unsigned int cpu, last = 0, count = 0;

	for_each_possible_cpu (cpu) {
		last = cpu;
		count++;
	}
	EXPECT_EQ(nr_cpu_ids, last + 1);
	EXPECT_EQ(count, cpumask_weight(&cpu_possible_mask));
	EXPECT(!cpu_possible(nr_cpu_ids));
	EXPECT_EQ(smp_apic_id(nr_cpu_ids), APIC_ID_NONE);
}

TEST(smp_no_two_cpus_share_a_processor, TEST_QUICK)
{
	unsigned int a, b;

	for_each_online_cpu (a) {
		for_each_online_cpu (b)
			EXPECT(a == b || smp_apic_id(a) != smp_apic_id(b));
		EXPECT_EQ(smp_node_of(a), acpi_node_of_apic(smp_apic_id(a)));
	}
}

struct identity {
	unsigned int id;
	uint32_t apic_id;
	uintptr_t offset, gs_base;
};

static void tell_identity(void *arg)
{
	struct identity *identity = arg;

	identity->id = smp_processor_id();
	identity->apic_id = lapic_id();
	identity->offset = this_cpu_read(this_cpu_off);
	identity->gs_base = x86_read_msr(MSR_GS_BASE);
}

TEST(smp_each_cpu_sees_its_own_number_and_unit, TEST_QUICK)
{
	struct identity identity;
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		smp_call(cpu, tell_identity, &identity);
		EXPECT_EQ(identity.id, cpu);
		EXPECT_EQ(identity.apic_id, smp_apic_id(cpu));
		EXPECT_EQ(identity.offset, __per_cpu_offset[cpu]);
		EXPECT_EQ(identity.gs_base, __per_cpu_offset[cpu]);
		EXPECT_EQ(per_cpu(cpu_number, cpu), cpu);
	}
}

/* ---- Calls ---- */

static DEFINE_PER_CPU(unsigned int, calls_seen);

static void count_call(void *arg)
{
	unsigned int *with_interrupts_on = arg;

	this_cpu_inc(calls_seen);
	if (irqs_enabled())
		__atomic_add_fetch(with_interrupts_on, 1, __ATOMIC_RELAXED);
}

TEST(smp_call_all_runs_once_on_each_cpu_with_interrupts_off, TEST_QUICK)
{
	unsigned int cpu, with_interrupts_on = 0;

	for_each_online_cpu (cpu)
		per_cpu(calls_seen, cpu) = 0;
	smp_call_all(count_call, &with_interrupts_on);
	for_each_online_cpu (cpu)
		EXPECT_EQ(per_cpu(calls_seen, cpu), 1);
	EXPECT_EQ(with_interrupts_on, 0);
	EXPECT(irqs_enabled());
}

TEST(smp_call_leaves_interrupts_as_they_were, TEST_QUICK)
{
	unsigned int cpu, ignored = 0;
	irqflags_t flags = irq_save();

	for_each_online_cpu (cpu) {
		smp_call(cpu, count_call, &ignored);
		EXPECT(!irqs_enabled());
	}
	irq_restore(flags);
	EXPECT(irqs_enabled());
}

struct chain {
	unsigned int back_to; /* who is called by the function that is called */
	unsigned int ran_on;
};

static void note_chain_end(void *arg)
{
	((struct chain *)arg)->ran_on = smp_processor_id();
}

static void call_back(void *arg)
{
	smp_call(((struct chain *)arg)->back_to, note_chain_end, arg);
}

TEST(smp_a_called_function_may_call_its_caller, TEST_QUICK)
{
	struct chain chain = {.ran_on = NR_CPUS};
	unsigned int cpu;

	preempt_disable();
	chain.back_to = smp_processor_id();
	for_each_online_cpu (cpu) {
		chain.ran_on = NR_CPUS;
		smp_call(cpu, call_back, &chain);
		EXPECT_EQ(chain.ran_on, chain.back_to);
	}
	preempt_enable();
}

/* ---- Two CPUs at each other ---- */

struct duel {
	struct test_run *t;
	unsigned int rounds;
	unsigned int done;    /* rounds so far */
	unsigned int partner; /* whom to call */
	void (*act)(struct duel *duel);
	unsigned int *waiting; /* duellists that are not there yet */
	unsigned int *calls;   /* that both have got through together */
};

static void count_duel_call(void *arg)
{
	__atomic_add_fetch((unsigned int *)arg, 1, __ATOMIC_RELAXED);
}

static void act_call(struct duel *duel)
{
	smp_call(duel->partner, count_duel_call, duel->calls);
}

static void act_call_all(struct duel *duel)
{
	smp_call_all(count_duel_call, duel->calls);
}

static void act_flush(struct duel *duel)
{
	tlb_flush_range(VMALLOC_START, VMALLOC_START + PAGE_SIZE);
	count_duel_call(duel->calls);
}

static void fight(void *arg)
{
	struct duel *duel = arg;
	irqflags_t flags;
	uint64_t start;

	__atomic_sub_fetch(duel->waiting, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(duel->waiting, __ATOMIC_SEQ_CST) != 0)
		thread_yield();
	flags = irq_save();
	start = time_us();
	while (duel->done < duel->rounds && time_us() - start < DUEL_LIMIT_US) {
		duel->act(duel);
		duel->done++;
	}
	irq_restore(flags);
}

/* Lets two CPUs act against each other with interrupts off. All calls that were made must have got
 * through, `each` a round. Returns how many. */
static unsigned int run_duel(struct test_run *t, void (*act)(struct duel *), unsigned int rounds,
			     unsigned int each)
{
	unsigned int first = cpumask_next(&cpu_online_mask, 0);
	unsigned int second = cpumask_next(&cpu_online_mask, first + 1);
	unsigned int waiting = 2, calls = 0;
	struct duel a = {t, rounds, 0, second, act, &waiting, &calls};
	struct duel b = {t, rounds, 0, first, act, &waiting, &calls};
	struct thread *threads[2];

	threads[0] = thread_create("duel a", fight, &a, first);
	threads[1] = thread_create("duel b", fight, &b, second);
	EXPECT(threads[0] != NULL && threads[1] != NULL);
	for (unsigned int i = 0; i < 2; i++) {
		if (threads[i] != NULL)
			thread_join(threads[i]);
		else
			__atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	}
	EXPECT(a.done > 0 && b.done > 0);
	EXPECT_EQ(calls, (a.done + b.done) * each);
	return calls;
}

static void duel_all(struct test_run *t, unsigned int rounds)
{
	uint64_t flushes = tlb_flush_count();
	unsigned int made;

	if (cpumask_weight(&cpu_online_mask) < 2) {
		test_skip(t, "needs two CPUs");
		return;
	}
	run_duel(t, act_call, rounds, 1);
	made = run_duel(t, act_flush, rounds, 1);
	EXPECT(tlb_flush_count() - flushes >= made);
	run_duel(t, act_call_all, rounds / 10, cpumask_weight(&cpu_online_mask));
}

TEST(smp_two_cpus_call_and_flush_each_other_with_interrupts_off, TEST_QUICK)
{
	duel_all(t, QUICK_ROUNDS / test_stride()); /* each flush is one of all CPUs */
}

TEST(smp_two_cpus_call_and_flush_each_other_10000_times, TEST_SLOW)
{
	duel_all(t, SLOW_ROUNDS);
}

/* ---- TLB ---- */

/* What one CPU sees of n pages at va, whose first words should count up from `first`. */
struct look {
	uintptr_t va;
	unsigned int n;
	uint64_t first;
	unsigned int wrong;
};

static void look(void *arg)
{
	struct look *l = arg;

	for (unsigned int i = 0; i < l->n; i++)
		l->wrong += *(volatile uint64_t *)(l->va + i * PAGE_SIZE) != l->first + i;
}

/* Pages, each holding its own number; false when memory is short. */
static bool make_pages(struct page **pages, unsigned int n, uint64_t first_value)
{
	for (unsigned int i = 0; i < n; i++) {
		pages[i] = page_alloc(0, PAGE_TEST);
		if (pages[i] == NULL)
			return false;
		*(uint64_t *)page_address(pages[i]) = first_value + i;
	}
	return true;
}

static void free_pages(struct page **pages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (pages[i] != NULL)
			page_free(pages[i]);
}

/* Every CPU looks at the first word of every page. */
static void expect_everywhere(struct test_run *t, uintptr_t va, unsigned int n, uint64_t first)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct look l = {va, n, first, 0};

		smp_call(cpu, look, &l);
		EXPECT_EQ(l.wrong, 0);
	}
}

/* Pages that were read on every CPU are replaced by others: after the flush all see the new ones. */
static void replace_pages(struct test_run *t, uintptr_t va, unsigned int n)
{
	struct page *old[WIDE_PAGES] = {NULL}, *new[WIDE_PAGES] = {NULL};

	if (make_pages(old, n, 1000) && make_pages(new, n, 2000) && vm_map_pages(va, old, n) == 0) {
		expect_everywhere(t, va, n, 1000);
		vm_unmap_pages(va, n);
		vm_flush(va, va + n * PAGE_SIZE);
		EXPECT_EQ(vm_map_pages(va, new, n), 0);
		expect_everywhere(t, va, n, 2000);
		vm_unmap_pages(va, n);
		vm_flush(va, va + n * PAGE_SIZE);
	} else {
		test_fail(t, __FILE__, __LINE__, "no memory for %u pages", 2 * n);
	}
	free_pages(old, n);
	free_pages(new, n);
}

TEST(smp_U16_a_flush_reaches_every_cpu, TEST_QUICK)
{
	uintptr_t va = vm_range_alloc(WIDE_PAGES * PAGE_SIZE, PAGE_SIZE, "test");

	REQUIRE(va != 0);
	replace_pages(t, va, 1);
	replace_pages(t, va, 3);
	replace_pages(t, va, WIDE_PAGES);
	vm_range_free(va);
}

TEST(smp_a_flush_counts_once, TEST_QUICK)
{
	uint64_t before = tlb_flush_count();

	tlb_flush_range(VMALLOC_START, VMALLOC_START + 1);
	EXPECT(tlb_flush_count() - before >= 1);
	EXPECT(tlb_flush_count() - before < cpumask_weight(&cpu_online_mask) + 1);
}

/* ---- Time ---- */

/* Sleeps, so that its CPU ticks, until so many ticks have passed or too much time. */
static void see_ticks(void *arg)
{
	unsigned int cpu = smp_processor_id(), *seen = arg;
	uint64_t start = time_us(), goal = timer_ticks(cpu) + TICKS_TO_SEE;

	while (timer_ticks(cpu) < goal && time_us() - start < TICK_LIMIT_US)
		thread_sleep_ms(1);
	__atomic_add_fetch(seen, timer_ticks(cpu) >= goal, __ATOMIC_SEQ_CST);
}

TEST(smp_the_timer_ticks_on_every_cpu, TEST_QUICK)
{
	static struct thread *threads[NR_CPUS];
	unsigned int cpu, seen = 0, want = 0;

	for_each_online_cpu (cpu)
		threads[cpu] =
			test_takes(cpu) ? thread_create("ticks", see_ticks, &seen, cpu) : NULL;
	for_each_online_cpu (cpu) {
		want += test_takes(cpu);
		if (threads[cpu])
			thread_join(threads[cpu]);
	}
	EXPECT_EQ(seen, want);
}

/* Whether a CPU got through QUIET_TICKS ticks' time without one, within some seconds. */
static bool grows_quiet(unsigned int cpu)
{
	uint64_t start = time_us();

	do {
		uint64_t before = timer_ticks(cpu);

		thread_sleep_ms(QUIET_TICKS * 1000 / timer_hz());
		if (timer_ticks(cpu) == before)
			return true;
	} while (time_us() - start < TICK_LIMIT_US);
	return false;
}

TEST(smp_the_tick_of_an_idle_cpu_stops_and_comes_again, TEST_QUICK)
{
	unsigned int first = cpumask_next(&cpu_online_mask, 0);
	unsigned int cpu = cpumask_next(&cpu_online_mask, first + 1), seen = 0;
	struct thread *thread;

	if (cpumask_weight(&cpu_online_mask) == 1) {
		test_skip(t, "the first CPU ticks always");
		return;
	}
	EXPECT(grows_quiet(cpu));
	thread = thread_create("ticks", see_ticks, &seen, cpu);
	REQUIRE(thread);
	thread_join(thread);
	EXPECT_EQ(seen, 1);
}

struct clock_look {
	uint64_t seen;
	bool went_back;
};

static void look_at_clock(void *arg)
{
	struct clock_look *l = arg;
	uint64_t last = time_ns();

	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t now = time_ns();

		l->went_back |= now < last;
		last = now;
	}
	l->seen = last;
}

TEST(smp_the_clock_never_goes_back_on_any_cpu, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct clock_look l = {0};

		smp_call(cpu, look_at_clock, &l);
		EXPECT(!l.went_back);
		EXPECT(l.seen != 0);
	}
}

TEST(smp_a_delay_lasts_as_long_as_asked, TEST_QUICK)
{
	uint64_t start = time_ns();

	time_delay_us(2000);
	EXPECT(time_ns() - start >= 2000000);
}

/* ---- Serial input ---- */

TEST(smp_no_serial_input_is_lost, TEST_QUICK)
{
	EXPECT_EQ(serial_lost(), 0);
}
