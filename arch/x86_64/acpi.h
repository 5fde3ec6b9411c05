/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ACPI tables the kernel reads: RSDP → RSDT or XSDT → MADT (processors, I/O APICs, overrides), SRAT
 * (memory nodes), FADT and DSDT (switching off). The parsers take bytes and lengths, trust no length in
 * them, and build on the host too. Source: ACPI 6.4 sections 5.2.5-5.2.9, 5.2.12, 5.2.16, 7.4.2.
 */
#pragma once

#include "kernel/compiler.h"

#define ACPI_MAX_CPUS	   512
#define ACPI_MAX_IOAPICS   8
#define ACPI_MAX_OVERRIDES 24

struct acpi_cpu {
	uint32_t apic_id;
	bool enabled; /* else: only "online capable" or disabled, a possible CPU at best */
};

struct acpi_madt {
	phys_addr_t lapic_address;
	struct acpi_cpu cpus[ACPI_MAX_CPUS];
	unsigned int nr_cpus;
	struct {
		phys_addr_t address;
		uint32_t gsi_base;
	} ioapics[ACPI_MAX_IOAPICS];
	unsigned int nr_ioapics;
	struct {
		uint8_t irq;
		uint32_t gsi;
		uint16_t flags;
	} overrides[ACPI_MAX_OVERRIDES];
	unsigned int nr_overrides;
	unsigned int nr_dropped; /* entries that found no room above */
};

/* NULL on success, else what is wrong with the table. */
const char *acpi_parse_madt(const void *table, size_t size, struct acpi_madt *out);

/*
 * Finds the tables (from boot_info.rsdp, else by searching the BIOS areas) and parses the MADT into the
 * one below. A missing or broken table is reported and leaves one CPU. After paging_init.
 */
void acpi_init(void);
extern struct acpi_madt acpi_madt;
/* Switches the machine off (sleep state S5); returns if that is not known or does not work. Interrupts
 * are off. Any context after acpi_init, and before it: then it only returns. */
void acpi_power_off(void);
/* The memory node of an APIC id / of a physical address by SRAT, 0 by default. */
unsigned int acpi_node_of_apic(uint32_t apic_id);
unsigned int acpi_node_of_phys(phys_addr_t pa);
