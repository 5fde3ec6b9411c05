// SPDX-License-Identifier: GPL-2.0-only
/*
 * The longest stretch with interrupts off in any allocation, any free and any run of reclaim, with few
 * areas and chunks and with many. Where it is: the functions that were under way at its end, the one that
 * turned interrupts on last.
 */
#include "arch/x86_64/irqoff.h"
#include "kernel/bench_internal.h"
#include "kernel/printk.h"
#include "kernel/thread.h"

#define FEW_AREAS  20000 /* of 8 bytes: some in the first chunk, some in others */
#define MANY_AREAS 1000000

enum op { OP_ALLOC, OP_FREE, OP_RECLAIM, NR_OPS };
static const char *const op_names[NR_OPS] = {"alloc", "free", "reclaim"};

struct result {
	struct irqoff_stretch longest[NR_OPS];
	size_t live;
	unsigned long chunks; /* made for it */
};

/* What went by since the last reset belongs to that operation. */
static void note(struct result *result, enum op op)
{
	struct irqoff_stretch stretch = irqoff_longest();

	if (stretch.counts > result->longest[op].counts)
		result->longest[op] = stretch;
	irqoff_reset();
}

static void churn(struct bench_areas *areas, struct result *result)
{
	for (size_t i = 0; i < areas->nr_swaps; i++) {
		const struct bench_swap *swap = &areas->swaps[i];
		void __percpu **ptr = &areas->ptrs[swap->area];

		free_percpu(*ptr);
		note(result, OP_FREE);
		*ptr = __alloc_percpu(swap->request.size, swap->request.align);
		note(result, OP_ALLOC);
	}
}

/* So that among the frees that follow, with few areas as with many, is one that wakes it. */
static void let_worker_sleep(void)
{
	pcpu_sync();
	thread_yield();
}

static bool measure(size_t live, struct result *result)
{
	struct bench_areas areas;
	struct pcpu_stats before, after;

	*result = (struct result){.live = 0};
	if (!bench_areas_prepare(&areas, &bench_mix_8, live, BENCH_SWAPS))
		return false;
	pcpu_stats_get(&before);
	bench_quiet_begin();
	irqoff_reset();
	bench_areas_fill(&areas);
	note(result, OP_ALLOC);
	churn(&areas, result);
	result->live = areas.live;
	pcpu_stats_get(&after);
	result->chunks = after.chunks_made - before.chunks_made;
	let_worker_sleep();
	irqoff_reset();
	bench_areas_empty(&areas);
	note(result, OP_FREE);
	pcpu_reclaim();
	note(result, OP_RECLAIM);
	bench_quiet_end();
	bench_areas_free(&areas);
	return true;
}

/* "irq_restore's function<its caller<…" */
static void name_stretch(const struct irqoff_stretch *stretch, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < IRQOFF_DEPTH && stretch->pcs[i] && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%pS", n > 0 ? "<" : "",
				      (void *)stretch->pcs[i]);
}

static void tell(const struct result *result, const struct result *few, bench_print print)
{
	for (enum op op = 0; op < NR_OPS; op++) {
		uint64_t counts = result->longest[op].counts;
		uint64_t hundredths = bench_per(counts * 100, max(few->longest[op].counts, 1ul));
		char at[240], ratio[32] = "";

		name_stretch(&result->longest[op], at, sizeof(at));
		if (result != few)
			snprintf(ratio, sizeof(ratio), " ratio=%lu.%02lu", hundredths / 100,
				 hundredths % 100);
		print("bench=irqoff op=%s size=8 live=%zu chunks=%lu engine=%s longest=%lu%s at=%s",
		      op_names[op], result->live, result->chunks, pcpu_engine_name(), counts, ratio,
		      at);
	}
}

const char *bench_irqoff(bench_print print)
{
	static struct result few, many;

	if (!irqoff_known())
		return "irqoff: this kernel does not watch interrupts: make bench NAME=irqoff "
		       "makes one";
	if (!measure(FEW_AREAS, &few) || !measure(MANY_AREAS, &many))
		return bench_no_memory;
	tell(&few, &few, print);
	tell(&many, &few, print);
	return NULL;
}
