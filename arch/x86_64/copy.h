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

/* Stores n bytes. */
static inline void x86_rep_stosb(void *dst, uint8_t byte, size_t n)
{
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(byte) : "memory");
}
