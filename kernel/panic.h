/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end: prints what, file:line, CPU, registers, a symbolised backtrace and the other CPUs'
 * backtraces (fetched by NMI), then exits 0x11, or opens the panic monitor when monitor=on and the
 * console has a terminal.
 */
#pragma once

#include "kernel/compiler.h"

struct trap_frame;

void panic_at(const char *file, int line, const char *fmt, ...) __printf(3, 4) __noreturn;
/* The same for a fault: registers come from the frame. */
void panic_trap(struct trap_frame *frame, const char *fmt, ...) __printf(2, 3) __noreturn;

/*
 * The NMI handler calls this first. When another CPU panics, it notes where this CPU was and stops it
 * for good; else it returns false and the NMI is somebody else's. Lock-free, any context.
 */
bool panic_nmi(struct trap_frame *frame);

#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define ASSERT(cond)                                                        \
	do {                                                                \
		if (unlikely(!(cond)))                                      \
			panic("%s: assertion failed: %s", __func__, #cond); \
	} while (0)
