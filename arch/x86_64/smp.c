/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPUs: which may exist, and bringing them up. The boot CPU gives each application processor (AP) its
 * parameters in the trampoline page and lets the next one start as soon as the former has read them, so
 * all initialise side by side. Source: Intel SDM vol. 3 section 9.4.4.1.
 */
#define LOG_AREA "smp"
#include "arch/x86_64/smp.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/arch.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp_internal.h"
#include "arch/x86_64/trampoline.h"
#include "arch/x86_64/traps.h"
#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"

#define NO_APIC		~0u
#define INT3		0xcc
#define INIT_DELAY_US	10000
#define ANSWER_LIMIT_US 1000000
#define RETRY_US	200

struct cpumask cpu_possible_mask, cpu_online_mask;
unsigned int nr_cpu_ids;

DEFINE_PER_CPU_READ_MOSTLY(unsigned int, cpu_number);

static uint32_t apic_ids[NR_CPUS]; /* of possible CPUs */
static unsigned int nr_to_start;   /* maxcpus=, the boot CPU included */
static unsigned int
	parameters_read; /* id + 1 of the AP that has read the trampoline's parameters */

unsigned int smp_processor_id(void)
{
	return this_cpu_read(cpu_number);
}

uint32_t smp_apic_id(unsigned int cpu)
{
	return cpu_possible(cpu) ? apic_ids[cpu] : NO_APIC;
}

unsigned int smp_node_of(unsigned int cpu)
{
	uint32_t apic_id = smp_apic_id(cpu);

	return apic_id == NO_APIC ? 0 : acpi_node_of_apic(apic_id);
}

/* The n-th processor that may be used: the boot CPU, then enabled ones, then the others. */
static uint32_t processor(unsigned int n)
{
	uint32_t boot = lapic_id();

	if (n == 0)
		return boot;
	for (int enabled = 1; enabled >= 0; enabled--) {
		for (unsigned int i = 0; i < acpi_madt.nr_cpus; i++) {
			const struct acpi_cpu *cpu = &acpi_madt.cpus[i];

			if (cpu->apic_id != boot && cpu->enabled == (bool)enabled && --n == 0)
				return cpu->apic_id;
		}
	}
	return NO_APIC;
}

static unsigned int count_enabled(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < acpi_madt.nr_cpus; i++)
		count += acpi_madt.cpus[i].enabled;
	return max(count, 1u);
}

static void add_possible(unsigned int cpu, unsigned int n)
{
	bitmap_set(cpu_possible_mask.bits, cpu);
	apic_ids[cpu] = processor(n);
	nr_cpu_ids = max(nr_cpu_ids, cpu + 1);
}

/* cpu_ids=0,2,5: these ids, rising, to the processors in order. False if the list is no such thing. */
static bool add_listed(const char *list)
{
	unsigned int n = 0, previous = 0;

	while (*list) {
		char word[8];
		size_t length = 0;
		uint64_t id;

		while (*list && *list != ',' && length < sizeof(word) - 1)
			word[length++] = *list++;
		word[length] = 0;
		if (!parse_u64(word, &id) || id >= NR_CPUS || (n > 0 && id <= previous))
			return false;
		if (*list == ',')
			list++;
		previous = (unsigned int)id;
		add_possible(previous, n++);
	}
	return n > 0;
}

void smp_enumerate(void)
{
	const char *list = cmdline_get("cpu_ids");
	unsigned int enabled = count_enabled();
	uint64_t possible = cmdline_u64("possible_cpus", enabled);

	if (list && !add_listed(list))
		panic("cpu_ids=%s: not a rising list of ids below %u, like 0,2,5", list, NR_CPUS);
	if (!list) {
		possible = min(max(possible, (uint64_t)1), (uint64_t)NR_CPUS);
		for (unsigned int cpu = 0; cpu < possible; cpu++)
			add_possible(cpu, cpu);
	}
	nr_to_start = (unsigned int)max(cmdline_u64("maxcpus", enabled), (uint64_t)1);
	this_cpu_write(cpu_number, cpumask_next(&cpu_possible_mask, 0));
	bitmap_set(cpu_online_mask.bits, smp_processor_id());
	log_info("%u CPUs possible, highest id %u, boot CPU %u has APIC id %u",
		 cpumask_weight(&cpu_possible_mask), nr_cpu_ids - 1, smp_processor_id(),
		 lapic_id());
}

/* First C code of an AP: its trampoline stack, interrupts off, GS base 0. */
static void __noreturn ap_entry(unsigned int cpu)
{
	__atomic_store_n(&parameters_read, cpu + 1, __ATOMIC_RELEASE);
	paging_init_ap();
	arch_percpu_switch(cpu);
	this_cpu_write(cpu_number, cpu);
	traps_init_cpu(cpu);
	lapic_init_cpu();
	thread_init();
	bitmap_set_atomic(cpu_online_mask.bits, cpu);
	tlb_flush_local(); /* flushes before the bit was seen did not come here */
	thread_start_cpu();
}

static struct trampoline_params *fill_trampoline(void)
{
	char *page = phys_to_virt(TRAMPOLINE_PHYS);
	struct trampoline_params *params = (void *)(page + TRAMPOLINE_PARAMS);

	memset(page, INT3, PAGE_SIZE);
	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	params->cr3 = x86_read_cr3();
	params->efer = x86_read_msr(MSR_EFER) & (EFER_LME | EFER_NXE);
	params->entry = (uintptr_t)ap_entry;
	if (params->cr3 >> 32)
		panic("page tables at 0x%lx: an AP can only be given a root below 4 GiB",
		      params->cr3);
	return params;
}

/* Waits until fn is true, at most limit_us. */
static bool wait_for(bool (*fn)(unsigned int cpu), unsigned int cpu, uint64_t limit_us)
{
	uint64_t end = time_us() + limit_us;

	while (!fn(cpu)) {
		if (time_us() > end)
			return false;
		x86_pause();
	}
	return true;
}

static bool has_read_parameters(unsigned int cpu)
{
	return __atomic_load_n(&parameters_read, __ATOMIC_ACQUIRE) == cpu + 1;
}

static bool is_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

/* Sends the start-up, twice if need be. True when the AP runs C code. */
static bool start_one(struct trampoline_params *params, unsigned int cpu)
{
	char *stack = vmalloc(KERNEL_STACK_SIZE, "idle stack");

	if (!stack) {
		log_warn("CPU %u: no memory for its stack: it stays offline", cpu);
		return false;
	}
	params->stack = (uintptr_t)stack + KERNEL_STACK_SIZE;
	params->cpu = cpu;
	lapic_send_startup(apic_ids[cpu], TRAMPOLINE_PHYS / PAGE_SIZE);
	if (wait_for(has_read_parameters, cpu, RETRY_US))
		return true;
	lapic_send_startup(apic_ids[cpu], TRAMPOLINE_PHYS / PAGE_SIZE);
	if (wait_for(has_read_parameters, cpu, ANSWER_LIMIT_US))
		return true;
	log_warn("CPU %u (APIC id %u) does not answer: it stays offline", cpu, apic_ids[cpu]);
	return false;
}

/* Whether this AP is to be brought up: n of them are already. */
static bool wanted(unsigned int cpu, unsigned int n)
{
	return cpu != smp_processor_id() && apic_ids[cpu] != NO_APIC && n < nr_to_start;
}

unsigned int smp_start_all(void)
{
	struct trampoline_params *params = fill_trampoline();
	unsigned int cpu, started = 1;
	struct cpumask starting = {0};

	smp_calls_init();
	for_each_possible_cpu (cpu) {
		if (wanted(cpu, started))
			lapic_send_init(apic_ids[cpu]);
	}
	time_delay_us(INIT_DELAY_US);
	for_each_possible_cpu (cpu) {
		if (!wanted(cpu, started) || !start_one(params, cpu))
			continue;
		bitmap_set(starting.bits, cpu);
		started++;
	}
	for_each_cpu_in(cpu, &starting)
	{
		if (!wait_for(is_online, cpu, ANSWER_LIMIT_US * 30))
			panic("CPU %u began to start and does not come online", cpu);
	}
	memset(phys_to_virt(TRAMPOLINE_PHYS), INT3, PAGE_SIZE);
	log_info("%u of %u possible CPUs online", cpumask_weight(&cpu_online_mask),
		 cpumask_weight(&cpu_possible_mask));
	return cpumask_weight(&cpu_online_mask);
}
