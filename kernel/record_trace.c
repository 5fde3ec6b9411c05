/* SPDX-License-Identifier: GPL-2.0-only */
/* Records what passes as a trace: events in memory while it happens, text when somebody asks. */
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/smp.h"
#include "kernel/errno.h"
#include "kernel/ksyms.h"
#include "kernel/printk.h"
#include "kernel/records.h"
#include "kernel/records_internal.h"
#include "mm/vmalloc.h"

struct recorded {
	uint64_t id;
	uintptr_t caller; /* of an allocation */
	uint32_t size;	  /* 0: a free */
	uint16_t align, cpu;
	uint16_t flags; /* TRACE_RESERVED … */
};

/* Under records_lock. */
static struct recorded *events;
static struct record_trace_status status;
static uint64_t last_id; /* IDs are never used again, so that those of an older trace are known */
static uint64_t ids_before; /* the last ID of older traces */

int record_trace_start(void)
{
	struct recorded *fresh = vmalloc(RECORDS_TRACE * sizeof(*fresh), "recorded trace"), *old;
	irqflags_t flags;

	if (!fresh)
		return -ENOMEM;
	flags = spin_lock_irqsave(&records_lock);
	old = events;
	events = fresh;
	status = (struct record_trace_status){.on = true};
	ids_before = last_id;
	spin_unlock_irqrestore(&records_lock, flags);
	if (old)
		vfree(old);
	return 0;
}

void record_trace_stop(void)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);

	status.on = false;
	spin_unlock_irqrestore(&records_lock, flags);
}

void record_trace_drop(void)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);
	struct recorded *old = events;

	events = NULL;
	status = (struct record_trace_status){0};
	spin_unlock_irqrestore(&records_lock, flags);
	if (old)
		vfree(old);
}

void record_trace_get(struct record_trace_status *out)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);

	*out = status;
	spin_unlock_irqrestore(&records_lock, flags);
}

/* Room for one more event; NULL, counted, when there is none. Records_lock held. */
static struct recorded *next_event(void)
{
	if (status.events < RECORDS_TRACE)
		return &events[status.events++];
	status.dropped++;
	return NULL;
}

uint64_t record_trace_alloc(const struct pcpu_event *event)
{
	struct recorded *recorded = status.on ? next_event() : NULL;

	if (!recorded)
		return 0;
	*recorded = (struct recorded){
		.id = ++last_id,
		.caller = event->caller,
		.size = (uint32_t)event->size,
		.align = (uint16_t)event->align,
		.cpu = (uint16_t)smp_processor_id(),
		.flags = event->reserved ? TRACE_RESERVED : 0,
	};
	return recorded->id;
}

void record_trace_free(uint64_t id, const struct pcpu_event *event)
{
	struct recorded *recorded;

	if (!status.on)
		return;
	if (id <= ids_before) {
		status.unknown++;
		return;
	}
	recorded = next_event();
	if (recorded)
		*recorded = (struct recorded){
			.id = id,
			.cpu = (uint16_t)smp_processor_id(),
			.flags = event->flags & RFLAGS_IF ? 0 : TRACE_IRQS_OFF,
		};
}

static const char *flag_letters(uint16_t flags)
{
	if (flags & TRACE_RESERVED)
		return "r";
	return flags & TRACE_IRQS_OFF ? "i" : "-";
}

bool record_trace_line(size_t n, char *buf, size_t size)
{
	irqflags_t flags = spin_lock_irqsave(&records_lock);
	bool there = n < status.events;
	struct recorded event = {0};
	const char *name;
	size_t offset;

	if (there)
		event = events[n];
	spin_unlock_irqrestore(&records_lock, flags);
	if (!there)
		return false;
	if (event.size == 0) {
		snprintf(buf, size, "f %lu %u %s", event.id, event.cpu, flag_letters(event.flags));
		return true;
	}
	name = ksym_name(event.caller - 1, &offset, NULL);
	snprintf(buf, size, "a %lu %u %u %u %s %s+0x%zx", event.id, event.size, event.align,
		 event.cpu, flag_letters(event.flags), name, offset + 1);
	return true;
}
