// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O APICs, see ioapic.h. Each has two registers in memory, an index and a window; behind them a
 * 64-bit entry per input. Only used while booting, on one CPU, so there is no lock.
 */
#include "arch/x86_64/ioapic.h"

#include "arch/x86_64/acpi.h"
#include "mm/vmalloc.h"

enum { WINDOW_INDEX = 0x00, WINDOW_DATA = 0x10, WINDOW_SIZE = 0x20 };
enum { REG_VERSION = 1, REG_ENTRIES = 0x10 };

/* Low half of an entry; the high half's top byte is the destination's APIC id. */
enum {
	ENTRY_ACTIVE_LOW = 1 << 13,
	ENTRY_LEVEL = 1 << 15,
	ENTRY_MASKED = 1 << 16,
	ENTRY_DESTINATION_SHIFT = 24,
	DESTINATION_MAX = 254,
};

/* MPS INTI flags of an override; 0 means as on the ISA bus: active high, edge. */
enum { INTI_POLARITY = 0x3, INTI_LOW = 0x3, INTI_TRIGGER = 0xc, INTI_LEVEL = 0xc };

static struct ioapic {
	volatile char *window;
	uint32_t gsi_base, nr_inputs;
} ioapics[ACPI_MAX_IOAPICS];
static unsigned int nr_ioapics;

static uint32_t reg_read(const struct ioapic *ioapic, uint32_t reg)
{
	*(volatile uint32_t *)(ioapic->window + WINDOW_INDEX) = reg;
	return *(volatile uint32_t *)(ioapic->window + WINDOW_DATA);
}

static void reg_write(const struct ioapic *ioapic, uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(ioapic->window + WINDOW_INDEX) = reg;
	*(volatile uint32_t *)(ioapic->window + WINDOW_DATA) = value;
}

static void entry_write(const struct ioapic *ioapic, uint32_t input, uint32_t high, uint32_t low)
{
	/* Masked while the halves do not fit together. */
	reg_write(ioapic, REG_ENTRIES + 2 * input, ENTRY_MASKED);
	reg_write(ioapic, REG_ENTRIES + 2 * input + 1, high);
	reg_write(ioapic, REG_ENTRIES + 2 * input, low);
}

void ioapic_init(void)
{
	for (unsigned int i = 0; i < acpi_madt.nr_ioapics; i++) {
		struct ioapic *ioapic = &ioapics[nr_ioapics++];

		ioapic->window = vm_map_device(acpi_madt.ioapics[i].address, WINDOW_SIZE,
					       PROT_NOCACHE, "ioapic");
		ioapic->gsi_base = acpi_madt.ioapics[i].gsi_base;
		ioapic->nr_inputs = (reg_read(ioapic, REG_VERSION) >> 16 & 0xff) + 1;
		for (uint32_t input = 0; input < ioapic->nr_inputs; input++)
			entry_write(ioapic, input, 0, ENTRY_MASKED);
	}
}

static const struct ioapic *ioapic_of(uint32_t gsi)
{
	for (unsigned int i = 0; i < nr_ioapics; i++)
		if (gsi - ioapics[i].gsi_base < ioapics[i].nr_inputs)
			return &ioapics[i];
	return NULL;
}

/* Global interrupt number of an ISA interrupt, and how its line signals, as entry bits. */
static uint32_t isa_to_gsi(unsigned int irq, uint32_t *bits)
{
	*bits = 0;
	for (unsigned int i = 0; i < acpi_madt.nr_overrides; i++) {
		uint16_t flags = acpi_madt.overrides[i].flags;

		if (acpi_madt.overrides[i].irq != irq)
			continue;
		if ((flags & INTI_POLARITY) == INTI_LOW)
			*bits |= ENTRY_ACTIVE_LOW;
		if ((flags & INTI_TRIGGER) == INTI_LEVEL)
			*bits |= ENTRY_LEVEL;
		return acpi_madt.overrides[i].gsi;
	}
	return irq;
}

bool ioapic_route_isa(unsigned int irq, unsigned int vector, uint32_t apic_id)
{
	uint32_t bits, gsi = isa_to_gsi(irq, &bits);
	const struct ioapic *ioapic = ioapic_of(gsi);

	if (ioapic == NULL || apic_id > DESTINATION_MAX)
		return false;
	entry_write(ioapic, gsi - ioapic->gsi_base, apic_id << ENTRY_DESTINATION_SHIFT,
		    bits | vector);
	return true;
}
