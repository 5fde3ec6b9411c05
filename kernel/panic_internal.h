/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the report of a panic and the prompt after it. On the CPU that panics, the others stopped. */
#pragma once

#include "kernel/compiler.h"

/* Runs fn(arg), which reads what may be broken. If it faults or panics: a line that says so, and false. */
bool panic_try(const char *name, void (*fn)(void *arg), void *arg);
/* Prints where a CPU was; false if it left no note of it. */
bool panic_print_trace(unsigned int cpu);
/* Prints the registers of the place that panicked. */
void panic_print_registers(void);
