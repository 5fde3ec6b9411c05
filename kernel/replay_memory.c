/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The replay's two checks of memory: each copy of an area carries a pattern of its own, and the pages
 * and heap bytes in use at the end are those of the start, but for what the allocator may keep.
 */
#include "kernel/replay_internal.h"

#include "kernel/thread.h"
#include "mm/kmalloc.h"

const struct replay_pattern replay_zeroes;

struct replay_pattern replay_pattern(size_t area, unsigned int cpu)
{
	uint64_t seed = (area + 1) * 0x9e3779b97f4a7c15 + (cpu + 1) * 0xd1b54a32d192ed03;

	return (struct replay_pattern){seed ^ seed >> 31, 0x8cb92ba72f3d8dd7};
}

void replay_fill(char *copy, size_t size, struct replay_pattern pattern)
{
	uint64_t word = pattern.seed;

	for (; size >= sizeof(word); size -= sizeof(word), copy += sizeof(word)) {
		__builtin_memcpy(copy, &word, sizeof(word));
		word += pattern.step;
	}
	for (; size > 0; size--, word >>= 8)
		*copy++ = (char)word;
}

bool replay_matches(const char *copy, size_t size, struct replay_pattern pattern)
{
	uint64_t word = pattern.seed, found;

	for (; size >= sizeof(word); size -= sizeof(word), copy += sizeof(word)) {
		__builtin_memcpy(&found, copy, sizeof(found));
		if (found != word)
			return false;
		word += pattern.step;
	}
	for (; size > 0; size--, word >>= 8) {
		if (*copy++ != (char)word)
			return false;
	}
	return true;
}

/* ---- Whether memory is back ---- */

void replay_ledger_take(struct replay_ledger *ledger)
{
	thread_reap_wait();
	pcpu_sync();
	pcpu_stats_get(&ledger->stats);
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		ledger->pages[owner] = page_count(owner);
	ledger->heap_bytes = kmalloc_bytes();
}

static unsigned long chunks_now(const struct pcpu_stats *stats)
{
	return stats->chunks_made - stats->chunks_freed;
}

/*
 * What the allocator itself may have kept: one wholly free chunk more than before, its pages, its
 * books (rounded up to heap classes, at most twice their size), its address range's node. Page
 * tables, the heap's own pages and what is free follow from these and are not counted by themselves.
 */
long replay_ledger_leak(const struct replay_ledger *before, const struct replay_ledger *after)
{
	static const enum page_owner exact[] = {PAGE_BOOT, PAGE_VMALLOC, PAGE_TEST};
	const struct pcpu_stats *was = &before->stats, *is = &after->stats;
	size_t slack = 2 * (is->meta_bytes - was->meta_bytes) + 256;
	long leak = 0;

	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		leak += (long)(after->pages[exact[i]] - before->pages[exact[i]]);
	leak += (long)(after->pages[PAGE_PERCPU] - is->pages_owned) -
		(long)(before->pages[PAGE_PERCPU] - was->pages_owned);
	if (is->live_bytes > was->live_bytes)
		leak += (long)(PFN_UP(is->live_bytes - was->live_bytes) * pcpu_nr_units);
	if (chunks_now(is) > chunks_now(was) + 1)
		leak += (long)((chunks_now(is) - chunks_now(was) - 1) * PFN_DOWN(pcpu_unit_size) *
			       pcpu_nr_units);
	if (is->meta_bytes >= was->meta_bytes && after->heap_bytes > before->heap_bytes + slack)
		leak += (long)PFN_UP(after->heap_bytes - before->heap_bytes - slack);
	return leak;
}
