// SPDX-License-Identifier: GPL-2.0-only
/* What a usage says, see usage.h. */
#include "kernel/usage.h"

#include "kernel/string.h"

#define DOTS "..."

/* Reads the argument at s; returns where the next one may begin. */
static const char *read_arg(const char *s, struct usage_arg *out)
{
	size_t length = 0;
	const char *end;

	while (s[length] != '\0' && s[length] != ' ')
		length++;
	end = s + length;
	out->optional = *s == '[';
	if (out->optional) {
		s++;
		length -= 2;
	}
	out->repeats = length > strlen(DOTS) &&
		       strncmp(s + length - strlen(DOTS), DOTS, strlen(DOTS)) == 0;
	out->word = s;
	out->length = length - (out->repeats ? strlen(DOTS) : 0);
	return *end == ' ' ? end + 1 : end;
}

bool usage_arg(const char *usage, unsigned int n, struct usage_arg *out)
{
	if (*usage == '\0')
		return false;
	for (;;) {
		usage = read_arg(usage, out);
		if (n == 0 || (*usage == '\0' && out->repeats))
			return true;
		if (*usage == '\0')
			return false;
		n--;
	}
}

unsigned int usage_min(const char *usage)
{
	struct usage_arg arg;
	unsigned int n = 0;

	while (*usage != '\0') {
		usage = read_arg(usage, &arg);
		n += !arg.optional;
	}
	return n;
}

unsigned int usage_max(const char *usage)
{
	struct usage_arg arg = {.repeats = false};
	unsigned int n = 0;

	for (; *usage != '\0'; n++)
		usage = read_arg(usage, &arg);
	return arg.repeats ? USAGE_NO_LIMIT : n;
}
