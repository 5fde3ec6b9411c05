// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every CPU at once: a thread on each allocates, fills every CPU's copy with a pattern, checks it
 * and frees, or hands the area over to be checked and freed by another CPU's thread or by the timer
 * interrupt of whichever CPU comes first. Meanwhile the invariant checker looks on.
 *
 * Areas are handed over on lists without locks: anybody pushes, one consumer takes all at once.
 */
#include "arch/x86_64/smp.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/kmalloc.h"
#include "tests/kernel/percpu_util.h"

#define SLOTS	  48 /* areas that one worker has at any time */
#define LONGER_US 10000000

enum state { EMPTY, LIVE, HANDED_OVER };

/* One area. Its worker owns it, but while it is handed over the consumer does. */
struct slot {
	struct slot *next; /* in the list that it was handed over on */
	void __percpu *ptr;
	size_t size;
	unsigned int seed; /* of its pattern */
	enum state state;  /* loads acquire, stores release */
};

struct plan;

struct worker {
	struct test_run *t;
	struct thread *thread;
	struct slot slots[SLOTS];
	struct slot *inbox; /* areas from other workers, to be freed here */
	uint64_t random;
	uint64_t deadline; /* time_us */
	const struct plan *plan;
	size_t nr_ops, failures;
};

/* What a stress does. */
struct plan {
	size_t max_ops, max_size; /* of each worker, of an area */
	uint64_t us;		  /* how long at most */
	unsigned int check_ms;	  /* between two looks at the invariants */
	unsigned int ways; /* one area in so many is freed by the timer, one by another CPU */
};

static struct worker *workers[NR_CPUS];
static struct slot *timer_inbox;
static unsigned long timer_frees, corrupt;

static void push(struct slot **list, struct slot *slot)
{
	struct slot *head = __atomic_load_n(list, __ATOMIC_RELAXED);

	do {
		slot->next = head;
	} while (!__atomic_compare_exchange_n(list, &head, slot, true, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

/* Checks an area and frees it. Any context. */
static void finish(struct slot *slot)
{
	size_t wrong = test_wrong_bytes(slot->ptr, slot->size, slot->seed);

	__atomic_add_fetch(&corrupt, wrong, __ATOMIC_RELAXED);
	free_percpu(slot->ptr);
	__atomic_store_n(&slot->state, EMPTY, __ATOMIC_RELEASE);
}

static size_t finish_all(struct slot **list)
{
	struct slot *slot = __atomic_exchange_n(list, NULL, __ATOMIC_ACQUIRE), *next;
	size_t n = 0;

	for (; slot; slot = next, n++) {
		next = slot->next; /* its owner may use the slot again at once */
		finish(slot);
	}
	return n;
}

static void free_in_timer(void)
{
	__atomic_add_fetch(&timer_frees, finish_all(&timer_inbox), __ATOMIC_RELAXED);
}

static size_t random_size(struct worker *w)
{
	uint64_t r = test_random(&w->random);

	if (r % 16 < 11)
		return 1 + (r >> 8) % 64;
	return 1 +
	       (r >> 8) % (r % 16 < 15 ? min(w->plan->max_size, (size_t)512) : w->plan->max_size);
}

static void make_area(struct worker *w, struct slot *slot)
{
	size_t size = random_size(w), align = (size_t)1 << (test_random(&w->random) % 8);
	void __percpu *ptr = __alloc_percpu(size, align);

	if (!ptr) {
		w->failures++;
		return;
	}
	__atomic_add_fetch(&corrupt, test_nonzero_bytes(ptr, size), __ATOMIC_RELAXED);
	slot->ptr = ptr;
	slot->size = size;
	slot->seed = (unsigned int)test_random(&w->random);
	test_fill(ptr, size, slot->seed);
	__atomic_store_n(&slot->state, LIVE, __ATOMIC_RELEASE);
}

static struct worker *random_worker(struct worker *w)
{
	unsigned int cpu = cpumask_next(&cpu_online_mask,
					(unsigned int)(test_random(&w->random) % nr_cpu_ids));

	return workers[cpu < nr_cpu_ids ? cpu : cpumask_next(&cpu_online_mask, 0)];
}

static void end_area(struct worker *w, struct slot *slot)
{
	uint64_t way = test_random(&w->random) % w->plan->ways;

	if (way >= 2) {
		finish(slot);
		return;
	}
	__atomic_store_n(&slot->state, HANDED_OVER, __ATOMIC_RELEASE);
	push(way == 1 ? &random_worker(w)->inbox : &timer_inbox, slot);
}

/* Until its time is over; where a host runs so many CPUs so slowly that no area has gone through a timer interrupt
 * by then, longer. */
static bool goes_on(const struct worker *w)
{
	bool none = __atomic_load_n(&timer_frees, __ATOMIC_RELAXED) == 0;

	return w->nr_ops < w->plan->max_ops && time_us() < w->deadline + (none ? LONGER_US : 0);
}

static void work(void *arg)
{
	struct worker *w = arg;

	while (goes_on(w)) {
		struct slot *slot = &w->slots[test_random(&w->random) % SLOTS];
		enum state state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);

		finish_all(&w->inbox);
		w->nr_ops += state != HANDED_OVER;
		if (state == EMPTY)
			make_area(w, slot);
		else if (state == LIVE)
			end_area(w, slot);
	}
}

static void free_workers(void)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		kfree(workers[cpu]);
		workers[cpu] = NULL;
	}
}

static bool make_workers(struct test_run *t, const struct plan *plan)
{
	uint64_t deadline = time_us() + plan->us;
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		workers[cpu] = kzalloc(sizeof(*workers[cpu]));
		if (!workers[cpu])
			return false;
		workers[cpu]->t = t;
		workers[cpu]->random = test_seed(cpu);
		workers[cpu]->plan = plan;
		workers[cpu]->deadline = deadline;
	}
	return true;
}

/* All workers have ended: frees what they left and adds up what they did. */
static size_t finish_workers(struct test_run *t)
{
	unsigned int cpu;
	size_t ops = 0;

	finish_all(&timer_inbox);
	for_each_online_cpu (cpu) {
		struct worker *w = workers[cpu];

		finish_all(&w->inbox);
		ops += w->nr_ops;
		EXPECT_EQ(w->failures, 0);
	}
	for_each_online_cpu (cpu) {
		for (size_t i = 0; i < SLOTS; i++) {
			EXPECT(workers[cpu]->slots[i].state != HANDED_OVER);
			if (workers[cpu]->slots[i].state == LIVE)
				finish(&workers[cpu]->slots[i]);
		}
	}
	return ops;
}

/* At most one wholly free chunk is kept; nothing else may be left behind. */
static void expect_chunks_back(struct test_run *t, size_t chunks_before)
{
	static struct pcpu_chunk_info chunks[64];
	size_t n, nr_free = 0;

	pcpu_sync();
	n = pcpu_inspect_chunks(chunks, ARRAY_SIZE(chunks));
	EXPECT(n <= chunks_before + 1);
	for (size_t i = 0; i < min(n, ARRAY_SIZE(chunks)); i++)
		nr_free += chunks[i].free_size == chunks[i].span;
	EXPECT(nr_free <= 1);
}

static void run_workers(struct test_run *t, unsigned int check_ms)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		workers[cpu]->thread = thread_create("stress", work, workers[cpu], cpu);
		EXPECT(workers[cpu]->thread);
	}
	for (uint64_t end = workers[cpumask_next(&cpu_online_mask, 0)]->deadline;
	     time_us() < end;) {
		thread_sleep_ms(check_ms);
		test_expect_sound(t, "during the stress");
	}
	for_each_online_cpu (cpu) {
		if (workers[cpu]->thread)
			thread_join(workers[cpu]->thread);
	}
}

static void stress(struct test_run *t, const struct plan *plan)
{
	struct pcpu_stats before, after;
	size_t chunks;

	pcpu_sync();
	chunks = pcpu_inspect_chunks(NULL, 0);
	pcpu_stats_get(&before);
	timer_frees = 0;
	corrupt = 0;
	if (make_workers(t, plan) && thread_tick_hook_add(free_in_timer)) {
		run_workers(t, plan->check_ms);
		thread_tick_hook_remove(free_in_timer);
		thread_sleep_ms(2); /* a call that had begun has ended */
		test_diag("%s: %zu operations, %lu frees in timer interrupts", __func__,
			  finish_workers(t), timer_frees);
	} else {
		test_fail(t, __FILE__, __LINE__, "no memory or no timer hook for the workers");
	}
	free_workers();
	EXPECT_EQ(corrupt, 0);
	EXPECT(timer_frees > 0);
	test_expect_sound(t, "after the stress");
	expect_chunks_back(t, chunks);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.live_areas, before.live_areas);
	EXPECT_EQ(after.live_bytes, before.live_bytes);
}

TEST(percpu_smp_short_stress, TEST_QUICK)
{
	stress(t, &(struct plan){10000, 512, 120000, 20, 4});
}

TEST(percpu_smp_stress, TEST_SLOW)
{
	stress(t, &(struct plan){SIZE_MAX, 4096, 4000000, 50, 4});
}

TEST(percpu_smp_stress_with_large_areas, TEST_SLOW)
{
	stress(t, &(struct plan){SIZE_MAX, PCPU_MIN_UNIT_SIZE, 2000000, 50, 4});
}

/* Allocations and frees that succeeded since boot. */
static unsigned long operations(void)
{
	struct pcpu_stats stats;

	pcpu_stats_get(&stats);
	return stats.allocs + stats.frees;
}

TEST(percpu_soak_ten_million_operations, TEST_SOAK)
{
	unsigned long start = operations(), done = 0;

	while (done < 10000000 && !test_failed(t)) {
		stress(t, &(struct plan){SIZE_MAX, 256, 20000000, 500, 500});
		done = operations() - start;
		test_diag("soak: %lu operations so far", done);
	}
	EXPECT(done >= 10000000);
}

/* ---- U26: one lock for all ---- */

static struct {
	uint64_t deadline;
	size_t pairs[NR_CPUS];
} scaling;

static void make_pairs(void *arg __unused)
{
	unsigned int cpu = smp_processor_id();

	while (time_us() < scaling.deadline) {
		free_percpu(__alloc_percpu(16, 8));
		scaling.pairs[cpu]++;
	}
}

/* Pairs of allocation and free that nr_threads threads do together in us microseconds. */
static size_t measure(struct test_run *t, unsigned int nr_threads, uint64_t us)
{
	static struct thread *threads[NR_CPUS];
	unsigned int cpu, left = nr_threads;
	size_t sum = 0;

	memset(&scaling, 0, sizeof(scaling));
	scaling.deadline = time_us() + us;
	for_each_online_cpu (cpu) {
		threads[cpu] = left ? thread_create("pairs", make_pairs, NULL, cpu) : NULL;
		EXPECT(threads[cpu] || !left);
		left -= left > 0;
	}
	for_each_online_cpu (cpu) {
		if (!threads[cpu])
			continue;
		thread_join(threads[cpu]);
		EXPECT(scaling.pairs[cpu] > 0);
		sum += scaling.pairs[cpu];
	}
	return sum;
}

TEST(percpu_U26_scaling_is_known, TEST_SLOW)
{
	const uint64_t us = 300000;
	unsigned int all = test_nr_online();
	size_t one = measure(t, 1, us);

	for (unsigned int n = 1; n <= all; n = n < all && 2 * n > all ? all : 2 * n) {
		size_t pairs = measure(t, n, us);

		test_diag("percpu_U26: threads=%u pairs_per_second=%lu of_one_thread=%lu%%", n,
			  (unsigned long)(pairs * 1000000 / us),
			  (unsigned long)(pairs * 100 / max(one, (size_t)1)));
	}
	EXPECT(one > 0);
}

/* ---- O16: how long interrupts stay off ---- */

#define LONG_MAP 4000
#define LIMIT_NS 5000000 /* a tick and a bit: a device would notice */

static uint32_t shortest[LONG_MAP]; /* of all rounds, by area */

/* Fills a new chunk's map and frees its areas in no order; notes how long each free took. */
static void time_frees(struct test_run *t)
{
	static void __percpu *areas[LONG_MAP];

	for (size_t i = 0; i < LONG_MAP; i++)
		areas[i] = __alloc_percpu(8, 8);
	EXPECT_EQ(test_chunk_of(areas[0]), test_chunk_of(areas[LONG_MAP - 1]));
	for (size_t i = 0; i < LONG_MAP; i++) {
		size_t k = i * 631 % LONG_MAP; /* 631 and 4000 have no common factor */
		irqflags_t flags = irq_save();
		uint64_t start = time_ns();

		free_percpu(areas[k]);
		shortest[k] = (uint32_t)min((uint64_t)shortest[k], time_ns() - start);
		irq_restore(flags);
	}
}

/* Each free counts as its best of a few rounds: the host, too, stops a CPU now and then. */
TEST(percpu_O16_the_longest_stretch_with_interrupts_off_is_known, TEST_SLOW)
{
	uint32_t longest = 0;

	if (pcpu_guard_on) {
		test_skip(t, "percpu_debug: with zones a chunk holds no map of 4000 entries");
		return;
	}
	test_chunks_exhaust(t);
	memset(shortest, 0xff, sizeof(shortest));
	for (unsigned int round = 0; round < 5; round++)
		time_frees(t);
	for (size_t i = 0; i < LONG_MAP; i++)
		longest = max(longest, shortest[i]);
	test_diag("percpu_O16: entries=%u longest_free_ns=%u", LONG_MAP, longest);
	EXPECT(longest < LIMIT_NS);
	test_chunks_release();
}
