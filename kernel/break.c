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
}

TEST(break_key_fails_a_test, TEST_QUICK)
{
	EXPECT(!asked_for("test"));
}
