// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strings, blocks of memory, number parsing and glob patterns. The compiler calls memcpy, memmove,
 * memset and memcmp on its own account too. Plain C but for the block copies, which use the string
 * instructions; needs nothing else, works from the first line of C. Source: C11 7.24.
 */
#include "kernel/string.h"

#include "arch/x86_64/copy.h"
#include "kernel/compiler.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	const void *from = src;
	void *tail = x86_rep_movsq(dst, &from, n / 8);

	x86_rep_movsb(tail, from, n % 8);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	volatile char *d = dst; /* volatile: or the loop becomes a call of this function */
	const char *s = src;

	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src,
			      n); /* copying upwards reads each byte before it is written */
	while (n-- > 0)
		d[n] = s[n];
	return dst;
}

void *memset(void *dst, int byte, size_t n)
{
	uint64_t word = (uint8_t)byte * 0x0101010101010101ul;
	void *tail = x86_rep_stosq(dst, word, n / 8);

	x86_rep_stosb(tail, (uint8_t)byte, n % 8);
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n > 0; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
		if (*a == '\0')
			return 0;
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (*s == '\0')
			return NULL;
	return (char *)(uintptr_t)s;
}

char *strstr(const char *s, const char *needle)
{
	size_t n = strlen(needle);

	for (; strncmp(s, needle, n) != 0; s++)
		if (*s == '\0')
			return NULL;
	return (char *)(uintptr_t)s;
}

size_t strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (size > 0) {
		size_t copied = min(n, size - 1);

		memcpy(dst, src, copied);
		dst[copied] = '\0';
	}
	return n;
}

/* The value of a digit in any base up to 16; 16 for anything else. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

/* Reads digits from s; returns where they end, NULL if there is none or the value overflows. */
static const char *parse_digits(const char *s, uint64_t *out)
{
	unsigned int base = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10;
	uint64_t value = 0;

	if (base == 16)
		s += 2;
	if (digit_value(*s) >= base)
		return NULL;
	for (; digit_value(*s) < base; s++)
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit_value(*s), &value))
			return NULL;
	*out = value;
	return s;
}

bool parse_u64(const char *s, uint64_t *out)
{
	uint64_t value;
	const char *end = parse_digits(s, &value);

	if (end == NULL || *end != '\0')
		return false;
	*out = value;
	return true;
}

bool parse_size(const char *s, uint64_t *out)
{
	uint64_t value, unit = 1;
	const char *end = parse_digits(s, &value);

	if (end == NULL)
		return false;
	if (*end == 'K' || *end == 'k')
		unit = 1024;
	else if (*end == 'M' || *end == 'm')
		unit = 1024 * 1024;
	if (unit != 1)
		end++;
	if (*end != '\0' || __builtin_mul_overflow(value, unit, &value))
		return false;
	*out = value;
	return true;
}

/*
 * A '*' first stands for nothing; each time the rest fails to fit, the last '*' takes one character
 * more. Earlier ones need no second try: the last one can take whatever they would.
 */
bool glob_match(const char *pattern, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
