/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards around areas in the kernel; they need a boot with percpu_debug. Messages name the functions here
 * that allocated and freed.
 */
#include "kernel/printk.h"
#include "kernel/string.h"
#include "percpu/guard.h"
#include "tests/kernel/percpu_util.h"

#define SIZE 40

static __noinline void __percpu *guard_allocator(void)
{
	void __percpu *ptr = __alloc_percpu(SIZE, 8);

	barrier(); /* no tail call: this function is the caller */
	return ptr;
}

static __noinline void guard_freer(void __percpu *ptr)
{
	free_percpu(ptr);
	barrier();
}

/* Writes at offset on one CPU, before or after the free; the warning has to say all of it. */
static void expect_found(struct test_run *t, unsigned int cpu, ssize_t offset, bool after_free,
			 const char *what)
{
	void __percpu *ptr = guard_allocator();
	char text[400];

	REQUIRE(ptr != NULL);
	warn_expect_begin();
	if (after_free)
		guard_freer(ptr);
	test_copy(ptr, cpu)[offset] = 0x11;
	if (!after_free)
		guard_freer(ptr);
	pcpu_sync();
	EXPECT_EQ(warn_expect_end(), 1);
	warn_last(text, sizeof(text));
	EXPECT(strstr(text, what) != NULL);
	EXPECT(strstr(text, "allocated by guard_allocator+") != NULL);
	EXPECT(strstr(text, "freed by guard_freer+") != NULL);
}

TEST(percpu_guard_finds_writes_on_every_cpu, TEST_QUICK)
{
	unsigned int cpu;

	if (!pcpu_guard_on) {
		test_skip(t, "needs percpu_debug");
		return;
	}
	for_each_possible_cpu (cpu) {
		expect_found(t, cpu, -1, false, "write before an area");
		expect_found(t, cpu, SIZE, false, "write past an area");
		expect_found(t, cpu, 0, true, "write after free");
		expect_found(t, cpu, SIZE - 1, true, "write after free");
	}
}

TEST(percpu_guard_names_both_sides_of_a_double_free, TEST_QUICK)
{
	void __percpu *ptr;
	char text[400];

	if (!pcpu_guard_on) {
		test_skip(t, "needs percpu_debug");
		return;
	}
	ptr = guard_allocator();
	REQUIRE(ptr != NULL);
	guard_freer(ptr);
	warn_expect_begin();
	free_percpu(ptr);
	EXPECT_EQ(warn_expect_end(), 1);
	warn_last(text, sizeof(text));
	EXPECT(strstr(text, "double free") != NULL);
	EXPECT(strstr(text, "allocated by guard_allocator+") != NULL);
	EXPECT(strstr(text, "freed by guard_freer+") != NULL);
}
