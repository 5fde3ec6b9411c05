/* SPDX-License-Identifier: GPL-2.0-only */
/* Time since boot from the time-stamp counter, calibrated against the PIT; and waiting by it. */
#pragma once

#include <stdint.h>

/* Calibrates the counter. Before it ran, time_ns counts as if the counter ran at 1 GHz. */
void time_init(void);
/* Nanoseconds, microseconds since time_init's start; never goes back on one CPU. Any context. */
uint64_t time_ns(void);
uint64_t time_us(void);
/* Spins. Any context. */
void time_delay_us(uint64_t us);
