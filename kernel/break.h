/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel broken on purpose, for the tests of what runs it: the command line's key break=. */
#pragma once

#include "kernel/compiler.h"

/*
 * Does the damage that break= names: "panic", "triple" (fault), "hang" with interrupts off, "warn"
 * (one warning), "log" (a log line now and then, 60 of them; the last is a warning). Returns at once for "test", which makes a self-test fail, and without the key.
 */
void break_on_request(void);
