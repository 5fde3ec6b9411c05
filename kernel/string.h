/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of <string.h> that the kernel uses, with their standard meaning, and number parsing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strstr(const char *s, const char *needle);

/* Copies at most size - 1 bytes and always ends dst with 0. Returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t size);

/*
 * The whole of s as an unsigned number, decimal or 0x…; false (and *out unchanged) for an empty
 * string, a sign, a stray character or a value past 64 bits.
 */
bool parse_u64(const char *s, uint64_t *out);
/* As parse_u64, with an optional K or M suffix (times 1024, 1024²). */
bool parse_size(const char *s, uint64_t *out);
/* Whether s fits a shell-like pattern of literal characters, '*' and '?'. */
bool glob_match(const char *pattern, const char *s);
