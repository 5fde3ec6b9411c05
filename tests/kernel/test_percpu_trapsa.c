// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traps of the design, each under its id: what happens while the allocator has let go of its locks
 * (U1, U14, U22), and its books when they grow large (U2). The hook that the port calls after each
 * release of a lock stops the allocator exactly there.
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/thread.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

/* ---- Stopping the allocator between unlock and relock ---- */

static struct {
	struct test_run *t;
	struct thread *thread; /* whose releases count */
	void (*fn)(struct test_run *t);
	unsigned int calls; /* how often fn ran */
} stop;

/* Runs stop.fn once, after the first release of the spinlock by the thread. */
static void stop_hook(enum port_unlock_kind kind)
{
	if (kind != PORT_UNLOCKED_SPINLOCK || in_interrupt() || thread_current() != stop.thread)
		return;
	port_set_unlock_hook(NULL);
	stop.calls++;
	stop.fn(stop.t);
}

/* Allocates; fn runs when the first search has ended and the lock is free, the mutex held. */
static void __percpu *alloc_stopped(struct test_run *t, size_t size, size_t align,
				    void (*fn)(struct test_run *t))
{
	void __percpu *ptr;

	stop.t = t;
	stop.thread = thread_current();
	stop.fn = fn;
	stop.calls = 0;
	port_set_unlock_hook(stop_hook);
	ptr = __alloc_percpu(size, align);
	port_set_unlock_hook(NULL);
	EXPECT_EQ(stop.calls, 1);
	EXPECT(!port_mutex_held());
	return ptr;
}

/* ---- U1: the map grows while areas are freed ---- */

#define SMALL 16
#define ROOM  16 /* entries that a new map has room for */

static void __percpu *first_areas[ROOM];
static size_t nr_first;

/* In a new chunk: an area of first_size bytes, then small ones until the books are full. */
static void fill_books(struct test_run *t, size_t first_size)
{
	struct pcpu_chunk_info info = {0};
	unsigned long chunk;

	first_areas[0] = __alloc_percpu(first_size, SMALL);
	nr_first = 1;
	chunk = test_chunk_of(first_areas[0]);
	EXPECT(test_chunk_info(chunk, &info));
	while (info.nr_entries + 2 <= info.map_room && nr_first < ROOM) {
		first_areas[nr_first] = __alloc_percpu(SMALL, SMALL);
		EXPECT_EQ(test_chunk_of(first_areas[nr_first]), chunk);
		nr_first++;
		EXPECT(test_chunk_info(chunk, &info));
	}
	EXPECT_EQ(info.map_room, ROOM);
	EXPECT_EQ(info.nr_entries, ROOM - 1);
}

static void free_in_call(void *arg)
{
	test_free_now(*(void __percpu **)arg);
}

/* Frees from another CPU, in an interrupt. */
static void free_elsewhere(size_t index)
{
	smp_call(test_other_cpu(), free_in_call, &first_areas[index]);
	first_areas[index] = NULL;
}

static void free_first(struct test_run *t)
{
	EXPECT(port_mutex_held());
	free_elsewhere(0);
}

TEST(percpu_U1_a_chunk_that_changes_slot_while_its_map_grows_serves, TEST_QUICK)
{
	void __percpu *ptr;
	struct pcpu_stats before, after;
	unsigned long chunk;
	size_t offset;

	if (test_lacks_area_map(t))
		return;
	test_chunks_exhaust(t);
	fill_books(t, PCPU_MIN_UNIT_SIZE / 2);
	chunk = test_chunk_of(first_areas[1]);
	offset = test_offset_of(first_areas[0]);
	pcpu_stats_get(&before);
	ptr = alloc_stopped(t, SMALL, SMALL, free_first);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.map_growths, before.map_growths + 1);
	EXPECT_EQ(after.chunks_made, before.chunks_made);
	EXPECT_EQ(test_chunk_of(ptr), chunk);
	EXPECT_EQ(test_offset_of(ptr), offset);
	EXPECT_EQ(test_nonzero_bytes(ptr, SMALL), 0);
	test_expect_sound(t, "after growth with a free in the middle");
	free_percpu(ptr);
	test_free_all(first_areas, nr_first);
	test_chunks_release();
}

/* Three neighbours: their entries become one, and the books are not full any more. */
static void free_three(struct test_run *t)
{
	EXPECT(port_mutex_held());
	free_elsewhere(5);
	free_elsewhere(6);
	free_elsewhere(7);
}

TEST(percpu_U1_growth_that_a_free_made_needless_does_not_fail_the_request, TEST_QUICK)
{
	struct pcpu_stats before, after;
	void __percpu *ptr;
	unsigned long chunk;
	size_t offset;

	if (test_lacks_area_map(t))
		return;
	test_chunks_exhaust(t);
	fill_books(t, SMALL);
	chunk = test_chunk_of(first_areas[1]);
	offset = test_offset_of(first_areas[5]);
	pcpu_stats_get(&before);
	ptr = alloc_stopped(t, SMALL, SMALL, free_three);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.chunks_made, before.chunks_made);
	EXPECT_EQ(test_chunk_of(ptr), chunk);
	EXPECT_EQ(test_offset_of(ptr), offset);
	test_expect_sound(t, "after needless growth");
	free_percpu(ptr);
	test_free_all(first_areas, nr_first);
	test_chunks_release();
}

/* ---- U14: the chunk whose map grows becomes free, and reclaim is run ---- */

static struct thread *reclaimer;
static bool reclaim_done;

static void reclaim_thread(void *arg __unused)
{
	pcpu_reclaim();
	WRITE_ONCE(reclaim_done, true);
}

static void __percpu *second_areas[64];
static size_t nr_second;

/* Leaves two chunks wholly free, then lets reclaim loose on them. */
static void free_all_and_reclaim(struct test_run *t)
{
	for (size_t i = 0; i < nr_first; i++)
		free_elsewhere(i);
	test_free_all(second_areas, nr_second);
	pcpu_quarantine_empty(CALLER());
	reclaimer = thread_create("reclaim", reclaim_thread, NULL, THREAD_ANY_CPU);
	EXPECT(reclaimer);
	thread_sleep_ms(10);
	EXPECT(!READ_ONCE(reclaim_done)); /* it waits for the mutex */
}

TEST(percpu_U14_a_chunk_is_not_destroyed_while_its_map_grows, TEST_QUICK)
{
	void __percpu *ptr;

	if (test_lacks_area_map(t))
		return;
	test_chunks_exhaust(t);
	fill_books(t, SMALL);
	nr_second = test_fill_chunk(second_areas, ARRAY_SIZE(second_areas), PCPU_MIN_UNIT_SIZE);
	reclaim_done = false;
	ptr = alloc_stopped(t, SMALL, SMALL, free_all_and_reclaim);
	if (ptr) {
		EXPECT_EQ(test_nonzero_bytes(ptr, SMALL), 0);
		test_fill(ptr, SMALL, 14);
	}
	EXPECT(ptr);
	if (reclaimer)
		thread_join(reclaimer);
	EXPECT(reclaim_done);
	pcpu_sync();
	EXPECT_EQ(test_wrong_bytes(ptr, SMALL, 14), 0);
	test_expect_sound(t, "after reclaim");
	free_percpu(ptr);
	test_chunks_release();
}

/* ---- U22: the allocator entered again ---- */

static void enter_again(struct test_run *t)
{
	struct pcpu_result result;
	char text[256];
	unsigned long warnings;

	EXPECT(port_mutex_held());
	EXPECT(!pcpu_try_alloc(64, 8, false, &result));
	EXPECT(strstr(result.text, "entered again"));
	EXPECT(!pcpu_try_alloc(64, 8, true, &result));
	EXPECT(strstr(result.text, "entered again"));
	warn_expect_begin();
	EXPECT(!__alloc_percpu(64, 8));
	warnings = warn_expect_end();
	EXPECT(warnings <= 1);
	warn_last(text, sizeof(text));
	EXPECT(warnings == 0 || strstr(text, "entered again"));
	test_free_now(first_areas[0]); /* frees need no mutex */
}

TEST(percpu_U22_allocation_inside_an_allocation_is_refused, TEST_QUICK)
{
	struct pcpu_stats before, after;
	void __percpu *ptr;

	first_areas[0] = __alloc_percpu(64, 8);
	pcpu_sync(); /* nothing else waits to be freed */
	pcpu_stats_get(&before);
	ptr = alloc_stopped(t, 64, 8, enter_again);
	pcpu_stats_get(&after);
	EXPECT(ptr);
	EXPECT_EQ(after.bad_allocs, before.bad_allocs + 3);
	EXPECT_EQ(after.allocs, before.allocs + 1);
	EXPECT_EQ(after.frees, before.frees + 1);
	free_percpu(ptr);
	test_expect_sound(t, "after re-entrancy");
}

/* ---- U2: books larger than a page ---- */

#define MANY_AREAS 1100

TEST(percpu_U2_a_chunk_of_1100_areas_grows_its_map_outside_the_lock, TEST_QUICK)
{
	static void __percpu *areas[MANY_AREAS];
	struct pcpu_chunk_info info = {0};
	unsigned long chunk;

	test_chunks_exhaust(t);
	for (size_t i = 0; i < MANY_AREAS; i++) {
		areas[i] = __alloc_percpu(8, 8);
		EXPECT_EQ(spin_held_count(), 0);
		if (areas[i])
			test_fill(areas[i], 8, (unsigned int)i);
	}
	chunk = test_chunk_of(areas[0]);
	EXPECT_EQ(test_chunk_of(areas[MANY_AREAS - 1]), chunk);
	EXPECT(test_chunk_info(chunk, &info));
	EXPECT(info.nr_entries > MANY_AREAS);
	EXPECT(info.map_room * sizeof(int) > PAGE_SIZE);
	test_expect_sound(t, "with 1100 areas");
	for (size_t i = 0; i < MANY_AREAS; i++) {
		size_t k = i * 631 % MANY_AREAS; /* 631 and 1100 have no common factor */

		if (areas[k])
			EXPECT_EQ(test_wrong_bytes(areas[k], 8, (unsigned int)k), 0);
		free_percpu(areas[k]);
	}
	test_expect_sound(t, "after 1100 frees");
	test_chunks_release();
}
