// SPDX-License-Identifier: GPL-2.0-only
/*
 * Warnings: log lines that are counted, because a kernel that warned has not passed its tests. Code
 * that provokes them on purpose announces it with warn_expect_begin and reads how many came.
 */
#include "kernel/printk.h"

#include "arch/x86_64/irq.h"
#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/string.h"

#define EXPECT_NESTING 8
#define TEXT_SIZE      480 /* a line of the log, but for what stands before it */

static unsigned long unexpected;
static unsigned long expected;
static unsigned long expected_at[EXPECT_NESTING]; /* `expected` at each open begin */
static unsigned int expect_depth;

static char last_text[TEXT_SIZE];
static bool last_busy; /* guards last_text; never waited for, so that any context may warn */

static bool last_try(void)
{
	return !__atomic_test_and_set(&last_busy, __ATOMIC_ACQUIRE);
}

static void last_release(void)
{
	__atomic_clear(&last_busy, __ATOMIC_RELEASE);
}

/* When two CPUs warn at once, either text may be the last. */
static void last_store(const char *text)
{
	irqflags_t flags = irq_save();

	if (last_try()) {
		strlcpy(last_text, text, sizeof(last_text));
		last_release();
	}
	irq_restore(flags);
}

void warn_last(char *buf, size_t size)
{
	irqflags_t flags = irq_save();

	while (!last_try())
		x86_pause();
	strlcpy(buf, last_text, size);
	last_release();
	irq_restore(flags);
}

void warn_v(const char *area, const char *fmt, va_list args)
{
	char text[TEXT_SIZE];

	vsnprintf(text, sizeof(text), fmt, args);
	last_store(text);
	log_line(LOG_WARN, area, "%s", text);
	if (READ_ONCE(expect_depth) > 0) {
		__atomic_add_fetch(&expected, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_add_fetch(&unexpected, 1, __ATOMIC_RELAXED);
	if (cmdline_flag("panic_on_warn"))
		panic("panic_on_warn: %s: %s", area, text);
}

void warn(const char *area, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	warn_v(area, fmt, args);
	va_end(args);
}

void warn_expect_begin(void)
{
	if (expect_depth == EXPECT_NESTING)
		panic("warn_expect_begin: nested more than %d deep", EXPECT_NESTING);
	expected_at[expect_depth] = __atomic_load_n(&expected, __ATOMIC_RELAXED);
	WRITE_ONCE(expect_depth, expect_depth + 1);
}

unsigned long warn_expect_end(void)
{
	if (expect_depth == 0)
		panic("warn_expect_end: no warn_expect_begin is open");
	WRITE_ONCE(expect_depth, expect_depth - 1);
	return __atomic_load_n(&expected, __ATOMIC_RELAXED) - expected_at[expect_depth];
}

unsigned long warn_unexpected(void)
{
	return __atomic_load_n(&unexpected, __ATOMIC_RELAXED);
}
