/* SPDX-License-Identifier: GPL-2.0-only */
/* links: arch/x86_64/acpi_parse.c tests/host/acpi_table.c */
/*
 * The parsers of what switching off needs: the FADT's ports and the DSDT's sleep types.
 */
#include "tests/host/acpi_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_at(size_t offset, uint64_t value, size_t bytes)
{
	size_t end = table_used;

	table_used = offset;
	table_put(value, bytes);
	table_used = table_used > end ? table_used : end;
}

/* A FADT of that size with a DSDT at 0x7ff0000 and both control registers. */
static void begin_fadt(size_t size)
{
	table_begin("FACP");
	table_used = size;
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

	table_finish();
	copy = table_copy(table_used);
	error = acpi_parse_fadt(copy, table_used, out);
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
	table_used = 71;
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

	table_begin("DSDT");
	table_put(0x5f08, 2); /* a name that is another */
	memcpy(table_bytes + table_used, code, n);
	table_used += n;
	table_finish();
	copy = table_copy(table_used);
	error = acpi_parse_dsdt(copy, table_used, s5);
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
		cmocka_unit_test(fadt_tells_ports_and_dsdt),
		cmocka_unit_test(fadts_without_a_way_off),
		cmocka_unit_test(dsdt_tells_the_sleep_types),
		cmocka_unit_test(dsdts_without_sleep_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
