/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The console log. Lines look like "[    0.012345] cpu0 percpu: text"; each is put out whole,
 * whichever CPU prints it. Any context, NMI included.
 *
 * Formats: the usual %d %u %x %lx %zu %p %s %c with width, precision, '-' and '0'; %pS prints an
 * address as symbol+offset/size. A file sets its name in the log before its includes:
 *	#define LOG_AREA "percpu"
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/compiler.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#ifndef LOG_AREA
#define LOG_AREA "kernel"
#endif

/* One log line; the newline is added. Lines above the level set by loglevel= (0-3, 2 at first) are
 * dropped. */
void log_line(enum log_level level, const char *area, const char *fmt, ...) __printf(3, 4);
void log_vline(enum log_level level, const char *area, const char *fmt, va_list args);
void log_set_level(enum log_level level);

#define log_error(...) log_line(LOG_ERROR, LOG_AREA, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, LOG_AREA, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, LOG_AREA, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, LOG_AREA, __VA_ARGS__)

/*
 * A warning: one log line of level warn, counted; a panic under panic_on_warn. A warning inside
 * warn_expect_begin/end (tests of bad input) is counted as expected instead, and never panics.
 */
void warn(const char *area, const char *fmt, ...) __printf(2, 3);
void warn_v(const char *area, const char *fmt, va_list args);
void warn_expect_begin(void);
unsigned long warn_expect_end(void); /* how many came since the matching begin */
unsigned long warn_unexpected(void); /* how many unexpected ones since boot */
/* Remembers the last warning's text, for tests: copied to buf. */
void warn_last(char *buf, size_t size);

/* Raw console output, no prefix, no newline added; the lock is held for the whole call. */
void console_write(const char *buf, size_t n);
void console_printf(const char *fmt, ...) __printf(1, 2);
/*
 * For what stays below or over all else on a terminal, such as the line that somebody types: writes n
 * bytes of update, and from now on whatever else is written to the console goes above: hide comes before
 * it, show_length bytes of show come after it. Both stay the caller's, and as they are, until the next
 * call has returned. hide NULL: no such thing any more. Thread context.
 */
void console_overlay(const char *update, size_t n, const char *hide, const char *show,
		     size_t show_length);
/* Puts all that was written on the screen, before the machine ends. Any context. */
void console_flush(void);
/* For who has nothing better to do: puts one row of text on the screen if one waits and the last one was
 * put there a while ago. True if it did. Any context. */
bool console_paint(void);
/* COM2, where the test report is repeated alone. */
void report_write(const char *buf, size_t n);

/* Formats into buf, always ends it with 0, returns the length the whole text would have had. */
int vsnprintf(char *buf, size_t size, const char *fmt, va_list args);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
