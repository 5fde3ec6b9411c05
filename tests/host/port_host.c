/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host port: the machine's start, its CPUs, reports and deferred work. Memory and locks have
 * files of their own.
 */
#define _GNU_SOURCE /* memfd_create, ftruncate, syscall */
#include "tests/host/port_host_internal.h"

#include "arch/x86_64/memlayout.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_SET_GS_CODE 0x1001

struct cpumask cpu_possible_mask;
struct cpumask cpu_online_mask;
unsigned int nr_cpu_ids;
uintptr_t __per_cpu_offset[NR_CPUS];
DEFINE_PER_CPU_READ_MOSTLY(uintptr_t, this_cpu_off);

bool host_is_set_up;
bool host_quiet = true;
bool host_reclaim_pending;
unsigned long host_warnings;
uintptr_t host_warning_caller;
char host_warning[512], host_info[512];
uint64_t host_time_ms = 1000;

static unsigned int unit_of[NR_CPUS];
static _Thread_local unsigned int current_cpu;
static pthread_mutex_t report_mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- Report ---- */

/* Coverage builds write their counters at exit only; a panic must not lose them. */
extern void __gcov_dump(void) __attribute__((weak));

void (*host_on_leave)(int status);

void host_leave(int status)
{
	if (host_on_leave != NULL)
		host_on_leave(status);
	fflush(NULL);
	if (__gcov_dump != NULL)
		__gcov_dump();
	_exit(status);
}

void host_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "host port: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	host_leave(HOST_EXIT_PORT);
}

void port_panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "panic: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	host_leave(HOST_EXIT_PANIC);
}

/* What prints may take locks that are held around calls into percpu/. */
static void assert_may_print(const char *hook)
{
	if (port_lock_held())
		host_die("%s under the spinlock", hook);
}

void port_warn(uintptr_t caller, const char *fmt, ...)
{
	va_list args;

	assert_may_print("port_warn");
	pthread_mutex_lock(&report_mutex);
	host_warnings++;
	host_warning_caller = caller;
	va_start(args, fmt);
	vsnprintf(host_warning, sizeof(host_warning), fmt, args);
	va_end(args);
	if (caller == 0)
		host_die("port_warn without a caller: %s", host_warning);
	if (!host_quiet)
		fprintf(stderr, "# warn [%#lx]: %s\n", (unsigned long)caller, host_warning);
	pthread_mutex_unlock(&report_mutex);
}

void port_info(const char *fmt, ...)
{
	va_list args;

	assert_may_print("port_info");
	pthread_mutex_lock(&report_mutex);
	va_start(args, fmt);
	vsnprintf(host_info, sizeof(host_info), fmt, args);
	va_end(args);
	if (!host_quiet)
		fprintf(stderr, "# %s\n", host_info);
	pthread_mutex_unlock(&report_mutex);
}

int port_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return length;
}

void port_symbol(uintptr_t addr, char *buf, size_t size)
{
	snprintf(buf, size, "0x%lx", addr);
}

uint64_t port_time_ms(void)
{
	return __atomic_load_n(&host_time_ms, __ATOMIC_RELAXED);
}

/* Stacks and mappings are high up, the program's own data below the static per-CPU area. */
bool port_is_kernel_address(uintptr_t addr)
{
	return addr >= 0x500000000000 || (addr >= 0x400000 && addr < PERCPU_LINK_BASE);
}

/* ---- CPUs ---- */

unsigned int port_cpu_unit(unsigned int cpu)
{
	if (host_is_set_up || !cpu_possible(cpu))
		host_die("port_cpu_unit of CPU %u, after set-up or not possible", cpu);
	return unit_of[cpu];
}

void port_set_offset(unsigned int cpu, uintptr_t offset)
{
	if (host_is_set_up || !cpu_possible(cpu))
		host_die("port_set_offset of CPU %u, after set-up or not possible", cpu);
	__per_cpu_offset[cpu] = offset;
	*per_cpu_ptr(&this_cpu_off, cpu) = offset;
}

void host_become_cpu(unsigned int cpu)
{
	if (!cpu_possible(cpu))
		host_die("CPU %u is not possible", cpu);
	current_cpu = cpu;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS_CODE, __per_cpu_offset[cpu]) != 0)
		host_die("the GS base of CPU %u cannot be set to %#lx", cpu, __per_cpu_offset[cpu]);
}

unsigned int host_cpu(void)
{
	return current_cpu;
}

static void cpus_init(const struct host_config *config)
{
	unsigned int nr = config->nr_cpus ? config->nr_cpus : 1;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int cpu = config->cpus ? config->cpus[i] : i;

		bitmap_set(cpu_possible_mask.bits, cpu);
		bitmap_set(cpu_online_mask.bits, cpu);
		nr_cpu_ids = cpu + 1;
		unit_of[cpu] = config->units ? config->units[i] : i;
	}
}

/* ---- Deferred work ---- */

static pthread_t worker;
static bool worker_runs, worker_stops;
static sem_t worker_work;
static unsigned int worker_cpu;

void port_reclaim_schedule(void)
{
	if (port_lock_held())
		host_die("port_reclaim_schedule under the spinlock");
	if (!__atomic_exchange_n(&host_reclaim_pending, true, __ATOMIC_SEQ_CST) &&
	    __atomic_load_n(&worker_runs, __ATOMIC_SEQ_CST))
		sem_post(&worker_work);
}

bool host_run_reclaim(void)
{
	if (!__atomic_exchange_n(&host_reclaim_pending, false, __ATOMIC_SEQ_CST))
		return false;
	pcpu_reclaim();
	host_assert_clean("pcpu_reclaim", true);
	return true;
}

/*

 * Without a worker, what is pending runs here; with one, by it or here: the mutex orders the two.

 */
void port_reclaim_wait(void)
{
	host_assert_may_sleep("port_reclaim_wait");
	while (host_run_reclaim())
		;
}

static void *worker_main(void *arg)
{
	(void)arg;
	host_become_cpu(worker_cpu);
	while (!__atomic_load_n(&worker_stops, __ATOMIC_SEQ_CST)) {
		sem_wait(&worker_work);
		host_run_reclaim();
	}
	return NULL;
}

void host_worker_start(unsigned int cpu)
{
	worker_cpu = cpu;
	worker_stops = false;
	sem_init(&worker_work, 0, 0);
	__atomic_store_n(&worker_runs, true, __ATOMIC_SEQ_CST);
	pthread_create(&worker, NULL, worker_main, NULL);
}

void host_worker_stop(void)
{
	__atomic_store_n(&worker_stops, true, __ATOMIC_SEQ_CST);
	sem_post(&worker_work);
	pthread_join(worker, NULL);
	__atomic_store_n(&worker_runs, false, __ATOMIC_SEQ_CST);
}

/* ---- The first chunk ---- */

static struct page *first_pages[NR_CPUS]; /* of each CPU's unit, in a row */
static size_t first_nr;			  /* how many each has */

static struct page *get_first_page(unsigned int cpu, size_t n)
{
	return n < first_nr ? first_pages[cpu] + n : NULL;
}

size_t host_static_size(void)
{
	return (size_t)(__per_cpu_end - __per_cpu_start);
}

static size_t static_size(const struct host_config *config)
{
	return max(config->static_size, host_static_size());
}

static void first_page_style(const struct host_config *config, ssize_t unit, ssize_t dyn)
{
	unsigned int cpu;

	first_nr = PFN_UP(static_size(config)) + config->extra_pages;
	for_each_possible_cpu (cpu) {
		first_pages[cpu] = host_take_pages(first_nr);
		memcpy(host_page_address(first_pages[cpu]), __per_cpu_load, host_static_size());
	}
	pcpu_setup_first_chunk(get_first_page, static_size(config), config->reserved, unit, dyn,
			       NULL, host_early_pte);
}

static void first_embed_style(const struct host_config *config, ssize_t unit, ssize_t dyn)
{
	size_t used = static_size(config) + config->reserved + (dyn < 0 ? 0 : (size_t)dyn);
	struct page *base;
	unsigned int cpu;

	if (unit < 0)
		unit = (ssize_t)max(PCPU_MIN_UNIT_SIZE, ALIGN_UP(used, PAGE_SIZE));
	first_nr = dyn < 0 ? (size_t)unit / PAGE_SIZE : PFN_UP(used);
	base = host_take_pages((size_t)unit / PAGE_SIZE * cpumask_weight(&cpu_possible_mask));
	for_each_possible_cpu (cpu) {
		first_pages[cpu] = base + (size_t)unit / PAGE_SIZE * unit_of[cpu];
		memcpy(host_page_address(first_pages[cpu]), __per_cpu_load, host_static_size());
	}
	pcpu_setup_first_chunk(get_first_page, static_size(config), config->reserved, unit, dyn,
			       host_page_address(base), NULL);
}

/* HOST_ENGINE and HOST_FRONT choose what all tests run with that do not choose themselves. */
static void choose_engine(void)
{
	const char *engine = getenv("HOST_ENGINE"), *front = getenv("HOST_FRONT");

	if (engine != NULL && !pcpu_engine_select(engine))
		host_die("HOST_ENGINE=%s: there is no such engine", engine);
	if (front != NULL && strcmp(front, "on") == 0)
		pcpu_front_enable();
}

void host_first_chunk(const struct host_config *config)
{
	ssize_t unit = config->unit_size == 0 ? -1 : config->unit_size;
	ssize_t dyn = config->dyn_size == 0 ? -1 : config->dyn_size == -2 ? 0 : config->dyn_size;

	choose_engine();
	if (config->style == HOST_PAGE)
		first_page_style(config, unit, dyn);
	else
		first_embed_style(config, unit, dyn);
	host_is_set_up = true;
	host_become_cpu(current_cpu);
}

void host_power_on(const struct host_config *config)
{
	cpus_init(config);
	host_memory_init(config->nr_pages ? config->nr_pages : 4096, config->ranges_fall);
	host_locks_init();
	host_become_cpu(cpumask_next(&cpu_possible_mask, 0));
}

void host_heap_up(void)
{
	host_heap_set(true);
}

void host_boot(const struct host_config *config)
{
	host_power_on(config);
	host_first_chunk(config);
	host_heap_set(!config->no_heap);
	host_watch_counters(true);
}
