/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long interrupts stay off, in counts of the time-stamp counter. Only in a kernel that was made with
 * IRQOFF=1, where irq_save and irq_restore tell of it; an ordinary one does not carry the cost.
 */
#pragma once

#include "kernel/compiler.h"

#define IRQOFF_DEPTH 6

struct irqoff_stretch {
	uint64_t counts;	     /* from after irq_save to before irq_restore; 0: none yet */
	uintptr_t pcs[IRQOFF_DEPTH]; /* return addresses at its end, nearest first; then 0 */
};

/* Whether this kernel can tell. */
bool irqoff_known(void);
/* Forgets the longest stretch of this CPU, and gives it. Thread context; the thread stays on its CPU. */
void irqoff_reset(void);
struct irqoff_stretch irqoff_longest(void);

/* For irq.h: interrupts went off, are about to go on. Interrupts are off. */
void irqoff_begin(void);
void irqoff_end(void);
