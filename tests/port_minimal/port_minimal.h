/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The smallest machine that percpu/ runs on: one CPU, no MMU, memory is one static array. It runs as
 * an ordinary program. docs/porting.md walks through it.
 */
#pragma once

#include "percpu/percpu.h"

/* Makes the first chunk. Once. */
void machine_boot(void);
/* What the idle loop does: the work that was put off. */
void machine_idle(void);
/* Pages of the pool that nobody has. */
size_t machine_pages_free(void);

extern unsigned int machine_warnings; /* lines of port_warn */
