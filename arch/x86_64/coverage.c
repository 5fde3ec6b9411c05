// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often each line ran, told at the machine's end: only in a kernel made with COVERAGE=1, whose
 * files count in memory. The counters go out through QEMU's debug console, one record a file:
 *
 *	"FILE" length name	the .gcda file that the counters belong in
 *	"DATA" length bytes	a part of its contents; lengths are 4 bytes, low byte first
 *
 * tools/coverage.py makes the files. The contents are made by the compiler's own library, libgcov,
 * which wants a few functions of a C library; it calls none of them here.
 * Source: GCC manual, "Profiling and Test Coverage in Freestanding Environments"; QEMU
 * hw/char/debugcon.c (interface only).
 */
#include "arch/x86_64/coverage.h"

#include <gcov.h>

#include "arch/x86_64/cpu.h"
#include "kernel/compiler.h"
#include "kernel/string.h"

enum { DEBUG_CONSOLE_PORT = 0xe9 };

extern const struct gcov_info *const __gcov_info_start[], *const __gcov_info_end[];

/* What libgcov refers to. */
void __gcov_merge_add(int64_t *counters, unsigned int n);
void abort(void) __noreturn;
void *mmap(void *addr, size_t size, int protection, int flags, int file, long offset);

void __gcov_merge_add(int64_t *counters __unused, unsigned int n __unused)
{
}

void abort(void)
{
	for (;;)
		x86_hlt();
}

void *mmap(void *addr __unused, size_t size __unused, int protection __unused, int flags __unused,
	   int file __unused, long offset __unused)
{
	return (void *)-1;
}

static void put(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x86_outb(DEBUG_CONSOLE_PORT, ((const uint8_t *)bytes)[i]);
}

static void put_record(const char kind[4], const void *bytes, unsigned int n)
{
	uint32_t length = n;

	put(kind, 4);
	put(&length, sizeof(length));
	put(bytes, n);
}

static void put_name(const char *name, void *arg __unused)
{
	put_record("FILE", name, (unsigned int)strlen(name));
}

static void put_data(const void *bytes, unsigned int n, void *arg __unused)
{
	put_record("DATA", bytes, n);
}

/* libgcov wants memory only for lists of values, which are not counted. */
static void *no_memory(unsigned int n __unused, void *arg __unused)
{
	return NULL;
}

void coverage_dump(void)
{
	static bool begun;

	if (__atomic_test_and_set(&begun, __ATOMIC_ACQUIRE))
		return;
	for (const struct gcov_info *const *info = __gcov_info_start; info < __gcov_info_end;
	     info++)
		__gcov_info_to_gcda(*info, put_name, put_data, no_memory, NULL);
}
