/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checks of test builds (CONFIG_LOCK_CHECKS): lock order, poison in free memory, ranges given back
 * empty. They are on from the start; a benchmark, which is to count what the work itself costs, turns
 * them off while its clock runs. Memory freed meanwhile is not poisoned, and known not to be.
 */
#pragma once

#include "kernel/compiler.h"

#if CONFIG_LOCK_CHECKS
extern bool checks_on; /* read by any; written by whoever runs a benchmark, alone */
#else
#define checks_on false
#endif

/* Turns the checks on or off; returns what they were. No effect in other builds. Any context. */
static inline bool checks_set(bool on)
{
	bool were = checks_on;

#if CONFIG_LOCK_CHECKS
	checks_on = on;
#else
	(void)on;
#endif
	return were;
}
