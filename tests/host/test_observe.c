/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/* Who watches sees every operation, once, as its caller sees it; and which pages have memory. */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

#define UNIT 65536ul

static const struct host_config page = {
	.nr_cpus = 3, .style = HOST_PAGE, .unit_size = UNIT, .reserved = 4000};

static struct pcpu_event seen[8];
static size_t nr_seen;

static void see(const struct pcpu_event *event)
{
	bool irqs_on = host_irqs(true);

	host_irqs(irqs_on);
	CHECK(nr_seen < ARRAY_SIZE(seen));
	CHECK_EQ(irqs_on, event->kind != PCPU_FREED);
	CHECK(!port_mutex_held());
	CHECK(event->caller != 0);
	seen[nr_seen++] = *event;
}

/* One event since the last time, and it says that. Returns it. */
static const struct pcpu_event *expect_one(enum pcpu_event_kind kind, const void __percpu *ptr,
					   size_t size, size_t align, bool reserved)
{
	CHECK_EQ(nr_seen, 1);
	nr_seen = 0;
	CHECK_EQ(seen[0].kind, kind);
	CHECK(seen[0].ptr == ptr);
	CHECK_EQ(seen[0].size, size);
	CHECK_EQ(seen[0].align, align);
	CHECK_EQ(seen[0].reserved, reserved);
	return &seen[0];
}

static void boot_and_watch(bool guarded)
{
	host_boot(&page);
	if (guarded)
		CHECK(pcpu_debug_enable());
	pcpu_observe(see);
	nr_seen = 0;
}

static void every_kind_of_operation(void)
{
	struct pcpu_result result;
	void __percpu *ptr = host_alloc(24, 16);

	expect_one(PCPU_ALLOCATED, ptr, 24, 16, false);
	host_free(ptr);
	CHECK_EQ(expect_one(PCPU_FREED, ptr, 0, 0, false)->flags, RFLAGS_IF);
	host_free(ptr);
	expect_one(PCPU_FREE_REFUSED, ptr, 0, 0, false);
	host_free(NULL);
	CHECK_EQ(nr_seen, 0);
	ptr = host_alloc_reserved(40, 8);
	expect_one(PCPU_ALLOCATED, ptr, 40, 8, true);
	host_irqs(false);
	pcpu_try_free(ptr, &result);
	host_irqs(true);
	CHECK_EQ(expect_one(PCPU_FREED, ptr, 0, 0, false)->flags, 0);
	CHECK(pcpu_try_alloc(24, 3, false, &result) == NULL);
	expect_one(PCPU_ALLOC_FAILED, NULL, 24, 3, false);
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(host_alloc(50000, 8) == NULL);
	host_fail_none();
	expect_one(PCPU_ALLOC_FAILED, NULL, 50000, 8, false);
}

HOST_TEST(every_operation_is_told)
{
	boot_and_watch(false);
	every_kind_of_operation();
	pcpu_observe(NULL);
	host_free(must_alloc(8, 8));
	CHECK_EQ(nr_seen, 0);
	check_invariants("watched");
}

/* With guards too: what the caller asked for and got, and a free when it is asked for. */
HOST_TEST(guards_are_not_seen)
{
	boot_and_watch(true);
	every_kind_of_operation();
	pcpu_sync();
	CHECK_EQ(nr_seen, 0);
	check_invariants("watched with guards");
}

HOST_TEST(the_caller_is_who_called)
{
	struct pcpu_result result;
	void __percpu *ptr;

	boot_and_watch(false);
	ptr = must_alloc(8, 8);
	CHECK(seen[0].caller - (uintptr_t)host_alloc < 1024);
	pcpu_try_free(ptr, &result);
	CHECK(seen[1].caller - (uintptr_t)the_caller_is_who_called_body < 4096);
	ptr = pcpu_try_alloc(8, 8, false, &result);
	CHECK(seen[2].caller - seen[1].caller < 1024);
	host_free(ptr);
	CHECK(seen[3].caller - (uintptr_t)host_free < 1024);
}

/* ---- Pages ---- */

HOST_TEST(pages_with_memory_are_listed)
{
	uint8_t pages[UNIT / PAGE_SIZE + 1];
	size_t n = UNIT / PAGE_SIZE, nr = 0;
	const char __percpu *ptr;
	size_t first;

	host_boot(&page);
	memset(pages, 7, sizeof(pages));
	ptr = must_alloc(10000, 8);
	first = ((uintptr_t)ptr - (uintptr_t)__per_cpu_start) / PAGE_SIZE;
	CHECK_EQ(pcpu_inspect_pages(1, pages, ARRAY_SIZE(pages)), n);
	CHECK_EQ(pages[n], 7);
	for (size_t i = 0; i < n; i++) {
		CHECK_EQ(pages[i], pcpu_page_populated(pcpu_first_chunk, i));
		nr += pages[i];
	}
	CHECK_EQ(nr, look_chunk(1)->pages_populated);
	CHECK(pages[first] && pages[first + 1] && !pages[n - 1]);
	memset(pages, 7, sizeof(pages));
	CHECK_EQ(pcpu_inspect_pages(0, pages, 2), n);
	CHECK_EQ(pages[1], 1);
	CHECK_EQ(pages[2], 7);
	CHECK_EQ(pcpu_inspect_pages(2, pages, 2), -ENOENT);
	host_assert_clean("pcpu_inspect_pages", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_operation_is_told),
		cmocka_unit_test(guards_are_not_seen),
		cmocka_unit_test(the_caller_is_who_called),
		cmocka_unit_test(pages_with_memory_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
