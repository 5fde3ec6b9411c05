/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a command's usage says of its arguments. A usage is words with blanks between:
 *
 *	SIZE [ALIGN] [reserved]		in capitals: a kind of argument; else the word itself
 *	on|off|dump			one of them
 *	BYTE...  [COMMAND...]		the last one may come again and again
 *	[ … ]				may be left out
 *
 * So the usage that help prints is also what counts arguments and what Tab completes by. Only
 * functions of strings; builds on the host too.
 */
#pragma once

#include "kernel/compiler.h"

#define USAGE_NO_LIMIT (~0u)

/* One argument. */
struct usage_arg {
	const char *word; /* in the usage, without brackets and dots */
	size_t length;
	bool optional, repeats;
};

/* Argument n (from 0) of a usage; past the last one the last again if it repeats. False: there is
 * none. */
bool usage_arg(const char *usage, unsigned int n, struct usage_arg *out);
/* How few and how many arguments a command takes. */
unsigned int usage_min(const char *usage);
unsigned int usage_max(const char *usage);
