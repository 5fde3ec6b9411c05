/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes and lines from COM1 and from the keyboard. A script's bytes are taken as they are; what a terminal
 * sends is keys (monitor_terminal.c). The first key that is pressed at the machine itself makes it one.
 * CR, LF and CRLF end a line.
 */
#include "arch/x86_64/keyboard.h"
#include "arch/x86_64/serial.h"
#include "kernel/keys.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"
#include "kernel/time.h"
#include "kernel/wait.h"

#define NO_TEXT '\1' /* stands for bytes that are no text, so that no command matches */

#define LOOK_US 10000 /* between two looks for Ctrl-C */
#define POLL_MS 200ul /* in case a wake-up is lost with a machine's interrupt */

static struct wait_queue input_queue = WAIT_QUEUE_INIT(input_queue);

/* Bytes read and not yet looked at. */
static struct {
	char bytes[4096];
	size_t next, count;
} input;

static struct {
	bool others_keys;   /* somebody else reads what is typed, and asks */
	bool enabled;	    /* a command runs that Ctrl-C may stop */
	bool asked;	    /* to stop */
	uint64_t looked_at; /* when bytes were looked for last, in time_us */
} stop;

static struct {
	char text[MONITOR_LINE_SIZE + 1];
	size_t length; /* may be past MONITOR_LINE_SIZE: the line is too long */
	bool after_cr; /* the line before ended in CR: an LF now belongs to it */
} line;

void monitor_wake(void)
{
	wake_all(&input_queue);
}

static size_t take_in(char *to, size_t room)
{
	size_t n = serial_read(to, room);

	if (n > 0)
		return n;
	n = keyboard_read(to, room);
	if (n > 0)
		terminal_at_screen();
	return n;
}

bool monitor_byte_ready(void)
{
	if (input.next == input.count) {
		input.next = 0;
		input.count = take_in(input.bytes, sizeof(input.bytes));
	}
	return input.next < input.count;
}

bool monitor_wait_byte(unsigned int timeout_ms)
{
	uint64_t start = time_us(), limit = timeout_ms * 1000ul;
	struct wait_entry entry;

	while (monitor_in_panic() && !monitor_byte_ready())
		console_flush(); /* no other CPU paints the screen */
	while (!monitor_byte_ready()) {
		uint64_t passed = time_us() - start;

		if (timeout_ms > 0 && passed >= limit)
			return false;
		wait_prepare(&input_queue, &entry);
		if (!monitor_byte_ready())
			wait_sleep(&entry, timeout_ms > 0
						   ? min(POLL_MS, (limit - passed) / 1000 + 1)
						   : POLL_MS);
		wait_finish(&input_queue, &entry);
	}
	return true;
}

char monitor_next_byte(void)
{
	monitor_wait_byte(0);
	return input.bytes[input.next++];
}

void monitor_stop_begin(void)
{
	stop.enabled = terminal_on();
	stop.asked = stop.others_keys = false;
}

bool monitor_stop_enable(bool enable)
{
	bool was = stop.enabled;

	stop.enabled = enable;
	return was;
}

void monitor_stop_ask(void)
{
	stop.asked = true;
}

void monitor_stop_by_others(bool others)
{
	stop.others_keys = others;
}

/* Takes in what was typed; all up to the last Ctrl-C is dropped, as a terminal's driver would. */
static void look_for_control_c(void)
{
	size_t kept = input.count - input.next;

	memmove(input.bytes, input.bytes + input.next, kept);
	input.next = 0;
	input.count = kept + take_in(input.bytes + kept, sizeof(input.bytes) - kept);
	for (size_t i = input.count; i-- > 0;) {
		if (input.bytes[i] != CTRL('C'))
			continue;
		input.next = i + 1;
		stop.asked = true;
		console_write("^C\n", 3);
		return;
	}
}

bool monitor_stopped(void)
{
	bool looks = stop.enabled && !stop.asked && !stop.others_keys;

	if (looks && time_us() - stop.looked_at >= LOOK_US) {
		stop.looked_at = time_us();
		look_for_control_c();
	}
	return stop.enabled && stop.asked;
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
	monitor_wait_byte(0);
	if (terminal_on()) { /* somebody sat down at the machine: the prompt again, in its place */
		console_write("\r", 1);
		return monitor_read_terminal(prompt);
	}
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
