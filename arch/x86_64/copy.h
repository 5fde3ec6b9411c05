/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The string instructions, one a function; each takes and returns what it leaves in its registers.
 * The direction flag is clear, as the ABI has it. Source: Intel SDM vol. 2, MOVS and STOS.
 */
#pragma once

#include "kernel/compiler.h"

/* Copies n words of 8 bytes, upwards. Returns dst past the copy; *src moves along. */
static inline void *x86_rep_movsq(void *dst, const void **src, size_t n)
{
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(*src), "+c"(n)::"memory");
	return dst;
}

/* Copies n bytes, upwards. */
static inline void x86_rep_movsb(void *dst, const void *src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n)::"memory");
}

/* Stores n words of 8 bytes. Returns dst past them. */
static inline void *x86_rep_stosq(void *dst, uint64_t word, size_t n)
{
	__asm__ volatile("rep stosq" : "+D"(dst), "+c"(n) : "a"(word) : "memory");
	return dst;
}

/*
 * Zeroing by 16 bytes. XMM0 holds zero on every CPU from x86_zero16_init on, and nothing ever changes that: the
 * compiler is told to keep off the vector registers (-mgeneral-regs-only), here it is only read. So there
 * is nothing to save in an interrupt or a switch of threads. Source: Intel SDM vol. 2, MOVUPS.
 */
static inline void x86_zero16_init(void)
{
	__asm__ volatile("xorps %xmm0, %xmm0");
}

/* The 16 bytes from p on become 0. */
static __always_inline void x86_zero16(void *p)
{
#if __STDC_HOSTED__ /* a process has other plans for XMM0 */
	__builtin_memset(p, 0, 16);
#else
	__asm__ volatile("movups %%xmm0, %0" : "=m"(*(char(*)[16])p));
#endif
}

/* The n bytes from p on become 0, n a multiple of 16. */
static inline void x86_zero(void *p, size_t n)
{
	char *at = p, *end = at + n;

	for (; (size_t)(end - at) >= 256; at += 256) {
#pragma GCC unroll 16
		for (size_t i = 0; i < 256; i += 16)
			x86_zero16(at + i);
	}
	for (; at < end; at += 16)
		x86_zero16(at);
}

/* Stores n bytes. */
static inline void x86_rep_stosb(void *dst, uint8_t byte, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(byte) : "memory");
}
