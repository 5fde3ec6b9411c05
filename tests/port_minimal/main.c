/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu tests/port_minimal/port_minimal.c */
/* flags: -iquote tests/port_minimal */
/*
 * The minimal port at work: allocates, uses this_cpu_ accessors, frees, checks. Prints TAP.
 */
#include "tests/port_minimal/port_minimal.h"

#include "percpu/inspect.h"

#include <stdio.h>

struct stat {
	uint64_t packets, bytes;
};

DEFINE_PER_CPU(long, counter) = 40;
DEFINE_PER_CPU(struct stat, total);

static bool good;

#define CHECK(what) check(what, #what, __LINE__)
static void check(bool holds, const char *what, int line)
{
	good = good && holds;
	if (!holds)
		printf("# line %d: not so: %s\n", line, what);
}

/* Whether all bytes of the area, on the one CPU, have the value; then fills them with another. */
static bool refill(void __percpu *ptr, size_t size, unsigned char want, unsigned char next)
{
	unsigned char *bytes = per_cpu_ptr((unsigned char __percpu *)ptr, 0);
	bool same = true;

	for (size_t i = 0; i < size; i++) {
		same = same && bytes[i] == want;
		bytes[i] = next;
	}
	return same;
}

static void static_variables_work_before_the_first_chunk(void)
{
	CHECK(this_cpu_read(counter) == 40);
	this_cpu_inc(counter);
	CHECK(counter == 41); /* the load image itself */
	CHECK(!__alloc_percpu(8, 8) && machine_warnings == 1);
}

static void the_first_chunk_holds_the_static_area(void)
{
	machine_boot();
	CHECK(this_cpu_add_return(counter, 1) == 42);
	CHECK(counter == 41); /* the unit has it from now on */
	CHECK(this_cpu_ptr(&counter) != &counter);
	CHECK(is_kernel_percpu_address((uintptr_t)this_cpu_ptr(&total)));
	CHECK(this_cpu_cmpxchg(counter, 42, 7) == 42 && this_cpu_xchg(counter, 1) == 7);
}

static void an_area_is_zeroed_used_and_freed(void)
{
	struct stat __percpu *stat = alloc_percpu(struct stat);

	CHECK(stat && this_cpu_read(stat->packets) == 0 && this_cpu_read(stat->bytes) == 0);
	this_cpu_inc(stat->packets);
	this_cpu_add(stat->bytes, 1500);
	this_cpu_sub(stat->bytes, 20);
	CHECK(per_cpu_ptr(stat, 0)->bytes == 1480 && this_cpu_read(stat->packets) == 1);
	free_percpu(stat);
}

static void a_chunk_has_its_pages_in_a_row(void)
{
	void __percpu *whole = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	char *copy = per_cpu_ptr((char __percpu *)whole, 0);

	CHECK(whole && refill(whole, PCPU_MIN_UNIT_SIZE, 0, 0xa5));
	CHECK(per_cpu_ptr_to_phys(copy + 12345) == (uintptr_t)copy + 12345);
	free_percpu(whole);
	whole = __alloc_percpu(PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	CHECK(whole && refill(whole, PCPU_MIN_UNIT_SIZE, 0, 0xa5));
	free_percpu(whole);
}

static void memory_runs_out_and_comes_back(void)
{
	void __percpu *areas[4096];
	size_t nr = 0, free_before;

	pcpu_sync();
	free_before = machine_pages_free();
	while (nr < ARRAY_SIZE(areas) && (areas[nr] = __alloc_percpu(600 + nr % 7, 8)) != NULL) {
		CHECK(refill(areas[nr], 600 + nr % 7, 0, (unsigned char)nr));
		nr++;
	}
	CHECK(nr > 500 && nr < ARRAY_SIZE(areas));
	for (size_t i = 0; i < nr; i++) {
		CHECK(refill(areas[i], 600 + i % 7, (unsigned char)i, 0x5a));
		free_percpu(areas[i]);
	}
	machine_idle();
	CHECK(machine_pages_free() == free_before);
}

static void interrupt_handlers_free_and_do_not_allocate(void)
{
	long __percpu *area = alloc_percpu(long);
	unsigned int warnings = machine_warnings;
	irqflags_t flags = irq_save();

	CHECK(!alloc_percpu(long) && machine_warnings == warnings + 1);
	free_percpu(area);
	CHECK(!machine_irqs_on);
	irq_restore(flags);
	CHECK(machine_warnings == warnings + 1);
}

static void wrong_frees_are_refused(void)
{
	unsigned int warnings = machine_warnings;
	long __percpu *area = alloc_percpu(long);

	free_percpu(NULL);
	CHECK(machine_warnings == warnings);
	free_percpu(area);
	free_percpu(area);
	free_percpu(&counter);
	free_percpu(this_cpu_ptr(&counter));
	CHECK(machine_warnings == warnings + 3);
}

struct test {
	void (*fn)(void);
	const char *name;
};

#define TEST(fn) ((struct test){fn, #fn})

static const struct test tests[] = {
	TEST(static_variables_work_before_the_first_chunk),
	TEST(the_first_chunk_holds_the_static_area),
	TEST(an_area_is_zeroed_used_and_freed),
	TEST(a_chunk_has_its_pages_in_a_row),
	TEST(memory_runs_out_and_comes_back),
	TEST(interrupt_handlers_free_and_do_not_allocate),
	TEST(wrong_frees_are_refused),
};

int main(void)
{
	bool all_good = true;

	printf("1..%zu\n", ARRAY_SIZE(tests));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		struct pcpu_check_result result = {0};

		good = true;
		tests[i].fn();
		if (i > 0 && !pcpu_check(&result))
			check(false, result.error, __LINE__);
		printf("%sok %zu - minimal port: %s\n", good ? "" : "not ", i + 1, tests[i].name);
		all_good = all_good && good;
	}
	return all_good ? 0 : 1;
}
