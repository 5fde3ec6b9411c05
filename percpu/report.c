/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests that are refused or fail, and damage that was found: counted, put into words, warned of.
 * Warnings of bad requests are limited in rate; their counters are not.
 */
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"

const char pcpu_illegal_size[] = "illegal size or align";

static void count_failure(unsigned long *counter)
{
	irqflags_t flags = port_lock();

	(*counter)++;
	port_unlock(flags);
}

void pcpu_report_refusal(size_t size, size_t align, const char *why, struct pcpu_result *result)
{
	count_failure(&pcpu_counters.bad_allocs);
	result->error = why;
	result->warned = true;
	if (why == pcpu_illegal_size)
		port_format(result->text, sizeof(result->text),
			    "illegal size %zu or align %zu: size is 1 to %zu, align a power of two "
			    "up to %zu",
			    size, align, PCPU_MIN_UNIT_SIZE, PAGE_SIZE);
	else
		port_format(result->text, sizeof(result->text), "size %zu align %zu: %s", size,
			    align, why);
}

void pcpu_report_no_memory(size_t size, size_t align, bool reserved, struct pcpu_result *result)
{
	count_failure(&pcpu_counters.alloc_failures);
	result->error = "out of memory";
	port_format(result->text, sizeof(result->text),
		    "out of memory: no %s for size %zu align %zu",
		    reserved ? "room in the reserved area" : "chunk or page", size, align);
}

void pcpu_report_bad_free(const void __percpu *ptr, struct pcpu_result *result)
{
	result->error = "not the start of a live area";
	result->warned = true;
	if (result->text[0] == 0)
		pcpu_where_text(ptr, &result->where, result->text, sizeof(result->text));
}

void pcpu_report_damage(const struct pcpu_finding *finding, uintptr_t caller)
{
	if (finding->text[0] == 0)
		return;
	count_failure(&pcpu_counters.damages);
	port_warn(caller, "%s", finding->text);
}

/* At most this many warnings a second: a bad caller in a loop must not drown the log. */
#define WARNINGS_PER_SECOND 10

/* Whether one more warning may be printed now; *missed: how many were not since the last. */
static bool warning_allowed(unsigned long *missed)
{
	static uint64_t second; /* (L), like the two below */
	static unsigned int printed;
	static unsigned long suppressed;
	uint64_t now = port_time_ms() / 1000;
	irqflags_t flags = port_lock();
	bool allowed;

	if (now != second)
		printed = 0;
	second = now;
	allowed = printed < WARNINGS_PER_SECOND;
	if (allowed) {
		printed++;
		*missed = suppressed;
		suppressed = 0;
	} else {
		suppressed++;
	}
	port_unlock(flags);
	return allowed;
}

void pcpu_report_warn(uintptr_t caller, const char *what, const struct pcpu_result *result)
{
	unsigned long missed;

	if (!result->warned || !warning_allowed(&missed))
		return;
	if (missed > 0)
		port_info("%lu warnings like the next were left out", missed);
	port_warn(caller, "%s: %s", what, result->text);
}
