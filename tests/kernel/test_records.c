/* SPDX-License-Identifier: GPL-2.0-only */
/* What is remembered of operations: the live areas, their sites, and traces recorded by the monitor. */
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/smp.h"
#include "kernel/cpumask.h"
#include "kernel/monitor.h"
#include "kernel/printk.h"
#include "kernel/records.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/vmalloc.h"
#include "percpu/percpu.h"
#include "tests/kernel/percpu_util.h"

#define OUTPUT_SIZE 4096

static bool is_site(const struct area_record *area, void (*function)(struct test_run *t))
{
	return area->caller > (uintptr_t)function && area->caller - (uintptr_t)function < 4096;
}

TEST(records_a_live_area_is_known_by_any_of_its_bytes, TEST_QUICK)
{
	uintptr_t ptr = (uintptr_t)__alloc_percpu(100, 16);
	struct area_record area;

	REQUIRE(ptr);
	EXPECT(!records_find(ptr - 1, &area) || area.ptr != ptr);
	EXPECT(!records_find(ptr + 100, &area) || area.ptr != ptr);
	for (uintptr_t at = ptr; at < ptr + 100; at += 33) {
		EXPECT(records_find(at, &area));
		EXPECT_EQ(area.ptr, ptr);
		EXPECT_EQ(area.size, 100);
		EXPECT_EQ(area.align, 16);
		EXPECT_EQ(area.cpu, smp_processor_id());
		EXPECT(is_site(&area, records_a_live_area_is_known_by_any_of_its_bytes));
	}
	free_percpu((void __percpu *)ptr);
	EXPECT(!records_find(ptr, &area) || area.ptr != ptr);
}

static void allocate_and_free(void *arg __unused)
{
	free_percpu(__alloc_percpu(8, 8));
}

TEST(records_count_what_each_cpu_does, TEST_QUICK)
{
	unsigned long before[NR_CPUS][2], allocs, frees;
	unsigned int cpu, other;

	for_each_online_cpu (cpu) {
		if (!test_takes(cpu))
			continue;
		for_each_possible_cpu (other)
			records_of_cpu(other, &before[other][0], &before[other][1]);
		test_on_cpu(t, cpu, allocate_and_free, NULL);
		for_each_possible_cpu (other) {
			records_of_cpu(other, &allocs, &frees);
			EXPECT_EQ(allocs - before[other][0], other == cpu);
			EXPECT_EQ(frees - before[other][1], other == cpu);
		}
	}
}

TEST(records_sites_add_up, TEST_QUICK)
{
	struct site_record *sites = vmalloc(RECORDS_MAX_SITES * sizeof(*sites), "test sites");
	void __percpu *ptrs[50];
	struct records_total before, total;
	unsigned long bytes = 0, areas = 0;
	size_t count;

	REQUIRE(sites);
	records_sites(sites, &before);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = __alloc_percpu(4000, 8);
	count = records_sites(sites, &total);
	EXPECT_EQ(total.areas, before.areas + ARRAY_SIZE(ptrs));
	EXPECT_EQ(total.bytes, before.bytes + 4000 * ARRAY_SIZE(ptrs));
	EXPECT_EQ(total.sites, count);
	EXPECT_EQ(sites[0].bytes, 4000 * ARRAY_SIZE(ptrs)); /* the largest comes first */
	EXPECT_EQ(sites[0].areas, ARRAY_SIZE(ptrs));
	for (size_t i = 0; i < count; i++) {
		EXPECT(i == 0 || sites[i].bytes <= sites[i - 1].bytes);
		bytes += sites[i].bytes;
		areas += sites[i].areas;
	}
	EXPECT_EQ(bytes, total.bytes);
	EXPECT_EQ(areas, total.areas);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		free_percpu(ptrs[i]);
	records_sites(sites, &total);
	EXPECT_EQ(total.bytes, before.bytes);
	vfree(sites);
}

TEST(records_what_finds_no_room_is_counted, TEST_SLOW)
{
	size_t count = RECORDS_MAX_AREAS + 100;
	void __percpu **ptrs = vmalloc(count * sizeof(*ptrs), "test areas");
	struct site_record *sites = vmalloc(RECORDS_MAX_SITES * sizeof(*sites), "test sites");
	struct records_total before, total;

	REQUIRE(ptrs && sites);
	records_sites(sites, &before);
	for (size_t i = 0; i < count; i++)
		ptrs[i] = __alloc_percpu(4, 4);
	records_sites(sites, &total);
	EXPECT_EQ(total.areas, RECORDS_MAX_AREAS);
	EXPECT_EQ(total.forgotten - before.forgotten, before.areas + 100);
	for (size_t i = 0; i < count; i++)
		free_percpu(ptrs[i]);
	records_sites(sites, &total);
	EXPECT_EQ(total.areas, before.areas);
	vfree(sites);
	vfree(ptrs);
}

/* The recorded trace as text; the caller frees it. */
static char *trace_text(struct test_run *t, size_t *length)
{
	char *text = vmalloc(OUTPUT_SIZE, "test trace");

	*length = 0;
	if (!text) {
		EXPECT(text);
		return NULL;
	}
	for (size_t n = 0; record_trace_line(n, text + *length, OUTPUT_SIZE - *length); n++) {
		*length += strlen(text + *length);
		text[(*length)++] = '\n';
	}
	text[*length] = '\0';
	return text;
}

TEST(records_a_recorded_trace_can_be_replayed, TEST_QUICK)
{
	void __percpu *older = __alloc_percpu(8, 8), *a, *b;
	struct record_trace_status status;
	struct trace_error error;
	size_t length, events = 0;
	irqflags_t flags;
	char *text;

	REQUIRE(record_trace_start() == 0);
	thread_pin(smp_processor_id());
	a = __alloc_percpu(24, 8);
	b = __alloc_reserved_percpu(64, 64);
	free_percpu(older);
	flags = irq_save();
	free_percpu(a);
	irq_restore(flags);
	free_percpu(b);
	record_trace_stop();
	free_percpu(__alloc_percpu(8, 8));
	record_trace_get(&status);
	EXPECT_EQ(status.events, 4);
	EXPECT_EQ(status.unknown, 1);
	EXPECT_EQ(status.dropped, 0);
	text = trace_text(t, &length);
	REQUIRE(text);
	EXPECT_EQ(trace_scan(text, length, &events, &error), 0);
	EXPECT_EQ(events, 4);
	EXPECT(strstr(text, " 24 8 ") != NULL);
	EXPECT(strstr(text, " r records_a_recorded_trace_can_be_replayed+0x") != NULL);
	EXPECT(strstr(text, " i\n") != NULL);
	thread_pin(THREAD_ANY_CPU);
	vfree(text);
	record_trace_drop();
}

static unsigned int run(char *output, const char *line)
{
	unsigned int failed;

	monitor_capture(output, OUTPUT_SIZE);
	failed = monitor_execute(line);
	monitor_capture(NULL, 0);
	return failed;
}

TEST(records_who_finds_an_area_by_any_cpus_copy, TEST_QUICK)
{
	uintptr_t ptr = (uintptr_t)__alloc_percpu(40, 8);
	char line[64], want[48], *output = vmalloc(OUTPUT_SIZE, "test output");
	unsigned int cpu, last = 0;

	REQUIRE(ptr && output);
	for_each_possible_cpu (cpu)
		last = cpu;
	snprintf(line, sizeof(line), "who 0x%lx", ptr + 8);
	EXPECT_EQ(run(output, line), 0);
	snprintf(want, sizeof(want), "ptr=0x%lx ", ptr);
	EXPECT(strncmp(output, want, strlen(want)) == 0);
	EXPECT(strstr(output, " size=40 align=8 inside=8 site=records_who_finds") != NULL);
	snprintf(line, sizeof(line), "who 0x%lx", ptr + __per_cpu_offset[last]);
	EXPECT_EQ(run(output, line), 0);
	EXPECT(strncmp(output, want, strlen(want)) == 0);
	snprintf(want, sizeof(want), " copy_of=%u\n", last);
	EXPECT(strstr(output, want) != NULL);
	free_percpu((void __percpu *)ptr);
	snprintf(line, sizeof(line), "who 0x%lx; who 0; who 0xffffffff80000000", ptr);
	EXPECT_EQ(run(output, line), 3);
	vfree(output);
}
