/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's output, one record a line, and the reading of arguments. */
#include "kernel/monitor_internal.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"

#define RECORD_SIZE 512 /* of a record printed at once */
#define QUOTE_SIZE  48

static struct {
	char *buf; /* NULL: output goes to the console */
	size_t room, length;
	bool held; /* for the terminal, later */
} capture;

void monitor_capture(char *buf, size_t size)
{
	capture.buf = buf;
	capture.room = size;
	capture.length = 0;
	capture.held = false;
	if (buf)
		buf[0] = '\0';
}

void monitor_hold(char *buf, size_t size)
{
	monitor_capture(buf, size);
	capture.held = true;
}

void monitor_write(const char *text, size_t length)
{
	if (!capture.buf) {
		console_write(text, length);
		return;
	}
	length = min(length, capture.room - capture.length - 1);
	memcpy(capture.buf + capture.length, text, length);
	capture.length += length;
	capture.buf[capture.length] = '\0';
}

bool monitor_on_terminal(void)
{
	return terminal_on() && (!capture.buf || capture.held);
}

const char *monitor_colour(enum monitor_colour colour)
{
	static const char *const sequences[] = {
		[COLOUR_OFF] = "\033[0m",	 [COLOUR_PROMPT] = "\033[1;32m",
		[COLOUR_ERROR] = "\033[1;31m",	 [COLOUR_FLAG] = "\033[33m",
		[COLOUR_USED] = "\033[1;36m",	 [COLOUR_FREE] = "\033[32m",
		[COLOUR_NO_MEMORY] = "\033[90m",
	};

	return monitor_on_terminal() ? sequences[colour] : "";
}

/* prefix, text, newline; a text too long is cut. */
static void __printf(2, 0) print_line(const char *prefix, const char *fmt, va_list args)
{
	char line[RECORD_SIZE];
	size_t n = strlcpy(line, prefix, sizeof(line));

	n += (size_t)vsnprintf(line + n, sizeof(line) - n, fmt, args);
	n = min(n, sizeof(line) - 1);
	line[n] = '\n';
	monitor_write(line, n + 1);
}

void monitor_print(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line("", fmt, args);
	va_end(args);
}

bool monitor_error(const char *fmt, ...)
{
	char prefix[32];
	va_list args;

	snprintf(prefix, sizeof(prefix), "%serror:%s ", monitor_colour(COLOUR_ERROR),
		 monitor_colour(COLOUR_OFF));
	va_start(args, fmt);
	print_line(prefix, fmt, args);
	va_end(args);
	return false;
}

bool monitor_record_begin(struct monitor_record *record, size_t room)
{
	*record = (struct monitor_record){monitor_alloc(room, "monitor record"), room, 0};
	if (!record->text)
		return monitor_error("no memory for an answer of %zu bytes: free some areas first",
				     room);
	return true;
}

void monitor_record_add(struct monitor_record *record, const char *fmt, ...)
{
	size_t left = record->room - record->length;
	va_list args;

	va_start(args, fmt);
	record->length += (size_t)vsnprintf(record->text + record->length, left, fmt, args);
	va_end(args);
	record->length = min(record->length, record->room - 1);
}

void monitor_record_end(struct monitor_record *record)
{
	record->text[record->length] = '\n';
	monitor_write(record->text, record->length + 1);
	monitor_free(record->text);
}

const char *monitor_quote(const char *word)
{
	static char quotes[4][QUOTE_SIZE];
	static unsigned int next;
	char *quote = quotes[next++ % ARRAY_SIZE(quotes)];
	size_t n = 0;

	quote[n++] = '\'';
	for (; *word != '\0' && n < QUOTE_SIZE - 5; word++)
		quote[n++] = *word > ' ' && *word <= '~' ? *word : '?';
	if (*word != '\0')
		for (unsigned int dots = 0; dots < 3; dots++)
			quote[n++] = '.';
	quote[n++] = '\'';
	quote[n] = '\0';
	return quote;
}

bool monitor_number(const char *what, const char *word, uint64_t limit, uint64_t *out)
{
	uint64_t value;

	if (!parse_u64(word, &value))
		return monitor_error("%s %s is no number below 2^64: write it in decimal, or in "
				     "hex as 0x1f",
				     what, monitor_quote(word));
	if (value > limit)
		return monitor_error("%s %lu is too large: at most %lu", what, value, limit);
	*out = value;
	return true;
}
