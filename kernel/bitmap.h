/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bit arrays of any length, and sets of CPU ids made of them. No locking; the _atomic forms may
 * race with each other and with bitmap_test on the same word, and who sees a bit that was set so sees
 * what was written before it.
 */
#pragma once

#include "kernel/compiler.h"

#define BITS_PER_LONG	 64
#define BITS_TO_LONGS(n) (((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline bool bitmap_test(const unsigned long *map, size_t bit)
{
	unsigned long word = __atomic_load_n(&map[bit / BITS_PER_LONG], __ATOMIC_ACQUIRE);

	return (word >> (bit % BITS_PER_LONG)) & 1;
}

static inline void bitmap_set(unsigned long *map, size_t bit)
{
	map[bit / BITS_PER_LONG] |= 1ul << (bit % BITS_PER_LONG);
}

static inline void bitmap_clear(unsigned long *map, size_t bit)
{
	map[bit / BITS_PER_LONG] &= ~(1ul << (bit % BITS_PER_LONG));
}

static inline void bitmap_set_atomic(unsigned long *map, size_t bit)
{
	__atomic_or_fetch(&map[bit / BITS_PER_LONG], 1ul << (bit % BITS_PER_LONG),
			  __ATOMIC_SEQ_CST);
}

static inline void bitmap_clear_atomic(unsigned long *map, size_t bit)
{
	__atomic_and_fetch(&map[bit / BITS_PER_LONG], ~(1ul << (bit % BITS_PER_LONG)),
			   __ATOMIC_SEQ_CST);
}

/* The first bit at or after `from` that is set in map ^ flip, or nbits if there is none. */
static __always_inline size_t bitmap_next(const unsigned long *map, size_t nbits, size_t from,
					  unsigned long flip)
{
	size_t n = from / BITS_PER_LONG, last = (nbits - 1) / BITS_PER_LONG;
	unsigned long word;

	if (from >= nbits)
		return nbits;
	word = (map[n] ^ flip) & ~0ul << from % BITS_PER_LONG;
	while (word == 0 && n < last)
		word = map[++n] ^ flip;
	if (word == 0)
		return nbits;
	from = n * BITS_PER_LONG + (size_t)__builtin_ctzl(word);
	return from < nbits ? from : nbits;
}

static inline size_t bitmap_next_set(const unsigned long *map, size_t nbits, size_t from)
{
	return bitmap_next(map, nbits, from, 0);
}

static inline size_t bitmap_next_clear(const unsigned long *map, size_t nbits, size_t from)
{
	return bitmap_next(map, nbits, from, ~0ul);
}

/* How many bits of a word are set; pairs, fours and bytes of it are summed side by side. */
static inline unsigned int word_weight(unsigned long word)
{
	word -= word >> 1 & 0x5555555555555555ul;
	word = (word & 0x3333333333333333ul) + (word >> 2 & 0x3333333333333333ul);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0ful;
	return (unsigned int)(word * 0x0101010101010101ul >> 56);
}

/* How many of the first nbits bits are set. */
static inline size_t bitmap_weight(const unsigned long *map, size_t nbits)
{
	size_t weight = 0;

	for (size_t bit = bitmap_next_set(map, nbits, 0); bit < nbits;
	     bit = bitmap_next_set(map, nbits, bit + 1))
		weight++;
	return weight;
}

#define bitmap_for_each_set(bit, map, nbits)                      \
	for (bit = bitmap_next_set(map, nbits, 0); bit < (nbits); \
	     bit = bitmap_next_set(map, nbits, bit + 1))
