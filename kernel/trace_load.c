// SPDX-License-Identifier: GPL-2.0-only
/* A trace's text as an array of events: both passes of the parser, with the memory they need. */
#include "kernel/trace_load.h"

#include "kernel/errno.h"
#include "kernel/printk.h"
#include "mm/vmalloc.h"

static int no_memory(const struct trace_text *trace, size_t nr_events, char *why, size_t size)
{
	snprintf(why, size, "replay=%s: no memory for its %zu events: boot with more (MEM=)",
		 trace->name, nr_events);
	return -ENOMEM;
}

static int malformed(const struct trace_text *trace, const struct trace_error *error, char *why,
		     size_t size)
{
	snprintf(why, size, "replay=%s: malformed trace, line %u: %s", trace->name, error->line,
		 error->what);
	return -EINVAL;
}

/* Room for n objects; never for none. */
static void *array_alloc(size_t n, size_t size, const char *name)
{
	return vmalloc(max(n, (size_t)1) * size, name);
}

int trace_load(const struct trace_text *trace, struct trace_events *out, char *why, size_t size)
{
	struct trace_error error;
	struct trace_id *ids;
	int status = 0;

	*out = (struct trace_events){0};
	if (trace_scan(trace->text, trace->size, &out->nr, &error) != 0)
		return malformed(trace, &error, why, size);
	out->events = array_alloc(out->nr, sizeof(*out->events), "trace events");
	ids = array_alloc(out->nr * TRACE_IDS_PER_EVENT, sizeof(*ids), "trace ids");
	if (!out->events || !ids)
		status = no_memory(trace, out->nr, why, size);
	else if (trace_parse(trace->text, trace->size, out->events, out->nr, ids, &out->nr_areas,
			     &error) != 0)
		status = malformed(trace, &error, why, size);
	if (ids)
		vfree(ids);
	if (status != 0)
		trace_unload(out);
	return status;
}

void trace_unload(struct trace_events *events)
{
	if (events->events)
		vfree(events->events);
	events->events = NULL;
}
