// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUs churning at once: on 1, 2, … all CPUs, a thread each replaces areas of its own, all of them in the
 * same time. What they did in it is added up; of seven sums the median counts. Interrupts and the tick are
 * as ever. In between, threads that only count do the same: what they lose is the host's, not the
 * allocator's.
 *
 * Not all CPUs are alike, above all emulated ones, and the host has moments. So the time of each sum is many
 * short ones, in which all numbers of CPUs take turns, each time beginning with another CPU: the one
 * that all are measured against is each of them in turn.
 */
#include "arch/x86_64/smp.h"
#include "kernel/bench_internal.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"

#define LIVE	 1000
#define SWAPS	 500	      /* a round */
#define COUNTS	 (30 * SWAPS) /* of a round that only counts */
#define REPEATS	 7
#define SLICES	 16 /* of a sum */
#define SLICE_US 25000

/* One run: its threads begin and end together. */
struct race {
	unsigned int nr;
	bool counts;			 /* and allocates nothing */
	unsigned int ready, awake, done; /* threads that are */
	bool go, over, failed;
	uint64_t end;	 /* time_us; 0: not begun */
	uint64_t rounds; /* of all threads */
	struct port_lock_counts before, after;
};

struct result {
	uint64_t rounds[REPEATS], counting_rounds[REPEATS]; /* rising */
	uint64_t all_rounds;				    /* that churn */
	struct port_lock_counts taken;
};

static struct wait_queue gate = WAIT_QUEUE_INIT(gate);

/* The time begins when the last of them is awake. */
static void begin(struct race *race)
{
	if (__atomic_add_fetch(&race->awake, 1, __ATOMIC_SEQ_CST) == race->nr)
		WRITE_ONCE(race->end, time_us() + SLICE_US);
	while (READ_ONCE(race->end) == 0)
		x86_pause();
}

/* Nobody frees his areas while another still churns. */
static void finish(struct race *race, uint64_t rounds)
{
	__atomic_add_fetch(&race->rounds, rounds, __ATOMIC_RELAXED);
	if (__atomic_add_fetch(&race->done, 1, __ATOMIC_SEQ_CST) < race->nr) {
		wait_event(&gate, READ_ONCE(race->over));
		return;
	}
	race->after = port_kernel_lock_counts();
	WRITE_ONCE(race->over, true);
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
	uint64_t rounds = 0;

	__atomic_add_fetch(&race->ready, 1, __ATOMIC_SEQ_CST);
	wake_all(&gate);
	wait_event(&gate, READ_ONCE(race->go));
	begin(race);
	for (; good && time_us() < race->end; rounds++)
		good = race->counts ? count() : bench_areas_churn(&areas) == SWAPS;
	finish(race, rounds);
	if (made)
		bench_areas_free(&areas);
	if (!good)
		WRITE_ONCE(race->failed, true);
}

static unsigned int next_cpu(unsigned int cpu)
{
	unsigned int next = cpumask_next(&cpu_online_mask, cpu + 1);

	return next < nr_cpu_ids ? next : cpumask_next(&cpu_online_mask, 0);
}

/* One thread on each of nr online CPUs, from `cpu` on. False when memory ran out. */
static bool run_race(struct race *race, unsigned int cpu, unsigned int nr, bool counts)
{
	static struct thread *threads[NR_CPUS];

	*race = (struct race){.counts = counts};
	for (; race->nr < nr; race->nr++, cpu = next_cpu(cpu)) {
		threads[race->nr] = thread_create("bench", run_racer, race, cpu);
		if (!threads[race->nr])
			break;
	}
	wait_event(&gate, READ_ONCE(race->ready) == race->nr);
	race->before = port_kernel_lock_counts();
	WRITE_ONCE(race->go, true);
	wake_all(&gate);
	for (unsigned int i = 0; i < race->nr; i++)
		thread_join(threads[i]);
	return race->nr == nr && !race->failed;
}

static void insert(uint64_t *sorted, unsigned int nr, uint64_t value)
{
	for (; nr > 0 && sorted[nr - 1] > value; nr--)
		sorted[nr] = sorted[nr - 1];
	sorted[nr] = value;
}

/* A number with three decimals. */
#define THOUSANDTHS "%lu.%03lu"
#define AS_THOUSANDTHS(total, n) \
	bench_per((total)*1000, n) / 1000, bench_per((total)*1000, n) % 1000

static void tell(const struct result *results, unsigned int nr, bench_print print)
{
	uint64_t one = results[0].rounds[REPEATS / 2];
	uint64_t counting_one = results[0].counting_rounds[REPEATS / 2];

	for (unsigned int n = 1; n <= nr; n++) {
		const struct result *result = &results[n - 1];
		uint64_t rounds = result->rounds[REPEATS / 2];
		uint64_t calls = max(2ul * SWAPS * result->all_rounds, 1ul);

		print("bench=cpus size=8 live=%u cpus=%u us=%u engine=%s pairs=%lu "
		      "ratio=" THOUSANDTHS " locks=" THOUSANDTHS " mutexes=" THOUSANDTHS
		      " host=" THOUSANDTHS,
		      LIVE, n, SLICES * SLICE_US, pcpu_engine_name(), rounds * SWAPS,
		      AS_THOUSANDTHS(rounds, max(one, 1ul)),
		      AS_THOUSANDTHS(result->taken.spinlock, calls),
		      AS_THOUSANDTHS(result->taken.mutex, calls),
		      AS_THOUSANDTHS(result->counting_rounds[REPEATS / 2], max(counting_one, 1ul)));
	}
}

/* A slice of both kinds on nr CPUs, from `cpu` on. */
static bool add_slice(struct result *result, unsigned int cpu, unsigned int nr, uint64_t *rounds,
		      uint64_t *counting_rounds)
{
	struct race race;

	if (!run_race(&race, cpu, nr, false))
		return false;
	*rounds += race.rounds;
	result->all_rounds += race.rounds;
	result->taken.spinlock += race.after.spinlock - race.before.spinlock;
	result->taken.mutex += race.after.mutex - race.before.mutex;
	if (!run_race(&race, cpu, nr, true))
		return false;
	*counting_rounds += race.rounds;
	return true;
}

/* The sums for 1 to nr CPUs. */
static bool measure_once(struct result *results, unsigned int nr, unsigned int repeat)
{
	static uint64_t rounds[NR_CPUS + 1], counting_rounds[NR_CPUS + 1];
	unsigned int cpu = cpumask_next(&cpu_online_mask, 0);

	memset(rounds, 0, sizeof(rounds));
	memset(counting_rounds, 0, sizeof(counting_rounds));
	for (unsigned int slice = 0; slice < SLICES; slice++, cpu = next_cpu(cpu)) {
		for (unsigned int n = 1; n <= nr; n++) {
			if (!add_slice(&results[n - 1], cpu, n, &rounds[n], &counting_rounds[n]))
				return false;
		}
	}
	for (unsigned int n = 1; n <= nr; n++) {
		insert(results[n - 1].rounds, repeat, rounds[n]);
		insert(results[n - 1].counting_rounds, repeat, counting_rounds[n]);
	}
	return true;
}

static bool measure(struct result *results, unsigned int nr)
{
	for (unsigned int repeat = 0; repeat < REPEATS; repeat++) {
		if (!measure_once(results, nr, repeat))
			return false;
	}
	return true;
}

const char *bench_cpus(bench_print print)
{
	unsigned int nr = cpumask_weight(&cpu_online_mask);
	struct result *results = vmalloc(nr * sizeof(*results), "bench results");
	bool good = results && measure(results, nr);

	if (good)
		tell(results, nr, print);
	if (results)
		vfree(results);
	return good ? NULL : bench_no_memory;
}
