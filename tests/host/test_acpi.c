/* SPDX-License-Identifier: GPL-2.0-only */
/* links: arch/x86_64/acpi_parse.c tests/host/acpi_table.c */
/*
 * The parsers of MADT and SRAT: what they read, and that no length in a table is believed.
 * Switching off: test_acpi_off.c.
 */
#include "tests/host/acpi_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LAPIC = 0, IOAPIC = 1, OVERRIDE = 2, LAPIC_ADDRESS = 5, X2APIC = 9, UNKNOWN = 0x7e };
enum { SRAT_LAPIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2 };
enum { ENABLED = 1, ONLINE_CAPABLE = 2 };

static struct acpi_madt madt;
static struct acpi_srat srat;

static void begin_madt(void)
{
	table_begin("APIC");
	table_put(0xfee00000, 4);
	table_put(1, 4);
}

static void begin_srat(void)
{
	table_begin("SRAT");
	table_put(1, 4);
	table_put(0, 8);
}

static void put_lapic(uint8_t id, uint32_t flags)
{
	table_put(LAPIC | 8 << 8, 2);
	table_put(0, 1);
	table_put(id, 1);
	table_put(flags, 4);
}

static void put_x2apic(uint32_t id, uint32_t flags)
{
	table_put(X2APIC | 16 << 8, 4);
	table_put(id, 4);
	table_put(flags, 4);
	table_put(0, 4);
}

static void put_override(uint8_t irq, uint32_t gsi, uint16_t flags)
{
	table_put(OVERRIDE | 10 << 8, 3);
	table_put(irq, 1);
	table_put(gsi, 4);
	table_put(flags, 2);
}

static void put_ioapic(uint32_t address, uint32_t base)
{
	table_put(IOAPIC | 12 << 8, 4);
	table_put(address, 4);
	table_put(base, 4);
}

/* Parses the first size bytes. */
static const char *parse_madt(size_t size)
{
	void *copy = table_copy(size);
	const char *error = acpi_parse_madt(copy, size, &madt);

	free(copy);
	return error;
}

static const char *finish_madt(void)
{
	table_finish();
	return parse_madt(table_used);
}

static const char *finish_srat(void)
{
	const char *error;
	void *copy;

	table_finish();
	copy = table_copy(table_used);
	error = acpi_parse_srat(copy, table_used, &srat);
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
	table_put(LAPIC_ADDRESS | 12 << 8, 4);
	table_put(0x1fee00000, 8);
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
	table_put(UNKNOWN | 5 << 8, 5);
	table_put(LAPIC | 4 << 8, 4);
	table_put(OVERRIDE | 2 << 8, 2);
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
		table_bytes[table_used - 7] = lengths[i];
		assert_non_null(finish_madt());
	}
	begin_madt();
	put_lapic(0, ENABLED);
	table_put(LAPIC, 1); /* only half an entry's head */
	assert_non_null(finish_madt());
}

static void every_cut_of_a_table_is_refused(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	put_ioapic(0xfec00000, 0);
	assert_null(finish_madt());
	for (size_t size = 0; size < table_used; size++) {
		assert_non_null(parse_madt(size));
		assert_int_equal(madt.nr_cpus, 0);
	}
}

static void bad_headers_are_refused(void **state __unused)
{
	begin_madt();
	put_lapic(0, ENABLED);
	assert_null(finish_madt());
	table_bytes[9]++;
	assert_string_equal(parse_madt(table_used), "wrong checksum");
	table_set_length(ACPI_HEADER_SIZE - 1);
	table_seal();
	assert_non_null(parse_madt(table_used));
	table_set_length(ACPI_HEADER_SIZE); /* no room for the fixed part */
	table_seal();
	assert_non_null(parse_madt(table_used));
	table_set_length(0xffffffff);
	assert_non_null(parse_madt(table_used));
	table_begin("FACP");
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
	for (size_t at = 0; at < table_used; at++) {
		uint8_t good = table_bytes[at];

		for (unsigned int value = 0; value < 256; value++) {
			table_bytes[at] = (uint8_t)value;
			if (at < 4 || at > 7)
				table_seal();
			parse_madt(table_used);
			assert_true(madt.nr_cpus <= ACPI_MAX_CPUS);
		}
		table_bytes[at] = good;
		table_seal();
	}
}

/* ---- SRAT ---- */

static void put_srat_lapic(uint8_t id, uint32_t node, uint32_t flags)
{
	table_put(SRAT_LAPIC | 16 << 8, 2);
	table_put(node & 0xff, 1);
	table_put(id, 1);
	table_put(flags, 4);
	table_put(0, 1);
	table_put(node >> 8, 3);
	table_put(0, 4);
}

static void put_srat_x2apic(uint32_t id, uint32_t node, uint32_t flags)
{
	table_put(SRAT_X2APIC | 24 << 8, 4);
	table_put(node, 4);
	table_put(id, 4);
	table_put(flags, 4);
	table_put(0, 8);
}

static void put_srat_memory(uint64_t base, uint64_t length, uint32_t node, uint32_t flags)
{
	table_put(SRAT_MEMORY | 40 << 8, 2);
	table_put(node, 4);
	table_put(0, 2);
	table_put(base, 8);
	table_put(length, 8);
	table_put(0, 4);
	table_put(flags, 4);
	table_put(0, 8);
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
	table_used -= 8;
	assert_non_null(finish_srat());
	table_begin("SRAT");
	assert_non_null(finish_srat());
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
