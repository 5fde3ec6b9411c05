/* SPDX-License-Identifier: GPL-2.0-only */
/* The prompt on the console: one command a line, records of key=value fields as answers. */
#pragma once

#include "kernel/compiler.h"

#define MONITOR_LINE_SIZE 1024 /* longest line, in bytes */

/* Reads lines from COM1 and runs them until poweroff or reboot. Thread context. */
void monitor_run(void) __noreturn;
/* Tells monitor_run that COM1 has bytes: for serial_enable_input. Any context but NMI. */
void monitor_wake(void);
/* Runs one line (commands separated by ';') as if typed. Returns how many commands failed. Sleeps. */
unsigned int monitor_execute(const char *line);
/* For tests: what commands print goes to buf, ended with 0, and not to the console; what does not
 * fit is dropped. NULL: to the console again. */
void monitor_capture(char *buf, size_t size);

/* Whether a panic is to end in a prompt: a terminal is there, and monitor=off was not given. */
bool monitor_panic_wanted(void);
/* That prompt, with the commands that only read; ends the machine with 0x11. Others are stopped, interrupts
 * off, spin_break called. */
void monitor_panic(void) __noreturn;
