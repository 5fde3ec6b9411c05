/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel self-tests, reported as KTAP version 1 on the console and on COM2.
 *
 *	TEST(percpu_U7_holes_in_cpu_ids, TEST_QUICK)
 *	{
 *		EXPECT_EQ(got, want);
 *	}
 *
 * A test is a thread-context function that gets `struct test_run *t`. Each is checked for leaks: pages
 * by owner and heap bytes must be as before it, after pending reclaim; the per-CPU invariant checker
 * runs after it too; a warning that no warn_expect_begin announced fails it. The name says module,
 * trap id where there is one, and the behaviour.
 */
#pragma once

#include "kernel/compiler.h"

enum test_flags {
	TEST_QUICK = 1 << 0,  /* part of selftest=quick, runs at every boot: milliseconds */
	TEST_SLOW = 1 << 1,   /* only selftest=all: up to ten seconds */
	TEST_BROKEN = 1 << 2, /* goes wrong on purpose: runs only when the selection is its name */
	TEST_SOAK = 1 << 3    /* long: runs only when the selection is its name, up to an hour */
};

struct test_run; /* the runner's state of the test that runs now */

struct test {
	const char *name;
	void (*fn)(struct test_run *t);
	unsigned int flags;
};

#define TEST(test_name, test_flags_)                                                          \
	static void test_name(struct test_run *t);                                            \
	static const struct test test_entry_##test_name __used __section(".tests")            \
		__aligned(8) = {.name = #test_name, .fn = test_name, .flags = (test_flags_)}; \
	static void test_name(struct test_run *t __unused)

/* What is tried in turn for each CPU, or each CPU's page, is tried for some of them where there are many:
 * every so many-th. 1 up to 16 CPUs. */
unsigned int test_stride(void);
/* Whether that CPU is one of them; the last one always is. */
bool test_takes(unsigned int cpu);
/* So many rounds of what goes to all CPUs; where there are many of these, a quarter of them, but two at least. */
unsigned int test_rounds(unsigned int rounds);

/* Records a failure with a message and goes on. */
void test_fail(struct test_run *t, const char *file, int line, const char *fmt, ...) __printf(4, 5);
/* Marks the test as skipped. */
void test_skip(struct test_run *t, const char *reason);
bool test_failed(const struct test_run *t);

#define EXPECT(cond)                                                            \
	do {                                                                    \
		if (!(cond))                                                    \
			test_fail(t, __FILE__, __LINE__, "expected %s", #cond); \
	} while (0)
#define EXPECT_EQ(got, want)                                                                      \
	do {                                                                                      \
		uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want);                        \
		if (got_ != want_)                                                                \
			test_fail(t, __FILE__, __LINE__, "%s: got %lu (0x%lx), want %lu (0x%lx)", \
				  #got, got_, got_, want_, want_);                                \
	} while (0)
/* As EXPECT, but leaves the test function. */
#define REQUIRE(cond)                                                           \
	do {                                                                    \
		if (!(cond)) {                                                  \
			test_fail(t, __FILE__, __LINE__, "required %s", #cond); \
			return;                                                 \
		}                                                               \
	} while (0)

struct test_totals {
	unsigned int pass, fail, skip;
};

/* Runs the tests that a selection names: "quick", "all", "none" or a glob over names. Prints plan,
 * results and "# Totals: pass:N fail:N skip:N total:N". Returns this run's totals. Sleeps. stop, if not
 * NULL, is asked before each test: once it says true, the others are skipped. */
struct test_totals test_run_selection(const char *selection, bool (*stop)(void));
/* How many tests a selection names. */
unsigned int test_count(const char *selection);
/* The names of the tests there are, in the order they run; NULL past the last. */
const char *test_name(size_t i);
/* Where a test's random stream starts: a mix of the command line's seed= and the stream's own number,
 * never 0. */
uint64_t test_seed(uint64_t stream);

/* Failures of all runs since boot. */
unsigned int test_failures(void);
/* The test that runs now, NULL if none does. Any context. */
const char *test_running(void);
