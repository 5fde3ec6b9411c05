/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The quarantine of percpu_debug: how much of it is let go and in which order, with which locks, who is
 * told of damage, and when the records are given back.
 */
#include "percpu/guard.h"
#include "tests/host/host_look.h"

#define SOMEBODY 0x1234567ul
#define NR_AREAS 4
#define SIZE	 100
#define TOTAL	 (SIZE + 2 * GUARD_ZONE) /* bytes that one of them holds */

static const struct host_config machine = {.nr_cpus = 2, .style = HOST_PAGE};
static uint8_t __percpu *areas[NR_AREAS];

/* All of areas[] are freed, the first one first. */
static void boot_with_freed_areas(void)
{
	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	for (size_t i = 0; i < NR_AREAS; i++)
		areas[i] = must_alloc(SIZE, 8);
	for (size_t i = 0; i < NR_AREAS; i++)
		host_free(areas[i]);
	CHECK_EQ(look_stats().frees, 0);
}

/* The first `gone` of areas[] are really free, the others wait. */
static void expect_gone(size_t gone)
{
	for (size_t i = 0; i < NR_AREAS; i++)
		CHECK_EQ(look_what(areas[i]), i < gone ? PCPU_FREE : PCPU_INSIDE);
	CHECK_EQ(look_stats().frees, gone);
	CHECK_EQ(look_stats().live_bytes, (NR_AREAS - gone) * TOTAL);
	check_invariants("some of the quarantine is gone");
}

HOST_TEST(the_oldest_are_let_go_down_to_the_limit)
{
	boot_with_freed_areas();
	CHECK(!pcpu_quarantine_shrink(NR_AREAS * TOTAL, SOMEBODY));
	expect_gone(0);
	CHECK(pcpu_quarantine_shrink(NR_AREAS * TOTAL - 1, SOMEBODY));
	expect_gone(1);
	CHECK(!pcpu_quarantine_shrink(3 * TOTAL, SOMEBODY));
	expect_gone(1);
	CHECK(pcpu_quarantine_shrink(TOTAL, SOMEBODY));
	expect_gone(3);
	CHECK(pcpu_quarantine_shrink(TOTAL - 1, SOMEBODY));
	expect_gone(4);
	CHECK(!pcpu_quarantine_shrink(0, SOMEBODY));
	CHECK_EQ(host_warnings, 0);
	CHECK(!host_reclaim_pending); /* no chunk has become free */
}

HOST_TEST(emptying_leaves_nothing)
{
	boot_with_freed_areas();
	pcpu_quarantine_empty(SOMEBODY);
	expect_gone(NR_AREAS);
}

/* The lock is free between two areas: interrupts wait for one of them at most. */
HOST_TEST(each_area_is_let_go_under_a_lock_of_its_own)
{
	unsigned long locks, mutex_locks;

	boot_with_freed_areas();
	locks = host_lock_stats.locks;
	mutex_locks = host_lock_stats.mutex_locks;
	host_irqs(false);
	CHECK(pcpu_quarantine_shrink(0, SOMEBODY));
	CHECK(!host_irqs(true));
	CHECK_EQ(host_lock_stats.locks - locks, NR_AREAS + 1);
	CHECK_EQ(host_lock_stats.mutex_locks, mutex_locks);
}

/* Without percpu_debug there is nothing to drain, and no lock is taken to find that out. */
HOST_TEST_OF(draining_costs_nothing_without_guards, HOST_NO_FRONT)
{
	struct host_lock_stats before;

	host_boot(&machine);
	host_free(must_alloc(SIZE, 8));
	host_run_reclaim();
	before = host_lock_stats;
	pcpu_sync();
	CHECK_EQ(host_lock_stats.locks, before.locks);
	CHECK_EQ(host_lock_stats.mutex_locks, before.mutex_locks);
}

/* ---- Damage ---- */

static unsigned int nr_told;
static char told[NR_AREAS][sizeof(host_warning)];

/* Called after each release of the lock: keeps the warning there is by then, if it is a new one. */
static void keep_warning(void)
{
	if (host_warnings == nr_told)
		return;
	CHECK_EQ(host_warnings, nr_told + 1);
	CHECK_EQ(host_warning_caller, SOMEBODY);
	memcpy(told[nr_told++], host_warning, sizeof(host_warning));
}

HOST_TEST(each_damage_is_told_once_oldest_first_and_of_whom)
{
	char part[80];

	boot_with_freed_areas();
	for (size_t i = 0; i < NR_AREAS; i++)
		if (i != 1)
			*per_cpu_ptr(areas[i] + i, i % 2) = 0;
	host_after_unlock = keep_warning;
	pcpu_quarantine_shrink(0, SOMEBODY);
	host_after_unlock = NULL;
	CHECK_EQ(nr_told, 3);
	CHECK_EQ(look_stats().damages, 3);
	for (size_t i = 0, n = 0; i < NR_AREAS; i++) {
		if (i == 1)
			continue;
		snprintf(part, sizeof(part),
			 "write after free: area 0x%lx of 100 bytes, CPU %zu, byte +%zu",
			 (uintptr_t)areas[i], i % 2, i);
		CHECK_TEXT(told[n++], part);
	}
}

/* Draining names whoever drains; a free, whoever frees. */
static uintptr_t freed_by;

static void keep_freer(const struct pcpu_event *event)
{
	freed_by = event->caller;
}

HOST_TEST(damage_is_told_with_whose_call_found_it)
{
	boot_with_freed_areas();
	*per_cpu_ptr(areas[0], 1) = 0;
	pcpu_quarantine_drain(SOMEBODY);
	CHECK_EQ(host_warnings, 1);
	CHECK_EQ(host_warning_caller, SOMEBODY);
	areas[0] = must_alloc(SIZE, 8);
	*per_cpu_ptr(areas[0] + SIZE, 1) = 0;
	pcpu_observe(keep_freer);
	host_free(areas[0]);
	CHECK_EQ(host_warnings, 2);
	CHECK_EQ(host_warning_caller, freed_by);
	CHECK(freed_by != 0);
}

/* ---- Records ---- */

/* They need the mutex to go, which letting areas go must not: so they go later. */
HOST_TEST(records_are_given_back_by_the_next_allocation_or_sync)
{
	const size_t record = sizeof(struct pcpu_guard);
	size_t heap;

	boot_with_freed_areas();
	heap = host_ledger().heap_bytes;
	pcpu_quarantine_empty(SOMEBODY);
	CHECK_EQ(host_ledger().heap_bytes, heap);
	CHECK_EQ(look_stats().meta_bytes, heap);
	areas[0] = must_alloc(SIZE, 8); /* a record more, and four less */
	CHECK_EQ(host_ledger().heap_bytes, heap - (NR_AREAS - 1) * record);
	host_free(areas[0]);
	pcpu_sync();
	CHECK_EQ(host_ledger().heap_bytes, heap - NR_AREAS * record);
	CHECK_EQ(look_stats().meta_bytes, heap - NR_AREAS * record);
}

static void free_first(void *arg __unused)
{
	host_free(areas[0]);
}

/* A free in an interrupt handler takes the area into quarantine and lets others go. */
HOST_TEST(interrupts_may_fill_the_quarantine)
{
	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	for (size_t freed = 0; freed <= GUARD_QUARANTINE_BYTES; freed += TOTAL) {
		areas[0] = must_alloc(SIZE, 8);
		host_interrupt(0, free_first, NULL);
	}
	CHECK_EQ(look_stats().frees, 1);
	CHECK(look_stats().live_bytes <= GUARD_QUARANTINE_BYTES);
	pcpu_sync();
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("filled by interrupts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_are_let_go_down_to_the_limit),
		cmocka_unit_test(emptying_leaves_nothing),
		cmocka_unit_test(each_area_is_let_go_under_a_lock_of_its_own),
		cmocka_unit_test(draining_costs_nothing_without_guards),
		cmocka_unit_test(each_damage_is_told_once_oldest_first_and_of_whom),
		cmocka_unit_test(damage_is_told_with_whose_call_found_it),
		cmocka_unit_test(records_are_given_back_by_the_next_allocation_or_sync),
		cmocka_unit_test(interrupts_may_fill_the_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
