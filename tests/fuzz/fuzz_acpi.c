/* SPDX-License-Identifier: GPL-2.0-only */
/* links: arch/x86_64/acpi_parse.c */
/*
 * The parsers of the ACPI tables: any bytes. The first byte's lowest bit says whether signature and
 * checksum are made right first, since few inputs get past them otherwise.
 */
#include "tests/fuzz/fuzz.h"

#include "arch/x86_64/acpi_internal.h"

/* Writes the signature and what makes the bytes that the length field covers add up to 0. */
static void seal(uint8_t *table, size_t size, const char *signature)
{
	uint32_t length;
	uint8_t sum = 0;

	if (size < ACPI_HEADER_SIZE)
		return;
	memcpy(table, signature, 4);
	memcpy(&length, table + 4, sizeof(length));
	table[9] = 0;
	for (size_t i = 0; i < length && i < size; i++)
		sum += table[i];
	table[9] = (uint8_t)-sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct acpi_madt madt;
	static struct acpi_srat srat;
	struct acpi_fadt fadt;
	struct acpi_s5 s5;
	uint8_t *table;
	bool sealed;

	if (size == 0)
		return 0;
	sealed = data[0] & 1;
	table = fuzz_copy(data + 1, size - 1);
	if (sealed)
		seal(table, size - 1, "APIC");
	if (acpi_parse_madt(table, size - 1, &madt) == NULL)
		FUZZ_CHECK(madt.nr_cpus > 0);
	FUZZ_CHECK(madt.nr_cpus <= ACPI_MAX_CPUS && madt.nr_ioapics <= ACPI_MAX_IOAPICS);
	FUZZ_CHECK(madt.nr_overrides <= ACPI_MAX_OVERRIDES);
	if (sealed)
		seal(table, size - 1, "SRAT");
	acpi_parse_srat(table, size - 1, &srat);
	FUZZ_CHECK(srat.nr_cpus <= ACPI_MAX_CPUS && srat.nr_ranges <= ACPI_MAX_RANGES);
	for (unsigned int i = 0; i < srat.nr_ranges; i++)
		FUZZ_CHECK(srat.ranges[i].start <= srat.ranges[i].end);
	if (sealed)
		seal(table, size - 1, "FACP");
	if (acpi_parse_fadt(table, size - 1, &fadt) == NULL)
		FUZZ_CHECK(fadt.control_a != 0);
	if (sealed)
		seal(table, size - 1, "DSDT");
	if (acpi_parse_dsdt(table, size - 1, &s5) == NULL)
		FUZZ_CHECK(s5.type_a < 8 && s5.type_b < 8);
	free(table);
	return 0;
}
