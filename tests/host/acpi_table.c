/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables for the tests of the ACPI parsers. */
#include "tests/host/acpi_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint8_t table_bytes[65536];
size_t table_used;

void table_put(uint64_t value, size_t bytes)
{
	assert_true(table_used + bytes <= sizeof(table_bytes));
	for (size_t i = 0; i < bytes; i++)
		table_bytes[table_used++] = (uint8_t)(value >> 8 * i);
}

void table_begin(const char *signature)
{
	memset(table_bytes, 0, sizeof(table_bytes));
	memcpy(table_bytes, signature, 4);
	table_used = ACPI_HEADER_SIZE;
}

void table_set_length(uint32_t length)
{
	memcpy(table_bytes + 4, &length, sizeof(length));
}

void table_seal(void)
{
	uint32_t length;
	uint8_t sum = 0;

	memcpy(&length, table_bytes + 4, sizeof(length));
	table_bytes[9] = 0;
	for (size_t i = 0; i < length && i < sizeof(table_bytes); i++)
		sum += table_bytes[i];
	table_bytes[9] = (uint8_t)-sum;
}

void table_finish(void)
{
	table_set_length((uint32_t)table_used);
	table_seal();
}

void *table_copy(size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, table_bytes, size);
	return copy;
}
