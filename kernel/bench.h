/* SPDX-License-Identifier: GPL-2.0-only */
/* Measurements of the allocator: time-stamp counts of single calls, averaged over many. */
#pragma once

#include "kernel/compiler.h"

/*
 * Runs the benchmark of that name ("burst", "churn"; NULL: all) and hands each line of the result to
 * print. False, with nothing run, if there is none of that name; also false with *error set, after
 * giving everything back, when memory ran out. Sleeps; what the counts count is the machine's affair
 * (instructions under QEMU's -icount shift=0).
 */
bool bench_run(const char *name, void (*print)(const char *fmt, ...) __printf(1, 2),
	       const char **error);
/* The names of the benchmarks; NULL past the last. */
const char *bench_name(size_t i);
