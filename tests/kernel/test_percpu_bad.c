// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input: every row of the allocator's table of refusals. Each is answered, counted and named by
 * one warning, and leaves the books exactly as they were.
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "tests/kernel/percpu_util.h"

static void __percpu *ptr_at(uintptr_t number)
{
	return (void __percpu *)number;
}

static void __percpu *ptr_plus(const void __percpu *ptr, size_t bytes)
{
	return ptr_at((uintptr_t)ptr + bytes);
}

/* The warnings of the call since warn_expect_begin: one, or none when too many came this second. */
static void expect_warning(struct test_run *t, unsigned long warnings, const char *word)
{
	char text[256];

	EXPECT(warnings <= 1);
	if (warnings != 1)
		return;
	warn_last(text, sizeof(text));
	if (!strstr(text, word) || !strstr(text, "called by 0x"))
		test_fail(t, __FILE__, __LINE__, "warning: got \"%s\", want \"…%s…\" and a caller",
			  text, word);
}

/* ---- Bad frees ---- */

/* The pointer is refused by both entries, its kind is named, nothing else changes. */
static __noinline void expect_refused(struct test_run *t, void __percpu *ptr, const char *word)
{
	uint64_t digest = test_books_digest();
	struct pcpu_stats before, after;
	struct pcpu_result result;
	unsigned long warnings;

	pcpu_stats_get(&before);
	warn_expect_begin();
	free_percpu(ptr);
	warnings = warn_expect_end();
	expect_warning(t, warnings, word);
	pcpu_try_free(ptr, &result);
	if (!result.error || !result.warned || !strstr(result.text, word))
		test_fail(t, __FILE__, __LINE__, "0x%lx: got error \"%s\" text \"%s\", want \"%s\"",
			  (uintptr_t)ptr, result.error ? result.error : "none", result.text, word);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_frees, before.bad_frees + 2);
	EXPECT_EQ(after.frees, before.frees);
	EXPECT_EQ(after.live_bytes, before.live_bytes);
	EXPECT_EQ(test_books_digest(), digest);
}

TEST(percpu_free_of_a_freed_area_is_refused, TEST_QUICK)
{
	void __percpu *before = __alloc_percpu(64, 64), *ptr = __alloc_percpu(64, 64);
	void __percpu *after = __alloc_percpu(64, 64);

	REQUIRE(before && ptr && after);
	free_percpu(ptr);
	expect_refused(t, ptr, "already free");
	expect_refused(t, ptr_plus(ptr, 8), "already free");
	free_percpu(after);
	expect_refused(t, ptr, "already free");
	expect_refused(t, after, "already free");
	free_percpu(before);
	expect_refused(t, before, "already free");
	test_expect_sound(t, "after double frees");
}

TEST(percpu_free_of_the_inside_is_refused, TEST_QUICK)
{
	void __percpu *ptr = __alloc_percpu(1000, 8);

	REQUIRE(ptr);
	test_fill(ptr, 1000, 7);
	expect_refused(t, ptr_plus(ptr, 1), "inside an area");
	expect_refused(t, ptr_plus(ptr, 8), "inside an area");
	expect_refused(t, ptr_plus(ptr, 999), "inside an area");
	EXPECT_EQ(test_wrong_bytes(ptr, 1000, 7), 0);
	free_percpu(ptr);
}

TEST(percpu_free_of_static_variables_is_refused, TEST_QUICK)
{
	size_t size = (size_t)(__per_cpu_end - __per_cpu_start);
	size_t offsets[] = {0, 1, 4, 64, size / 2, size - 8, size - 1};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
		expect_refused(t, ptr_at((uintptr_t)__per_cpu_start + offsets[i]), "static area");
	expect_refused(t, (void __percpu *)&cpu_number, "static area");
}

TEST(percpu_free_around_the_reserved_area_is_refused, TEST_QUICK)
{
	void __percpu *ptr;

	if (!pcpu_reserved_chunk) {
		test_skip(t, "no reserved area: percpu_reserve= was not given");
		return;
	}
	ptr = __alloc_reserved_percpu(64, 64);
	REQUIRE(ptr);
	expect_refused(t, ptr_plus(ptr, 16), "inside an area");
	free_percpu(ptr);
	expect_refused(t, ptr, "already free");
	expect_refused(t, ptr_at((uintptr_t)__per_cpu_start + pcpu_static_size - 1), "static area");
}

/* In each unit but the first, and in the gaps around a chunk; chunk: any that is in use. */
static void check_outside(struct test_run *t, const struct pcpu_chunk_info *chunk,
			  void __percpu *area)
{
	char word[32];

	for (unsigned int unit = 1; unit < pcpu_nr_units; unit++) {
		snprintf(word, sizeof(word), "CPU %u's unit", pcpu_cpu_of[unit]);
		expect_refused(t, ptr_plus(area, unit * pcpu_unit_size), word);
	}
	expect_refused(t, pcpu_addr_to_ptr(chunk->base + pcpu_chunk_bytes()), "gap");
	expect_refused(t, pcpu_addr_to_ptr(chunk->base + pcpu_chunk_bytes() + PAGE_SIZE - 1),
		       "gap");
	if (chunk->span < pcpu_unit_size)
		expect_refused(t, pcpu_addr_to_ptr(chunk->base + pcpu_unit_size - 1), "gap");
}

TEST(percpu_free_outside_unit_0_is_refused, TEST_QUICK)
{
	static void __percpu *areas[64];
	struct pcpu_chunk_info chunk = {0};
	size_t n;

	test_chunks_exhaust(t);
	n = test_fill_chunk(areas, ARRAY_SIZE(areas), PCPU_MIN_UNIT_SIZE);
	EXPECT(n >= 2);
	for (size_t i = 0; i < n; i++) {
		EXPECT(test_chunk_info(test_chunk_of(areas[i]), &chunk));
		check_outside(t, &chunk, areas[i]);
	}
	if (pcpu_first_chunk && test_chunk_info(pcpu_first_chunk->id, &chunk))
		check_outside(t, &chunk, pcpu_addr_to_ptr(chunk.base));
	expect_refused(t, pcpu_addr_to_ptr(VMALLOC_END - PAGE_SIZE), "gap");
	test_free_all(areas, n);
	test_chunks_release();
}

TEST(percpu_free_of_ordinary_pointers_is_refused, TEST_QUICK)
{
	void __percpu *area = __alloc_percpu(64, 8);
	void *heap = kmalloc(100);
	struct page *page = page_alloc(0, PAGE_TEST);
	uint64_t on_stack = 0;
	unsigned int cpu;

	EXPECT(area && heap && page);
	expect_refused(t, ptr_at((uintptr_t)&on_stack), "ordinary pointer");
	expect_refused(t, ptr_at((uintptr_t)expect_refused), "ordinary pointer");
	expect_refused(t, ptr_at((uintptr_t)heap), "ordinary pointer");
	expect_refused(t, ptr_at((uintptr_t)page_address(page)), "ordinary pointer");
	expect_refused(t, ptr_at((uintptr_t) "text"), "ordinary pointer");
	for_each_possible_cpu (cpu)
		expect_refused(t, ptr_at((uintptr_t)test_copy(area, cpu)), "ordinary pointer");
	expect_refused(t, ptr_at(1), "ordinary pointer");
	expect_refused(t, ptr_at(PAGE_SIZE), "ordinary pointer");
	expect_refused(t, ptr_at(UINTPTR_MAX), "ordinary pointer");
	expect_refused(t, ptr_at(UINTPTR_MAX / 2), "ordinary pointer");
	page_free(page);
	kfree(heap);
	free_percpu(area);
}

TEST(percpu_free_of_null_is_silent, TEST_QUICK)
{
	uint64_t digest = test_books_digest();
	struct pcpu_stats before, after;

	pcpu_stats_get(&before);
	warn_expect_begin();
	free_percpu(NULL);
	EXPECT_EQ(warn_expect_end(), 0);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_frees, before.bad_frees);
	EXPECT_EQ(after.frees, before.frees);
	EXPECT_EQ(test_books_digest(), digest);
}

/* ---- Bad sizes and alignments ---- */

static void expect_illegal(struct test_run *t, size_t size, size_t align, bool reserved)
{
	uint64_t digest = test_books_digest();
	struct pcpu_stats before, after;
	void __percpu *ptr;

	pcpu_stats_get(&before);
	warn_expect_begin();
	ptr = reserved ? __alloc_reserved_percpu(size, align) : __alloc_percpu(size, align);
	expect_warning(t, warn_expect_end(), "illegal size");
	EXPECT_EQ((uintptr_t)ptr, 0);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_allocs, before.bad_allocs + 1);
	EXPECT_EQ(after.allocs, before.allocs);
	EXPECT_EQ(after.alloc_failures, before.alloc_failures);
	EXPECT_EQ(test_books_digest(), digest);
}

TEST(percpu_illegal_sizes_and_alignments_are_refused, TEST_QUICK)
{
	static const struct {
		size_t size, align;
	} bad[] = {
		{0, 1},
		{0, 0},
		{0, PAGE_SIZE},
		{PCPU_MIN_UNIT_SIZE + 1, 8},
		{PCPU_MIN_UNIT_SIZE * 2, 8},
		{SIZE_MAX, 8},
		{SIZE_MAX - 7, 8},
		{(size_t)1 << 32, 8},
		{((size_t)1 << 32) + 8, 8},
		{8, 0},
		{8, 3},
		{8, 24},
		{8, PAGE_SIZE + 1},
		{8, PAGE_SIZE * 2},
		{8, SIZE_MAX},
		{8, (size_t)1 << 63},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		expect_illegal(t, bad[i].size, bad[i].align, false);
		expect_illegal(t, bad[i].size, bad[i].align, true);
	}
}

TEST(percpu_U11_only_powers_of_two_up_to_a_page_are_alignments, TEST_QUICK)
{
	for (size_t align = 0; align <= 2 * PAGE_SIZE; align++) {
		bool legal = is_power_of_2(align) && align <= PAGE_SIZE;
		struct pcpu_result result;
		void __percpu *ptr = pcpu_try_alloc(8, align, false, &result);

		if ((ptr != NULL) != legal || result.warned == legal)
			test_fail(t, __FILE__, __LINE__, "align %zu: got 0x%lx, want %s", align,
				  (uintptr_t)ptr, legal ? "an area" : "a refusal");
		if (ptr && legal)
			EXPECT_EQ((uintptr_t)test_copy(ptr, smp_processor_id()) % align, 0);
		pcpu_try_free(ptr, &result);
	}
	test_expect_sound(t, "after 8192 alignments");
}

/* ---- Contexts ---- */

/* Where sleeping is forbidden: no allocation, but frees work. */
static void attempt(struct test_run *t, const char *where, void __percpu *live)
{
	bool irqs = irqs_enabled(), preempt = preempt_enabled();
	struct pcpu_stats before, after;
	struct pcpu_result result;
	void __percpu *ptr;

	pcpu_stats_get(&before);
	warn_expect_begin();
	ptr = __alloc_percpu(64, 8);
	expect_warning(t, warn_expect_end(), "must not sleep");
	if (ptr || pcpu_try_alloc(64, 8, true, &result) || !strstr(result.text, "must not sleep") ||
	    !result.warned)
		test_fail(t, __FILE__, __LINE__, "%s: got 0x%lx \"%s\", want a refusal", where,
			  (uintptr_t)ptr, result.text);
	free_percpu(live);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_allocs, before.bad_allocs + 2);
	EXPECT_EQ(after.bad_frees, before.bad_frees);
	EXPECT_EQ(after.allocs, before.allocs);
	EXPECT_EQ(irqs_enabled(), irqs);
	EXPECT_EQ(preempt_enabled(), preempt);
}

struct call {
	struct test_run *t;
	void __percpu *live;
};

static void attempt_in_call(void *arg)
{
	struct call *call = arg;

	attempt(call->t, "in an interrupt", call->live);
}

TEST(percpu_allocation_where_sleeping_is_forbidden_is_refused, TEST_QUICK)
{
	static struct spinlock lock = SPINLOCK_INIT("percpu test", LOCK_CLASS_TEST);
	struct call call = {t, __alloc_percpu(64, 8)};
	struct pcpu_stats before, after;
	void __percpu *live[3];
	irqflags_t flags;

	for (size_t i = 0; i < ARRAY_SIZE(live); i++)
		live[i] = __alloc_percpu(64, 8);
	EXPECT(call.live && live[0] && live[1] && live[2]);
	pcpu_sync();
	pcpu_stats_get(&before);
	flags = irq_save();
	attempt(t, "interrupts off", live[0]);
	irq_restore(flags);
	preempt_disable();
	attempt(t, "preemption off", live[1]);
	preempt_enable();
	flags = spin_lock_irqsave(&lock);
	attempt(t, "under a spinlock", live[2]);
	spin_unlock_irqrestore(&lock, flags);
	smp_call(test_other_cpu(), attempt_in_call, &call);
	pcpu_sync();
	pcpu_stats_get(&after);
	EXPECT_EQ(after.frees, before.frees + 4);
	test_expect_sound(t, "after refused contexts");
}

/* ---- O22: a bad caller in a loop ---- */

#define MANY	   200
#define PER_SECOND 10 /* warnings that the allocator allows itself */

TEST(percpu_O22_a_flood_of_bad_frees_is_counted_not_printed, TEST_QUICK)
{
	void __percpu *ptr = __alloc_percpu(64, 8);
	uint64_t start = time_us();
	struct pcpu_stats before, after;
	unsigned long warnings;

	REQUIRE(ptr);
	pcpu_stats_get(&before);
	warn_expect_begin();
	for (unsigned int i = 0; i < MANY; i++)
		free_percpu(ptr_plus(ptr, 8));
	warnings = warn_expect_end();
	pcpu_stats_get(&after);
	EXPECT_EQ(after.bad_frees, before.bad_frees + MANY);
	if (warnings > PER_SECOND * ((time_us() - start) / 1000000 + 2))
		test_fail(t, __FILE__, __LINE__, "got %lu warnings, want at most %u a second",
			  warnings, PER_SECOND);
	free_percpu(ptr);
}

TEST(percpu_O22_warnings_come_again_in_the_next_second, TEST_SLOW)
{
	for (unsigned int round = 0; round < 2; round++) {
		unsigned long warnings;

		thread_sleep_ms(1000 - (unsigned int)(time_us() / 1000 % 1000) + 2);
		warn_expect_begin();
		for (unsigned int i = 0; i < MANY; i++)
			free_percpu(ptr_at(1));
		warnings = warn_expect_end();
		EXPECT(warnings >= PER_SECOND && warnings <= 2 * PER_SECOND);
	}
}
