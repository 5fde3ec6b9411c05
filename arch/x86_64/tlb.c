// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flushing the TLBs of all online CPUs.
 *
 * A CPU that is coming online is not asked. It flushes everything right after it has set its bit
 * in cpu_online_mask: whoever read the mask before that had changed the page tables before too, so
 * the new CPU cannot hold on to anything older.
 * Source: Intel SDM vol. 3 section 4.10.4 (invalidation of TLBs).
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp_internal.h"

#define MAX_SINGLE_PAGES 32 /* more are flushed at once */

struct range {
	uintptr_t start, end;
};

static uint64_t nr_flushes;

void tlb_flush_all_local(void)
{
	uint64_t cr4 = x86_read_cr4();

	if (cr4 & CR4_PGE) { /* switching it off drops the global pages too */
		x86_write_cr4(cr4 & ~(uint64_t)CR4_PGE);
		x86_write_cr4(cr4);
	} else {
		x86_write_cr3(x86_read_cr3());
	}
}

static void flush_local(void *arg)
{
	const struct range *range = arg;

	if (range->end - range->start > MAX_SINGLE_PAGES * PAGE_SIZE) {
		tlb_flush_all_local();
		return;
	}
	for (uintptr_t va = range->start; va < range->end; va += PAGE_SIZE)
		x86_invlpg(va);
}

void tlb_flush_range(uintptr_t start, uintptr_t end)
{
	struct range range = {ALIGN_DOWN(start, PAGE_SIZE), end};

	__atomic_add_fetch(&nr_flushes, 1,
			   __ATOMIC_SEQ_CST); /* orders the page tables' stores too */
	smp_call_all(flush_local, &range);
}

uint64_t tlb_flush_count(void)
{
	return __atomic_load_n(&nr_flushes, __ATOMIC_RELAXED);
}
