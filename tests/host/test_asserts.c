/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * What needs a lock, and what must not be done to a chunk: each function that says so ends the machine,
 * with its name and the reason.
 */
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config machine = {.nr_cpus = 2, .style = HOST_PAGE, .nr_pages = 1024};

struct death {
	const char *text;
	void (*fn)(void);
};

static void die(const void *arg)
{
	const struct death *death = arg;

	host_boot(&machine);
	must_alloc(65536, 8); /* a chunk beside the first one */
	must_alloc(100, 4);
	death->fn();
}

static void expect_deaths(const struct death *deaths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		host_expect_death(die, &deaths[i], HOST_EXIT_PANIC, "panic: ", deaths[i].text);
}

/* ---- The spinlock ---- */

static struct pcpu_result result;
static struct pcpu_finding finding;
static size_t offset;
static bool surplus;

static void relocate(void)
{
	pcpu_chunk_relocate(pcpu_first_chunk);
}

static void insert(void)
{
	pcpu_chunk_insert(pcpu_first_chunk);
}

static void below(void)
{
	pcpu_chunk_below(UINTPTR_MAX);
}

static void count_tree(void)
{
	pcpu_tree_count();
}

static void look_for_surplus(void)
{
	pcpu_chunks_surplus();
}

static void unlink_with_the_mutex_only(void)
{
	struct list_node out = LIST_INIT(out);

	port_mutex_lock();
	pcpu_chunk_unlink_surplus(&out);
}

static void list_chunks(void)
{
	pcpu_for_each_chunk(NULL, NULL);
}

static void free_area(void)
{
	pcpu_free_locked(NULL, &result, &surplus);
}

static void find_area(void)
{
	pcpu_chunk_of_area(NULL, &offset);
}

static void say_where(void)
{
	pcpu_where_locked((const void __percpu *)8, &result.where);
}

static void free_guarded(void)
{
	pcpu_guard_free(NULL, 1, result.text, sizeof(result.text), &finding);
}

static void release_guarded(void)
{
	pcpu_guard_release(0, &finding);
}

static void check_guarded(void)
{
	pcpu_guard_check(result.text, sizeof(result.text));
}

HOST_TEST(the_spinlock_is_asserted)
{
	static const struct death deaths[] = {
		{"pcpu_chunk_relocate: pcpu_lock is not held", relocate},
		{"pcpu_chunk_insert: pcpu_lock is not held", insert},
		{"pcpu_chunk_below: pcpu_lock is not held", below},
		{"pcpu_tree_count: pcpu_lock is not held", count_tree},
		{"pcpu_chunks_surplus: pcpu_lock is not held", look_for_surplus},
		{"pcpu_chunk_unlink_surplus: pcpu_lock is not held", unlink_with_the_mutex_only},
		{"pcpu_for_each_chunk: pcpu_lock is not held", list_chunks},
		{"pcpu_lock is not held", free_area},
		{"pcpu_lock is not held", find_area},
		{"pcpu_lock is not held", say_where},
		{"pcpu_guard_free: pcpu_lock is not held", free_guarded},
		{"pcpu_guard_release: pcpu_lock is not held", release_guarded},
		{"pcpu_guard_check: pcpu_lock is not held", check_guarded},
	};

	expect_deaths(deaths, ARRAY_SIZE(deaths));
}

/* ---- The mutex, and no spinlock ---- */

static void heap_without_mutex(void)
{
	pcpu_mem_alloc(8);
}

static void heap_under_spinlock(void)
{
	port_mutex_lock();
	port_lock();
	pcpu_mem_alloc(8);
}

static void heap_free_without_mutex(void)
{
	pcpu_mem_free(&result, 8);
}

static void heap_free_under_spinlock(void)
{
	port_mutex_lock();
	port_lock();
	pcpu_mem_free(&result, 8);
}

static void populate_without_mutex(void)
{
	pcpu_populate(pcpu_first_chunk, 0, 1);
}

static void populate_under_spinlock(void)
{
	port_mutex_lock();
	port_lock();
	pcpu_populate(pcpu_first_chunk, 0, 1);
}

static void depopulate_without_mutex(void)
{
	pcpu_depopulate_all(pcpu_first_chunk);
}

/* Even if there is nothing to take away. */
static void depopulate_nothing_without_mutex(void)
{
	struct pcpu_chunk *empty;

	port_mutex_lock();
	empty = pcpu_chunk_create();
	port_mutex_unlock();
	CHECK(empty != NULL);
	pcpu_depopulate_all(empty);
}

static void depopulate_under_spinlock(void)
{
	port_mutex_lock();
	port_lock();
	pcpu_depopulate_all(pcpu_first_chunk);
}

static void unlink_with_the_spinlock_only(void)
{
	struct list_node out = LIST_INIT(out);

	port_lock();
	pcpu_chunk_unlink_surplus(&out);
}

HOST_TEST(the_mutex_is_asserted)
{
	static const struct death deaths[] = {
		{"panic: 8 bytes of heap with mutex free and spinlock free", heap_without_mutex},
		{"panic: 8 bytes of heap with mutex held and spinlock held", heap_under_spinlock},
		{"panic: 8 bytes of heap with mutex free and spinlock free",
		 heap_free_without_mutex},
		{"panic: 8 bytes of heap with mutex held and spinlock held",
		 heap_free_under_spinlock},
		{"pages change with mutex free and spinlock free", populate_without_mutex},
		{"pages change with mutex held and spinlock held", populate_under_spinlock},
		{"pages change with mutex free and spinlock free", depopulate_without_mutex},
		{"pages change with mutex held and spinlock held", depopulate_under_spinlock},
		{"pages change with mutex free and spinlock free",
		 depopulate_nothing_without_mutex},
		{"pcpu_chunk_unlink_surplus: pcpu_alloc_mutex is not held",
		 unlink_with_the_spinlock_only},
	};

	expect_deaths(deaths, ARRAY_SIZE(deaths));
}

/* ---- Chunks ---- */

static void destroy_first(void)
{
	pcpu_first_chunk->space.free_size = pcpu_first_chunk->space.span;
	port_mutex_lock();
	pcpu_chunk_destroy(pcpu_first_chunk);
}

static void destroy_with_areas(void)
{
	struct pcpu_chunk *chunk;
	irqflags_t flags;

	port_mutex_lock();
	flags = port_lock();
	chunk = pcpu_chunk_below(UINTPTR_MAX);
	port_unlock(flags);
	pcpu_chunk_destroy(chunk);
}

HOST_TEST(O10_chunks_that_must_stay_are_not_destroyed)
{
	static const struct death deaths[] = {
		{"panic: chunk 0 must not be destroyed: it is the first chunk", destroy_first},
		{"panic: chunk 1 must not be destroyed: it holds areas", destroy_with_areas},
	};

	expect_deaths(deaths, ARRAY_SIZE(deaths));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_spinlock_is_asserted),
		cmocka_unit_test(the_mutex_is_asserted),
		cmocka_unit_test(O10_chunks_that_must_stay_are_not_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
