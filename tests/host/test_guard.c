/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * percpu_debug: writes where none may be are found on every CPU's copy and told with who allocated and
 * who freed; nothing is found where nothing is wrong.
 */
#include "percpu/guard.h"
#include "tests/host/host_look.h"

#define NR_CPUS_HERE 3

static const struct host_config machine = {.nr_cpus = NR_CPUS_HERE, .style = HOST_PAGE};

static uint8_t *copy(void __percpu *ptr, unsigned int cpu)
{
	return per_cpu_ptr((uint8_t __percpu *)ptr, cpu);
}

static uintptr_t alloc_caller, free_caller; /* the last ones */

static void keep_callers(const struct pcpu_event *event)
{
	if (event->kind == PCPU_ALLOCATED)
		alloc_caller = event->caller;
	if (event->kind == PCPU_FREED)
		free_caller = event->caller;
}

static void boot_with_guards(void)
{
	host_boot(&machine);
	CHECK(pcpu_debug_enable());
	pcpu_observe(keep_callers);
}

/* Writes one byte at offset on one CPU, then frees and drains: that has to be found, word for word. */
static void expect_found(size_t size, size_t align, ssize_t offset, unsigned int cpu,
			 bool after_free, const char *text)
{
	unsigned long warnings = host_warnings, damages = look_stats().damages;
	void __percpu *ptr = must_alloc(size, align);
	uint8_t want = after_free ? GUARD_FREED_BYTE : GUARD_ZONE_BYTE;
	char line[256];

	if (after_free)
		host_free(ptr);
	CHECK_EQ(copy(ptr, cpu)[offset], want);
	copy(ptr, cpu)[offset] ^= 0x55;
	if (!after_free)
		host_free(ptr);
	pcpu_sync();
	CHECK_EQ(host_warnings, warnings + 1);
	CHECK_EQ(look_stats().damages, damages + 1);
	snprintf(line, sizeof(line),
		 "%s: area 0x%lx of %zu bytes, CPU %u, byte %+zd is 0x%02x, not 0x%02x; allocated "
		 "by "
		 "0x%lx, freed by 0x%lx",
		 text, (uintptr_t)ptr, size, cpu, offset, want ^ 0x55, want, alloc_caller,
		 free_caller);
	if (strcmp(host_warning, line) != 0)
		host_check_failed(__FILE__, __LINE__, "got \"%s\", want \"%s\"", host_warning,
				  line);
}

HOST_TEST(overruns_are_found_on_every_cpu)
{
	boot_with_guards();
	for (unsigned int cpu = 0; cpu < NR_CPUS_HERE; cpu++) {
		for (size_t size = 1; size <= 40; size += 13) {
			expect_found(size, 8, (ssize_t)size, cpu, false, "write past an area");
			expect_found(size, 8, (ssize_t)size + GUARD_ZONE - 1, cpu, false,
				     "write past an area");
			expect_found(size, 8, -1, cpu, false, "write before an area");
			expect_found(size, 64, -64, cpu, false, "write before an area");
		}
	}
	/* The largest request that has room for zones. */
	expect_found(PCPU_MIN_UNIT_SIZE - 2 * GUARD_ZONE, 8,
		     (ssize_t)PCPU_MIN_UNIT_SIZE - 2 * GUARD_ZONE, 1, false, "write past an area");
	check_invariants("after overruns");
}

HOST_TEST(writes_after_free_are_found_on_every_cpu)
{
	boot_with_guards();
	for (unsigned int cpu = 0; cpu < NR_CPUS_HERE; cpu++) {
		expect_found(100, 4, 0, cpu, true, "write after free");
		expect_found(100, 4, 99, cpu, true, "write after free");
		expect_found(100, 4, -GUARD_ZONE, cpu, true, "write after free");
		expect_found(100, 4, 100 + GUARD_ZONE - 1, cpu, true, "write after free");
	}
	check_invariants("after writes to freed areas");
}

HOST_TEST(double_free_is_told_with_both_callers)
{
	struct pcpu_result result;
	void __percpu *ptr;
	char want[200];

	boot_with_guards();
	ptr = host_alloc(24, 8);
	host_free(ptr);
	pcpu_try_free(ptr, &result);
	CHECK(result.error != NULL);
	snprintf(want, sizeof(want),
		 "double free: 0x%lx is already free: area of 24 bytes, allocated by 0x%lx, freed "
		 "by 0x%lx",
		 (uintptr_t)ptr, alloc_caller, free_caller);
	CHECK(strcmp(result.text, want) == 0);
	pcpu_sync();
	pcpu_try_free(ptr, &result); /* not in quarantine any more */
	CHECK(result.error != NULL);
	CHECK_TEXT(result.text, "already free");
	check_invariants("after a double free");
}

/* Every pointer into the area or its zones but ptr itself is refused, with these words about the area
 * and about who freed it. */
static void expect_all_refused(void __percpu *ptr, const char *words, const char *freed)
{
	struct pcpu_result result;
	char want[200];

	for (ssize_t offset = -GUARD_ZONE; offset < 24 + GUARD_ZONE; offset++) {
		if (offset == 0)
			continue;
		pcpu_try_free((void __percpu *)((uintptr_t)ptr + (size_t)offset), &result);
		CHECK(result.error != NULL);
		snprintf(want, sizeof(want),
			 "0x%lx is inside an area%s: byte %+zd of 0x%lx, 24 bytes, allocated by "
			 "0x%lx, %s",
			 (uintptr_t)ptr + (size_t)offset, words, offset, (uintptr_t)ptr,
			 alloc_caller, freed);
		CHECK(strcmp(result.text, want) == 0);
	}
}

HOST_TEST(pointers_into_zones_are_refused)
{
	void __percpu *ptr;
	char freed[40];

	boot_with_guards();
	ptr = host_alloc(24, 8);
	expect_all_refused(ptr, "", "not freed yet");
	host_free(ptr);
	snprintf(freed, sizeof(freed), "freed by 0x%lx", free_caller);
	expect_all_refused(ptr, " that is already free", freed);
	pcpu_sync();
	CHECK_EQ(look_stats().live_areas, 0);
}

HOST_TEST(a_freed_area_is_not_handed_out_while_it_waits)
{
	void __percpu *first, *second;

	boot_with_guards();
	first = host_alloc(64, 64);
	host_free(first);
	second = host_alloc(64, 64);
	CHECK(first != second);
	CHECK_EQ(*copy(first, 1), GUARD_FREED_BYTE);
	host_free(second);
	pcpu_sync();
	CHECK(host_alloc(64, 64) == first);
}

HOST_TEST(the_quarantine_is_bounded_and_gives_way_to_need)
{
	boot_with_guards();
	for (int i = 0; i < 2000; i++) {
		void __percpu *ptr = host_alloc(1000, 8);

		CHECK(ptr != NULL);
		host_free(ptr);
		CHECK(look_stats().live_bytes <= GUARD_QUARANTINE_BYTES + 1100);
	}
	host_faults[HOOK_RANGE].fail_all = true; /* only what exists can serve */
	for (int i = 0; i < 200; i++) {
		void __percpu *ptr = host_alloc(20000, 8);

		CHECK(ptr != NULL);
		host_free(ptr);
	}
	host_fail_none();
	pcpu_sync();
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("after a quarantine that was full");
}

/* Areas of 1024 bytes with their zones: so many wait, and with one byte more the oldest is let go. */
HOST_TEST(the_quarantine_is_full_to_the_byte)
{
	const size_t zones = 2 * GUARD_ZONE;
	void __percpu *ptrs[GUARD_QUARANTINE_BYTES / 1024];

	boot_with_guards();
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptrs[i] = must_alloc(1024 - zones, 8);
		host_free(ptrs[i]);
	}
	CHECK_EQ(look_stats().frees, 0);
	host_free(must_alloc(1, 1));
	CHECK_EQ(look_stats().frees, 1);
	CHECK_EQ(look_what(ptrs[0]), PCPU_FREE);
	CHECK_EQ(look_what(ptrs[1]), PCPU_INSIDE);
	host_free(must_alloc(1024 - zones, 8));
	CHECK_EQ(look_stats().frees, 2);
	CHECK_EQ(look_what(ptrs[1]), PCPU_FREE);
	CHECK_EQ(look_what(ptrs[2]), PCPU_INSIDE);
	pcpu_sync();
	CHECK_EQ(look_stats().frees, ARRAY_SIZE(ptrs) + 2);
}

/* Records, areas, zones: all of it comes back. */
HOST_TEST(U17_guards_give_everything_back)
{
	struct host_ledger before, after;
	void __percpu *ptrs[20];

	boot_with_guards();
	for (unsigned int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = must_alloc(1 + 1000 * i, 8);
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			host_free(ptrs[i]);
		pcpu_sync();
		after = host_ledger();
		if (round > 0)
			CHECK(host_ledger_equal(&before, &after));
		before = after;
	}
}

/* The answer is about what the caller got, not about the area around it. */
HOST_TEST(results_are_about_the_callers_bytes)
{
	struct pcpu_result result;
	void __percpu *ptr;

	boot_with_guards();
	ptr = pcpu_try_alloc(100, 64, false, &result);
	CHECK_EQ(result.where.what, PCPU_AREA);
	CHECK_EQ(result.where.offset, (uintptr_t)ptr - (uintptr_t)__per_cpu_start);
	CHECK_EQ(result.where.area_offset, result.where.offset - 64);
	CHECK_EQ(result.where.area_length, 64 + 100 + GUARD_ZONE);
	pcpu_try_free((char __percpu *)ptr - 64, &result);
	CHECK(result.error != NULL && result.warned);
	CHECK_EQ(result.where.what, PCPU_INSIDE);
	CHECK_EQ(look_stats().bad_frees, 1);
	pcpu_try_free(ptr, &result);
	CHECK(result.error == NULL && !result.warned);
	CHECK_EQ(result.where.what, PCPU_AREA);
	pcpu_try_free(ptr, &result);
	CHECK(result.error != NULL);
	CHECK_EQ(result.where.what, PCPU_INSIDE);
	CHECK_EQ(look_stats().bad_frees, 2);
	pcpu_try_free((void __percpu *)8, &result);
	CHECK_EQ(look_stats().bad_frees, 3);
}

HOST_TEST(largest_requests_are_served_without_zones)
{
	void __percpu *ptr;

	boot_with_guards();
	ptr = host_alloc(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	CHECK(ptr != NULL);
	check_filled(ptr, PCPU_MIN_UNIT_SIZE, 0, "a fresh area");
	host_free(ptr);
	pcpu_sync();
	CHECK_EQ(look_stats().damages, 0);
}

HOST_TEST(random_work_finds_nothing)
{
	void __percpu *live[64] = {NULL};
	size_t sizes[64];
	uint64_t random = 5;

	boot_with_guards();
	for (int i = 0; i < 20000; i++) {
		size_t n = host_random(&random) % ARRAY_SIZE(live);

		if (live[n]) {
			pattern_check(live[n], sizes[n], n);
			host_free(live[n]);
			live[n] = NULL;
			continue;
		}
		sizes[n] = 1 + host_random(&random) % 700;
		live[n] = host_alloc(sizes[n], (size_t)1 << host_random(&random) % 8);
		CHECK(live[n] != NULL);
		check_filled(live[n], sizes[n], 0, "a fresh area");
		pattern_fill(live[n], sizes[n], n);
		if (i % 500 == 0)
			check_invariants("random work");
	}
	for (size_t n = 0; n < ARRAY_SIZE(live); n++)
		host_free(live[n]);
	pcpu_sync();
	CHECK_EQ(look_stats().damages, 0);
	CHECK_EQ(look_stats().live_areas, 0);
	CHECK_EQ(look_stats().bad_frees, 0);
}

HOST_TEST(the_checker_sees_damage_before_the_free)
{
	struct pcpu_check_result result;
	void __percpu *ptr;

	boot_with_guards();
	ptr = host_alloc(10, 2);
	copy(ptr, 2)[10] = 1;
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "write past an area");
	copy(ptr, 2)[10] = GUARD_ZONE_BYTE;
	CHECK(pcpu_check(&result));
	host_free(ptr);
	copy(ptr, 0)[3] = 1;
	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, "write after free");
}

HOST_TEST(every_heap_failure_is_undone)
{
	boot_with_guards();
	for (unsigned long n = 1; n < 20; n++) {
		struct host_ledger before;
		void __percpu *ptr;

		pcpu_sync();
		before = host_ledger();
		host_fail(HOOK_HEAP, n);
		ptr = host_alloc(60000, 8);
		host_fail_none();
		if (ptr) {
			host_free(ptr);
			pcpu_sync();
			continue;
		}
		pcpu_sync();
		CHECK(host_ledger().heap_blocks <= before.heap_blocks + 5); /* a chunk may stay */
		check_invariants("after a failure");
	}
	CHECK_EQ(look_stats().live_areas, 0);
}

HOST_TEST(guards_are_announced_with_their_sizes)
{
	boot_with_guards();
	CHECK(strcmp(host_info, "percpu_debug: red zones of 16 bytes or more around areas, up to "
				"65536 bytes of freed ones in quarantine") == 0);
}

HOST_TEST(guards_come_before_areas_or_not_at_all)
{
	host_boot(&machine);
	CHECK(host_alloc(8, 8) != NULL);
	CHECK(!pcpu_debug_enable());
	CHECK(!pcpu_guard_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overruns_are_found_on_every_cpu),
		cmocka_unit_test(writes_after_free_are_found_on_every_cpu),
		cmocka_unit_test(double_free_is_told_with_both_callers),
		cmocka_unit_test(pointers_into_zones_are_refused),
		cmocka_unit_test(a_freed_area_is_not_handed_out_while_it_waits),
		cmocka_unit_test(the_quarantine_is_bounded_and_gives_way_to_need),
		cmocka_unit_test(the_quarantine_is_full_to_the_byte),
		cmocka_unit_test(U17_guards_give_everything_back),
		cmocka_unit_test(results_are_about_the_callers_bytes),
		cmocka_unit_test(largest_requests_are_served_without_zones),
		cmocka_unit_test(random_work_finds_nothing),
		cmocka_unit_test(the_checker_sees_damage_before_the_free),
		cmocka_unit_test(every_heap_failure_is_undone),
		cmocka_unit_test(guards_are_announced_with_their_sizes),
		cmocka_unit_test(guards_come_before_areas_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
