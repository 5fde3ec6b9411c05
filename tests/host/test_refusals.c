/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Bad input and the wrong context: refused with one warning that names what it is, counted, and
 * without any change to the allocator or to the caller's locks and interrupts.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config two_cpus = {.nr_cpus = 2};
static const struct host_config with_reserved = {
	.nr_cpus = 3, .style = HOST_PAGE, .reserved = 9001, .dyn_size = 20000, .unit_size = 65536};

DEFINE_PER_CPU(int, some_static) = 42;

static void __percpu *as_ptr(uintptr_t number)
{
	return (void __percpu *)number;
}

/* Where a per-CPU pointer's number is that reaches this address of unit 0's space. */
static void __percpu *ptr_of_address(uintptr_t addr)
{
	return as_ptr(addr - (uintptr_t)pcpu_base_addr + (uintptr_t)__per_cpu_start);
}

/* Frees ptr, which has to be refused as `what` with one warning that says text; nothing changes. */
static void refuse_free(void __percpu *ptr, enum pcpu_what what, const char *text)
{
	struct host_snapshot *before = host_snapshot();
	unsigned long warnings = host_warnings, bad = look_stats().bad_frees;
	unsigned long frees = look_stats().frees;

	host_time_ms += 1000; /* a new second: the limit on warnings starts anew */
	CHECK_EQ(look_what(ptr), what);
	host_free(ptr);
	CHECK_EQ(host_warnings, warnings + 1);
	CHECK_EQ(look_stats().bad_frees, bad + 1);
	CHECK_TEXT(host_warning, "free_percpu");
	CHECK_TEXT(host_warning, text);
	host_snapshot_compare(before, host_snapshot(), text);
	CHECK_EQ(look_stats().frees, frees);
	check_invariants(text);
}

static void refuse_alloc(size_t size, size_t align, const char *text)
{
	struct host_snapshot *before = host_snapshot();
	unsigned long warnings = host_warnings, bad = look_stats().bad_allocs;

	host_time_ms += 1000;
	CHECK(host_alloc(size, align) == NULL);
	CHECK(host_alloc_reserved(size, align) == NULL);
	CHECK_EQ(host_warnings, warnings + 2);
	CHECK_EQ(look_stats().bad_allocs, bad + 2);
	CHECK_TEXT(host_warning, text);
	host_snapshot_compare(before, host_snapshot(), text);
}

/* ---- Allocation ---- */

HOST_TEST(U11_O7_every_alignment)
{
	host_boot(&with_reserved);
	for (size_t align = 0; align <= 8192; align++) {
		void __percpu *ptr;

		if (!is_power_of_2(align) || align > PAGE_SIZE) {
			refuse_alloc(8, align, "illegal size 8 or align");
			continue;
		}
		ptr = must_alloc(8, align);
		CHECK_EQ(((uintptr_t)ptr - (uintptr_t)__per_cpu_start) % align, 0);
		CHECK_EQ((uintptr_t)per_cpu_ptr((char __percpu *)ptr, 2) % align, 0);
	}
	refuse_alloc(8, SIZE_MAX, "align");
	refuse_alloc(8, (size_t)1 << 63, "align");
	check_invariants("alignments");
}

HOST_TEST(every_illegal_size)
{
	static const size_t sizes[] = {
		0, 65537, 65536 + 4096, 1 << 20, (size_t)1 << 32, SIZE_MAX, SIZE_MAX - 3};

	host_boot(&with_reserved);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		refuse_alloc(sizes[i], 8, "illegal size");
	check_invariants("sizes");
}

/* U3: interrupts are afterwards as they were before, whatever the answer was. */
HOST_TEST(U3_U15_interrupts_off_stay_off)
{
	void __percpu *ptr, *other;

	host_boot(&two_cpus);
	ptr = must_alloc(100, 8);
	other = must_alloc(100, 8);
	host_irqs(false);
	CHECK(host_alloc(8, 8) == NULL);
	CHECK_TEXT(host_warning, "must not sleep");
	CHECK(host_alloc_reserved(8, 8) == NULL);
	CHECK(host_alloc(0, 8) == NULL);
	CHECK(host_alloc(8, 3) == NULL);
	host_free(ptr);
	host_free(ptr);
	host_free(NULL);
	host_free(as_ptr(12345));
	look_what(other);
	look_stats();
	per_cpu_ptr_to_phys(pcpu_base_addr);
	pcpu_inspect_map(0, NULL, 0);
	host_assert_clean("calls with interrupts off", false);
	host_irqs(true);
	host_free(other);
	host_assert_clean("calls with interrupts on", true);
	CHECK_EQ(host_warnings, 6);
	check_invariants("interrupts");
}

static void in_handler(void *arg)
{
	host_free((void __percpu *)(uintptr_t)arg);
	CHECK(host_alloc(8, 8) == NULL);
}

HOST_TEST(free_in_an_interrupt_handler)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	ptr = must_alloc(64, 64);
	host_interrupt(1, in_handler, (void *)(uintptr_t)ptr);
	CHECK_EQ(look_what(ptr), PCPU_FREE);
	CHECK_TEXT(host_warning, "must not sleep");
	check_invariants("an interrupt");
}

static unsigned int entered;

static void enter_again(enum host_hook hook __unused)
{
	struct pcpu_result result;

	entered++;
	CHECK(__alloc_percpu(8, 8) == NULL);
	CHECK(pcpu_try_alloc(8, 8, false, &result) == NULL);
	CHECK_TEXT(result.text, "again");
}

HOST_TEST(U22_allocation_entered_again_from_reclaim_is_refused)
{
	host_boot(&two_cpus);
	fill_chunks();
	host_in_hook = enter_again;
	must_alloc(5000, 8);
	host_in_hook = NULL;
	CHECK(entered >= 4);
	check_invariants("entered again");
}

/* ---- Free ---- */

static void refuse_static(void)
{
	size_t step = host_static_size() > 256 ? 97 : 1;

	refuse_free(as_ptr((uintptr_t)&some_static), PCPU_STATIC, "static area");
	refuse_free(as_ptr((uintptr_t)__per_cpu_start), PCPU_STATIC, "static area");
	refuse_free(as_ptr((uintptr_t)__per_cpu_end - 1), PCPU_STATIC, "static area");
	for (size_t at = 0; at < host_static_size(); at += step)
		refuse_free(as_ptr((uintptr_t)__per_cpu_start + at), PCPU_STATIC, "static area");
	CHECK_EQ(this_cpu_read(some_static), 42);
}

HOST_TEST(O2_the_static_area_is_refused_without_reserved_area)
{
	host_boot(&two_cpus);
	refuse_static();
}

HOST_TEST(O2_the_static_area_is_refused_with_reserved_area)
{
	host_boot(&with_reserved);
	refuse_static();
	/* What both parts' maps count as in use is no area either, at its very start. */
	refuse_free(as_ptr((uintptr_t)__per_cpu_start + host_static_size()), PCPU_FREE,
		    "already free");
}

static void refuse_around(const struct pcpu_chunk_info *chunk, bool is_first)
{
	uintptr_t end = chunk->base + pcpu_unit_size;

	refuse_free(ptr_of_address(end), PCPU_OTHER_UNIT, "unit of chunk");
	refuse_free(ptr_of_address(end + 7), PCPU_OTHER_UNIT, "unit of chunk");
	end = chunk->base + pcpu_nr_units * pcpu_unit_size;
	refuse_free(ptr_of_address(end - 1), PCPU_OTHER_UNIT, "CPU 2's unit");
	refuse_free(ptr_of_address(end), PCPU_GAP, "gap");
	refuse_free(ptr_of_address(end + PAGE_SIZE - 1), PCPU_GAP, "gap");
	if (is_first)
		refuse_free(ptr_of_address(chunk->base + host_static_size() + 29001), PCPU_GAP,
			    "gap");
}

HOST_TEST(O3_every_class_of_address)
{
	static int ordinary;
	int on_stack;
	char __percpu *areas[6];
	size_t n;

	host_boot(&with_reserved);
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++)
		areas[i] = must_alloc(30000, 8);
	n = look_chunks();
	CHECK(n >= 4);
	for (size_t i = 0; i < n; i++) {
		struct pcpu_chunk_info chunk = look_at[i];

		refuse_around(&chunk, chunk.first);
		look_chunks();
	}
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		refuse_free(areas[i] + 1, PCPU_INSIDE, "inside an area");
		refuse_free(areas[i] + 29999, PCPU_INSIDE, "inside an area");
	}
	refuse_free(as_ptr((uintptr_t)&on_stack), PCPU_ORDINARY, "ordinary pointer");
	refuse_free(as_ptr((uintptr_t)&ordinary), PCPU_ORDINARY, "ordinary pointer");
	refuse_free(as_ptr((uintptr_t)pcpu_base_addr), PCPU_ORDINARY, "ordinary pointer");
	refuse_free(as_ptr(1), PCPU_GAP, "gap"); /* in the hole below the first chunk */
	refuse_free(as_ptr(UINTPTR_MAX), PCPU_ORDINARY, "ordinary pointer");
	host_free(NULL);
	check_invariants("every class of address");
}

/* O11: an area is freed whether or not there is a reserved chunk whose limit could be looked at. */
HOST_TEST(O11_dynamic_areas_without_a_reserved_chunk)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	CHECK(pcpu_reserved_chunk == NULL);
	ptr = host_alloc_reserved(40, 8);
	CHECK_EQ(look_chunk_of(ptr), 0);
	host_free(ptr);
	CHECK_EQ(host_warnings, 0);
	CHECK_EQ(look_what(ptr), PCPU_FREE);
}

HOST_TEST(O11_reserved_and_dynamic_areas_side_by_side)
{
	void __percpu *reserved, *dynamic;

	host_boot(&with_reserved);
	reserved = host_alloc_reserved(1, 1);
	dynamic = must_alloc(1, 1);
	CHECK_EQ(look_chunk_of(reserved), 0);
	CHECK_EQ(look_chunk_of(dynamic), 1);
	host_free(reserved);
	host_free(dynamic);
	CHECK_EQ(host_warnings, 0);
	check_invariants("side by side");
}

/* O21: a second free is named for what the bytes are by then. */
HOST_TEST(O21_double_free_after_joining_and_after_reuse)
{
	char __percpu *a, *b, *c;

	host_boot(&two_cpus);
	a = must_alloc(64, 64);
	b = must_alloc(64, 64);
	c = must_alloc(64, 64);
	host_free(b);
	refuse_free(b, PCPU_FREE, "already free");
	host_free(a);
	refuse_free(b, PCPU_FREE, "already free");
	refuse_free(a, PCPU_FREE, "already free");
	CHECK_EQ((uintptr_t)must_alloc(128, 64), (uintptr_t)a);
	refuse_free(b, PCPU_INSIDE, "inside an area");
	CHECK_EQ(look_what(c), PCPU_AREA);
}

/* O22: a bad caller in a loop is counted each time and printed a few times a second. */
HOST_TEST(O22_a_bad_caller_does_not_flood_the_log)
{
	unsigned long after_one_second;

	host_boot(&two_cpus);
	for (unsigned int i = 0; i < 1000; i++)
		host_free(as_ptr((uintptr_t)__per_cpu_start));
	CHECK_EQ(look_stats().bad_frees, 1000);
	CHECK(host_warnings >= 1 && host_warnings <= 10);
	after_one_second = host_warnings;
	host_time_ms += 1000;
	for (unsigned int i = 0; i < 1000; i++)
		CHECK(host_alloc(0, 1) == NULL);
	CHECK_EQ(look_stats().bad_allocs, 1000);
	CHECK(host_warnings > after_one_second && host_warnings <= after_one_second + 10);
}

/* O23: the worker is woken, outside the spinlock (the port sees to that), when it has work. */
HOST_TEST(O23_the_worker_is_woken_after_the_lock)
{
	void __percpu *ptrs[3];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(65536, 8);
	host_free(ptrs[0]);
	CHECK(!host_reclaim_pending);
	host_irqs(false);
	host_free(ptrs[1]);
	host_irqs(true);
	CHECK(host_reclaim_pending);
	host_free(ptrs[2]);
	CHECK_EQ(look_stats().chunks_freed, 0);
	CHECK_EQ(pcpu_sync(), 2);
	CHECK_EQ(look_stats().chunks_freed, 2);
	check_invariants("reclaimed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U11_O7_every_alignment),
		cmocka_unit_test(every_illegal_size),
		cmocka_unit_test(U3_U15_interrupts_off_stay_off),
		cmocka_unit_test(free_in_an_interrupt_handler),
		cmocka_unit_test(U22_allocation_entered_again_from_reclaim_is_refused),
		cmocka_unit_test(O2_the_static_area_is_refused_without_reserved_area),
		cmocka_unit_test(O2_the_static_area_is_refused_with_reserved_area),
		cmocka_unit_test(O3_every_class_of_address),
		cmocka_unit_test(O11_dynamic_areas_without_a_reserved_chunk),
		cmocka_unit_test(O11_reserved_and_dynamic_areas_side_by_side),
		cmocka_unit_test(O21_double_free_after_joining_and_after_reuse),
		cmocka_unit_test(O22_a_bad_caller_does_not_flood_the_log),
		cmocka_unit_test(O23_the_worker_is_woken_after_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
