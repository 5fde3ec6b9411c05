/* SPDX-License-Identifier: GPL-2.0-only */
/* Short ways for the host tests to look at chunks and counters, and requests that must succeed. */
#pragma once

#include "tests/host/host_test.h"

#define LOOK_MAX 64

/* All chunks as pcpu_inspect_chunks lists them; look_chunks fills it and returns how many. */
extern struct pcpu_chunk_info look_at[LOOK_MAX];
size_t look_chunks(void);
/* The chunk of that number; ends the test if there is none. */
const struct pcpu_chunk_info *look_chunk(unsigned long id);
/* The number of the chunk that holds the live area at ptr. */
unsigned long look_chunk_of(const void __percpu *ptr);
enum pcpu_what look_what(const void __percpu *ptr);
struct pcpu_stats look_stats(void);

/* host_alloc that has to succeed. */
void __percpu *must_alloc(size_t size, size_t align);
/* Fills the existing chunks to the last four bytes; none is made. */
void fill_chunks(void);
