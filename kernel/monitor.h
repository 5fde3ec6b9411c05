/* SPDX-License-Identifier: GPL-2.0-only */
/* The prompt on the console: one command a line, records of key=value fields as answers. */
#pragma once

#include "kernel/compiler.h"

/* Reads lines from COM1 and runs them until poweroff or reboot. Thread context. */
void monitor_run(void) __noreturn;
/* Runs one line (commands separated by ';') as if typed. Returns how many commands failed. */
unsigned int monitor_execute(const char *line);
