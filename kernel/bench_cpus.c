// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs churning at once: on 1, 2, … all CPUs, a thread each replaces areas of its own, all of them at the
 * same time. The clock runs from when the last is ready to when the last is done; of seven times the
 * median counts. Interrupts and the tick are as ever. In between, threads that only count do the same: what
 * they lose is the host's, not the allocator's.
 */
#include "arch/x86_64/smp.h"
#include "kernel/bench_internal.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"

#define LIVE	   1000
#define SWAPS	   2000		/* a round */
#define COUNTS	   (30 * SWAPS) /* of a round that only counts */
#define REPEATS	   7
#define MIN_US	   400000 /* that one CPU alone is busy */
#define MAX_ROUNDS 8192

/* One run: its threads begin together. */
struct race {
	unsigned int nr, rounds;
	bool counts;		  /* and allocates nothing */
	unsigned int ready, done; /* threads that are */
	bool go, failed;
	uint64_t start, end; /* time_us */
	struct port_lock_counts before, after;
};

struct result {
	uint64_t us[REPEATS], counting_us[REPEATS]; /* rising */
	struct port_lock_counts taken;
};

static struct wait_queue gate = WAIT_QUEUE_INIT(gate);

/* Whoever is done last stops the clock. Nobody frees his areas while another still churns. */
static void finish(struct race *race)
{
	if (__atomic_add_fetch(&race->done, 1, __ATOMIC_SEQ_CST) < race->nr) {
		wait_event(&gate, READ_ONCE(race->end) > 0);
		return;
	}
	race->after = port_kernel_lock_counts();
	WRITE_ONCE(race->end, time_us());
	wake_all(&gate);
}

static bool count(void)
{
	volatile unsigned int n = 0;

	while (n < COUNTS)
		n++;
	return true;
}

static void run_racer(void *arg)
{
	struct race *race = arg;
	struct bench_areas areas;
	bool made = !race->counts && bench_areas_make(&areas, &bench_mix_8, LIVE, SWAPS);
	bool good = made || race->counts;

	__atomic_add_fetch(&race->ready, 1, __ATOMIC_SEQ_CST);
	wake_all(&gate);
	wait_event(&gate, READ_ONCE(race->go));
	for (unsigned int i = 0; good && i < race->rounds; i++)
		good = race->counts ? count() : bench_areas_churn(&areas) == SWAPS;
	finish(race);
	if (made)
		bench_areas_free(&areas);
	if (!good)
		WRITE_ONCE(race->failed, true);
}

/* One thread on each of the first nr online CPUs. False when memory ran out. */
static bool run_race(struct race *race, unsigned int nr, unsigned int rounds, bool counts)
{
	static struct thread *threads[NR_CPUS];
	unsigned int cpu = cpumask_next(&cpu_online_mask, 0);

	*race = (struct race){.rounds = rounds, .counts = counts};
	for (; race->nr < nr; race->nr++, cpu = cpumask_next(&cpu_online_mask, cpu + 1)) {
		threads[race->nr] = thread_create("bench", run_racer, race, cpu);
		if (!threads[race->nr])
			break;
	}
	wait_event(&gate, READ_ONCE(race->ready) == race->nr);
	race->before = port_kernel_lock_counts();
	race->start = time_us();
	WRITE_ONCE(race->go, true);
	wake_all(&gate);
	for (unsigned int i = 0; i < race->nr; i++)
		thread_join(threads[i]);
	return race->nr == nr && !race->failed;
}

static void insert(uint64_t *sorted, unsigned int nr, uint64_t us)
{
	for (; nr > 0 && sorted[nr - 1] > us; nr--)
		sorted[nr] = sorted[nr - 1];
	sorted[nr] = us;
}

/* Rounds of churn that keep one CPU busy for MIN_US. 0: no memory. */
static unsigned int choose_rounds(void)
{
	struct race race;
	unsigned int rounds = 1;

	for (; rounds < MAX_ROUNDS; rounds *= 2) {
		if (!run_race(&race, 1, rounds, false))
			return 0;
		if (race.end - race.start >= MIN_US)
			break;
	}
	return rounds;
}

/* A number with three decimals. */
#define THOUSANDTHS "%lu.%03lu"
#define AS_THOUSANDTHS(total, n) \
	bench_per((total)*1000, n) / 1000, bench_per((total)*1000, n) % 1000

static void tell(const struct result *results, unsigned int nr, unsigned int rounds,
		 bench_print print)
{
	for (unsigned int n = 1; n <= nr; n++) {
		const struct result *result = &results[n - 1];
		uint64_t us = result->us[REPEATS / 2];
		uint64_t calls = 2ul * n * rounds * SWAPS * REPEATS;

		print("bench=cpus size=8 live=%u cpus=%u engine=%s us=%lu ratio=" THOUSANDTHS
		      " locks=" THOUSANDTHS " mutexes=" THOUSANDTHS " host=" THOUSANDTHS,
		      LIVE, n, pcpu_engine_name(), us,
		      AS_THOUSANDTHS(n * results[0].us[REPEATS / 2], max(us, 1ul)),
		      AS_THOUSANDTHS(result->taken.spinlock, calls),
		      AS_THOUSANDTHS(result->taken.mutex, calls),
		      AS_THOUSANDTHS(n * results[0].counting_us[REPEATS / 2],
				     max(result->counting_us[REPEATS / 2], 1ul)));
	}
}

static bool measure(struct result *results, unsigned int nr, unsigned int rounds)
{
	for (unsigned int i = 0; i < REPEATS; i++) {
		for (unsigned int n = 1; n <= nr; n++) {
			struct result *result = &results[n - 1];
			struct race race;

			if (!run_race(&race, n, rounds, false))
				return false;
			insert(result->us, i, race.end - race.start);
			result->taken.spinlock += race.after.spinlock - race.before.spinlock;
			result->taken.mutex += race.after.mutex - race.before.mutex;
			if (!run_race(&race, n, rounds, true))
				return false;
			insert(result->counting_us, i, race.end - race.start);
		}
	}
	return true;
}

const char *bench_cpus(bench_print print)
{
	unsigned int nr = cpumask_weight(&cpu_online_mask), rounds = choose_rounds();
	struct result *results = vmalloc(nr * sizeof(*results), "bench results");
	bool good = results && rounds > 0 && measure(results, nr, rounds);

	if (good)
		tell(results, nr, rounds, print);
	if (results)
		vfree(results);
	return good ? NULL : bench_no_memory;
}
