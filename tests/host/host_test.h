/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests of percpu/ on the host. The allocator is set up once a process, so every test runs in a
 *child of its own, ends it with status 0 when all its checks held, and cmocka sees whether it did.
 *
 *	HOST_TEST(O7_align_zero) { host_boot(&small); CHECK_EQ(…); }
 *	const struct CMUnitTest tests[] = { cmocka_unit_test(O7_align_zero), … };
 */
#pragma once

#include "tests/host/port_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Runs body in a child process; fails the cmocka test unless it exits with 0 in time. */
void host_run_child(const char *name, void (*body)(void));
/* Runs fn(arg) in a child process that has to end with that exit status and print both texts. */
void host_expect_death(void (*fn)(const void *arg), const void *arg, int status, const char *text,
		       const char *text2);
/* Runs fn(arg) in a child process that has to end with status 0; returns fn's value (0-255). */
unsigned int host_in_fork(unsigned int (*fn)(const void *arg), const void *arg);

#define HOST_TEST(name)                             \
	static void name##_body(void);              \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		host_run_child(#name, name##_body); \
	}                                           \
	static void name##_body(void)

/*
 * What a test may be about that is not the contract's. HOST_ENGINE and HOST_FRONT choose what a program
 * runs with; where it lacks one of these, the test is skipped, and says why.
 */
#define HOST_AREAMAP 1u /* area maps: their entries, their growth, the places that they choose */
#define HOST_NO_FRONT \
	2u /* each request and each free reaches the engine, with the size asked for */

/* Whether the program runs with all of these. */
bool host_has(unsigned int what);
/* Skips the cmocka test unless it does. */
void host_need(unsigned int what);

/* HOST_TEST that needs such things. */
#define HOST_TEST_OF(name, what)                    \
	static void name##_body(void);              \
	static void name(void **state)              \
	{                                           \
		(void)state;                        \
		host_need(what);                    \
		host_run_child(#name, name##_body); \
	}                                           \
	static void name##_body(void)

/* Checks end the process with status 1: they also run on other threads and in grandchildren. */
#define CHECK(cond)                                                                  \
	do {                                                                         \
		if (!(cond))                                                         \
			host_check_failed(__FILE__, __LINE__, "%s is false", #cond); \
	} while (0)
#define CHECK_EQ(got, want)                                                                        \
	do {                                                                                       \
		unsigned long got_ = (unsigned long)(got), want_ = (unsigned long)(want);          \
		if (got_ != want_)                                                                 \
			host_check_failed(__FILE__, __LINE__,                                      \
					  "%s: got %lu (%#lx), want %lu (%#lx)", #got, got_, got_, \
					  want_, want_);                                           \
	} while (0)
#define CHECK_TEXT(text, part)                                                                 \
	do {                                                                                   \
		const char *text_ = (text);                                                    \
		if (strstr(text_, part) == NULL)                                               \
			host_check_failed(__FILE__, __LINE__, "\"%s\" is not in \"%s\"", part, \
					  text_);                                              \
	} while (0)

void host_check_failed(const char *file, int line, const char *fmt, ...) __printf(3, 4) __noreturn;

/* pcpu_check; ends the test if an invariant is broken. */
void check_invariants(const char *when);

/* The number of an environment variable, or that value. */
unsigned long host_env(const char *name, unsigned long otherwise);

/* xorshift64*: a stream that only its seed decides. */
uint64_t host_random(uint64_t *state);

/* Ends the test unless area bytes [0, size) are this value on every possible CPU. */
void check_filled(const void __percpu *ptr, size_t size, uint8_t value, const char *when);
/*
 * Fills every CPU's copy with a pattern of its own made from seed; and looks whether it is there.
 */
void pattern_fill(const void __percpu *ptr, size_t size, uint64_t seed);
void pattern_check(const void __percpu *ptr, size_t size, uint64_t seed);

/*

 * All that may be compared of the allocator and its port: to show that a failure changed nothing.

 */
struct host_snapshot;
struct host_snapshot *host_snapshot(void);
void host_snapshot_free(struct host_snapshot *shot);
/* Ends the test unless both are the same: chunks, maps, pages, ledger. Slot order and hints may
 * differ, within what the invariants allow; a map may have grown; and one wholly free chunk without
 * pages may be there that was not, since one such chunk is always kept. Frees both. */
void host_snapshot_compare(struct host_snapshot *before, struct host_snapshot *after,
			   const char *when);
