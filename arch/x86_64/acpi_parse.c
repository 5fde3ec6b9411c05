/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading ACPI tables from bytes: nothing here trusts a length it was given, and nothing needs the
 * kernel around it. Source: ACPI 6.4 sections 5.2.6 (header), 5.2.9 (FADT), 5.2.12 (MADT), 5.2.16 (SRAT),
 * 7.4.2 and 20.2 (the object \_S5 in the DSDT's byte code).
 */
#include "arch/x86_64/acpi_internal.h"

#include "kernel/string.h"

enum {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
};
enum { SRAT_LAPIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2 };

#define MADT_ENTRIES  44 /* offset of the first entry */
#define SRAT_ENTRIES  48
#define ENTRY_ENABLED 1u

/* Offsets in the FADT; from the second on only later versions have them. */
enum {
	FADT_DSDT = 40,
	FADT_SMI_COMMAND = 48,
	FADT_ACPI_ENABLE = 52,
	FADT_CONTROL_A = 64,
	FADT_CONTROL_B = 68,
	FADT_MIN_SIZE = 72,
	FADT_X_DSDT = 140,
	FADT_X_CONTROL_A = 172,
	FADT_X_CONTROL_B = 184,
};
enum { GAS_SIZE = 12, GAS_IO = 1 }; /* a generic address: space, three bytes of form, address */

/* Byte code. */
enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_PACKAGE = 0x12,
};
#define SLEEP_TYPES 8

/* Not processors but all of them, as destinations. */
#define LAPIC_ID_ALL  0xff
#define X2APIC_ID_ALL 0xffffffff

static uint32_t read32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t read64(const uint8_t *p)
{
	return read32(p) | (uint64_t)read32(p + 4) << 32;
}

bool acpi_checksum_good(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += p[i];
	return sum == 0;
}

const char *acpi_table_error(const void *table, size_t size, const char *signature)
{
	const uint8_t *p = table;

	if (size < ACPI_HEADER_SIZE)
		return "shorter than a table header";
	if (memcmp(p, signature, 4) != 0)
		return "wrong signature";
	if (read32(p + 4) < ACPI_HEADER_SIZE || read32(p + 4) > size)
		return "length field past the end";
	return acpi_checksum_good(p, read32(p + 4)) ? NULL : "wrong checksum";
}

static void add_cpu(struct acpi_madt *out, uint32_t apic_id, uint32_t flags)
{
	for (unsigned int i = 0; i < out->nr_cpus; i++) {
		if (out->cpus[i].apic_id == apic_id) { /* firmware may list one in both forms */
			out->cpus[i].enabled |= flags & ENTRY_ENABLED;
			return;
		}
	}
	if (out->nr_cpus < ACPI_MAX_CPUS)
		out->cpus[out->nr_cpus++] = (struct acpi_cpu){apic_id, flags & ENTRY_ENABLED};
	else
		out->nr_dropped++;
}

static void add_ioapic(struct acpi_madt *out, const uint8_t *entry)
{
	if (out->nr_ioapics == ACPI_MAX_IOAPICS) {
		out->nr_dropped++;
		return;
	}
	out->ioapics[out->nr_ioapics].address = read32(entry + 4);
	out->ioapics[out->nr_ioapics].gsi_base = read32(entry + 8);
	out->nr_ioapics++;
}

static void add_override(struct acpi_madt *out, const uint8_t *entry)
{
	if (out->nr_overrides == ACPI_MAX_OVERRIDES) {
		out->nr_dropped++;
		return;
	}
	out->overrides[out->nr_overrides].irq = entry[3];
	out->overrides[out->nr_overrides].gsi = read32(entry + 4);
	out->overrides[out->nr_overrides].flags = (uint16_t)(entry[8] | entry[9] << 8);
	out->nr_overrides++;
}

/* One MADT entry of `length` bytes; those too short for their type are passed over. */
static void madt_entry(struct acpi_madt *out, const uint8_t *entry, size_t length)
{
	if (entry[0] == MADT_LAPIC && length >= 8 && entry[3] != LAPIC_ID_ALL)
		add_cpu(out, entry[3], read32(entry + 4));
	else if (entry[0] == MADT_X2APIC && length >= 16 && read32(entry + 4) != X2APIC_ID_ALL)
		add_cpu(out, read32(entry + 4), read32(entry + 8));
	else if (entry[0] == MADT_IOAPIC && length >= 12)
		add_ioapic(out, entry);
	else if (entry[0] == MADT_OVERRIDE && length >= 10)
		add_override(out, entry);
	else if (entry[0] == MADT_LAPIC_ADDRESS && length >= 12)
		out->lapic_address = read64(entry + 4);
}

/* Calls fn for each type-length entry from offset on; NULL, or what is wrong with their lengths. */
static const char *walk_entries(const uint8_t *table, size_t size, size_t offset,
				void (*fn)(void *arg, const uint8_t *entry, size_t length),
				void *arg)
{
	while (offset < size) {
		size_t length = offset + 2 <= size ? table[offset + 1] : 0;

		if (length < 2 || offset + length > size)
			return "an entry's length is 0 or runs past the end";
		fn(arg, table + offset, length);
		offset += length;
	}
	return NULL;
}

static void madt_visit(void *arg, const uint8_t *entry, size_t length)
{
	madt_entry(arg, entry, length);
}

const char *acpi_parse_madt(const void *table, size_t size, struct acpi_madt *out)
{
	const uint8_t *p = table;
	const char *error = acpi_table_error(table, size, "APIC");

	memset(out, 0, sizeof(*out));
	if (error)
		return error;
	size = read32(p + 4);
	if (size < MADT_ENTRIES)
		return "shorter than a MADT";
	out->lapic_address = read32(p + 36);
	error = walk_entries(p, size, MADT_ENTRIES, madt_visit, out);
	if (!error && out->nr_cpus == 0)
		error = "no processor in it";
	return error;
}

/* A length that wraps means up to the end. */
static struct acpi_memory_range memory_range(const uint8_t *entry)
{
	uint64_t start = read64(entry + 8), end;

	if (__builtin_add_overflow(start, read64(entry + 16), &end))
		end = UINT64_MAX;
	return (struct acpi_memory_range){start, end, read32(entry + 2)};
}

static void srat_visit(void *arg, const uint8_t *entry, size_t length)
{
	struct acpi_srat *out = arg;

	if (entry[0] == SRAT_LAPIC && length >= 16 && (read32(entry + 4) & ENTRY_ENABLED) &&
	    out->nr_cpus < ACPI_MAX_CPUS)
		out->cpus[out->nr_cpus++] = (struct acpi_affinity){
			entry[3], entry[2] | (read32(entry + 8) & 0xffffff00)};
	else if (entry[0] == SRAT_X2APIC && length >= 24 && (read32(entry + 12) & ENTRY_ENABLED) &&
		 out->nr_cpus < ACPI_MAX_CPUS)
		out->cpus[out->nr_cpus++] =
			(struct acpi_affinity){read32(entry + 8), read32(entry + 4)};
	else if (entry[0] == SRAT_MEMORY && length >= 40 && (read32(entry + 28) & ENTRY_ENABLED) &&
		 out->nr_ranges < ACPI_MAX_RANGES)
		out->ranges[out->nr_ranges++] = memory_range(entry);
}

const char *acpi_parse_srat(const void *table, size_t size, struct acpi_srat *out)
{
	const char *error = acpi_table_error(table, size, "SRAT");

	memset(out, 0, sizeof(*out));
	if (error)
		return error;
	size = read32((const uint8_t *)table + 4);
	if (size < SRAT_ENTRIES)
		return "shorter than a SRAT";
	return walk_entries(table, size, SRAT_ENTRIES, srat_visit, out);
}

/* ---- Switching off ---- */

/* A port at one of two places: as 32 bits, or in later versions as a generic address. */
static uint16_t fadt_port(const uint8_t *table, size_t size, size_t offset, size_t x_offset)
{
	uint64_t port = read32(table + offset);

	if (port == 0 && size >= x_offset + GAS_SIZE && table[x_offset] == GAS_IO)
		port = read64(table + x_offset + 4);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

const char *acpi_parse_fadt(const void *table, size_t size, struct acpi_fadt *out)
{
	const uint8_t *p = table;
	const char *error = acpi_table_error(table, size, "FACP");

	memset(out, 0, sizeof(*out));
	if (error)
		return error;
	size = read32(p + 4);
	if (size < FADT_MIN_SIZE)
		return "shorter than a FADT";
	out->dsdt = read32(p + FADT_DSDT);
	if (size >= FADT_X_DSDT + 8 && read64(p + FADT_X_DSDT) != 0)
		out->dsdt = read64(p + FADT_X_DSDT);
	out->control_a = fadt_port(p, size, FADT_CONTROL_A, FADT_X_CONTROL_A);
	out->control_b = fadt_port(p, size, FADT_CONTROL_B, FADT_X_CONTROL_B);
	if (read32(p + FADT_SMI_COMMAND) <= UINT16_MAX)
		out->smi_command = (uint16_t)read32(p + FADT_SMI_COMMAND);
	out->acpi_enable = p[FADT_ACPI_ENABLE];
	return out->control_a != 0 ? NULL : "no PM1 control register";
}

/* A small number at *at, which is moved past it. False if there is none that is a sleep type. */
static bool read_sleep_type(const uint8_t *p, size_t end, size_t *at, uint8_t *type)
{
	if (*at < end && (p[*at] == AML_ZERO || p[*at] == AML_ONE)) {
		*type = p[(*at)++];
		return true;
	}
	if (end - *at < 2 || p[*at] != AML_BYTE || p[*at + 1] >= SLEEP_TYPES)
		return false;
	*type = p[*at + 1];
	*at += 2;
	return true;
}

/* The package that follows the name _S5_: opcode, length in 1 to 4 bytes, number of elements, elements. */
static bool read_s5_package(const uint8_t *p, size_t end, size_t at, struct acpi_s5 *out)
{
	if (end - at < 3 || p[at] != AML_PACKAGE)
		return false;
	at += 2 + (p[at + 1] >> 6) + 1; /* the top bits count the bytes that follow the first */
	if (at >= end || !read_sleep_type(p, end, &at, &out->type_a))
		return false;
	if (!read_sleep_type(p, end, &at, &out->type_b))
		out->type_b = out->type_a;
	return true;
}

/* The byte code is not run: where it defines the name \_S5, the package is there to be read. */
const char *acpi_parse_dsdt(const void *table, size_t size, struct acpi_s5 *out)
{
	const uint8_t *p = table;
	const char *error = acpi_table_error(table, size, "DSDT");

	memset(out, 0, sizeof(*out));
	if (error)
		return error;
	size = read32(p + 4);
	for (size_t at = ACPI_HEADER_SIZE + 1; at + 4 <= size; at++) {
		bool named = p[at - 1] == AML_NAME || (p[at - 1] == '\\' && p[at - 2] == AML_NAME);

		if (named && memcmp(p + at, "_S5_", 4) == 0 &&
		    read_s5_package(p, size, at + 4, out))
			return NULL;
	}
	return "no object _S5";
}
