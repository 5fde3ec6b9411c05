/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines from COM1. A script's bytes are taken as they are; on a terminal, which the command line
 * tells of (console=tty), they are echoed and can be edited: Backspace, Ctrl-U (the whole line),
 * Ctrl-C (give up the line), Ctrl-D on an empty line (power off). Escape sequences of cursor and
 * function keys are passed over. CR, LF and CRLF end a line.
 */
#include "arch/x86_64/serial.h"
#include "kernel/cmdline.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/wait.h"

#define CTRL(letter) ((letter)&0x1f)
#define BACKSPACE    '\b'
#define DELETE	     0x7f
#define ESCAPE	     0x1b
#define NO_TEXT	     '\1' /* stands for bytes that are no text, so that no command matches */

#define POLL_MS 200 /* in case a wake-up is lost with a machine's interrupt */

enum escape_state { ESCAPE_NONE, ESCAPE_SEEN, ESCAPE_SEQUENCE };

static struct wait_queue input_queue = WAIT_QUEUE_INIT(input_queue);

/* Bytes read and not yet looked at. */
static struct {
	char bytes[256];
	size_t next, count;
} input;

static struct {
	char text[MONITOR_LINE_SIZE + 1];
	size_t length; /* may be past MONITOR_LINE_SIZE: the line is too long */
	bool after_cr; /* the line before ended in CR: an LF now belongs to it */
	enum escape_state escape;
} line;

void monitor_wake(void)
{
	wake_all(&input_queue);
}

static void fill_input(void)
{
	struct wait_entry entry;

	input.next = 0;
	input.count = serial_read(input.bytes, sizeof(input.bytes));
	while (input.count == 0) {
		wait_prepare(&input_queue, &entry);
		input.count = serial_read(input.bytes, sizeof(input.bytes));
		if (input.count == 0)
			wait_sleep(&entry, POLL_MS);
		wait_finish(&input_queue, &entry);
	}
}

static char next_byte(void)
{
	if (input.next == input.count)
		fill_input();
	return input.bytes[input.next++];
}

static bool on_terminal(void)
{
	const char *console = cmdline_get("console");

	return console && strcmp(console, "tty") == 0;
}

static void append(char c)
{
	if (line.length < MONITOR_LINE_SIZE)
		line.text[line.length] = c;
	if (line.length <= MONITOR_LINE_SIZE)
		line.length++;
}

static void rub_out(size_t n)
{
	for (; n > 0 && line.length > 0; n--) {
		console_write("\b \b", 3);
		line.length--;
	}
}

/* Passes over ESC, one byte, and, if that was '[' or 'O', all up to a letter or '~'. */
static bool in_escape(char c)
{
	switch (line.escape) {
	case ESCAPE_NONE:
		if (c != ESCAPE)
			return false;
		line.escape = ESCAPE_SEEN;
		return true;
	case ESCAPE_SEEN:
		line.escape = c == '[' || c == 'O' ? ESCAPE_SEQUENCE : ESCAPE_NONE;
		return true;
	default:
		if (c >= '@' && c <= '~')
			line.escape = ESCAPE_NONE;
		return true;
	}
}

static bool is_text(char c)
{
	return (c >= ' ' && c <= '~') || c == '\t';
}

/* One byte from a terminal that does not end the line. True if it ends it all the same. */
static bool edit(char c)
{
	switch (c) {
	case CTRL('C'):
		console_write("^C\n", 3);
		line.length = 0;
		return true;
	case CTRL('D'):
		if (line.length > 0)
			return false;
		memcpy(line.text, "poweroff", 8);
		line.length = 8;
		console_write("poweroff\n", 9);
		return true;
	case CTRL('U'):
		rub_out(line.length);
		return false;
	case BACKSPACE:
	case DELETE:
		rub_out(1);
		return false;
	default:
		if (!is_text(c))
			return false;
		append(c == '\t' ? ' ' : c);
		console_write(c == '\t' ? " " : &c, 1);
		return false;
	}
}

/* Takes one byte; true if it ends the line. */
static bool take(char c, bool terminal)
{
	bool after_cr = line.after_cr;

	line.after_cr = c == '\r';
	if (c == '\n' && after_cr)
		return false;
	if (c == '\n' || c == '\r') {
		if (terminal)
			console_write("\n", 1);
		return true;
	}
	if (terminal)
		return !in_escape(c) && edit(c);
	append(is_text(c) ? c : NO_TEXT);
	return false;
}

const char *monitor_read_line(void)
{
	bool terminal = on_terminal();

	line.length = 0;
	while (!take(next_byte(), terminal)) {
	}
	if (line.length > MONITOR_LINE_SIZE)
		return NULL;
	line.text[line.length] = '\0';
	return line.text;
}
