// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel broken on purpose. What runs the kernel must tell a good end from each kind of bad one;
 * tests/runner/ asks for them one by one. Nothing happens without the key.
 */
#define LOG_AREA "break"
#include "kernel/break.h"

#include "arch/x86_64/arch.h"
#include "arch/x86_64/irq.h"
#include "kernel/cmdline.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"

#define LOG_PERIOD_MS 300
#define LOG_LINES     60

static bool asked_for(const char *what)
{
	const char *value = cmdline_get("break");

	return value != NULL && strcmp(value, what) == 0;
}

static void __noreturn hang(void)
{
	log_info("hangs because of break=hang");
	irq_save();
	for (;;)
		x86_pause();
}

/* Somebody else talks while one types, and at last complains. */
static void chatter(void *unused __unused)
{
	for (unsigned int n = 1; n < LOG_LINES; n++) {
		log_info("line %u because of break=log", n);
		thread_sleep_ms(LOG_PERIOD_MS);
	}
	warn(LOG_AREA, "the last line because of break=log");
}

static void start_chatter(void)
{
	struct thread *thread = thread_create("break", chatter, NULL, THREAD_ANY_CPU);

	if (thread != NULL)
		thread_detach(thread);
}

void break_on_request(void)
{
	if (asked_for("panic"))
		panic("asked for by break=panic");
	if (asked_for("triple"))
		arch_triple_fault();
	if (asked_for("hang"))
		hang();
	if (asked_for("warn"))
		warn(LOG_AREA, "asked for by break=warn");
	if (asked_for("log"))
		start_chatter();
}

TEST(break_key_fails_a_test, TEST_QUICK)
{
	EXPECT(!asked_for("test"));
}
