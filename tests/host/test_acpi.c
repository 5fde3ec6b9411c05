/* SPDX-License-Identifier: GPL-2.0-only */
/* links: arch/x86_64/acpi_parse.c */
/*
 * The parsers of the ACPI tables: what they read, and that no length in a table is believed. Each
 * table lies in a heap block of just its size, so that the sanitizer sees a read past the end.
 */
#include "arch/x86_64/acpi_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAPIC = 0, IOAPIC = 1, OVERRIDE = 2, LAPIC_ADDRESS = 5, X2APIC = 9, UNKNOWN = 0x7e };
enum { SRAT_LAPIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2 };
enum { ENABLED = 1, ONLINE_CAPABLE = 2 };

static uint8_t table[65536];
static size_t used;
static struct acpi_madt madt;
static struct acpi_srat srat;

static void put(uint64_t value, size_t bytes)
{
	assert_true(used + bytes <= sizeof(table));
	for (size_t i = 0; i < bytes; i++)
		table[used++] = (uint8_t)(value >> 8 * i);
}

static void begin(const char *signature)
{
	memset(table, 0, sizeof(table));
	memcpy(table, signature, 4);
	used = ACPI_HEADER_SIZE;
}

static void begin_madt(void)
{
	begin("APIC");
	put(0xfee00000, 4);
	put(1, 4);
}

static void begin_srat(void)
{
	begin("SRAT");
	put(1, 4);
	put(0, 8);
}

static void put_lapic(uint8_t id, uint32_t flags)
{
	put(LAPIC | 8 << 8, 2);
	put(0, 1);
	put(id, 1);
	put(flags, 4);
}

static void put_x2apic(uint32_t id, uint32_t flags)
{
	put(X2APIC | 16 << 8, 4);
	put(id, 4);
	put(flags, 4);
	put(0, 4);
}

static void put_override(uint8_t irq, uint32_t gsi, uint16_t flags)
{
	put(OVERRIDE | 10 << 8, 3);
	put(irq, 1);
	put(gsi, 4);
	put(flags, 2);
}

static void put_ioapic(uint32_t address, uint32_t base)
{
	put(IOAPIC | 12 << 8, 4);
	put(address, 4);
	put(base, 4);
}

static void set_length(uint32_t length)
{
	memcpy(table + 4, &length, sizeof(length));
}

/* Makes the checksum right for the length that the table says. */
static void seal(void)
{
	uint32_t length;
	uint8_t sum = 0;

	memcpy(&length, table + 4, sizeof(length));
	table[9] = 0;
	for (size_t i = 0; i < length && i < sizeof(table); i++)
		sum += table[i];
	table[9] = (uint8_t)-sum;
}

static void *exact_copy(size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, table, size);
	return copy;
}

/* Parses the first size bytes. */
static const char *parse_madt(size_t size)
{
	void *copy = exact_copy(size);
	const char *error = acpi_parse_madt(copy, size, &madt);

	free(copy);
	return error;
}

static const char *finish_madt(void)
{
	set_length((uint32_t)used);
	seal();
	return parse_madt(used);
}

static const char *finish_srat(void)
{
	const char *error;
	void *copy;

	set_length((uint32_t)used);
	seal();
	copy = exact_copy(used);
	error = acpi_parse_srat(copy, used, &srat);
	free(copy);
	return error;
}

/* ---- MADT ---- */

static void madt_tells_processors_in_order(void **state __unused)
{
	begin_madt();
	put_lapic(3, ENABLED);
	put_lapic(0, ENABLED);
	put_lapic(7, 0);
	put_lapic(9, ONLINE_CAPABLE);
	put_x2apic(300, ENABLED);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_cpus, 5);
	assert_int_equal(madt.cpus[0].apic_id, 3);
	assert_int_equal(madt.cpus[1].apic_id, 0);
	assert_true(madt.cpus[1].enabled);
	assert_false(madt.cpus[2].enabled);
	assert_false(madt.cpus[3].enabled);
	assert_int_equal(madt.cpus[4].apic_id, 300);
	assert_true(madt.cpus[4].enabled);
	assert_int_equal(madt.lapic_address, 0xfee00000);
}

static void a_processor_listed_twice_is_one(void **state __unused)
{
	begin_madt();
	put_lapic(1, 0);
	put_x2apic(1, ENABLED);
	put_lapic(1, 0);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_cpus, 1);
	assert_true(madt.cpus[0].enabled);
}

static void ids_that_mean_everybody_are_no_processors(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	put_lapic(0xff, ENABLED);
	put_x2apic(0xffffffff, ENABLED);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_cpus, 1);
}

static void madt_tells_interrupt_routes(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	put_ioapic(0xfec00000, 0);
	put_ioapic(0xfec01000, 24);
	put_override(0, 2, 0);
	put_override(9, 9, 0xd);
	put(LAPIC_ADDRESS | 12 << 8, 4);
	put(0x1fee00000, 8);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_ioapics, 2);
	assert_int_equal(madt.ioapics[1].address, 0xfec01000);
	assert_int_equal(madt.ioapics[1].gsi_base, 24);
	assert_int_equal(madt.nr_overrides, 2);
	assert_int_equal(madt.overrides[0].gsi, 2);
	assert_int_equal(madt.overrides[1].irq, 9);
	assert_int_equal(madt.overrides[1].flags, 0xd);
	assert_int_equal(madt.lapic_address, 0x1fee00000);
}

static void unknown_and_short_entries_are_passed_over(void **state __unused)
{
	begin_madt();
	put(UNKNOWN | 5 << 8, 5);
	put(LAPIC | 4 << 8, 4);
	put(OVERRIDE | 2 << 8, 2);
	put_lapic(6, ENABLED);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_cpus, 1);
	assert_int_equal(madt.cpus[0].apic_id, 6);
	assert_int_equal(madt.nr_overrides, 0);
}

static void bad_entry_lengths_are_refused(void **state __unused)
{
	static const uint8_t lengths[] = {0, 1, 9, 255};

	for (size_t i = 0; i < sizeof(lengths); i++) {
		begin_madt();
		put_lapic(0, ENABLED);
		put_lapic(1, ENABLED);
		table[used - 7] = lengths[i];
		assert_non_null(finish_madt());
	}
	begin_madt();
	put_lapic(0, ENABLED);
	put(LAPIC, 1); /* only half an entry's head */
	assert_non_null(finish_madt());
}

static void every_cut_of_a_table_is_refused(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	put_ioapic(0xfec00000, 0);
	assert_null(finish_madt());
	for (size_t size = 0; size < used; size++) {
		assert_non_null(parse_madt(size));
		assert_int_equal(madt.nr_cpus, 0);
	}
}

static void bad_headers_are_refused(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	assert_null(finish_madt());
	table[9]++;
	assert_string_equal(parse_madt(used), "wrong checksum");
	set_length(ACPI_HEADER_SIZE - 1);
	seal();
	assert_non_null(parse_madt(used));
	set_length(ACPI_HEADER_SIZE); /* no room for the fixed part */
	seal();
	assert_non_null(parse_madt(used));
	set_length(0xffffffff);
	assert_non_null(parse_madt(used));
	begin("FACP");
	assert_string_equal(finish_madt(), "wrong signature");
}

static void a_madt_without_processors_is_refused(void **state __unused)
{
	begin_madt();
	put_ioapic(0xfec00000, 0);
	assert_non_null(finish_madt());
}

static void more_than_there_is_room_for_is_counted(void **state __unused)
{
	begin_madt();
	for (uint32_t id = 0; id < ACPI_MAX_CPUS + 3; id++)
		put_x2apic(id, ENABLED);
	for (uint8_t i = 0; i < ACPI_MAX_IOAPICS + 1; i++)
		put_ioapic(0xfec00000 + i * 0x1000u, i * 24u);
	for (uint8_t i = 0; i < ACPI_MAX_OVERRIDES + 2; i++)
		put_override(i, i, 0);
	assert_null(finish_madt());
	assert_int_equal(madt.nr_cpus, ACPI_MAX_CPUS);
	assert_int_equal(madt.nr_ioapics, ACPI_MAX_IOAPICS);
	assert_int_equal(madt.nr_overrides, ACPI_MAX_OVERRIDES);
	assert_int_equal(madt.nr_dropped, 3 + 1 + 2);
}

/* Any byte may be wrong: never a read outside (the sanitizer looks), never a count past its array. */
static void damaged_tables_do_no_harm(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	put_x2apic(1, ENABLED);
	put_override(4, 4, 0);
	put_ioapic(0xfec00000, 0);
	assert_null(finish_madt());
	for (size_t at = 0; at < used; at++) {
		uint8_t good = table[at];

		for (unsigned int value = 0; value < 256; value++) {
			table[at] = (uint8_t)value;
			if (at < 4 || at > 7)
				seal();
			parse_madt(used);
			assert_true(madt.nr_cpus <= ACPI_MAX_CPUS);
		}
		table[at] = good;
		seal();
	}
}

/* ---- SRAT ---- */

static void put_srat_lapic(uint8_t id, uint32_t node, uint32_t flags)
{
	put(SRAT_LAPIC | 16 << 8, 2);
	put(node & 0xff, 1);
	put(id, 1);
	put(flags, 4);
	put(0, 1);
	put(node >> 8, 3);
	put(0, 4);
}

static void put_srat_x2apic(uint32_t id, uint32_t node, uint32_t flags)
{
	put(SRAT_X2APIC | 24 << 8, 4);
	put(node, 4);
	put(id, 4);
	put(flags, 4);
	put(0, 8);
}

static void put_srat_memory(uint64_t base, uint64_t length, uint32_t node, uint32_t flags)
{
	put(SRAT_MEMORY | 40 << 8, 2);
	put(node, 4);
	put(0, 2);
	put(base, 8);
	put(length, 8);
	put(0, 4);
	put(flags, 4);
	put(0, 8);
}

static void srat_tells_nodes(void **state __unused)
{
	begin_srat();
	put_srat_lapic(0, 0, ENABLED);
	put_srat_lapic(1, 0x10002, ENABLED);
	put_srat_lapic(2, 5, 0);
	put_srat_x2apic(300, 7, ENABLED);
	put_srat_memory(0, 0x80000000, 0, ENABLED);
	put_srat_memory(0x100000000, 0x40000000, 7, ENABLED);
	put_srat_memory(0x200000000, 0x40000000, 8, 0);
	assert_null(finish_srat());
	assert_int_equal(srat.nr_cpus, 3);
	assert_int_equal(srat.cpus[1].node, 0x10002);
	assert_int_equal(srat.cpus[2].apic_id, 300);
	assert_int_equal(srat.cpus[2].node, 7);
	assert_int_equal(srat.nr_ranges, 2);
	assert_int_equal(srat.ranges[1].start, 0x100000000);
	assert_int_equal(srat.ranges[1].end, 0x140000000);
	assert_int_equal(srat.ranges[1].node, 7);
}

static void a_cut_srat_is_refused(void **state __unused)
{
	begin_srat();
	put_srat_memory(0, 4096, 0, ENABLED);
	used -= 8;
	assert_non_null(finish_srat());
	begin("SRAT");
	assert_non_null(finish_srat());
}

/* ---- Switching off ---- */

static void put_at(size_t offset, uint64_t value, size_t bytes)
{
	size_t end = used;

	used = offset;
	put(value, bytes);
	used = used > end ? used : end;
}

/* A FADT of that size with a DSDT at 0x7ff0000 and both control registers. */
static void begin_fadt(size_t size)
{
	begin("FACP");
	used = size;
	put_at(40, 0x7ff0000, 4);
	put_at(48, 0xb2, 4);
	put_at(52, 0xf1, 1);
	put_at(64, 0x604, 4);
	put_at(68, 0x704, 4);
}

static const char *finish_fadt(struct acpi_fadt *out)
{
	const char *error;
	void *copy;

	set_length((uint32_t)used);
	seal();
	copy = exact_copy(used);
	error = acpi_parse_fadt(copy, used, out);
	free(copy);
	return error;
}

static void fadt_tells_ports_and_dsdt(void **state __unused)
{
	struct acpi_fadt fadt;

	begin_fadt(72);
	assert_null(finish_fadt(&fadt));
	assert_int_equal(fadt.dsdt, 0x7ff0000);
	assert_int_equal(fadt.control_a, 0x604);
	assert_int_equal(fadt.control_b, 0x704);
	assert_int_equal(fadt.smi_command, 0xb2);
	assert_int_equal(fadt.acpi_enable, 0xf1);

	begin_fadt(244); /* the long form: 64 bits, and ports only as generic addresses */
	put_at(140, 0x17ff0000, 8);
	put_at(64, 0, 8);
	put_at(172, 1, 4);
	put_at(176, 0x1804, 8);
	put_at(184, 0, 4); /* in memory: none that we use */
	put_at(188, 0x1904, 8);
	assert_null(finish_fadt(&fadt));
	assert_int_equal(fadt.dsdt, 0x17ff0000);
	assert_int_equal(fadt.control_a, 0x1804);
	assert_int_equal(fadt.control_b, 0);
}

static void fadts_without_a_way_off(void **state __unused)
{
	struct acpi_fadt fadt;

	begin_fadt(72);
	used = 71;
	assert_string_equal(finish_fadt(&fadt), "shorter than a FADT");
	begin_fadt(72);
	put_at(64, 0, 4);
	assert_string_equal(finish_fadt(&fadt), "no PM1 control register");
	begin_fadt(72);
	put_at(64, 0x10604, 4); /* no port */
	assert_non_null(finish_fadt(&fadt));
	begin_fadt(183); /* the generic address is cut */
	put_at(64, 0, 4);
	put_at(172, 1, 4);
	put_at(176, 0x04, 7);
	assert_non_null(finish_fadt(&fadt));
}

/* Parses a DSDT with these bytes in the middle. */
static const char *parse_dsdt(const char *code, size_t n, struct acpi_s5 *s5)
{
	const char *error;
	void *copy;

	begin("DSDT");
	put(0x5f08, 2); /* a name that is another */
	memcpy(table + used, code, n);
	used += n;
	set_length((uint32_t)used);
	seal();
	copy = exact_copy(used);
	error = acpi_parse_dsdt(copy, used, s5);
	free(copy);
	return error;
}

#define DSDT(code) parse_dsdt(code, sizeof(code) - 1, &s5)
#define EXPECT_S5(code, a, b)                   \
	do {                                    \
		assert_null(DSDT(code));        \
		assert_int_equal(s5.type_a, a); \
		assert_int_equal(s5.type_b, b); \
	} while (0)

static void dsdt_tells_the_sleep_types(void **state __unused)
{
	struct acpi_s5 s5;

	EXPECT_S5("\x08_S5_\x12\x06\x04\x0a\x05\x0a\x07\0\0", 5, 7);
	EXPECT_S5("\x08_S5_\x12\x06\x04\0\0\0\0", 0, 0);
	EXPECT_S5("\x08\\_S5_\x12\x05\x02\x01\x0a\x03", 1, 3);
	EXPECT_S5("\x08_S5_\x12\xc6\0\0\0\x04\x0a\x06\0\0\0", 6, 0);
	EXPECT_S5("\x08_S5_\x12\x04\x01\x0a\x05", 5, 5);		       /* one element */
	EXPECT_S5("_S5_\x12\x05\x02\0\0\x08_S5_\x12\x05\x02\x0a\x02\0", 2, 0); /* used before */
}

static void dsdts_without_sleep_types(void **state __unused)
{
	struct acpi_s5 s5;

	assert_string_equal(DSDT(""), "no object _S5");
	assert_non_null(DSDT("_S5_\x12\x06\x04\0\0"));
	assert_non_null(DSDT("\x08_S5_"));
	assert_non_null(DSDT("\x08_S5_\x12\xc0"));
	assert_non_null(DSDT("\x08_S5_\x12\x06\x04"));
	assert_non_null(DSDT("\x08_S5_\x12\x06\x04\x0a"));
	assert_non_null(DSDT("\x08_S5_\x12\x06\x04\x0a\x08\0"));
	assert_non_null(DSDT("\x08_S5_\x11\x06\x04\0\0"));
	assert_non_null(DSDT("\x08_S4_\x12\x06\x04\0\0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt_tells_processors_in_order),
		cmocka_unit_test(a_processor_listed_twice_is_one),
		cmocka_unit_test(ids_that_mean_everybody_are_no_processors),
		cmocka_unit_test(madt_tells_interrupt_routes),
		cmocka_unit_test(unknown_and_short_entries_are_passed_over),
		cmocka_unit_test(bad_entry_lengths_are_refused),
		cmocka_unit_test(every_cut_of_a_table_is_refused),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(a_madt_without_processors_is_refused),
		cmocka_unit_test(more_than_there_is_room_for_is_counted),
		cmocka_unit_test(damaged_tables_do_no_harm),
		cmocka_unit_test(srat_tells_nodes),
		cmocka_unit_test(a_cut_srat_is_refused),
		cmocka_unit_test(fadt_tells_ports_and_dsdt),
		cmocka_unit_test(fadts_without_a_way_off),
		cmocka_unit_test(dsdt_tells_the_sleep_types),
		cmocka_unit_test(dsdts_without_sleep_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
