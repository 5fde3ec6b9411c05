/* SPDX-License-Identifier: GPL-2.0-only */
/* Zeroing an area on every CPU, in straight lines: the larger part of what an allocation costs. */
#include "percpu/front_internal.h"

#define ZERO_BLOCK 128
#define LONG_BLOCK 256

/* The n bytes from p on become 0, in stores that may overlap. n: a multiple of 4, above half of kind,
 * no more than kind, which is 16, 32, 64 or ZERO_BLOCK. */
static __always_inline void zero_short(char *p, size_t n, size_t kind)
{
	if (kind == 16) { /* n is more than 8 */
		__builtin_memset(p, 0, 8);
		__builtin_memset(p + n - 8, 0, 8);
	}
	if (kind >= 32) {
		port_zero16(p);
		port_zero16(p + n - 16);
	}
	if (kind >= 64) {
		port_zero16(p + 16);
		port_zero16(p + n - 32);
	}
	if (kind >= 128) {
		port_zero16(p + 32);
		port_zero16(p + 48);
		port_zero16(p + n - 64);
		port_zero16(p + n - 48);
	}
}

/* block: ZERO_BLOCK, LONG_BLOCK or two of these. */
static __always_inline void zero_block(char *p, size_t block)
{
#pragma GCC unroll 32
	for (size_t i = 0; i < block; i += 16)
		port_zero16(p + i);
}

/* n: above ZERO_BLOCK, no more than two of these. */
static __always_inline void zero_two(char *p, size_t n)
{
	zero_block(p, ZERO_BLOCK);
	zero_block(p + n - ZERO_BLOCK, ZERO_BLOCK);
}

/* In blocks less than n. */
static __always_inline void zero_long(char *p, size_t n, size_t block)
{
	char *last = p + n - block;

	for (; p < last; p += block)
		zero_block(p, block);
	zero_block(last, block);
}

/* A loop a kind of size, so that none asks in each unit what the size is. */
void __percpu *pcpu_front_zero_many(uintptr_t ptr, size_t size)
{
	char *addr = (char *)(ptr + pcpu_front_to_addr);
	size_t unit = pcpu_front_chunk_bytes, step = pcpu_unit_size,
	       n = ALIGN_UP(size, FRONT_GRANULE);

#define ZERO_EACH_UNIT(zero, ...)                    \
	do {                                         \
		unit -= step;                        \
		zero(addr + unit, n, ##__VA_ARGS__); \
	} while (unit != 0)

	if (n > LONG_BLOCK) {
		if (n <= 3 * LONG_BLOCK)
			ZERO_EACH_UNIT(zero_long, LONG_BLOCK);
		else /* takes no more stores than the blocks half as long */
			ZERO_EACH_UNIT(zero_long, 2 * LONG_BLOCK);
	} else if (n > ZERO_BLOCK) {
		ZERO_EACH_UNIT(zero_two);
	} else if (n > 64) {
		ZERO_EACH_UNIT(zero_short, ZERO_BLOCK);
	} else if (n > 32) {
		ZERO_EACH_UNIT(zero_short, 64);
	} else if (n > 16) {
		ZERO_EACH_UNIT(zero_short, 32);
	} else {
		ZERO_EACH_UNIT(zero_short, 16);
	}
	return (void __percpu *)ptr;
}
