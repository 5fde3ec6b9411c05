/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the per-CPU subsystem share: pinned threads, patterns on every CPU's copy, a
 * digest of the allocator's books, and a state in which the next allocation makes a new chunk.
 * Thread context unless it says otherwise; failures are recorded in t.
 */
#pragma once

#include "kernel/test.h"
#include "percpu/guard.h"

/* Runs fn(arg) to its end in a thread pinned to that online CPU; to each in turn: of very many to those
 * that test_takes. */
void test_on_cpu(struct test_run *t, unsigned int cpu, void (*fn)(void *arg), void *arg);
void test_on_each_cpu(struct test_run *t, void (*fn)(void *arg), void *arg);
/* An online CPU other than this one; this one if it is alone. */
unsigned int test_other_cpu(void);
unsigned int test_nr_online(void);

/* CPU cpu's copy of an area, as bytes. Any context. */
unsigned char *test_copy(void __percpu *ptr, unsigned int cpu);
/* Fills every possible CPU's copy with a pattern of its own that seed chooses. Any context. */
void test_fill(void __percpu *ptr, size_t size, unsigned int seed);
/* How many bytes, over all copies, differ from test_fill's pattern; from zero. Any context. */
size_t test_wrong_bytes(void __percpu *ptr, size_t size, unsigned int seed);
size_t test_nonzero_bytes(void __percpu *ptr, size_t size);

/* A number that changes with anything in any chunk: its place, map, hint, slot and pages. */
uint64_t test_books_digest(void);
/* The same, but for chunks that hold no area and were not there from the start. */
uint64_t test_used_books_digest(void);
/* The number of the chunk that holds the area; ~0 if ptr is not the start of one (with guards: in one). */
unsigned long test_chunk_of(const void __percpu *ptr);
size_t test_offset_of(const void __percpu *ptr);
/* Copies chunk id's listing to *out; false if there is none. */
bool test_chunk_info(unsigned long id, struct pcpu_chunk_info *out);
/* Records a failure unless every invariant holds. */
void test_expect_sound(struct test_run *t, const char *when);

/* Takes every byte that existing chunks have free, so that the next allocation makes a chunk. Undone
 * by test_chunks_release, which also waits for reclaim. Not nestable. */
void test_chunks_exhaust(struct test_run *t);
void test_chunks_release(void);
/* Allocates the given size until an area lies in another chunk than the first of this run did, and
 * stores all of them; returns how many. For making a second chunk. */
size_t test_fill_chunk(void __percpu **areas, size_t max_areas, size_t size);

/* Skips a test that counts a map's entries, and says so: unless the books are area maps, and each area
 * comes to them by itself. */
bool test_lacks_area_map(struct test_run *t);

/* Frees, past the quarantine of percpu_debug. Any context. */
void test_free_now(void __percpu *ptr);
/* Frees all of an array. */
void test_free_all(void __percpu **areas, size_t n);

/* A line of the report that is no result: "# text", on the console and on COM2. */
void test_diag(const char *fmt, ...) __printf(1, 2);

/* Numbers that look random: xorshift64*, never 0. Source: S. Vigna, "An experimental exploration of
 * Marsaglia's xorshift generators, scrambled" (2016). */
static inline uint64_t test_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}
