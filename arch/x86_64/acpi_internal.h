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

/* Whether the bytes add up to 0. */
bool acpi_checksum_good(const void *bytes, size_t size);
/* What is wrong with a table of at most size bytes that should have that signature; NULL: nothing. */
const char *acpi_table_error(const void *table, size_t size, const char *signature);
/* NULL on success, else what is wrong with the table. */
const char *acpi_parse_srat(const void *table, size_t size, struct acpi_srat *out);
