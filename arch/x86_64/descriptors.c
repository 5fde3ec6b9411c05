// SPDX-License-Identifier: GPL-2.0-only
/*
 * The descriptor tables: one IDT for all CPUs; a GDT and a TSS in each CPU's own unit, because the
 * TSS holds that CPU's exception stacks and is marked busy in its GDT.
 *
 * Double fault, NMI and machine check have stacks of their own (IST): they come when the current
 * stack may be unusable. All other vectors use the interrupted thread's stack.
 * Source: Intel SDM vol. 3 sections 3.5, 6.14.5, 7.7, 8.2.3.
 */
#include "arch/x86_64/traps.h"

#include "arch/x86_64/gdt.h"
#include "arch/x86_64/percpu.h"
#include "kernel/panic.h"
#include "mm/vmalloc.h"

enum { NR_VECTORS = 256, GDT_ENTRIES = 5 };
enum { VECTOR_NMI = 2, VECTOR_MACHINE_CHECK = 18 };
enum { GATE_INTERRUPT = 0x8e, TSS_AVAILABLE = 0x89 };

struct idt_gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type; /* present, ring 0, interrupt gate */
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct x86_tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7]; /* tops of the IST stacks; ist[0] is IST 1 */
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map; /* offset of the port bitmap: past the end, none */
} __packed;

_Static_assert(sizeof(struct idt_gate) == 16, "a gate is 16 bytes");
_Static_assert(sizeof(struct x86_tss) == 104, "a 64-bit TSS is 104 bytes");

extern void *const trap_stubs[NR_VECTORS]; /* entry.S */

static struct idt_gate idt[NR_VECTORS] __aligned(16);
static char early_ist_stack[IST_STACK_SIZE] __aligned(16);

/* Lowest addresses of this CPU's IST stacks, by enum trap_ist - 1. */
struct ist_stacks {
	uintptr_t base[IST_LAST];
};

struct gdt {
	uint64_t entries[GDT_ENTRIES];
};

static DEFINE_PER_CPU(struct gdt, cpu_gdt) __aligned(8);
static DEFINE_PER_CPU(struct x86_tss, cpu_tss) __aligned(128); /* so that it crosses no page */
static DEFINE_PER_CPU_READ_MOSTLY(struct ist_stacks, cpu_ist_stacks);

static void idt_set(unsigned int vector, unsigned int ist)
{
	uintptr_t stub = (uintptr_t)trap_stubs[vector];

	idt[vector] = (struct idt_gate){
		.offset_low = (uint16_t)stub,
		.offset_middle = (uint16_t)(stub >> 16),
		.offset_high = (uint32_t)(stub >> 32),
		.selector = GDT_CODE,
		.ist = (uint8_t)ist,
		.type = GATE_INTERRUPT,
	};
}

static void idt_fill(void)
{
	for (unsigned int vector = 0; vector < NR_VECTORS; vector++)
		idt_set(vector, 0);
	idt_set(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT);
	idt_set(VECTOR_NMI, IST_NMI);
	idt_set(VECTOR_MACHINE_CHECK, IST_MACHINE_CHECK);
}

static void gdt_fill(struct gdt *gdt, const struct x86_tss *tss)
{
	uintptr_t base = (uintptr_t)tss;

	gdt->entries[0] = 0;
	gdt->entries[GDT_CODE / 8] = GDT_CODE_DESCRIPTOR;
	gdt->entries[GDT_DATA / 8] = GDT_DATA_DESCRIPTOR;
	gdt->entries[GDT_TSS / 8] = (sizeof(*tss) - 1) | (base & 0xffffff) << 16 |
				    (uint64_t)TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	gdt->entries[GDT_TSS / 8 + 1] = base >> 32;
}

/* Loads the three tables of this CPU from its per-CPU copies. */
static void tables_load(void)
{
	struct gdt *gdt = this_cpu_ptr(&cpu_gdt);
	struct x86_tss *tss = this_cpu_ptr(&cpu_tss);
	struct x86_table_pointer pointer = {.limit = sizeof(*gdt) - 1, .base = (uintptr_t)gdt};

	gdt_fill(gdt, tss);
	x86_lgdt(&pointer);
	x86_ltr(GDT_TSS);
	pointer = (struct x86_table_pointer){.limit = sizeof(idt) - 1, .base = (uintptr_t)idt};
	x86_lidt(&pointer);
}

void traps_init(void)
{
	struct x86_tss *tss = this_cpu_ptr(&cpu_tss);

	for (unsigned int i = 0; i < IST_LAST; i++)
		tss->ist[i] = (uintptr_t)early_ist_stack + sizeof(early_ist_stack);
	tss->io_map = sizeof(*tss);
	idt_fill();
	tables_load();
}

void traps_init_cpu(unsigned int cpu)
{
	struct x86_tss *tss = this_cpu_ptr(&cpu_tss);
	struct ist_stacks *stacks = this_cpu_ptr(&cpu_ist_stacks);

	for (unsigned int i = 0; i < IST_LAST; i++) {
		void *stack = vmalloc(IST_STACK_SIZE, "ist stack");

		if (stack == NULL)
			panic("traps_init_cpu: no memory for exception stack %u of cpu %u", i + 1,
			      cpu);
		stacks->base[i] = (uintptr_t)stack;
		tss->ist[i] = (uintptr_t)stack + IST_STACK_SIZE;
	}
	tss->io_map = sizeof(*tss);
	tables_load();
}

uintptr_t traps_ist_stack(unsigned int cpu, enum trap_ist ist)
{
	return per_cpu(cpu_ist_stacks, cpu).base[ist - 1];
}
