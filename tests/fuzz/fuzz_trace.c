/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/trace.c */
/* The trace parser: both passes over any text, and what an accepted text's events may hold. */
#include "tests/fuzz/fuzz.h"

#include "kernel/trace.h"

static void check_events(const struct trace_event *events, size_t nr_events, size_t nr_areas)
{
	size_t allocs = 0;

	for (size_t i = 0; i < nr_events; i++) {
		const struct trace_event *event = &events[i];

		FUZZ_CHECK(event->area < nr_areas);
		FUZZ_CHECK((event->flags & ~(TRACE_RESERVED | TRACE_NOSLEEP | TRACE_IRQS_OFF)) ==
			   0);
		if (event->size == 0)
			continue;
		FUZZ_CHECK(event->size <= TRACE_MAX_SIZE && event->align <= TRACE_MAX_ALIGN);
		FUZZ_CHECK(is_power_of_2(event->align) && event->area == allocs);
		allocs++;
	}
	FUZZ_CHECK(allocs == nr_areas);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct trace_error error = {0};
	size_t nr_events, nr_areas;

	if (trace_scan(text, size, &nr_events, &error) == 0) {
		struct trace_event *events = malloc(nr_events * sizeof(*events) + 1);
		struct trace_id *ids = malloc(nr_events * TRACE_IDS_PER_EVENT * sizeof(*ids) + 1);

		FUZZ_CHECK(nr_events <= size);
		if (trace_parse(text, size, events, nr_events, ids, &nr_areas, &error) == 0)
			check_events(events, nr_events, nr_areas);
		else
			FUZZ_CHECK(error.line > 0 && error.what != NULL);
		free(ids);
		free(events);
	} else {
		FUZZ_CHECK(error.line > 0 && error.what != NULL);
	}
	free(text);
	return 0;
}
