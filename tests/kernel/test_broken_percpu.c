// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths that the per-CPU allocator promises, one test each: wrong arguments at set-up, a missing lock,
 * memory asked for at the wrong place, and, under panic_on_warn, bad input. tests/boot/deaths.py has
 * what each of them must say.
 */
#include "arch/x86_64/irq.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "percpu/guard.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

/* ---- Set-up; it refuses before it touches what there is. ---- */

#define STATIC 5000
#define UNIT   PCPU_MIN_UNIT_SIZE
#define NOBODY ((struct page *)PAGE_SIZE) /* set-up does not look inside */

static struct page *no_end(unsigned int cpu __unused, size_t n __unused)
{
	return NOBODY;
}

static struct page *one_page(unsigned int cpu __unused, size_t n)
{
	return n < 1 ? NOBODY : NULL;
}

static struct page *one_page_short(unsigned int cpu __unused, size_t n)
{
	return n < UNIT / PAGE_SIZE - 1 ? NOBODY : NULL;
}

static struct page *fewer_on_cpu_1(unsigned int cpu, size_t n)
{
	return n < 3 - (cpu == 1) ? NOBODY : NULL;
}

static void no_tables(uintptr_t addr __unused)
{
}

#define BROKEN_SETUP(how, ...)                       \
	TEST(broken_setup_##how, TEST_BROKEN)        \
	{                                            \
		pcpu_setup_first_chunk(__VA_ARGS__); \
	}

BROKEN_SETUP(without_static_area, no_end, 0, 0, -1, -1, NULL, no_tables)
BROKEN_SETUP(with_part_of_a_page, no_end, STATIC, 0, UNIT + 1000, -1, NULL, no_tables)
BROKEN_SETUP(with_a_small_unit, no_end, STATIC, 0, UNIT - PAGE_SIZE, -1, NULL, no_tables)
BROKEN_SETUP(with_a_unit_past_an_int, no_end, STATIC, 0, 1l << 31, -1, NULL, no_tables)
BROKEN_SETUP(without_room_for_reserved, no_end, STATIC, UNIT - STATIC + 1, UNIT, -1, NULL,
	     no_tables)
BROKEN_SETUP(without_room_for_dyn, no_end, STATIC, 8192, UNIT, 60000, NULL, no_tables)
BROKEN_SETUP(with_dyn_alone, no_end, STATIC, 0, -1, 8192, NULL, no_tables)
BROKEN_SETUP(with_base_and_populate, no_end, STATIC, 0, UNIT, -1, pcpu_base_addr, no_tables)
BROKEN_SETUP(with_base_alone, no_end, STATIC, 0, -1, -1, pcpu_base_addr, NULL)
BROKEN_SETUP(with_base_inside_a_page, no_end, STATIC, 0, UNIT, -1, pcpu_base_addr + 64, NULL)
BROKEN_SETUP(with_counts_that_differ, fewer_on_cpu_1, STATIC, 0, UNIT, -1, NULL, no_tables)
BROKEN_SETUP(without_pages_for_static, one_page, STATIC, 0, UNIT, -1, NULL, no_tables)
BROKEN_SETUP(without_pages_for_immutable, one_page_short, STATIC, 0, UNIT, -1, pcpu_base_addr, NULL)

TEST(broken_setup_without_cpus, TEST_BROKEN)
{
	memset(&cpu_possible_mask, 0, sizeof(cpu_possible_mask));
	pcpu_setup_first_chunk(no_end, STATIC, 0, UNIT, -1, NULL, no_tables);
}

TEST(broken_setup_with_a_cpu_past_the_last_id, TEST_BROKEN)
{
	bitmap_set(cpu_possible_mask.bits, nr_cpu_ids);
	pcpu_setup_first_chunk(no_end, STATIC, 0, UNIT, -1, NULL, no_tables);
}

/* ---- Locks ---- */

#define BROKEN_CALL(what, ...)           \
	TEST(broken_##what, TEST_BROKEN) \
	{                                \
		__VA_ARGS__;             \
	}

BROKEN_CALL(relocates_without_the_lock, pcpu_chunk_relocate(pcpu_first_chunk))
BROKEN_CALL(inserts_without_the_lock, pcpu_chunk_insert(pcpu_first_chunk))
BROKEN_CALL(looks_for_a_chunk_without_the_lock, pcpu_chunk_below(0))
BROKEN_CALL(counts_chunks_without_the_lock, pcpu_tree_count())
BROKEN_CALL(looks_for_surplus_without_the_lock, pcpu_chunks_surplus())
BROKEN_CALL(walks_chunks_without_the_lock, pcpu_for_each_chunk(NULL, NULL))
BROKEN_CALL(checks_guards_without_the_lock, pcpu_guard_check(NULL, 0))

TEST(broken_frees_a_guard_without_the_lock, TEST_BROKEN)
{
	struct pcpu_finding finding;
	char text[8];

	pcpu_guard_free(NULL, 0, text, sizeof(text), &finding);
}

TEST(broken_releases_a_guard_without_the_lock, TEST_BROKEN)
{
	struct pcpu_finding finding;

	pcpu_guard_release(0, &finding);
}

static struct list_node surplus = LIST_INIT(surplus);

BROKEN_CALL(unlinks_without_the_lock, pcpu_chunk_unlink_surplus(&surplus))

TEST(broken_unlinks_without_the_mutex, TEST_BROKEN)
{
	port_lock();
	pcpu_chunk_unlink_surplus(&surplus);
}

BROKEN_CALL(takes_heap_without_the_mutex, pcpu_mem_alloc(8))

TEST(broken_takes_heap_under_the_lock, TEST_BROKEN)
{
	port_mutex_lock();
	port_lock();
	pcpu_mem_alloc(8);
}

BROKEN_CALL(gives_heap_without_the_mutex, pcpu_mem_free(&surplus, 24))

TEST(broken_gives_heap_under_the_lock, TEST_BROKEN)
{
	port_mutex_lock();
	port_lock();
	pcpu_mem_free(&surplus, 24);
}

BROKEN_CALL(populates_without_the_mutex, pcpu_populate(pcpu_first_chunk, 0, 1))

TEST(broken_populates_under_the_lock, TEST_BROKEN)
{
	port_mutex_lock();
	port_lock();
	pcpu_populate(pcpu_first_chunk, 0, 1);
}

BROKEN_CALL(destroys_the_first_chunk, pcpu_chunk_destroy(pcpu_first_chunk))

TEST(broken_destroys_a_chunk_with_areas, TEST_BROKEN)
{
	struct pcpu_chunk *chunk;
	irqflags_t flags;

	test_chunks_exhaust(t);
	REQUIRE(__alloc_percpu(64, 8) != NULL);
	flags = port_lock();
	chunk = pcpu_chunk_below(UINTPTR_MAX);
	port_unlock(flags);
	pcpu_chunk_destroy(chunk);
}

TEST(broken_checks_with_interrupts_off, TEST_BROKEN)
{
	struct pcpu_check_result result;

	irq_save();
	pcpu_check(&result);
}

TEST(broken_checks_inside_an_allocation, TEST_BROKEN)
{
	struct pcpu_check_result result;

	port_mutex_lock();
	pcpu_check(&result);
}

static struct spinlock heap_lock = SPINLOCK_INIT("broken heap", LOCK_CLASS_HEAP);

TEST(broken_frees_under_the_heaps_lock, TEST_BROKEN)
{
	void __percpu *ptr = __alloc_percpu(8, 8);

	spin_lock_irqsave(&heap_lock);
	free_percpu(ptr);
}

TEST(broken_wakes_reclaim_under_the_lock, TEST_BROKEN)
{
	port_lock();
	port_reclaim_schedule();
}

/* ---- Bad input; a warning, and a panic under panic_on_warn. Each returns, so that it is the caller. ---- */

#define BROKEN_INPUT(what, ...)          \
	TEST(broken_##what, TEST_BROKEN) \
	{                                \
		__VA_ARGS__;             \
		barrier();               \
	}

static void __percpu *at(void __percpu *ptr, size_t bytes)
{
	return (void __percpu *)((uintptr_t)ptr + bytes);
}

/* The per-CPU pointer that reaches so many bytes past unit 0's start. */
static void __percpu *first_unit_plus(size_t bytes)
{
	return (void __percpu *)(uintptr_t)(__per_cpu_start + bytes);
}

BROKEN_INPUT(asks_for_no_bytes, __alloc_percpu(0, 8))
BROKEN_INPUT(asks_for_too_many_bytes, __alloc_reserved_percpu(PCPU_MIN_UNIT_SIZE + 1, 8))
BROKEN_INPUT(asks_for_an_align_of_three, __alloc_percpu(8, 3))
BROKEN_INPUT(asks_with_interrupts_off, irq_save(); __alloc_percpu(64, 8))
BROKEN_INPUT(asks_inside_an_allocation, port_mutex_lock(); __alloc_percpu(64, 8))
BROKEN_INPUT(frees_the_inside, free_percpu(at(__alloc_percpu(128, 8), 40)))
BROKEN_INPUT(frees_past_the_last_chunk, free_percpu(first_unit_plus(pcpu_chunk_bytes())))
BROKEN_INPUT(frees_in_another_unit, free_percpu(first_unit_plus(pcpu_unit_size)))
BROKEN_INPUT(frees_an_ordinary_pointer, free_percpu((void __percpu *)(uintptr_t)&surplus))

TEST(broken_frees_twice, TEST_BROKEN)
{
	void __percpu *ptr = __alloc_percpu(100, 8);

	free_percpu(ptr);
	free_percpu(ptr);
	barrier();
}

/* ---- Under percpu_debug ---- */

TEST(broken_writes_past_an_area, TEST_BROKEN)
{
	void __percpu *ptr = __alloc_percpu(100, 8);

	test_copy(ptr, 1)[100] = 7;
	free_percpu(ptr);
	barrier();
}

TEST(broken_writes_before_an_area, TEST_BROKEN)
{
	void __percpu *ptr = __alloc_percpu(100, 8);

	test_copy(ptr, 1)[-1] = 7;
	free_percpu(ptr);
	barrier();
}

TEST(broken_writes_after_a_free, TEST_BROKEN)
{
	void __percpu *ptr = __alloc_percpu(100, 8);

	free_percpu(ptr);
	test_copy(ptr, 1)[5] = 7;
	pcpu_sync();
	barrier();
}

/* What a panic finds when the books themselves are broken: readers of the list of chunks fault. */
TEST(broken_breaks_the_list_of_chunks, TEST_BROKEN)
{
	port_mutex_lock();
	port_lock();
	pcpu_slots[pcpu_nr_slots - 1].next = (struct list_node *)0x8;
	panic("the list of chunks is broken");
}
