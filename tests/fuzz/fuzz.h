/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzz target is: one function, called with one input after the other. libFuzzer calls it with
 * inputs of its own making (`make fuzz`), tests/fuzz/replay.c with those that are kept in the tree.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Always 0. Ends the process by abort or a sanitizer's report when the code under test is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                                    \
	do {                                                                                \
		if (!(cond)) {                                                              \
			fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #cond); \
			abort();                                                            \
		}                                                                           \
	} while (0)

/* A heap block of just that size, so that the sanitizer sees a read past the end. */
static inline void *fuzz_copy(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	FUZZ_CHECK(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}
