/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O APICs. Source: Intel 82093AA data sheet, section 3; ACPI 6.4 section 5.2.12.5 (overrides).
 */
#define LOG_AREA "ioapic"
#include "arch/x86_64/ioapic.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "mm/vmalloc.h"

enum {
	IOAPIC_SELECT = 0x00 / 4, /* 32-bit registers by index */
	IOAPIC_WINDOW = 0x10 / 4,
	IOAPIC_VERSION = 1,
	IOAPIC_TABLE = 0x10, /* two registers an input */
};

#define ENTRY_MASKED (1u << 16)
#define ENTRY_LEVEL  (1u << 15)
#define ENTRY_LOW    (1u << 13)

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA	0xa1

static volatile uint32_t *ioapics[ACPI_MAX_IOAPICS];
static unsigned int nr_inputs[ACPI_MAX_IOAPICS];

static uint32_t ioapic_read(unsigned int n, unsigned int reg)
{
	ioapics[n][IOAPIC_SELECT] = reg;
	return ioapics[n][IOAPIC_WINDOW];
}

static void ioapic_write(unsigned int n, unsigned int reg, uint32_t value)
{
	ioapics[n][IOAPIC_SELECT] = reg;
	ioapics[n][IOAPIC_WINDOW] = value;
}

void ioapic_init(void)
{
	x86_outb(PIC_MASTER_DATA, 0xff);
	x86_outb(PIC_SLAVE_DATA, 0xff);
	for (unsigned int n = 0; n < acpi_madt.nr_ioapics; n++) {
		ioapics[n] = vm_map_device(acpi_madt.ioapics[n].address, PAGE_SIZE, "I/O APIC");
		nr_inputs[n] = (ioapic_read(n, IOAPIC_VERSION) >> 16 & 0xff) + 1;
		for (unsigned int i = 0; i < nr_inputs[n]; i++)
			ioapic_write(n, IOAPIC_TABLE + 2 * i, ENTRY_MASKED);
	}
}

/* The input and trigger bits of an ISA interrupt: itself, edge and high, unless overridden. */
static uint32_t isa_input(unsigned int irq, uint32_t *bits)
{
	*bits = 0;
	for (unsigned int i = 0; i < acpi_madt.nr_overrides; i++) {
		if (acpi_madt.overrides[i].irq != irq)
			continue;
		if ((acpi_madt.overrides[i].flags & 3) == 3)
			*bits |= ENTRY_LOW;
		if ((acpi_madt.overrides[i].flags >> 2 & 3) == 3)
			*bits |= ENTRY_LEVEL;
		return acpi_madt.overrides[i].gsi;
	}
	return irq;
}

void ioapic_route_isa(unsigned int irq, unsigned int vector)
{
	uint32_t bits, gsi = isa_input(irq, &bits);
	uint32_t apic_id = smp_apic_id(cpumask_next(&cpu_possible_mask, 0));

	for (unsigned int n = 0; n < acpi_madt.nr_ioapics; n++) {
		uint32_t base = acpi_madt.ioapics[n].gsi_base;

		if (gsi < base || gsi - base >= nr_inputs[n])
			continue;
		ioapic_write(n, IOAPIC_TABLE + 2 * (gsi - base) + 1, apic_id << 24);
		ioapic_write(n, IOAPIC_TABLE + 2 * (gsi - base), bits | vector);
		return;
	}
	log_warn("no I/O APIC takes interrupt %u (ISA %u): its device is polled", gsi, irq);
}
