/* SPDX-License-Identifier: GPL-2.0-only */
/* What panic needs of the console: the right to speak whoever holds it. */
#pragma once

#include "kernel/compiler.h"

/*
 * From now on this CPU writes to the console even when its lock stays taken: by this CPU itself at
 * once, by another one after a short wait. All other CPUs wait for ever. Any context.
 */
void console_panic_begin(void);
