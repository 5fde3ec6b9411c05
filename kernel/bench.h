/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measurements of the allocator. What they count is the time-stamp counter: under QEMU's
 * -icount shift=0 with one CPU, instructions, the same number on every run.
 */
#pragma once

#include "kernel/compiler.h"

/*
 * Runs the benchmark of that name; NULL: all, one after the other. Hands each line of the result to
 * print: "bench=NAME", fields that say what was done, then the figures. False, with nothing run, if there
 * is none of that name; also false with *error set to what is missing and the way out, after giving
 * everything back. Devices and the tick are held off while the counter runs. Sleeps.
 */
bool bench_run(const char *name, void (*print)(const char *fmt, ...) __printf(1, 2),
	       const char **error);
/* The names of the benchmarks; NULL past the last. */
const char *bench_name(size_t i);
