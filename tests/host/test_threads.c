/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Real concurrency: threads that are CPUs allocate, use and free areas, half of them areas that
 * another CPU allocated, some in signal handlers that play interrupts, beside a reclaim worker; with
 * and without percpu_debug. Built with ASan and UBSan, and once more with TSan. HOST_OPS: operations
 * over all threads.
 */
#define _GNU_SOURCE /* usleep */
#include "tests/host/host_look.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define NR_THREADS 4
#define KEPT	   48
#define MAILBOX	   64

struct area {
	void __percpu *ptr;
	size_t size;
	uint64_t seed;
};

DEFINE_PER_CPU(unsigned long, static_hits);
DEFINE_PER_CPU_SHARED_ALIGNED(unsigned long, shared_hits);

static const unsigned int cpu_ids[NR_THREADS + 1] = {0, 2, 3, 5, 9};

/* Areas on their way to be freed by whoever comes by. */
static struct area mailbox[MAILBOX];
static pthread_mutex_t mailbox_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long operations, counted;

/* What an interrupt of this CPU frees; taken by the handler. */
static _Thread_local void __percpu *volatile for_interrupt;

static bool post(const struct area *area, size_t at)
{
	bool free_place;

	pthread_mutex_lock(&mailbox_mutex);
	free_place = mailbox[at].ptr == NULL;
	if (free_place)
		mailbox[at] = *area;
	pthread_mutex_unlock(&mailbox_mutex);
	return free_place;
}

static struct area collect(size_t at)
{
	struct area area;

	pthread_mutex_lock(&mailbox_mutex);
	area = mailbox[at];
	mailbox[at].ptr = NULL;
	pthread_mutex_unlock(&mailbox_mutex);
	return area;
}

/* The n-th counter of every CPU's copy is that CPU's alone: incremented by this_cpu_inc. */
static void use_area(const struct area *area)
{
	if (area->size < sizeof(unsigned long))
		return;
	this_cpu_inc(*(unsigned long __percpu *)area->ptr);
	CHECK(this_cpu_read(*(unsigned long __percpu *)area->ptr) >= 1);
}

static void make(struct area *area, uint64_t dice)
{
	area->size = dice % 16 == 0 ? 1 + (dice >> 8) % 20000 : 8 + (dice >> 8) % 200;
	area->seed = dice;
	area->ptr = dice % 32 == 1 ? host_alloc_reserved(area->size, 8)
				   : host_alloc(area->size, (size_t)8 << (dice >> 40) % 4);
	if (area->ptr == NULL)
		return;
	check_filled(area->ptr, area->size, 0, "a fresh area");
	if (dice >> 63)
		use_area(area);
	pattern_fill(area->ptr, area->size, area->seed);
}

static void discard(struct area *area)
{
	void __percpu *ptr = area->ptr;

	if (ptr == NULL)
		return;
	pattern_check(ptr, area->size, area->seed);
	area->ptr = NULL;
	host_free(ptr);
}

/* Frees the area in an interrupt of this CPU. */
static void discard_in_interrupt(struct area *area)
{
	if (area->ptr == NULL)
		return;
	pattern_check(area->ptr, area->size, area->seed);
	for_interrupt = area->ptr;
	area->ptr = NULL;
	pthread_kill(pthread_self(), SIGUSR1);
	CHECK(for_interrupt == NULL);
}

static void free_it(void *arg)
{
	host_free((void __percpu *)(uintptr_t)arg);
}

static void on_signal(int signal __unused)
{
	void __percpu *ptr = for_interrupt;

	for_interrupt = NULL;
	if (ptr != NULL)
		host_interrupt(host_cpu(), free_it, (void *)(uintptr_t)ptr);
}

static void *cpu_main(void *arg)
{
	unsigned int cpu = *(const unsigned int *)arg;
	struct area kept[KEPT] = {{0}}, from_other;
	uint64_t random = 0x1234567 + cpu * 0x9e3779b97f4a7c15u;

	host_become_cpu(cpu);
	for (unsigned long i = 0; i < operations; i++) {
		uint64_t dice = host_random(&random);
		struct area *area = &kept[(dice >> 32) % KEPT];

		if (area->ptr == NULL)
			make(area, host_random(&random));
		else if (dice % 4 == 0 && post(area, (dice >> 20) % MAILBOX))
			area->ptr = NULL;
		else if (dice % 4 == 1)
			discard_in_interrupt(area);
		else
			discard(area);
		from_other = collect((dice >> 48) % MAILBOX);
		discard(&from_other);
		this_cpu_inc(static_hits);
		this_cpu_add(shared_hits, 2);
		if (dice >> 24 == 0)
			check_invariants("meanwhile");
	}
	for (size_t i = 0; i < KEPT; i++)
		discard(&kept[i]);
	__atomic_add_fetch(&counted, this_cpu_read(static_hits), __ATOMIC_RELAXED);
	return NULL;
}

/* Looks at everything again and again while the others work. */
static void *observer_main(void *arg)
{
	const bool *stop = arg;

	host_become_cpu(0);
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		struct pcpu_chunk_info info[LOOK_MAX];
		struct pcpu_stats stats;
		struct pcpu_where where;
		uint64_t offset;
		int map[64];

		check_invariants("observed");
		CHECK(pcpu_inspect_chunks(info, LOOK_MAX) >= 2);
		pcpu_inspect_map(1, map, ARRAY_SIZE(map));
		pcpu_stats_get(&stats);
		CHECK(stats.allocs >= stats.frees);
		offset = host_random(&(uint64_t){stats.allocs + 1}) % pcpu_unit_size;
		per_cpu_ptr_to_phys(pcpu_base_addr + offset);
		pcpu_where((const char __percpu *)(uintptr_t)__per_cpu_start + offset, &where);
		usleep(500);
	}
	return NULL;
}

/* One thread for each CPU but the first. */
static void run_on_cpus(void *(*fn)(void *cpu))
{
	pthread_t threads[NR_THREADS];

	for (size_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fn, (void *)(uintptr_t)&cpu_ids[i + 1]),
			 0);
	for (size_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void stress(const struct host_config *config, bool guarded)
{
	unsigned int cpu;
	unsigned long sum = 0;
	pthread_t observer;
	bool stop = false;

	operations = host_env("HOST_OPS", 200000) / NR_THREADS / (guarded ? 16 : 4);
	signal(SIGUSR1, on_signal);
	host_boot(config);
	if (guarded)
		CHECK(pcpu_debug_enable());
	host_worker_start(0);
	CHECK_EQ(pthread_create(&observer, NULL, observer_main, &stop), 0);
	run_on_cpus(cpu_main);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	CHECK_EQ(pthread_join(observer, NULL), 0);
	host_worker_stop();
	for (size_t i = 0; i < MAILBOX; i++)
		discard(&mailbox[i]);
	pcpu_sync();
	for_each_possible_cpu (cpu)
		sum += per_cpu(static_hits, cpu);
	CHECK_EQ(sum, operations * NR_THREADS);
	CHECK_EQ(counted, sum);
	CHECK_EQ(look_stats().live_areas, 0);
	CHECK_EQ(host_warnings, 0);
	check_invariants("the end");
}

HOST_TEST(stress_embed)
{
	stress(&(struct host_config){.cpus = cpu_ids,
				     .nr_cpus = NR_THREADS + 1,
				     .reserved = 8192,
				     .dyn_size = 20480},
	       false);
}

HOST_TEST(stress_page)
{
	stress(&(struct host_config){.cpus = cpu_ids,
				     .units = (const unsigned int[]){4, 2, 0, 1, 3},
				     .nr_cpus = NR_THREADS + 1,
				     .style = HOST_PAGE,
				     .reserved = 8192},
	       false);
}

HOST_TEST(stress_with_guards)
{
	stress(&(struct host_config){.cpus = cpu_ids,
				     .nr_cpus = NR_THREADS + 1,
				     .style = HOST_PAGE,
				     .reserved = 8192},
	       true);
}

/* The same with the other engine and a front on each CPU. */
HOST_TEST(stress_with_bitmap_and_front)
{
	setenv("HOST_ENGINE", "bitmap", 1);
	setenv("HOST_FRONT", "on", 1);
	stress_page_body();
}

HOST_TEST(stress_embed_with_bitmap_and_front)
{
	setenv("HOST_ENGINE", "bitmap", 1);
	setenv("HOST_FRONT", "on", 1);
	stress_embed_body();
}

#define NR_BAD 200 /* requests of each kind on each CPU */

static void *bad_main(void *arg)
{
	host_become_cpu(*(const unsigned int *)arg);
	for (unsigned int i = 0; i < NR_BAD; i++) {
		CHECK(host_alloc(0, 8) == NULL);
		host_free((void __percpu *)(uintptr_t)__per_cpu_start);
	}
	return NULL;
}

/* Bad callers on all CPUs at once: each request is counted, ten lines are printed. */
HOST_TEST(O22_every_cpu_calls_badly)
{
	host_boot(&(struct host_config){.cpus = cpu_ids, .nr_cpus = NR_THREADS + 1});
	run_on_cpus(bad_main);
	CHECK_EQ(look_stats().bad_allocs, NR_THREADS * NR_BAD);
	CHECK_EQ(look_stats().bad_frees, NR_THREADS * NR_BAD);
	CHECK_EQ(host_warnings, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stress_embed),
		cmocka_unit_test(stress_page),
		cmocka_unit_test(stress_with_guards),
		cmocka_unit_test(stress_with_bitmap_and_front),
		cmocka_unit_test(stress_embed_with_bitmap_and_front),
		cmocka_unit_test(O22_every_cpu_calls_badly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
