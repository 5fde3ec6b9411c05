/* SPDX-License-Identifier: GPL-2.0-only */
/* An ACPI table that is written field by field, for the tests of the parsers. */
#pragma once

#include "arch/x86_64/acpi_internal.h"

extern uint8_t table_bytes[65536]; /* the table */
extern size_t table_used;	   /* bytes written so far */

/* Starts a table: its signature, and a header of zeros. */
void table_begin(const char *signature);
/* Writes the low bytes of value, the lowest first. */
void table_put(uint64_t value, size_t bytes);
/* The length that the header says. */
void table_set_length(uint32_t length);
/* Makes the checksum right for the length that the header says. */
void table_seal(void);
/* The header says what was written. */
void table_finish(void);
/* The first size bytes, in a heap block of just that size, whose end the sanitizer guards. */
void *table_copy(size_t size);
