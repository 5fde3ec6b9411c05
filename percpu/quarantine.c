/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of a freed area under percpu_debug: it waits in the quarantine of guard.c, and is really
 * free once enough others were freed after it, when memory is short, or when somebody wants all of it.
 */
#include "percpu/guard.h"
#include "percpu/percpu_internal.h"

bool pcpu_quarantine_add(void __percpu *ptr, uintptr_t caller, struct pcpu_result *result,
			 struct pcpu_finding *finding)
{
	bool known = pcpu_guard_free(ptr, caller, result->text, sizeof(result->text), finding);

	pcpu_where_locked(ptr, &result->where);
	if (known)
		result->where.what = PCPU_AREA;
	else if (result->where.what == PCPU_AREA)
		result->where.what = PCPU_INSIDE; /* its front zone */
	pcpu_counters.bad_frees += !known;
	return known;
}

bool pcpu_quarantine_shrink(size_t limit, uintptr_t caller)
{
	struct pcpu_result result = {.warned = true};
	bool any = false, surplus;

	for (;;) {
		struct pcpu_finding finding = {""};
		irqflags_t flags = port_lock();
		void __percpu *area = pcpu_guard_release(limit, &finding);

		surplus = false;
		if (area)
			pcpu_free_locked(area, &result, &surplus);
		port_unlock(flags);
		pcpu_report_damage(&finding, caller);
		if (surplus)
			port_reclaim_schedule();
		if (!area)
			return any;
		any = true;
	}
}

void pcpu_quarantine_empty(uintptr_t caller)
{
	pcpu_quarantine_shrink(0, caller);
}

void pcpu_quarantine_drain(uintptr_t caller)
{
	if (!pcpu_guard_on)
		return;
	pcpu_quarantine_empty(caller);
	port_mutex_lock();
	pcpu_guard_bury();
	port_mutex_unlock();
}
