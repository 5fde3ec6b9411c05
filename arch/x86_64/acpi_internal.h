/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two halves of the ACPI code share: parsing bytes, and finding them in memory. */
#pragma once

#include "arch/x86_64/acpi.h"

#define ACPI_HEADER_SIZE 36
#define ACPI_MAX_RANGES	 64

struct acpi_affinity {
	uint32_t apic_id;
	uint32_t node;
};

struct acpi_memory_range {
	phys_addr_t start, end; /* half-open */
	uint32_t node;
};

struct acpi_srat {
	struct acpi_affinity cpus[ACPI_MAX_CPUS];
	unsigned int nr_cpus;
	struct acpi_memory_range ranges[ACPI_MAX_RANGES];
	unsigned int nr_ranges;
};

/* Of the FADT, what switching off needs; ports are 0 where there are none. */
struct acpi_fadt {
	phys_addr_t dsdt;
	uint16_t control_a, control_b; /* PM1 control registers */
	uint16_t smi_command;	       /* takes acpi_enable while the firmware has ACPI off */
	uint8_t acpi_enable;
};

/* The sleep types that mean S5, for the two control registers. */
struct acpi_s5 {
	uint8_t type_a, type_b;
};

/* Whether the bytes add up to 0. */
bool acpi_checksum_good(const void *bytes, size_t size);
/* What is wrong with a table of at most size bytes that should have that signature; NULL: nothing. */
const char *acpi_table_error(const void *table, size_t size, const char *signature);
/* These return NULL on success, else what is wrong with the table. */
const char *acpi_parse_fadt(const void *table, size_t size, struct acpi_fadt *out);
const char *acpi_parse_dsdt(const void *table, size_t size, struct acpi_s5 *out);
const char *acpi_parse_srat(const void *table, size_t size, struct acpi_srat *out);
