/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The search among very many chunks of which none will do: how much is done in one hold of the lock does
 * not depend on how many there are, and frees may move the chunk that it comes to next.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

#define CHUNKS 2000
#define UNIT   65536

/* A chunk's areas, of which one was freed: its run begins four bytes past the start of a page. */
#define BELOW  (4096 + 4)
#define RUN    29000
#define ABOVE  4000  /* free as well, the run belongs in a higher slot, and still */
#define WANTED 28950 /* bytes, at the start of a page, do not fit; they are no more than RUN */
#define REST   (UNIT - BELOW - RUN - ABOVE)

#define MOST_VISITED 64	 /* chunks */
#define MOST_TOUCHED 200 /* entries or nodes: books of one chunk or two */

static void __percpu *runs[CHUNKS], *above[CHUNKS];
static unsigned long holds, most_visited, most_touched;
static struct pcpu_stats last; /* counters at the last release of the lock */

static void after_hold(void)
{
	holds++;
	most_visited = max(most_visited, pcpu_counters.chunks_visited - last.chunks_visited);
	most_touched = max(most_touched, pcpu_counters.entries_touched - last.entries_touched);
	last = pcpu_counters;
}

/* As many chunks with such a run each; no other chunk has room, and none can be made. */
static void set_stage(void)
{
	host_boot(&(struct host_config){.nr_cpus = 1, .nr_pages = 65536});
	fill_chunks();
	for (size_t i = 0; i < CHUNKS; i++) {
		must_alloc(BELOW, 4);
		runs[i] = must_alloc(RUN, 4);
		above[i] = must_alloc(ABOVE, 4);
		must_alloc(REST, 4);
	}
	CHECK_EQ(look_stats().chunks_made, CHUNKS + 1);
	for (size_t i = 0; i < CHUNKS; i++)
		host_free(runs[i]);
	host_faults[HOOK_RANGE].fail_all = true;
}

/* A request that has to look at every chunk, and gets nothing. */
static void ask_in_vain(size_t size, size_t align, void (*after_unlock)(void))
{
	unsigned long visited = look_stats().chunks_visited;

	last = pcpu_counters;
	host_after_unlock = after_unlock;
	CHECK(host_alloc(size, align) == NULL);
	host_after_unlock = NULL;
	visited = look_stats().chunks_visited - visited;
	if (visited < CHUNKS)
		host_check_failed(__FILE__, __LINE__, "%lu chunks visited", visited);
}

static void check_holds(void)
{
	CHECK(holds > CHUNKS / MOST_VISITED);
	if (most_visited > MOST_VISITED || most_touched > MOST_TOUCHED)
		host_check_failed(__FILE__, __LINE__, "one hold: %lu chunks visited, %lu touched",
				  most_visited, most_touched);
	check_invariants("after a request that got nothing");
}

HOST_TEST(chunks_with_too_short_runs_are_passed_by_in_many_holds)
{
	set_stage();
	ask_in_vain(RUN + 4, 4, after_hold);
	check_holds();
}

HOST_TEST(chunks_with_misaligned_runs_are_passed_by_in_many_holds)
{
	set_stage();
	ask_in_vain(WANTED, 4096, after_hold);
	check_holds();
}

/* ---- Frees meanwhile ---- */

static size_t nr_moved;

/* The chunk that comes next goes to a higher slot, where it does not serve either. */
static void move_the_next(void)
{
	struct pcpu_chunk *next;
	size_t i = 0;

	if (pcpu_cursor == NULL || (holds++ % 5) != 0 || holds < 10)
		return;
	for (unsigned int slot = 0; slot < pcpu_nr_slots; slot++)
		if (pcpu_cursor == &pcpu_slots[slot])
			return;
	next = list_entry(pcpu_cursor, struct pcpu_chunk, node);
	while (i < CHUNKS &&
	       (above[i] == NULL || pcpu_ptr_to_addr(above[i]) - (uintptr_t)next->base >= UNIT))
		i++;
	if (i == CHUNKS)
		return;
	host_free(above[i]);
	above[i] = NULL;
	nr_moved++;
}

static void move_chunks(void)
{
	set_stage();
	ask_in_vain(WANTED, 4096, move_the_next);
	CHECK(nr_moved > 100);
	check_invariants("after chunks moved");
	CHECK(host_alloc(RUN + ABOVE, 4) != NULL);
}

HOST_TEST(the_chunk_that_comes_next_moves_to_another_slot)
{
	move_chunks();
}

HOST_TEST(with_bitmaps_chunks_that_move_are_found_in_their_new_slot)
{
	setenv("HOST_ENGINE", "bitmap", 1);
	move_chunks();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_with_too_short_runs_are_passed_by_in_many_holds),
		cmocka_unit_test(chunks_with_misaligned_runs_are_passed_by_in_many_holds),
		cmocka_unit_test(the_chunk_that_comes_next_moves_to_another_slot),
		cmocka_unit_test(with_bitmaps_chunks_that_move_are_found_in_their_new_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
