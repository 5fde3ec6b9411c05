/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vmalloc area on real page tables and all CPUs: gaps fault, mappings are seen everywhere, failed
 * ones leave nothing, unmapped ones are gone everywhere, and finding addresses stays cheap.
 */
#include "mm/vmalloc.h"

#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/errno.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"

#define GIB (1ul << 30)

static void __noinline read_byte(void *at)
{
	(void)*(volatile uint8_t *)at;
}

/* Whether reading at addr on this CPU faults, at that very address. */
static bool read_faults(uintptr_t addr)
{
	uintptr_t fault = 0;

	return !trap_probe(read_byte, (void *)addr, &fault) && fault == addr;
}

TEST(vm_gaps_around_a_range_fault, TEST_QUICK)
{
	uintptr_t va = (uintptr_t)vmalloc(3 * PAGE_SIZE, "test");

	REQUIRE(va != 0);
	EXPECT(!read_faults(va));
	EXPECT(!read_faults(va + 3 * PAGE_SIZE - 1));
	EXPECT(read_faults(va + 3 * PAGE_SIZE));
	EXPECT(read_faults(va + 4 * PAGE_SIZE - 1));
	EXPECT(read_faults(va - 1));
	vfree((void *)va);
	for (size_t i = 0; i < 3; i++)
		EXPECT(read_faults(va + i * PAGE_SIZE));
	EXPECT(vmalloc_check());
}

TEST(vm_vmalloc_is_zeroed_after_dirty_pages, TEST_QUICK)
{
	for (unsigned int round = 0; round < 3; round++) {
		uint64_t *words = vmalloc(40 * PAGE_SIZE, "test");
		unsigned long wrong = 0;

		REQUIRE(words != NULL);
		for (size_t i = 0; i < 40 * PAGE_SIZE / sizeof(*words); i++)
			wrong += words[i] != 0;
		EXPECT_EQ(wrong, 0);
		memset(words, 0xa5, 40 * PAGE_SIZE);
		vfree(words);
	}
}

/* ---- Every CPU ---- */

struct seen {
	volatile uint64_t *word;
	uint64_t value[NR_CPUS];
};

static struct seen seen;

static void note_word(void *arg __unused)
{
	seen.value[smp_processor_id()] = *seen.word;
}

static void expect_all_see(struct test_run *t, uint64_t want)
{
	unsigned int cpu;

	memset(seen.value, 0xff, sizeof(seen.value));
	smp_call_all(note_word, NULL);
	for_each_online_cpu (cpu)
		EXPECT_EQ(seen.value[cpu], want);
}

TEST(vm_a_mapping_is_seen_on_every_cpu, TEST_QUICK)
{
	uint64_t *words = vmalloc(2 * PAGE_SIZE, "test");

	REQUIRE(words != NULL);
	seen.word = &words[PAGE_SIZE / sizeof(*words)];
	expect_all_see(t, 0);
	words[PAGE_SIZE / sizeof(*words)] = 4711;
	expect_all_see(t, 4711);
	vfree(words);
}

/* A page is unmapped, flushed, and another one is mapped in its place: no CPU sees the old one. */
TEST(vm_U16_no_cpu_keeps_an_old_translation, TEST_QUICK)
{
	struct page *pages[2] = {page_alloc(0, PAGE_TEST), page_alloc(0, PAGE_TEST)};
	uintptr_t va = vm_range_alloc(PAGE_SIZE, PAGE_SIZE, "test");

	REQUIRE(pages[0] != NULL && pages[1] != NULL && va != 0);
	seen.word = (volatile uint64_t *)va;
	for (unsigned int round = 0; round < 20; round++) {
		struct page *page = pages[round % 2];

		*(uint64_t *)page_address(page) = round;
		EXPECT_EQ(vm_map_pages(va, &page, 1), 0);
		expect_all_see(t, round);
		vm_unmap_pages(va, 1);
		vm_flush(va, va + PAGE_SIZE);
	}
	vm_range_free(va);
	page_free(pages[0]);
	page_free(pages[1]);
}

TEST(vm_an_unmapped_page_faults_on_every_cpu, TEST_QUICK)
{
	volatile uint64_t *word = vmalloc(PAGE_SIZE, "test");
	unsigned int cpu;

	REQUIRE(word != NULL);
	seen.word = word;
	expect_all_see(t, 0);
	vfree((void *)(uintptr_t)word);
	for_each_online_cpu (cpu) {
		thread_pin(cpu);
		EXPECT(read_faults((uintptr_t)word));
	}
	thread_pin(THREAD_ANY_CPU);
}

static unsigned long stream_errors; /* atomic */
static size_t stream_length;	    /* operations of each thread */

/* Areas of 1 to 8 pages come and go; neighbours share page tables with those of other CPUs. */
static void stream_thread(void *arg)
{
	uint64_t *live[12] = {NULL}, random = (uintptr_t)arg * 7919 + 1;
	unsigned long errors = 0;

	for (size_t n = 0; n < stream_length + ARRAY_SIZE(live); n++) {
		size_t i, size;

		random = random * 6364136223846793005u + 1442695040888963407u;
		i = n < stream_length ? (random >> 40) % ARRAY_SIZE(live) : n - stream_length;
		size = (1 + (random >> 33) % 8) * PAGE_SIZE / sizeof(uint64_t);
		if (live[i] != NULL) {
			errors += live[i][0] != (uintptr_t)live[i];
			vfree(live[i]);
			live[i] = NULL;
		} else if (n < stream_length) {
			live[i] = vmalloc(size * sizeof(uint64_t), "test");
			if (live[i] == NULL)
				continue;
			errors += live[i][0] != 0 || live[i][size - 1] != 0;
			live[i][size - 1] = 1;
			live[i][0] = (uintptr_t)live[i];
		}
	}
	__atomic_fetch_add(&stream_errors, errors, __ATOMIC_SEQ_CST);
}

static void stream_on_every_cpu(struct test_run *t, size_t length)
{
	static struct thread *threads[NR_CPUS];
	unsigned int cpu;

	stream_errors = 0;
	stream_length = length;
	for_each_online_cpu (cpu)
		threads[cpu] = test_takes(cpu) ? thread_create("test_vm", stream_thread,
							       (void *)(uintptr_t)cpu, cpu)
					       : NULL;
	for_each_online_cpu (cpu) {
		if (!test_takes(cpu))
			continue;
		EXPECT(threads[cpu] != NULL);
		if (threads[cpu] != NULL)
			thread_join(threads[cpu]);
	}
	EXPECT_EQ(stream_errors, 0);
	EXPECT(vmalloc_check());
	EXPECT(page_check());
}

/* Each flush waits for all CPUs: the cost of these tests. */
TEST(vm_every_cpu_maps_and_unmaps_at_once, TEST_QUICK)
{
	stream_on_every_cpu(t, test_stride() == 1 ? 12 : 4);
}

TEST(vm_every_cpu_maps_and_unmaps_for_long, TEST_SLOW)
{
	stream_on_every_cpu(t, 100);
}

/* ---- Failures ---- */

/* One page many times over stands for many pages: enough for four tables under a fresh GiB. */
#define NR_MAPPED 1100

static void expect_nothing_mapped(struct test_run *t, uintptr_t va, size_t tables)
{
	unsigned long mapped = 0;

	for (size_t i = 0; i < NR_MAPPED; i++)
		mapped += paging_lookup(va + i * PAGE_SIZE, NULL) != PHYS_NONE;
	EXPECT_EQ(mapped, 0);
	EXPECT_EQ(page_count(PAGE_PGTABLE), tables);
}

/* Every page table that a mapping needs fails in turn; the last round maps. */
static void fail_each_table(struct test_run *t, uintptr_t va, struct page *const *pages)
{
	size_t tables = page_count(PAGE_PGTABLE);
	unsigned long step = 0;
	int error;

	do {
		page_fail_nth(PAGE_PGTABLE, ++step);
		error = vm_map_pages(va, pages, NR_MAPPED);
		if (error == 0)
			break;
		EXPECT_EQ(error, -ENOMEM);
		expect_nothing_mapped(t, va, tables);
	} while (step < 20 && !test_failed(t));
	EXPECT(page_fail_pending());
	page_fail_nth(PAGE_PGTABLE, 0);
	EXPECT_EQ(step, 5);
	EXPECT_EQ(page_count(PAGE_PGTABLE), tables + 4);
	vm_unmap_pages(va, NR_MAPPED);
	vm_flush(va, va + NR_MAPPED * PAGE_SIZE);
	expect_nothing_mapped(t, va, tables);
}

TEST(vm_O19_a_failed_mapping_leaves_nothing, TEST_QUICK)
{
	struct page **pages = kmalloc(NR_MAPPED * sizeof(*pages));
	struct page *page = page_alloc(0, PAGE_TEST);
	uintptr_t va = vm_range_alloc(NR_MAPPED * PAGE_SIZE, GIB, "test");

	REQUIRE(pages != NULL && page != NULL && va != 0);
	for (size_t i = 0; i < NR_MAPPED; i++)
		pages[i] = page;
	fail_each_table(t, va, pages);
	vm_range_free(va);
	page_free(page);
	kfree(pages);
}

/* Every allocation that vmalloc makes fails in turn. */
TEST(vm_vmalloc_fails_cleanly_at_each_step, TEST_QUICK)
{
	size_t vmalloc_pages = page_count(PAGE_VMALLOC), tables = page_count(PAGE_PGTABLE);

	vm_range_fail_nth(1);
	EXPECT(vmalloc(5 * PAGE_SIZE, "test") == NULL);
	kmalloc_fail_nth(1);
	EXPECT(vmalloc(5 * PAGE_SIZE, "test") == NULL);
	for (unsigned int n = 1; n <= 5; n++) {
		page_fail_nth(PAGE_VMALLOC, n);
		EXPECT(vmalloc(5 * PAGE_SIZE, "test") == NULL);
		vm_map_fail_nth(n);
		EXPECT(vmalloc(5 * PAGE_SIZE, "test") == NULL);
		EXPECT_EQ(page_count(PAGE_VMALLOC), vmalloc_pages);
		EXPECT_EQ(page_count(PAGE_PGTABLE), tables);
	}
	EXPECT(!vm_fail_pending() && !page_fail_pending() && !kmalloc_fail_pending());
	EXPECT(vmalloc_check());
}

/* ---- Addresses ---- */

/* Frees every seventh range and takes it again; the ranges that the searches looked at. */
static uint64_t steps_of_refilling(struct test_run *t, uintptr_t *starts, size_t n)
{
	uint64_t steps = vm_range_steps();

	for (size_t i = 0; i < n; i += 7) {
		uintptr_t old = starts[i];

		vm_range_free(old);
		starts[i] = vm_range_alloc(PAGE_SIZE, PAGE_SIZE, "test");
		EXPECT_EQ(starts[i], old);
	}
	return vm_range_steps() - steps;
}

TEST(vm_ten_thousand_ranges_are_found_in_few_steps, TEST_QUICK)
{
	size_t n = 10000, searches = (n + 6) / 7;
	uintptr_t *starts = vmalloc(n * sizeof(*starts), "test");
	unsigned int failed = 0;

	REQUIRE(starts != NULL);
	for (size_t i = 0; i < n; i++) {
		starts[i] = vm_range_alloc(PAGE_SIZE, PAGE_SIZE, "test");
		failed += starts[i] == 0;
	}
	EXPECT_EQ(failed, 0);
	/* A path has at most 2 log2(n) < 28 nodes; beside each, one more may be looked at. */
	EXPECT(steps_of_refilling(t, starts, n) <= searches * 2 * 28);
	EXPECT(vmalloc_check());
	for (size_t i = 0; i < n; i++) {
		if (starts[i] != 0)
			vm_range_free(starts[i]);
	}
	vfree(starts);
}

TEST(vm_ranges_are_listed_and_found, TEST_QUICK)
{
	uintptr_t va = vm_range_alloc(5 * PAGE_SIZE - 100, PAGE_SIZE, "test");
	struct vm_range range = {0, 0, NULL}, found;
	uintptr_t after = 0, end = VMALLOC_START;
	bool listed = false;

	REQUIRE(va != 0);
	while (vm_range_next(after, &range)) {
		EXPECT(range.start >= end);
		EXPECT(range.start + range.size <= VMALLOC_END - PAGE_SIZE);
		listed |= range.start == va && range.size == 5 * PAGE_SIZE;
		end = range.start + range.size + PAGE_SIZE;
		after = range.start;
	}
	EXPECT(listed);
	EXPECT(vm_range_find(va + 5 * PAGE_SIZE - 1, &found) && found.start == va);
	EXPECT(strcmp(found.name, "test") == 0);
	EXPECT(!vm_range_find(va + 5 * PAGE_SIZE, &found));
	EXPECT_EQ(vm_range_alloc(VMALLOC_END - VMALLOC_START, PAGE_SIZE, "test"), 0);
	vm_range_free(va);
	EXPECT(!vm_range_find(va, &found));
}
