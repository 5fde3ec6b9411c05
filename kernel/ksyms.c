// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address to symbol and back, from the table that tools/ksyms.py made of the linked kernel: entries
 * sorted by address, names in one block of strings, all in section .ksyms.
 */
#include "kernel/ksyms.h"

#include "kernel/string.h"

struct ksym {
	uint64_t address;
	uint32_t name; /* offset in ksym_names */
	uint32_t size; /* bytes, up to the next symbol where the symbol itself says nothing */
};

extern const struct ksym ksym_table[];
extern const uint64_t ksym_count;
extern const char ksym_names[];

/* The last entry at or below addr; NULL if there is none. */
static const struct ksym *find_below(uintptr_t addr)
{
	uint64_t low = 0, high = ksym_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (ksym_table[middle].address <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL : &ksym_table[low - 1];
}

const char *ksym_name(uintptr_t addr, size_t *offset, size_t *size)
{
	const struct ksym *sym = find_below(addr);
	bool known = sym != NULL && addr - sym->address < sym->size;

	if (offset != NULL)
		*offset = known ? addr - sym->address : 0;
	if (size != NULL)
		*size = known ? sym->size : 0;
	return known ? ksym_names + sym->name : "?";
}

uintptr_t ksym_address(const char *name)
{
	for (uint64_t i = 0; i < ksym_count; i++) {
		if (strcmp(ksym_names + ksym_table[i].name, name) == 0)
			return ksym_table[i].address;
	}
	return 0;
}
