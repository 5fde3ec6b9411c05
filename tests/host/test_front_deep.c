/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c tests/host/front_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * The front and everything around it: the checker sees each number that is wrong, chunks come and go,
 * CPUs meet at one area, and a long random story keeps to a plain model. HOST_OPS: operations of that.
 */
#define _GNU_SOURCE /* usleep */
#include "tests/host/front_look.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static const struct host_config two_cpus = {.nr_cpus = 2};

/* ---- The checker ---- */

static void __percpu *live, *ready, *dead;

static size_t class_16(void)
{
	return pcpu_front_class(16, 8);
}

static struct front_area *top_area(void)
{
	return pcpu_front_of(0)->top[class_16()] - 1;
}

static void tag_nothing(void)
{
	*front_tag((char __percpu *)live + 4) = TAG_DEAD;
}

static void tag_what_is_free(void)
{
	char __percpu *past = must_alloc(2000, 8); /* no area of the front */
	struct pcpu_where where;

	host_free(past);
	pcpu_where(past, &where);
	*front_tag(past - (where.offset - where.area_offset)) = TAG_LIVE | (uint8_t)class_16();
}

static void forget_the_mark(void)
{
	struct pcpu_frame *frame = pcpu_front_frame((uintptr_t)dead);

	memset(pcpu_front_mark(frame->tags, 0), 0, pcpu_unit_size / FRONT_BLOCK);
}

static void change_the_class(void)
{
	*front_tag(live) = TAG_LIVE | (uint8_t)(class_16() + 1);
}

static void change_the_ready_tag(void)
{
	*top_area()->tag = TAG_LIVE | (uint8_t)class_16();
}

static void change_the_lowest_ready_tag(void)
{
	*pcpu_front_of(0)->bottom[class_16()]->tag = TAG_LIVE | (uint8_t)class_16();
}

static void lower_the_limit(void)
{
	struct pcpu_front *front = pcpu_front_of(0);

	size_t bytes = 16 * (size_t)(front->limit[class_16()] - front->bottom[class_16()]);

	front->limit_bytes -= bytes;
	pcpu_front_limits -= bytes;
	front->limit[class_16()] = front->bottom[class_16()];
}

static void count_fewer_limits(void)
{
	pcpu_front_of(1)->limit_bytes--;
}

static void count_more_limits(void)
{
	pcpu_front_limits += 4;
}

static void forget_one_on_the_stack(void)
{
	pcpu_front_of(0)->top[class_16()]--;
}

static void count_more_dead(void)
{
	pcpu_front_of(1)->dead_bytes += 8;
}

static void count_one_more(void)
{
	pcpu_front_of(1)->allocs[class_16()]++;
}

static void count_more_bytes(void)
{
	pcpu_front_bytes += 4;
}

static const struct damage {
	void (*make)(void);
	const char *text;
} damages[] = {
	{tag_nothing, "front: a tag where no area starts"},
	{tag_what_is_free, "front: a tag where no area starts"},
	{forget_the_mark, "front: a dead area in a block without a mark"},
	{change_the_class, "front: an area of another length than its class"},
	{change_the_ready_tag, "front: a ready area with another tag"},
	{change_the_lowest_ready_tag, "front: a ready area with another tag"},
	{lower_the_limit, "front: a stack above its limit"},
	{count_fewer_limits, "front: limits of a CPU that do not add up"},
	{count_more_limits, "front: limits that are not counted"},
	{forget_one_on_the_stack, "front: areas that are idle and on no stack"},
	{count_more_dead, "front: bytes that are dead and not counted"},
	{count_one_more, "front: areas that are live and not counted"},
	{count_more_bytes, "front: bytes that are carved and not counted"},
};

static unsigned int is_seen(const void *arg)
{
	const struct damage *damage = arg;
	struct pcpu_check_result result;

	damage->make();
	CHECK(!pcpu_check(&result));
	if (strcmp(result.error, damage->text) != 0)
		host_check_failed(__FILE__, __LINE__, "got \"%s\", want \"%s\"", result.error,
				  damage->text);
	return 1;
}

FRONT_TEST(front_the_checker_sees_every_number_that_is_wrong)
{
	host_boot(&two_cpus);
	live = front_alloc_with_room(16, 8);
	ready = front_alloc_with_room(16, 8);
	dead = must_alloc(16, 8);
	front_free_dead(dead);
	host_free(ready);
	check_invariants("before any damage");
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
		CHECK_EQ(host_in_fork(is_seen, &damages[i]), 1);
}

/* ---- Chunks that come and go ---- */

static void many_chunks(unsigned int nr_cpus, ssize_t unit_size, bool ranges_fall)
{
	static void __percpu *ptrs[40][3];

	host_boot(&(struct host_config){.nr_cpus = nr_cpus,
					.unit_size = unit_size,
					.nr_pages = 32768,
					.ranges_fall = ranges_fall});
	/* Of the heap, no more than a tag a granule, a mark a block, and a frame wherever a unit may lie. */
	CHECK(pcpu_front_book_bytes() <=
	      TAGS_OF_BLOCK + pcpu_unit_size / FRONT_GRANULE + pcpu_unit_size / FRONT_BLOCK +
		      (pcpu_unit_size / PCPU_MIN_UNIT_SIZE + 2) * sizeof(struct pcpu_frame));
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
		ptrs[i][0] = must_alloc(PCPU_MIN_UNIT_SIZE - 2048, 4);
		ptrs[i][1] = must_alloc(64, 8);
		ptrs[i][2] = must_alloc(600, 8);
		pattern_fill(ptrs[i][1], 64, i);
	}
	check_invariants("many chunks");
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++) {
		size_t k = i * 7 % ARRAY_SIZE(ptrs);

		pattern_check(ptrs[k][1], 64, k);
		for (size_t j = 0; j < 3; j++)
			host_free(ptrs[k][j]);
		front_refused(ptrs[k][1]);
		if (i % 8 == 0)
			pcpu_sync();
	}
	pcpu_sync();
	CHECK(look_chunks() <= 2);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		front_refused(ptrs[i][1]);
	CHECK_EQ(look_stats().live_areas, 0);
	CHECK_EQ(look_stats().idle_areas, 0);
}

#define LAST 992 /* bytes at the end of a chunk: a class */

static void kill_chunks(size_t nr)
{
	void __percpu *first[3], *last[3];

	for (size_t i = 0; i < nr; i++) {
		first[i] = must_alloc(PCPU_MIN_UNIT_SIZE - LAST, 4);
		last[i] = must_alloc(LAST, 4);
	}
	for (size_t i = 0; i < nr; i++) {
		host_free(first[i]);
		front_free_on(1, last[i]);
	}
}

/* What a sweep frees wholly is told, whatever the one before said. */
FRONT_TEST(front_settle_tells_whether_chunks_are_free_that_nobody_needs)
{
	host_boot(&(struct host_config){.nr_cpus = 2, .unit_size = PCPU_MIN_UNIT_SIZE});
	fill_chunks();
	for (unsigned int i = 0; i < 3; i++) {
		kill_chunks(1);
		CHECK(!pcpu_settle());
		kill_chunks(3);
		CHECK(pcpu_settle());
		pcpu_sync();
	}
	check_invariants("settled");
}

FRONT_TEST(front_finds_areas_of_many_chunks_of_one_cpu)
{
	many_chunks(1, 65536, false);
}

FRONT_TEST(front_finds_areas_of_many_chunks_that_fall)
{
	many_chunks(3, 65536 + 3 * 4096, true);
}

FRONT_TEST(front_finds_areas_of_large_units)
{
	many_chunks(1, 4 << 20, false);
}

/* A CPU is inside a hit from when the chunk has left the lists until it is known that it may go. */
static pthread_barrier_t inside;
static struct pcpu_chunk *going;
static uintptr_t going_base;

static void *stay_inside(void *arg)
{
	irqflags_t flags;

	(void)arg;
	host_become_cpu(1);
	flags = port_irq_save();
	pthread_barrier_wait(&inside);
	usleep(100000);
	/* Reclaim waits for this CPU: what it looked up is still there. */
	CHECK_EQ(*(volatile uintptr_t *)&((struct pcpu_frame *)going->front_books)->base,
		 going_base);
	port_irq_restore(flags);
	return NULL;
}

static pthread_t insider;
static bool entered;

static bool going_is_out(void)
{
	irqflags_t flags = port_lock();
	bool out = pcpu_chunk_below((uintptr_t)going->base) != going;

	port_unlock(flags);
	return out;
}

static void enter_when_unlinked(void)
{
	if (entered || port_lock_held() || !going_is_out())
		return;
	entered = true;
	pthread_create(&insider, NULL, stay_inside, NULL);
	pthread_barrier_wait(&inside);
}

FRONT_TEST(front_a_chunk_stays_until_every_cpu_is_past_its_hits)
{
	void __percpu *ptrs[3];
	irqflags_t flags;
	size_t offset;

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(PCPU_MIN_UNIT_SIZE, 4);
	host_free(ptrs[0]); /* is kept, in front */
	flags = port_lock();
	going = pcpu_chunk_of_area(ptrs[1], &offset);
	port_unlock(flags);
	going_base = ((struct pcpu_frame *)going->front_books)->base;
	host_free(ptrs[1]);
	host_free(ptrs[2]);
	pthread_barrier_init(&inside, NULL, 2);
	host_after_unlock = enter_when_unlinked;
	pcpu_sync();
	host_after_unlock = NULL;
	CHECK(entered);
	pthread_join(insider, NULL);
	check_invariants("one chunk is left");
}

/* ---- Two CPUs at one area ---- */

#define RACES 20000

static void __percpu *contested;
static unsigned long arrived;

/* Waits until both CPUs have come here as often. */
static void meet(unsigned long round)
{
	__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 1; __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < 2 * round; i++) {
		if (i % 4096 == 0)
			sched_yield();
	}
}

static void *race(void *arg)
{
	host_become_cpu((unsigned int)(uintptr_t)arg);
	for (unsigned long round = 1; round < 3 * RACES; round += 3) {
		if (host_cpu() == 0)
			contested = must_alloc(8, 8);
		meet(round);
		meet(round + 1);
		free_percpu(contested);
		meet(round + 2);
	}
	return NULL;
}

FRONT_TEST(front_of_two_frees_at_once_exactly_one_wins)
{
	pthread_t threads[2];

	host_boot(&two_cpus);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, race, (void *)i);
	for (size_t i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(look_stats().frees, RACES);
	CHECK_EQ(look_stats().bad_frees, RACES);
	CHECK_EQ(look_stats().live_areas, 0);
	check_invariants("after the race");
}

/* Whoever saw a live tag and comes too late changes nothing, whatever it is by now. */
FRONT_TEST(front_a_free_that_lost_leaves_the_tag_alone)
{
	uint8_t tags[] = {0, 4, TAG_DEAD, TAG_LIVE | 5};

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		uint8_t tag = tags[i], mark = 0;

		tag_put_back(&tag, tag_claim(&tag), &mark);
		CHECK_EQ(tag, tags[i]);
		CHECK_EQ(mark, tags[i] == TAG_DEAD); /* a sweep may just have passed by */
	}
	CHECK_EQ(tag_claim(&tags[3]), TAG_LIVE | 5);
	CHECK_EQ(tags[3], TAG_CLAIMED);
	tag_put_back(&tags[1], TAG_DEAD, &tags[0]); /* somebody has made it 4 meanwhile */
	CHECK_EQ(tags[1], 4);
}

/* ---- A random story ---- */

#define NR_KEPT 300

static struct kept {
	char __percpu *ptr;
	size_t size;
	uint64_t seed;
} kept[NR_KEPT];

static void free_kept(struct kept *area, uint64_t dice)
{
	pattern_check(area->ptr, area->size, area->seed);
	if (dice % 3 == 0)
		front_free_on((unsigned int)(dice >> 8) % 3, area->ptr);
	else
		host_free(area->ptr);
	if (dice % 16 == 1)
		front_refused(area->ptr);
	area->ptr = NULL;
}

static void make_kept(struct kept *area, uint64_t dice)
{
	area->size = 1 + (dice >> 8) % (dice % 8 == 0 ? 1200 : dice % 64 == 1 ? 30000 : 96);
	area->seed = dice;
	area->ptr = must_alloc(area->size, (size_t)1 << (dice >> 40) % 8);
	CHECK_EQ((uintptr_t)area->ptr % ((size_t)1 << (dice >> 40) % 8), 0);
	check_filled(area->ptr, area->size, 0, "a fresh area");
	pattern_fill(area->ptr, area->size, area->seed);
}

static void one_operation(uint64_t dice, unsigned long *nr_live)
{
	struct kept *area = &kept[dice % NR_KEPT];

	dice /= NR_KEPT;
	host_become_cpu((unsigned int)dice % 3);
	dice /= 3;
	if (dice % 97 == 0) {
		pcpu_settle();
		CHECK_EQ(look_stats().idle_areas, 0);
	} else if (dice % 89 == 0) {
		host_run_reclaim();
	} else if (area->ptr) {
		free_kept(area, dice);
		--*nr_live;
	} else {
		make_kept(area, dice);
		++*nr_live;
	}
}

FRONT_TEST(front_a_random_story_keeps_to_a_plain_model)
{
	unsigned long ops = host_env("HOST_OPS", 40000) / 10, nr_live = 0;
	uint64_t random = 7;

	host_boot(&(struct host_config){.nr_cpus = 3, .style = HOST_PAGE});
	for (unsigned long i = 0; i < ops; i++) {
		one_operation(host_random(&random), &nr_live);
		CHECK_EQ(look_stats().live_areas, nr_live);
		if (i % 4 == 0)
			check_invariants("a random operation");
	}
	host_become_cpu(0);
	for (size_t i = 0; i < NR_KEPT; i++) {
		if (kept[i].ptr)
			free_kept(&kept[i], 2);
	}
	pcpu_sync();
	CHECK_EQ(look_stats().live_areas + look_stats().idle_areas, 0);
	check_invariants("the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(front_the_checker_sees_every_number_that_is_wrong),
		cmocka_unit_test(front_settle_tells_whether_chunks_are_free_that_nobody_needs),
		cmocka_unit_test(front_finds_areas_of_many_chunks_of_one_cpu),
		cmocka_unit_test(front_finds_areas_of_many_chunks_that_fall),
		cmocka_unit_test(front_finds_areas_of_large_units),
		cmocka_unit_test(front_a_chunk_stays_until_every_cpu_is_past_its_hits),
		cmocka_unit_test(front_of_two_frees_at_once_exactly_one_wins),
		cmocka_unit_test(front_a_free_that_lost_leaves_the_tag_alone),
		cmocka_unit_test(front_a_random_story_keeps_to_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
