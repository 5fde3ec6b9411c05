// SPDX-License-Identifier: GPL-2.0-only
/*
 * One access to this CPU's copy of a variable of eight bytes, beside what one would write without
 * per-CPU variables: a plain increment, which counts wrong once two CPUs do it; a locked one; and an
 * array indexed by the CPU's number, with the number kept from changing and without. An empty
 * loop of the same shape is taken off.
 */
#include "arch/x86_64/smp.h"
#include "kernel/bench_internal.h"
#include "kernel/thread.h"

#define ROUNDS 10000

struct line {
	unsigned long count;
} __aligned(64);

static DEFINE_PER_CPU(unsigned long, own);
static unsigned long shared;
static struct line lines[NR_CPUS];

static void increment_plainly(unsigned long *count)
{
	__asm__ volatile("incq %0" : "+m"(*count) : : "cc");
}

static void increment_locked(unsigned long *count)
{
	__asm__ volatile("lock incq %0" : "+m"(*count) : : "cc");
}

/* A result that nobody uses, yet has to be there. */
static void use(unsigned long value)
{
	__asm__ volatile("" : : "r"(value));
}

/* What the statement costs, ROUNDS times. */
#define COST_OF(statement)                                     \
	({                                                     \
		uint64_t start_;                               \
		bench_quiet_begin();                           \
		start_ = bench_clock();                        \
		for (unsigned int i_ = 0; i_ < ROUNDS; i_++) { \
			__asm__ volatile("");                  \
			statement;                             \
		}                                              \
		start_ = bench_clock() - start_;               \
		bench_quiet_end();                             \
		start_;                                        \
	})

#define MEASURE(name, statement) tell(print, name, COST_OF(statement), empty)

static void tell(bench_print print, const char *name, uint64_t cost, uint64_t empty)
{
	print("bench=thiscpu op=%s n=%u each=%lu", name, ROUNDS,
	      bench_per(cost > empty ? cost - empty : 0, ROUNDS));
}

static void measure_accessors(bench_print print, uint64_t empty)
{
	MEASURE("read", use(this_cpu_read(own)));
	MEASURE("write", this_cpu_write(own, 1));
	MEASURE("add", this_cpu_add(own, 1));
	MEASURE("sub", this_cpu_sub(own, 1));
	MEASURE("inc", this_cpu_inc(own));
	MEASURE("dec", this_cpu_dec(own));
	MEASURE("and", this_cpu_and(own, 1));
	MEASURE("or", this_cpu_or(own, 1));
	MEASURE("xchg", use(this_cpu_xchg(own, 1)));
	MEASURE("cmpxchg", use(this_cpu_cmpxchg(own, 1, 2)));
	MEASURE("add_return", use(this_cpu_add_return(own, 1)));
	MEASURE("inc_return", use(this_cpu_inc_return(own)));
}

static void measure_others(bench_print print, uint64_t empty)
{
	MEASURE("plain_inc", increment_plainly(&shared));
	MEASURE("lock_inc", increment_locked(&shared));
	MEASURE("array_inc", increment_plainly(&lines[this_cpu_read(cpu_number)].count));
	MEASURE("array_inc_pinned", {
		preempt_disable();
		increment_plainly(&lines[this_cpu_read(cpu_number)].count);
		preempt_enable();
	});
}

const char *bench_thiscpu(bench_print print)
{
	uint64_t empty = COST_OF();

	measure_accessors(print, empty);
	measure_others(print, empty);
	return NULL;
}
