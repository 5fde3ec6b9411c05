// SPDX-License-Identifier: GPL-2.0-only
/* Stretches with interrupts off, as irq_save and irq_restore tell of them; see irqoff.h. */
#include "arch/x86_64/irqoff.h"

#include "arch/x86_64/arch.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"

static DEFINE_PER_CPU(uint64_t, since); /* 0: on, or off by other means than irq_save */
static DEFINE_PER_CPU(struct irqoff_stretch, longest);

bool irqoff_known(void)
{
	return CONFIG_IRQOFF;
}

void irqoff_begin(void)
{
	this_cpu_write(since, x86_rdtsc());
}

/* Finding out who it is comes after the counter was read. */
void irqoff_end(void)
{
	uint64_t counts = x86_rdtsc() - this_cpu_read(since);
	struct irqoff_stretch *most = this_cpu_ptr(&longest);

	if (this_cpu_read(since) == 0 || counts <= most->counts)
		return;
	*most = (struct irqoff_stretch){.counts = counts};
	arch_backtrace(0, most->pcs, IRQOFF_DEPTH);
}

void irqoff_reset(void)
{
	*this_cpu_ptr(&longest) = (struct irqoff_stretch){0};
}

struct irqoff_stretch irqoff_longest(void)
{
	return *this_cpu_ptr(&longest);
}
