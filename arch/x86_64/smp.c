// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing CPUs up. All are started at once: INIT to each, one wait, then the start-up IPIs. The
 * trampoline gives whoever arrives the next stack; in C a CPU finds out by its APIC id which one it
 * is. One that does not come in time is given up: exactly one of "it came online" and "it was given
 * up" happens, settled by its state.
 * Source: Intel SDM vol. 3 section 9.4.4 (start-up of application processors).
 */
#define LOG_AREA "smp"
#include "arch/x86_64/smp_internal.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/trampoline.h"
#include "arch/x86_64/traps.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"

#define INT3		0xcc
#define INIT_DELAY_US	10000
#define STARTUP_WAIT_US 200	     /* before the second start-up IPI */
#define PATIENCE_NS	2000000000ul /* without any CPU coming online */
#define ADDRESS_LIMIT	(1ul << 32)

enum start_state { NOT_STARTED, STARTING, ONLINE, GIVEN_UP };

static DEFINE_PER_CPU(enum start_state, start_state);

/* The CPUs to start, and a stack for each. */
struct starts {
	unsigned int nr;
	uint64_t *stacks; /* tops */
	struct cpumask cpus;
};

static struct trampoline_page *trampoline(void)
{
	return phys_to_virt(TRAMPOLINE_PHYS);
}

static bool change_state(unsigned int cpu, enum start_state from, enum start_state to)
{
	return __atomic_compare_exchange_n(per_cpu_ptr(&start_state, cpu), &from, to, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* ---- On the CPU that starts ---- */

static void __noreturn stop_for_good(void)
{
	for (;;) {
		x86_cli();
		x86_hlt();
	}
}

/* First C code of a CPU, on its own stack and the kernel's page tables; GS base is not set yet. */
static void __noreturn ap_main(void)
{
	unsigned int cpu = smp_cpu_of_apic(lapic_id());

	if (cpu == NR_CPUS)
		stop_for_good();
	paging_init_ap();
	arch_percpu_switch(cpu);
	traps_init_cpu(cpu);
	lapic_init_cpu();
	thread_init();
	if (!change_state(cpu, STARTING, ONLINE))
		stop_for_good();
	bitmap_set_atomic(cpu_online_mask.bits, cpu);
	tlb_flush_all_local(); /* see tlb.c */
	lapic_timer_start();
	thread_start_cpu();
}

/* ---- On the boot CPU ---- */

/* Everything that is not the code traps if it is ever run. */
static void fill_trampoline(const struct starts *starts)
{
	struct trampoline_page *page = trampoline();
	size_t size = (size_t)(trampoline_end - trampoline_start);

	ASSERT(size <= sizeof(page->code));
	if (x86_read_cr3() >= ADDRESS_LIMIT)
		panic("smp: the page tables at 0x%lx are out of a starting CPU's reach",
		      x86_read_cr3());
	memset(page, INT3, sizeof(*page));
	memcpy(page->code, trampoline_start, size);
	page->cr3 = (uint32_t)x86_read_cr3();
	page->ticket = 0;
	page->nr = starts->nr;
	page->stacks = (uintptr_t)starts->stacks;
	page->entry = (uintptr_t)ap_main;
}

/* Chooses CPUs and makes their stacks; as many as there is memory for. */
static void choose_cpus(struct starts *starts)
{
	unsigned int cpu, max = smp_max_online() - 1;

	starts->stacks = kzalloc(NR_CPUS * sizeof(*starts->stacks));
	for_each_possible_cpu (cpu) {
		void *stack;

		per_cpu(cpu_number, cpu) = cpu;
		if (cpu_online(cpu) || !smp_is_startable(cpu) || starts->nr >= max)
			continue;
		stack = starts->stacks != NULL ? vmalloc(KERNEL_STACK_SIZE, "cpu stack") : NULL;
		if (stack == NULL) {
			log_error("cpu%u stays offline: no memory for its stack", cpu);
			continue;
		}
		starts->stacks[starts->nr++] = (uintptr_t)stack + KERNEL_STACK_SIZE;
		per_cpu(start_state, cpu) = STARTING;
		bitmap_set(starts->cpus.bits, cpu);
	}
}

static void send_startups(const struct starts *starts)
{
	unsigned int cpu;

	for_each_cpu_in (cpu, &starts->cpus)
		if (!cpu_online(cpu))
			lapic_send_startup(smp_apic_id(cpu), TRAMPOLINE_PHYS >> PAGE_SHIFT);
}

static void send_all(const struct starts *starts)
{
	unsigned int cpu;

	for_each_cpu_in (cpu, &starts->cpus)
		lapic_send_init(smp_apic_id(cpu));
	time_delay_us(INIT_DELAY_US);
	send_startups(starts);
	time_delay_us(STARTUP_WAIT_US);
	/* A CPU that has the first one and runs ignores the second. */
	if (trampoline()->ticket < starts->nr)
		send_startups(starts);
}

/* Until all are online or none has come for PATIENCE_NS. */
static void wait_online(const struct starts *starts)
{
	unsigned int online = 0, last = 0;
	uint64_t since = time_ns();

	while (online <= starts->nr && time_ns() - since < PATIENCE_NS) {
		online = cpumask_weight(&cpu_online_mask);
		if (online != last)
			since = time_ns();
		last = online;
		x86_pause();
	}
}

static void give_up_missing(const struct starts *starts)
{
	unsigned int cpu;

	for_each_cpu_in (cpu, &starts->cpus) {
		if (!change_state(cpu, STARTING, GIVEN_UP))
			continue;
		log_error("cpu%u (APIC id %u) did not come online in %lu s: it stays offline", cpu,
			  smp_apic_id(cpu), PATIENCE_NS / 1000000000);
	}
}

/* A CPU that comes by later finds no ticket and stops. Stacks that nobody drew are given back. */
static void close_trampoline(const struct starts *starts)
{
	unsigned int drawn;

	WRITE_ONCE(trampoline()->nr, 0);
	drawn = READ_ONCE(trampoline()->ticket);
	for (unsigned int i = drawn; i < starts->nr; i++)
		vfree((void *)(starts->stacks[i] - KERNEL_STACK_SIZE));
	if (drawn >= starts->nr)
		kfree(starts->stacks);
}

unsigned int smp_start_all(void)
{
	struct starts starts = {0};

	smp_call_init();
	choose_cpus(&starts);
	if (starts.nr > 0) {
		fill_trampoline(&starts);
		send_all(&starts);
		wait_online(&starts);
		give_up_missing(&starts);
		close_trampoline(&starts);
	} else {
		kfree(starts.stacks);
	}
	log_info("%u of %u possible CPUs online", cpumask_weight(&cpu_online_mask),
		 cpumask_weight(&cpu_possible_mask));
	return cpumask_weight(&cpu_online_mask);
}
