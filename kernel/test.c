// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runner of the in-kernel tests. Each test gets a state of its own, a snapshot of what memory
 * is in use before and after it, and a watchdog that runs in the timer interrupt of every CPU: a
 * test that hangs is a panic with its name.
 *
 * The report is KTAP version 1, https://docs.kernel.org/dev-tools/ktap.html.
 */
#define LOG_AREA "test"
#include "kernel/test.h"

#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "percpu/inspect.h"
#include "percpu/port_kernel.h"

#if CONFIG_COVERAGE
#define TIME_LIMIT_S 900ul /* all of it counts, and nothing is optimised */
#else
#define TIME_LIMIT_S 60ul
#endif
#define SOAK_LIMIT_S 3600ul
#define SETTLE_TRIES 20 /* 10 ms each: for what ends on other CPUs just after the test */
#define LINE_SIZE    512

extern const struct test __tests_start[], __tests_end[];

struct test_run {
	const struct test *test;
	unsigned int failures;
	const char *skip; /* reason; NULL: not skipped */
};

/* What a test must leave as it found it. */
struct usage {
	size_t pages[PAGE_NR_OWNERS];
	size_t heap_bytes; /* without the per-CPU allocator's own */
	size_t meta_bytes; /* the per-CPU allocator's own */
	unsigned long live_areas;
	unsigned long chunks_made; /* per-CPU chunks since boot */
};

/* For the watchdog and panic. */
static const struct test *running;
static uint64_t running_since; /* time_ns */
static unsigned int total_failures;

/* ---- Report ---- */

/* One line, on the console and alone on COM2. */
static void __printf(1, 0) report_v(const char *fmt, va_list args)
{
	char line[LINE_SIZE];
	size_t n = (size_t)vsnprintf(line, sizeof(line) - 1, fmt, args);

	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	console_write(line, n);
	report_write(line, n);
}

static void __printf(1, 2) report(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	report_v(fmt, args);
	va_end(args);
}

void test_fail(struct test_run *t, const char *file, int line, const char *fmt, ...)
{
	char text[LINE_SIZE - 128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	__atomic_add_fetch(&t->failures, 1, __ATOMIC_RELAXED);
	report("# %s: %s:%d: %s", t->test->name, file, line, text);
}

void test_skip(struct test_run *t, const char *reason)
{
	t->skip = reason;
}

bool test_failed(const struct test_run *t)
{
	return READ_ONCE(t->failures) != 0;
}

const char *test_running(void)
{
	const struct test *test = READ_ONCE(running);

	return test == NULL ? NULL : test->name;
}

/* ---- Leaks ---- */

static void usage_take(struct usage *usage)
{
	struct pcpu_stats stats;

	thread_reap_wait();
	pcpu_sync();
	kmalloc_trim();
	pcpu_stats_get(&stats);
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		usage->pages[owner] = page_count(owner);
	usage->meta_bytes = port_kernel_heap_bytes();
	usage->heap_bytes = kmalloc_bytes() - usage->meta_bytes;
	usage->live_areas = stats.live_areas;
	usage->chunks_made = stats.chunks_made;
}

/*
 * Owners whose pages may change without a leak: the per-CPU allocator keeps pages of freed areas,
 * page tables stay for reuse, the heap's pages follow the allocator's metadata when that changed
 * or moved with a new chunk, and what is free is the rest.
 */
static bool owner_is_exact(unsigned int owner, const struct usage *before,
			   const struct usage *after)
{
	if (owner == PAGE_HEAP)
		return before->meta_bytes == after->meta_bytes &&
		       before->chunks_made == after->chunks_made;
	return owner != PAGE_FREE && owner != PAGE_PERCPU && owner != PAGE_PGTABLE;
}

static bool usage_same(const struct usage *before, const struct usage *after)
{
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++) {
		if (owner_is_exact(owner, before, after) &&
		    before->pages[owner] != after->pages[owner])
			return false;
	}
	return before->heap_bytes == after->heap_bytes && before->live_areas == after->live_areas;
}

static void usage_report(struct test_run *t, const struct usage *before, const struct usage *after)
{
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++) {
		if (owner_is_exact(owner, before, after) &&
		    before->pages[owner] != after->pages[owner])
			test_fail(t, __FILE__, __LINE__, "leak: pages of %s: got %zu, want %zu",
				  page_owner_name(owner), after->pages[owner],
				  before->pages[owner]);
	}
	if (before->heap_bytes != after->heap_bytes)
		test_fail(t, __FILE__, __LINE__, "leak: heap bytes: got %zu, want %zu",
			  after->heap_bytes, before->heap_bytes);
	if (before->live_areas != after->live_areas)
		test_fail(t, __FILE__, __LINE__, "leak: per-CPU areas: got %lu, want %lu",
			  after->live_areas, before->live_areas);
}

/* Compares, giving threads that the test has detached a little time to end. */
static void check_leaks(struct test_run *t, const struct usage *before)
{
	struct usage after;

	for (unsigned int tries = 0; tries < SETTLE_TRIES; tries++) {
		usage_take(&after);
		if (usage_same(before, &after))
			return;
		thread_sleep_ms(10);
	}
	usage_report(t, before, &after);
}

static void check_percpu(struct test_run *t)
{
	struct pcpu_check_result result;

	if (!pcpu_check(&result))
		test_fail(t, __FILE__, __LINE__, "per-CPU invariant: %s", result.error);
}

/* ---- Running ---- */

static uint64_t time_limit_s(const struct test *test)
{
	return test->flags & TEST_SOAK ? SOAK_LIMIT_S : TIME_LIMIT_S;
}

static void watchdog(void)
{
	const struct test *test = __atomic_load_n(&running, __ATOMIC_ACQUIRE);
	int64_t left;

	if (test == NULL)
		return;
	/* Signed: the next test may start on another CPU after this one has read its clock. */
	left = (int64_t)(READ_ONCE(running_since) + time_limit_s(test) * 1000000000 - time_ns());
	if (left < 0)
		panic("test %s hangs: it has not ended after %lu s", test->name,
		      time_limit_s(test));
}

static void run_function(struct test_run *t)
{
	WRITE_ONCE(running_since, time_ns());
	__atomic_store_n(&running, t->test, __ATOMIC_RELEASE);
	t->test->fn(t);
}

static void run_checked(struct test_run *t)
{
	unsigned long warnings = warn_unexpected();
	struct usage before;

	usage_take(&before);
	run_function(t);
	if (warn_unexpected() != warnings)
		test_fail(t, __FILE__, __LINE__, "unexpected warnings: got %lu, want 0",
			  warn_unexpected() - warnings);
	check_leaks(t, &before);
	check_percpu(t);
	__atomic_store_n(&running, NULL, __ATOMIC_RELEASE);
}

static void run_one(const struct test *test, unsigned int number, struct test_totals *totals,
		    bool skipped)
{
	struct test_run t = {.test = test, .skip = skipped ? "stopped" : NULL};

	if (!skipped)
		run_checked(&t);
	if (t.failures != 0) {
		totals->fail++;
		report("not ok %u - %s", number, test->name);
	} else if (t.skip != NULL) {
		totals->skip++;
		report("ok %u - %s # SKIP %s", number, test->name, t.skip);
	} else {
		totals->pass++;
		report("ok %u - %s", number, test->name);
	}
}

static size_t nr_tests(void)
{
	return ((uintptr_t)__tests_end - (uintptr_t)__tests_start) / sizeof(struct test);
}

const char *test_name(size_t i)
{
	return i < nr_tests() ? __tests_start[i].name : NULL;
}

static bool selected(const struct test *test, const char *selection)
{
	if (strcmp(selection, "quick") == 0)
		return test->flags & TEST_QUICK;
	if (test->flags & (TEST_BROKEN | TEST_SOAK))
		return strcmp(selection, test->name) == 0;
	return strcmp(selection, "all") == 0 || glob_match(selection, test->name);
}

uint64_t test_seed(uint64_t stream)
{
	return (stream + 0x9e3779b97f4a7c15 * (cmdline_u64("seed", 0) + 1)) | 1;
}

unsigned int test_stride(void)
{
	return 1 + (cpumask_weight(&cpu_possible_mask) - 1) / 16;
}

bool test_takes(unsigned int cpu)
{
	return cpu % test_stride() == 0 || cpu + 1 == nr_cpu_ids;
}

unsigned int test_rounds(unsigned int rounds)
{
	return test_stride() == 1 ? rounds : max(rounds / 4, 2u);
}

unsigned int test_count(const char *selection)
{
	unsigned int count = 0;

	for (size_t i = 0; i < nr_tests(); i++)
		count += selected(&__tests_start[i], selection);
	return count;
}

static void run_selected(const char *selection, struct test_totals *totals, bool (*stop)(void))
{
	unsigned int number = 0;
	bool stopped = false;

	for (size_t i = 0; i < nr_tests(); i++) {
		if (!selected(&__tests_start[i], selection))
			continue;
		stopped = stopped || (stop != NULL && stop());
		run_one(&__tests_start[i], ++number, totals, stopped);
	}
}

struct test_totals test_run_selection(const char *selection, bool (*stop)(void))
{
	struct test_totals totals = {0};
	unsigned int count;

	if (strcmp(selection, "none") == 0)
		return totals;
	count = test_count(selection);
	report("KTAP version 1");
	report("1..%u", count);
	if (count == 0) { /* a misspelt name must not look like success */
		log_error("no test matches '%s'", selection);
		total_failures++;
	}
	thread_tick_hook_add(watchdog);
	run_selected(selection, &totals, stop);
	thread_tick_hook_remove(watchdog);
	report("# Totals: pass:%u fail:%u skip:%u total:%u", totals.pass, totals.fail, totals.skip,
	       count);
	total_failures += totals.fail;
	return totals;
}

unsigned int test_failures(void)
{
	return total_failures;
}
