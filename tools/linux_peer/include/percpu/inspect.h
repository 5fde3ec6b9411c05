/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "kernel/compiler.h"
#include "percpu/percpu.h"

static inline const char *pcpu_engine_name(void)
{
	return "linux";
}

/* Linux counts no failures; it logs them, and tools/linux_peer.py looks for that. */
struct pcpu_stats {
	unsigned long alloc_failures;
};

static inline void pcpu_stats_get(struct pcpu_stats *stats)
{
	stats->alloc_failures = 0;
}
