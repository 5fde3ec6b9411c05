/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel command line: "key=value" words with blanks between. Usable from the first line of C. */
#pragma once

#include "kernel/compiler.h"

/* Parses and keeps a copy; warns once about each unknown key and each bad value. */
void cmdline_init(const char *text);
/* The value of a key; "" for a key given without one; NULL if it was not given. Last one wins. */
const char *cmdline_get(const char *key);
bool cmdline_flag(const char *key);
/* The value as a number (cmdline_size: with K or M); the default if absent or malformed (warns). */
uint64_t cmdline_u64(const char *key, uint64_t otherwise);
uint64_t cmdline_size(const char *key, uint64_t otherwise);
