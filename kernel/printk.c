// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console: log lines, raw output and the test report, each written as one piece.
 *
 * A line is formatted on the caller's stack and written under the console lock, which is not a
 * struct spinlock: an NMI may come while this CPU holds it, and a panic must get through whoever
 * holds it. So the lock is a word with the holder's CPU in it. A writer that finds its own CPU
 * there has interrupted a line: it leaves its text in `deferred`, and the interrupted writer puts
 * that out when its own line is done. The panicking CPU does not defer and breaks the lock after a
 * while.
 *
 * The serial port gets its bytes at once. The screen (kernel/screen.h) is painted by idle CPUs, and by
 * the writer only when they have not come to it for a while.
 *
 * A line being typed on a terminal stays below all of it: it is hidden before a text and shown again
 * after it. The two byte strings that do so are kept here, for any context.
 *
 * Needs: this CPU's GS base (from arch_percpu_early_init on) and nothing else.
 */
#include "kernel/printk.h"

#include "arch/x86_64/irq.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp.h"
#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/printk_internal.h"
#include "kernel/screen.h"
#include "kernel/string.h"
#include "kernel/time.h"

#define LINE_SIZE     512
#define DEFERRED_SIZE 1024
#define PANIC_WAIT_NS 200000000ull /* for another CPU to finish its line */
#define IDLE_PAINT_NS 50000000ull  /* between two pictures of the screen by idle CPUs */
#define BUSY_PAINT_NS 250000000ull /* … and before who writes paints one himself */

static unsigned int console_holder;  /* CPU id + 1; 0: free */
static unsigned int console_panic;   /* id + 1 of the CPU that panics */
static char deferred[DEFERRED_SIZE]; /* touched only by the CPU that holds the console */
static size_t deferred_length;
static enum log_level max_level = LOG_INFO;

/* The line being typed; changed and used only by who holds the console. */
static struct {
	const char *hide; /* NULL: there is none */
	const char *show;
	size_t show_length;
} overlay;

enum access { ACCESS_WRITE, ACCESS_DEFER };

static bool console_try(unsigned int me)
{
	unsigned int free = 0;

	return __atomic_compare_exchange_n(&console_holder, &free, me, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* The panicking CPU: takes the lock when it comes free in time, else without asking. */
static enum access console_force(unsigned int me)
{
	uint64_t limit = time_ns() + PANIC_WAIT_NS;

	while (READ_ONCE(console_holder) != me && !console_try(me) && time_ns() < limit)
		x86_pause();
	__atomic_store_n(&console_holder, me, __ATOMIC_RELAXED);
	return ACCESS_WRITE;
}

/* Interrupts are off. While another CPU panics this never returns: that CPU stops us by NMI. */
static enum access console_take(void)
{
	unsigned int me = smp_processor_id() + 1;

	if (unlikely(READ_ONCE(console_panic) == me))
		return console_force(me);
	if (READ_ONCE(console_holder) == me)
		return ACCESS_DEFER;
	while (READ_ONCE(console_panic) != 0 || !console_try(me))
		x86_pause();
	return ACCESS_WRITE;
}

/* The console is held. */
static void put(const char *buf, size_t n, enum screen_tone tone)
{
	serial_write(COM1, buf, n);
	screen_write(buf, n, tone);
}

/* The same above the line that is being typed. */
static void put_above(const char *buf, size_t n, enum screen_tone tone)
{
	const char *hide = READ_ONCE(overlay.hide);

	if (hide != NULL)
		put(hide, strlen(hide), TONE_NORMAL);
	put(buf, n, tone);
	if (hide != NULL)
		put(overlay.show, overlay.show_length, TONE_NORMAL);
}

static bool paint_is_due(uint64_t interval)
{
	return screen_is_behind() && time_ns() - screen_painted_at() >= interval;
}

static void paint_all(void)
{
	while (screen_paint_row()) {
	}
}

static void console_release(void)
{
	if (deferred_length > 0)
		put_above(deferred, deferred_length, TONE_NORMAL);
	deferred_length = 0;
	__atomic_store_n(&console_holder, 0, __ATOMIC_RELEASE);
}

/* Whole texts only: one that does not fit is dropped. */
static void defer(const char *buf, size_t n)
{
	if (n > DEFERRED_SIZE - deferred_length)
		return;
	memcpy(deferred + deferred_length, buf, n);
	deferred_length += n;
}

static void write_console(const char *buf, size_t n, enum screen_tone tone)
{
	irqflags_t flags = irq_save();

	if (console_take() == ACCESS_WRITE) {
		put_above(buf, n, tone);
		if (paint_is_due(BUSY_PAINT_NS))
			paint_all();
		console_release();
	} else {
		defer(buf, n);
	}
	irq_restore(flags);
}

void console_write(const char *buf, size_t n)
{
	write_console(buf, n, TONE_NORMAL);
}

void console_flush(void)
{
	irqflags_t flags = irq_save();

	if (screen_is_behind() && console_take() == ACCESS_WRITE) {
		paint_all();
		console_release();
	}
	irq_restore(flags);
}

bool console_paint(void)
{
	static bool painting; /* a picture is begun; under the console's lock */
	unsigned int me = smp_processor_id() + 1;
	irqflags_t flags;
	bool painted;

	if (!screen_is_behind() || (!READ_ONCE(painting) && !paint_is_due(IDLE_PAINT_NS)))
		return false;
	flags = irq_save();
	painted = READ_ONCE(console_panic) == 0 && console_try(me);
	if (painted) {
		painting = screen_paint_row();
		console_release();
	}
	irq_restore(flags);
	return painted;
}

void report_write(const char *buf, size_t n)
{
	irqflags_t flags = irq_save();

	if (console_take() == ACCESS_WRITE) {
		serial_write(COM2, buf, n);
		console_release();
	}
	irq_restore(flags);
}

void console_overlay(const char *update, size_t n, const char *hide, const char *show,
		     size_t show_length)
{
	irqflags_t flags = irq_save();

	if (console_take() == ACCESS_WRITE) {
		put(update, n, TONE_NORMAL);
		overlay.show = show;
		overlay.show_length = show_length;
		WRITE_ONCE(overlay.hide, hide);
		console_release();
	}
	irq_restore(flags);
}

void console_panic_begin(void)
{
	unsigned int me = smp_processor_id() + 1;
	bool broke_line = READ_ONCE(console_holder) == me;
	const char *hide = READ_ONCE(overlay.hide);

	__atomic_store_n(&console_panic, me, __ATOMIC_SEQ_CST);
	WRITE_ONCE(overlay.hide, NULL);
	if (hide != NULL)
		console_write(hide, strlen(hide));
	if (broke_line)
		console_write("\n", 1);
}

void console_printf(const char *fmt, ...)
{
	char text[LINE_SIZE * 2];
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = (size_t)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= sizeof(text)) { /* a cut text still ends its line */
		n = sizeof(text) - 1;
		text[n - 1] = '\n';
	}
	console_write(text, n);
}

/* Makes a line of LINE_SIZE at most: prefix, text, newline; a text too long ends in "...". */
static size_t format_line(char *line, const char *area, const char *fmt, va_list args)
{
	uint64_t us = time_us();
	size_t n = (size_t)snprintf(line, LINE_SIZE, "[%5lu.%06lu] cpu%u %s: ", us / 1000000,
				    us % 1000000, smp_processor_id(), area);

	if (n < LINE_SIZE)
		n += (size_t)vsnprintf(line + n, LINE_SIZE - n, fmt, args);
	if (n > LINE_SIZE - 2) {
		n = LINE_SIZE - 2;
		memcpy(line + n - 3, "...", 3);
	}
	line[n++] = '\n';
	return n;
}

void log_vline(enum log_level level, const char *area, const char *fmt, va_list args)
{
	char line[LINE_SIZE];
	enum screen_tone tone = level == LOG_ERROR  ? TONE_ERROR
				: level == LOG_WARN ? TONE_WARNING
						    : TONE_NORMAL;

	if (level > READ_ONCE(max_level))
		return;
	write_console(line, format_line(line, area, fmt, args), tone);
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(level, area, fmt, args);
	va_end(args);
}

void log_set_level(enum log_level level)
{
	WRITE_ONCE(max_level, level > LOG_DEBUG ? LOG_DEBUG : level);
}
