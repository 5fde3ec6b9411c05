/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards around areas in the kernel; they need a boot with percpu_debug. Messages name the functions here
 * that allocated and freed.
 */
#include "kernel/printk.h"
#include "kernel/string.h"
#include "tests/kernel/percpu_util.h"

#define SIZE 40

#define ALLOCATOR "guard_allocator_of_a_name_that_is_about_as_long_as_names_get"
#define FREER	  "guard_freer_of_a_name_that_is_about_as_long_as_names_get"

static __noinline void __percpu *guard_allocator_of_a_name_that_is_about_as_long_as_names_get(void)
{
	void __percpu *ptr = __alloc_percpu(SIZE, 8);

	barrier(); /* no tail call: this function is the caller */
	return ptr;
}

static __noinline void guard_freer_of_a_name_that_is_about_as_long_as_names_get(void __percpu *ptr)
{
	free_percpu(ptr);
	barrier();
}

/* Both owners are named, and nothing was cut off for want of room. */
static void expect_owners(struct test_run *t, const char *text, const char *what)
{
	if (!strstr(text, what) || !strstr(text, "allocated by " ALLOCATOR "+") ||
	    !strstr(text, "freed by " FREER "+0x"))
		test_fail(t, __FILE__, __LINE__, "got \"%s\", want \"%s\" and both owners", text,
			  what);
}

/* Writes at offset on one CPU, before or after the free; the warning has to say all of it. */
static void expect_found(struct test_run *t, unsigned int cpu, ssize_t offset, bool after_free,
			 const char *what)
{
	void __percpu *ptr = guard_allocator_of_a_name_that_is_about_as_long_as_names_get();
	char text[480], place[64];

	REQUIRE(ptr != NULL);
	warn_expect_begin();
	if (after_free)
		guard_freer_of_a_name_that_is_about_as_long_as_names_get(ptr);
	test_copy(ptr, cpu)[offset] = 0x11;
	if (!after_free)
		guard_freer_of_a_name_that_is_about_as_long_as_names_get(ptr);
	pcpu_sync();
	EXPECT_EQ(warn_expect_end(), 1);
	warn_last(text, sizeof(text));
	expect_owners(t, text, what);
	snprintf(place, sizeof(place), "area 0x%lx of %d bytes, CPU %u, byte %+zd is 0x11, not 0x",
		 (uintptr_t)ptr, SIZE, cpu, offset);
	EXPECT(strstr(text, place) != NULL);
	EXPECT(strstr(text, ", called by 0x") != NULL && text[strlen(text) - 1] == ')');
}

static bool guards_are_off(struct test_run *t)
{
	if (!pcpu_guard_on)
		test_skip(t, "needs percpu_debug");
	return !pcpu_guard_on;
}

TEST(percpu_guard_finds_writes_around_an_area_on_every_cpu, TEST_QUICK)
{
	unsigned int cpu;

	if (guards_are_off(t))
		return;
	for_each_possible_cpu (cpu) {
		expect_found(t, cpu, -GUARD_ZONE, false, "write before an area");
		expect_found(t, cpu, -1, false, "write before an area");
		expect_found(t, cpu, SIZE, false, "write past an area");
		expect_found(t, cpu, SIZE + GUARD_ZONE - 1, false, "write past an area");
	}
}

TEST(percpu_guard_finds_writes_after_a_free_on_every_cpu, TEST_QUICK)
{
	unsigned int cpu;

	if (guards_are_off(t))
		return;
	for_each_possible_cpu (cpu) {
		expect_found(t, cpu, -GUARD_ZONE, true, "write after free");
		expect_found(t, cpu, 0, true, "write after free");
		expect_found(t, cpu, SIZE - 1, true, "write after free");
		expect_found(t, cpu, SIZE + GUARD_ZONE - 1, true, "write after free");
	}
}

TEST(percpu_guard_names_the_owner_of_what_is_freed_wrongly, TEST_QUICK)
{
	struct pcpu_result result;
	void __percpu *ptr, *inside;

	if (guards_are_off(t))
		return;
	ptr = guard_allocator_of_a_name_that_is_about_as_long_as_names_get();
	REQUIRE(ptr != NULL);
	inside = (void __percpu *)((uintptr_t)ptr + 8);
	pcpu_try_free(inside, &result);
	EXPECT(strstr(result.text, "is inside an area: byte +8 of ") != NULL);
	EXPECT(strstr(result.text, "allocated by " ALLOCATOR "+") != NULL);
	EXPECT(strstr(result.text, ", not freed yet") != NULL);
	guard_freer_of_a_name_that_is_about_as_long_as_names_get(ptr);
	pcpu_try_free(ptr, &result);
	expect_owners(t, result.text, "double free: 0x");
	pcpu_try_free(inside, &result);
	expect_owners(t, result.text, "is inside an area that is already free: byte +8 of ");
}

/* The checker finds damage without waiting for the free. */
TEST(percpu_guard_damage_fails_the_checker, TEST_QUICK)
{
	struct pcpu_check_result result;
	unsigned char *byte;
	void __percpu *ptr;

	if (guards_are_off(t))
		return;
	ptr = guard_allocator_of_a_name_that_is_about_as_long_as_names_get();
	REQUIRE(ptr != NULL);
	byte = test_copy(ptr, cpumask_next(&cpu_possible_mask, 0)) + SIZE;
	*byte ^= 1;
	EXPECT(!pcpu_check(&result));
	EXPECT(strstr(result.error, "write past an area") != NULL);
	EXPECT(strstr(result.error, "allocated by " ALLOCATOR "+") != NULL);
	*byte ^= 1;
	EXPECT(pcpu_check(&result));
	free_percpu(ptr);
}

/* Freed bytes wait out of use: neither given again nor lost. */
TEST(percpu_guard_keeps_freed_areas_out_of_use_for_a_while, TEST_QUICK)
{
	void __percpu *first, *second, *third;

	if (guards_are_off(t))
		return;
	pcpu_sync();
	first = __alloc_percpu(SIZE, 8);
	REQUIRE(first != NULL);
	free_percpu(first);
	second = __alloc_percpu(SIZE, 8);
	EXPECT(second != NULL && second != first);
	free_percpu(second);
	pcpu_sync();
	third = __alloc_percpu(SIZE, 8);
	EXPECT(third == first);
	free_percpu(third);
}
