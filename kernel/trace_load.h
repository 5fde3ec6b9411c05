/* SPDX-License-Identifier: GPL-2.0-only */
/* Traces in memory, for whoever goes through their events. */
#pragma once

#include "kernel/trace.h"

struct trace_events {
	struct trace_event *events;
	size_t nr;	 /* of events */
	size_t nr_areas; /* an event's area is below it */
};

/*
 * Parses a whole trace. 0; or -ENOMEM, -EINVAL for a malformed one, with the reason as a line of text in
 * why and nothing to unload. Sleeps.
 */
int trace_load(const struct trace_text *trace, struct trace_events *out, char *why, size_t size);
/* Gives back what trace_load took. Sleeps. */
void trace_unload(struct trace_events *events);
