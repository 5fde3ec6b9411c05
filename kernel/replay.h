/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a trace on the allocator: each event on its recorded CPU, contents checked on every CPU. */
#pragma once

#include "kernel/trace.h"

struct replay_report {
	unsigned long events, allocs, frees, failed, corrupt, peak_live_bytes, peak_pages;
	unsigned long chunks_made, chunks_freed, nosleep, us;
	long leaked_pages;
};

/* 0 with the report filled (it may still tell of failed or corrupt events), -EINVAL for a malformed
 * trace (printed with its line number, nothing allocated), -ENOMEM. Sleeps; one at a time. */
int replay_run(const struct trace_text *trace, struct replay_report *report);
/* The one-line report of INTERFACES section 6 on the console. True if nothing went wrong. */
bool replay_print(const char *name, const struct replay_report *report);
