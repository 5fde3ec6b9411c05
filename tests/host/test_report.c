/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Heap memory for the books is counted, and refusals, failures and damage are counted and told: each
 * count and each decision to print is made under the spinlock.
 */
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config machine = {.nr_cpus = 2, .style = HOST_PAGE};

/* ---- Heap ---- */

static unsigned int nr_unlocks;
static size_t meta_at_unlock;

static void keep_meta(void)
{
	nr_unlocks++;
	meta_at_unlock = pcpu_counters.meta_bytes;
}

HOST_TEST(heap_bytes_are_counted_under_the_lock)
{
	size_t meta;
	void *mem;

	host_boot(&machine);
	must_alloc(65536, 8); /* in a chunk that is not the first: its books are on the heap */
	meta = pcpu_counters.meta_bytes;
	CHECK(meta > 0);
	CHECK_EQ(meta, host_ledger().heap_bytes);
	host_after_unlock = keep_meta;
	port_mutex_lock();
	mem = pcpu_mem_alloc(100);
	CHECK_EQ(nr_unlocks, 1);
	CHECK_EQ(meta_at_unlock, meta + 100);
	pcpu_mem_free(mem, 100);
	CHECK_EQ(nr_unlocks, 2);
	CHECK_EQ(meta_at_unlock, meta);
	port_mutex_unlock();
}

/* What was not got is not counted; nothing is given back without a lock, as long as it is nothing. */
HOST_TEST(heap_that_there_is_not_is_not_counted)
{
	host_boot(&machine);
	host_after_unlock = keep_meta;
	host_fail(HOOK_HEAP, 1);
	port_mutex_lock();
	CHECK(pcpu_mem_alloc(100) == NULL);
	port_mutex_unlock();
	pcpu_mem_free(NULL, 100);
	CHECK_EQ(nr_unlocks, 0);
	CHECK_EQ(look_stats().meta_bytes, 0);
}

/* ---- Counts of what went wrong ---- */

/* How often fn takes the lock, beside which it changes that counter by one; it prints so many lines. */
static unsigned long locks_of(void (*fn)(void), unsigned long *counter, unsigned int lines)
{
	unsigned long locks = host_lock_stats.locks, count = *counter, warnings = host_warnings;

	fn();
	CHECK_EQ(*counter, count + 1);
	CHECK_EQ(host_warnings, warnings + lines);
	return host_lock_stats.locks - locks;
}

static struct pcpu_result result;

static void try_bad_size(void)
{
	CHECK(pcpu_try_alloc(0, 8, false, &result) == NULL);
}

static void bad_size(void)
{
	CHECK(host_alloc(0, 8) == NULL);
}

static void try_bad_free(void)
{
	pcpu_try_free((void __percpu *)(uintptr_t)__per_cpu_start, &result);
}

static void bad_free(void)
{
	host_free((void __percpu *)(uintptr_t)__per_cpu_start);
}

static void find_damage(void)
{
	static const struct pcpu_finding finding = {"damage"};

	pcpu_report_damage(&finding, 1);
}

/* A refusal is counted under the lock, and looking whether a line may be printed is one lock more. */
HOST_TEST_OF(counts_and_the_limit_of_lines_are_under_the_lock, HOST_NO_FRONT)
{
	unsigned long locks;

	host_boot(&machine);
	CHECK_EQ(locks_of(try_bad_size, &pcpu_counters.bad_allocs, 0), 1);
	CHECK_EQ(locks_of(bad_size, &pcpu_counters.bad_allocs, 1), 2);
	locks = locks_of(try_bad_free, &pcpu_counters.bad_frees, 0);
	CHECK_EQ(locks_of(bad_free, &pcpu_counters.bad_frees, 1), locks + 1);
	CHECK_EQ(locks_of(find_damage, &pcpu_counters.damages, 1), 1);
}

HOST_TEST(out_of_memory_is_counted_under_the_lock)
{
	unsigned long locks, failures;

	host_boot(&machine);
	host_faults[HOOK_HEAP].fail_all = true; /* no map can grow, nor a chunk be made */
	locks = host_lock_stats.locks;
	failures = pcpu_counters.alloc_failures;
	CHECK(pcpu_try_alloc(65536, 8, false, &result) == NULL);
	CHECK_EQ(pcpu_counters.alloc_failures, failures + 1);
	CHECK_EQ(host_lock_stats.locks - locks, 2); /* one search, and the count */
	CHECK_EQ(host_warnings, 0);
}

/* Damage is told however much of it there is; only bad requests are limited. */
HOST_TEST(damage_is_not_limited)
{
	host_boot(&machine);
	for (unsigned int i = 0; i < 30; i++)
		bad_free();
	CHECK_EQ(host_warnings, 10);
	for (unsigned int i = 0; i < 30; i++)
		find_damage();
	CHECK_EQ(host_warnings, 40);
	CHECK_EQ(host_warning_caller, 1);
	CHECK(strcmp(host_warning, "damage") == 0);
	pcpu_report_damage(&(struct pcpu_finding){""}, 1);
	CHECK_EQ(host_warnings, 40);
	CHECK_EQ(look_stats().damages, 30);
}

/* Ten in each second, whatever the seconds before have had; what was left out is told once. */
HOST_TEST(O22_each_second_has_its_ten)
{
	host_boot(&machine);
	for (unsigned int second = 0; second < 3; second++) {
		host_time_ms = 5000 + 1000 * second;
		host_info[0] = 0;
		bad_free();
		CHECK(strcmp(host_info,
			     second == 0 ? "" : "5 warnings like the next were left out") == 0);
		host_info[0] = 0;
		for (unsigned int i = 1; i < 15; i++)
			bad_free();
		CHECK_EQ(host_warnings, 10 * (second + 1));
		CHECK_EQ(host_info[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heap_bytes_are_counted_under_the_lock),
		cmocka_unit_test(heap_that_there_is_not_is_not_counted),
		cmocka_unit_test(counts_and_the_limit_of_lines_are_under_the_lock),
		cmocka_unit_test(out_of_memory_is_counted_under_the_lock),
		cmocka_unit_test(damage_is_not_limited),
		cmocka_unit_test(O22_each_second_has_its_ten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
