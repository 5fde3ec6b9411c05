/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a trace on the allocator: each event on its recorded CPU, contents checked on every CPU. */
#pragma once

#include "arch/x86_64/percpu.h"
#include "kernel/trace.h"

struct replay_report {
	unsigned long events, allocs, frees; /* as the trace has them */
	unsigned long failed;	       /* allocations that got NULL, frees that were refused */
	unsigned long corrupt;	       /* areas not zero when fresh, or changed when freed */
	long leaked_pages;	       /* pages that are not back at the end */
	unsigned long peak_live_bytes; /* most bytes asked for and not yet freed */
	unsigned long peak_pages;      /* most populated pages of one unit */
	unsigned long chunks_made, chunks_freed;
	unsigned long nosleep; /* allocations that must not have slept, served as ordinary ones */
	unsigned long us;      /* wall time of the events, without parsing */
	char error[160];       /* why nothing was replayed; "" if it was */
};

#define REPLAY_LINE_SIZE 384

/*
 * Replays the trace in a thread of its own. 0 with the report filled (it may still tell of failed or
 * corrupt events); -EINVAL for a malformed trace (nothing was allocated), -ENOMEM for want of memory
 * for the events; then report->error says it, with the line number. Sleeps; one at a time. stop, if not
 * NULL, is asked before each event, in that thread: once it says true, what lives is freed, and the
 * status is -EINTR.
 */
int replay_run(const struct trace_text *trace, struct replay_report *report, bool (*stop)(void));
/* Whether nothing went wrong. */
bool replay_good(const struct replay_report *report);
/* The one-line report of INTERFACES section 6, or "error: …", into buf; no newline. */
void replay_format(const char *name, const struct replay_report *report, char *buf, size_t size);
/* The same on the console, after a log line about allocations that must not sleep. True if nothing
 * went wrong. */
bool replay_print(const char *name, const struct replay_report *report);
/* How many replays since boot did not end well; for the exit status. */
unsigned int replay_failures(void);

/* For tests: called before each free of the trace with the event's index and the area's pointer, on
 * the event's CPU. While a hook is set, what goes wrong is meant to: it is neither logged nor counted. NULL: none. */
void replay_set_hook(void (*hook)(size_t index, void __percpu *ptr));
