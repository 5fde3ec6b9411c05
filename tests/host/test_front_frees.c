/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c tests/host/front_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Frees of the front: which it takes, in which context, and that each of the others changes nothing.
 */
#define _GNU_SOURCE /* REG_EFL */
#include "tests/host/front_look.h"

#include <signal.h>
#include <ucontext.h>

static const struct host_config two_cpus = {.nr_cpus = 2};

FRONT_TEST(front_a_second_free_is_refused_while_the_area_is_ready)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	ptr = front_alloc_with_room(16, 8);
	host_free(ptr);
	CHECK_EQ(*front_tag(ptr), pcpu_front_class(16, 8));
	CHECK_EQ(look_what(ptr), PCPU_FREE);
	front_refused(ptr);
}

/* A CPU whose stack has no room and gets none marks dead what it frees. */
FRONT_TEST(front_a_second_free_is_refused_while_dead_and_when_swept)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	ptr = must_alloc(16, 8);
	front_free_dead(ptr);
	CHECK_EQ(*front_tag(ptr), TAG_DEAD);
	CHECK_EQ(look_what(ptr), PCPU_FREE);
	front_refused(ptr);
	pcpu_settle();
	CHECK_EQ(*front_tag(ptr), 0);
	CHECK_EQ(look_what(ptr), PCPU_FREE);
	front_refused(ptr);
}

FRONT_TEST(front_a_free_of_anything_but_a_start_is_refused)
{
	char __percpu *ptr;

	host_boot(&two_cpus);
	ptr = must_alloc(64, 8);
	for (size_t at = 1; at < 64; at++)
		front_refused(ptr + at);
	front_refused(ptr + pcpu_unit_size); /* CPU 1's copy */
	front_refused((char __percpu *)(uintptr_t)per_cpu_ptr(ptr, 1));
	front_refused((char __percpu *)(uintptr_t)__per_cpu_start);
	front_refused((char __percpu *)(uintptr_t)0x1000);
	host_free(ptr);
	check_invariants("freed after all");
}

static void free_try(void *arg)
{
	struct pcpu_result result;

	pcpu_try_free((void __percpu *)(uintptr_t)arg, &result);
	CHECK(result.error != NULL);
}

static void __percpu *contested;

static void free_contested_too(void)
{
	void __percpu *ptr = contested;

	contested = NULL;
	if (ptr != NULL)
		host_run_as(1, free_try, (void *)(uintptr_t)ptr);
}

/* Past the front while it is closed: still one free wins. */
FRONT_TEST(front_while_closed_one_of_two_frees_wins)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	ptr = must_alloc(16, 8);
	port_mutex_lock();
	pcpu_front_close();
	port_mutex_unlock();
	host_after_unlock = free_contested_too;
	contested = ptr;
	host_free(ptr);
	host_after_unlock = NULL;
	CHECK(contested == NULL);
	CHECK_EQ(*front_tag(ptr), 0);
	CHECK_EQ(look_stats().frees, 1);
	CHECK_EQ(look_stats().bad_frees, 1);
	pcpu_front_open();
	check_invariants("closed");
	CHECK_EQ(look_stats().live_areas, 0);
}

static void free_quietly(void *arg)
{
	free_percpu((void __percpu *)(uintptr_t)arg);
}

FRONT_TEST(front_an_interrupt_frees)
{
	void __percpu *ptr;

	host_boot(&two_cpus);
	ptr = front_alloc_with_room(16, 8);
	host_interrupt(0, free_quietly, (void *)(uintptr_t)ptr);
	CHECK(must_alloc(16, 8) == ptr);
	host_interrupt(1, free_quietly, (void *)(uintptr_t)ptr);
	CHECK_EQ(front_ready(1, 16), 1); /* its stack is deeper now */
	CHECK_EQ(*front_tag(ptr), pcpu_front_class(16, 8));
	check_invariants("freed in interrupts");
}

/* pcpu_free_locked, once somebody else was faster after its look at the tag. */
static void release_late(void __percpu *ptr)
{
	irqflags_t flags = port_lock();
	size_t offset;
	struct pcpu_chunk *chunk = pcpu_chunk_of_area(ptr, &offset);

	CHECK(!pcpu_front_release(chunk, offset));
	port_unlock(flags);
}

FRONT_TEST(front_a_release_after_somebody_elses_free_changes_nothing)
{
	void __percpu *ready, *dead;
	struct pcpu_stats before;

	host_boot(&two_cpus);
	ready = front_alloc_with_room(16, 8);
	dead = must_alloc(16, 8);
	host_free(ready);
	front_free_dead(dead);
	before = look_stats();
	release_late(ready);
	CHECK_EQ(*front_tag(ready), pcpu_front_class(16, 8));
	release_late(dead);
	CHECK_EQ(*front_tag(dead), TAG_DEAD);
	CHECK_EQ(look_stats().frees, before.frees);
	CHECK_EQ(look_stats().idle_areas, before.idle_areas);
	check_invariants("two late releases");
	CHECK(must_alloc(16, 8) == ready);
}

/* A sweep that passes while the tag is claimed sees nothing to sweep: the next one has to. */
FRONT_TEST(front_a_release_that_lost_to_a_dead_area_marks_its_block_again)
{
	struct pcpu_frame *frame;
	void __percpu *dead;

	host_boot(&two_cpus);
	dead = must_alloc(16, 8);
	front_free_dead(dead);
	frame = pcpu_front_frame((uintptr_t)dead);
	memset(pcpu_front_mark(frame->tags, 0), 0, pcpu_unit_size / FRONT_BLOCK);
	release_late(dead);
	check_invariants("marked again");
	pcpu_sync();
	CHECK_EQ(*front_tag(dead), 0);
	CHECK_EQ(look_stats().idle_areas, 0);
}

/* A free that was too late marks a block again that a sweep has cleared meanwhile: there is nothing to give back. */
FRONT_TEST(front_a_marked_block_with_nothing_dead_is_passed_by)
{
	void __percpu *live, *dead;
	struct pcpu_frame *frame;

	host_boot(&two_cpus);
	live = must_alloc(16, 8);
	dead = must_alloc(1024, 8);
	front_free_dead(dead);
	frame = pcpu_front_frame((uintptr_t)live);
	memset(pcpu_front_mark(frame->tags, 0), 1, pcpu_unit_size / FRONT_BLOCK);
	pcpu_sync();
	CHECK_EQ(*front_tag(dead), 0);
	CHECK_EQ(*front_tag(live), TAG_LIVE | pcpu_front_class(16, 8));
	CHECK_EQ(look_stats().live_areas, 1);
	check_invariants("passed by");
}

/* ---- At each instruction ---- */

#define RFLAGS_TF 0x100 /* a trap after each instruction: SDM volume 3, 18.3.1.4 */

static void __percpu *raced;
static unsigned long steps, race_at;
static bool other_won;

static void free_as_a_hit(void *arg)
{
	other_won = pcpu_front_free((void __percpu *)(uintptr_t)arg, 0);
}

static void on_step(int signal __unused, siginfo_t *info __unused, void *context)
{
	ucontext_t *here = context;

	if (++steps < race_at)
		return;
	here->uc_mcontext.gregs[REG_EFL] &= ~RFLAGS_TF;
	host_run_as(1, free_as_a_hit, (void *)(uintptr_t)raced);
}

/* Frees `raced`; after race_at instructions of that, CPU 1 frees it too. False: it did not take as many. */
static bool free_against_another(void)
{
	steps = 0;
	other_won = false;
	/* Past the red zone, where the compiler may keep something. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::"i"(RFLAGS_TF)
			 : "memory", "cc");
	free_percpu(raced);
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq %0, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::"i"(~RFLAGS_TF)
			 : "memory", "cc");
	return steps == race_at;
}

static void __percpu *made_room;

static void make_room(void *arg __unused)
{
	front_deepen(16);
	made_room = must_alloc(16, 8);
}

/* CPU 1 keeps what it frees, or has no room for it. Returns whether there was such an instruction. */
static bool race_once(bool room, unsigned long *won_by_other)
{
	unsigned long frees;
	bool raced_on;
	uint8_t tag;

	if (room)
		host_run_as(1, make_room, NULL);
	raced = must_alloc(16, 8);
	frees = look_stats().frees;
	pcpu_front_hold_limits(!room);
	raced_on = free_against_another();
	pcpu_front_hold_limits(false);
	if (!raced_on)
		return false;
	*won_by_other += other_won;
	tag = *front_tag(raced);
	CHECK(tag == TAG_DEAD || tag == pcpu_front_class(16, 8));
	CHECK(!other_won || (tag == TAG_DEAD) != room);
	CHECK_EQ(look_stats().frees, frees + 1);
	check_invariants("two frees");
	if (room)
		host_free(made_room);
	return true;
}

static void race_at_each_instruction(bool room)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	unsigned long won_by_other = 0;

	setenv("HOST_FRONT", "on", 1);
	host_boot(&two_cpus);
	CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	for (race_at = 1; race_once(room, &won_by_other); race_at++)
		;
	CHECK(won_by_other > 10 && race_at - won_by_other > 10);
}

/* Of no engine, so once is enough. */
HOST_TEST(front_of_two_frees_one_wins_beside_a_cpu_with_room)
{
	race_at_each_instruction(true);
}

HOST_TEST(front_of_two_frees_one_wins_beside_a_cpu_without_room)
{
	race_at_each_instruction(false);
}

/* ---- Short of memory ---- */

/* A hole too short for the class has room for what was asked for; if not, that is what is told. */
FRONT_TEST(front_a_request_that_its_class_is_too_long_for_is_served)
{
	struct pcpu_result result;
	void __percpu *hole;

	host_boot(&two_cpus);
	CHECK(pcpu_front_size(pcpu_front_class(616, 1)) > 616);
	hole = must_alloc(616, 128); /* past the front, which aligns no more than 64 */
	fill_chunks();
	host_faults[HOOK_RANGE].fail_all = true;
	CHECK(pcpu_try_alloc(616, 1, false, &result) == NULL);
	CHECK_TEXT(result.text, "for size 616 align 1");
	host_free(hole);
	CHECK(host_alloc(616, 1) == hole);
	host_free(hole);
	check_invariants("a hole of the size asked for");
}

/* What was ready is taken back for the second try, which makes a chunk and then finds no page. */
FRONT_TEST(front_O6_a_second_try_that_made_a_chunk_wakes_reclaim)
{
	host_boot(&two_cpus);
	must_alloc(40000, 8);
	host_free(must_alloc(8, 8));
	host_fail(HOOK_RANGE, 1);
	host_faults[HOOK_PAGE].fail_all = true;
	CHECK(host_alloc(60000, 8) == NULL);
	host_fail_none();
	CHECK_EQ(look_chunks(), 2);
	CHECK(host_reclaim_pending);
	check_invariants("two tries");
}

/* ---- A drain, portion by portion ---- */

static size_t ready, most_buried;
static unsigned int portions;
static void __percpu *kept;

/* As a CPU that the drain has just been on: a hit, if something is ready still, and two frees. */
static void use_the_front(void)
{
	size_t left = front_ready(host_cpu(), 8);
	void __percpu *ptr;

	if (host_cpu() != 0)
		return;
	portions++;
	most_buried = max(most_buried, ready - left);
	ptr = left > 0 ? must_alloc(8, 8) : NULL;
	host_free(ptr);
	if (portions == 1)
		host_free(kept);
	ready = front_ready(0, 8);
	CHECK_EQ(ready, left);
}

/* Interrupts are off for some areas at a time, and what is freed meanwhile is not kept ready. */
FRONT_TEST(front_a_drain_turns_interrupts_on_again_and_again)
{
	void __percpu *ptrs[600];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(8, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	kept = must_alloc(8, 8);
	ready = front_ready(0, 8);
	CHECK(ready > 128);
	host_after_cpu_call = use_the_front;
	pcpu_settle();
	host_after_cpu_call = NULL;
	CHECK(portions > 2);
	CHECK(most_buried <= 64);
	CHECK_EQ(front_ready(0, 8) + front_limit(0, 8), 0);
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("drained");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_a_second_free_is_refused_while_the_area_is_ready),
		cmocka_unit_test(front_a_second_free_is_refused_while_dead_and_when_swept),
		cmocka_unit_test(front_a_free_of_anything_but_a_start_is_refused),
		cmocka_unit_test(front_while_closed_one_of_two_frees_wins),
		cmocka_unit_test(front_an_interrupt_frees),
		cmocka_unit_test(front_a_release_after_somebody_elses_free_changes_nothing),
		cmocka_unit_test(front_a_release_that_lost_to_a_dead_area_marks_its_block_again),
		cmocka_unit_test(front_a_marked_block_with_nothing_dead_is_passed_by),
		cmocka_unit_test(front_of_two_frees_one_wins_beside_a_cpu_with_room),
		cmocka_unit_test(front_of_two_frees_one_wins_beside_a_cpu_without_room),
		cmocka_unit_test(front_a_request_that_its_class_is_too_long_for_is_served),
		cmocka_unit_test(front_O6_a_second_try_that_made_a_chunk_wakes_reclaim),
		cmocka_unit_test(front_a_drain_turns_interrupts_on_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
