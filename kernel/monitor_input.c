/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes and lines from COM1. A script's bytes are taken as they are; what a terminal sends is keys
 * (monitor_terminal.c). CR, LF and CRLF end a line.
 */
#include "arch/x86_64/serial.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"
#include "kernel/wait.h"

#define NO_TEXT '\1' /* stands for bytes that are no text, so that no command matches */

#define POLL_MS 200 /* in case a wake-up is lost with a machine's interrupt */

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
} line;

void monitor_wake(void)
{
	wake_all(&input_queue);
}

bool monitor_byte_ready(void)
{
	if (input.next == input.count) {
		input.next = 0;
		input.count = serial_read(input.bytes, sizeof(input.bytes));
	}
	return input.next < input.count;
}

char monitor_next_byte(void)
{
	struct wait_entry entry;

	while (!monitor_byte_ready()) {
		wait_prepare(&input_queue, &entry);
		if (!monitor_byte_ready())
			wait_sleep(&entry, POLL_MS);
		wait_finish(&input_queue, &entry);
	}
	return input.bytes[input.next++];
}

static void append(char c)
{
	bool text = (c >= ' ' && c <= '~') || c == '\t';

	if (line.length < MONITOR_LINE_SIZE)
		line.text[line.length] = text ? c : NO_TEXT;
	if (line.length <= MONITOR_LINE_SIZE)
		line.length++;
}

/* Takes one byte; true if it ends the line. */
static bool take(char c)
{
	bool after_cr = line.after_cr;

	line.after_cr = c == '\r';
	if (c == '\n' && after_cr)
		return false;
	if (c == '\n' || c == '\r')
		return true;
	append(c);
	return false;
}

static const char *read_line_of_pipe(const char *prompt)
{
	console_write(prompt, strlen(prompt));
	line.length = 0;
	while (!take(monitor_next_byte())) {
	}
	if (line.length > MONITOR_LINE_SIZE)
		return NULL;
	line.text[line.length] = '\0';
	return line.text;
}

const char *monitor_read_line(const char *prompt)
{
	return terminal_on() ? monitor_read_terminal(prompt) : read_line_of_pipe(prompt);
}
