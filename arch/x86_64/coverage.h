/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of a kernel made with COVERAGE=1. */
#pragma once

#if CONFIG_COVERAGE
/* Sends the counters of all files to QEMU's debug console, once; a second call does nothing.
 * Interrupts off. */
void coverage_dump(void);
#else
static inline void coverage_dump(void)
{
}
#endif
