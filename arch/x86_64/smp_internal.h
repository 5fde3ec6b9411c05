/* SPDX-License-Identifier: GPL-2.0-only */
/* Between smp.c and calls.c. */
#pragma once

#include "arch/x86_64/smp.h"

/* Registers the interrupt by which CPUs call each other. Boot CPU, before an AP runs. */
void smp_calls_init(void);
/* Flushes everything, global pages included, from this CPU's TLB. */
void tlb_flush_local(void);
