/* SPDX-License-Identifier: GPL-2.0-only */
/* What the replay knows of memory: the contents of copies, and what must be back at the end. */
#pragma once

#include "mm/page.h"
#include "percpu/inspect.h"

/* A copy's contents in words of 8 bytes, the last one cut off: seed, seed + step, … */
struct replay_pattern {
	uint64_t seed, step;
};

extern const struct replay_pattern replay_zeroes;
/* The pattern of a CPU's copy of an area; different for each. */
struct replay_pattern replay_pattern(size_t area, unsigned int cpu);
/* Writes the pattern to size bytes at copy; says whether it is there. Any context. */
void replay_fill(char *copy, size_t size, struct replay_pattern pattern);
bool replay_matches(const char *copy, size_t size, struct replay_pattern pattern);

/* What memory is in use, as far as a replay must leave it as it was. */
struct replay_ledger {
	size_t pages[PAGE_NR_OWNERS];
	size_t heap_bytes;
	struct pcpu_stats stats;
};

/* Notes what is in use, once pending reclaim is done and ended threads are gone. Sleeps. */
void replay_ledger_take(struct replay_ledger *ledger);
/* Pages in use after that were not before and that the allocator has no reason to keep. */
long replay_ledger_leak(const struct replay_ledger *before, const struct replay_ledger *after);
