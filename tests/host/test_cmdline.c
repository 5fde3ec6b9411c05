/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/cmdline.c kernel/similar.c kernel/string.c */
/* flags: -Dmemcpy=k_memcpy -Dmemmove=k_memmove -Dmemset=k_memset -Dmemcmp=k_memcmp -fno-builtin */
/* flags: -Dstrlen=k_strlen -Dstrnlen=k_strnlen -Dstrcmp=k_strcmp -Dstrncmp=k_strncmp */
/* flags: -Dstrchr=k_strchr -Dstrstr=k_strstr -Dstrlcpy=k_strlcpy */
/*
 * The command line: words, values, what is warned about and how often; with the kernel's own string
 * and number functions under it.
 */
#include "kernel/cmdline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/printk.h"
#include "kernel/string.h"

static unsigned int nr_warnings;
static char last_warning[512];

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
	va_list args;

	assert_int_equal(level, LOG_WARN);
	assert_int_equal(strcmp(area, "cmdline"), 0);
	va_start(args, fmt);
	vsnprintf(last_warning, sizeof(last_warning), fmt, args);
	va_end(args);
	nr_warnings++;
}

/* Parses text, which must bring so many warnings. */
static void parse(const char *text, unsigned int warnings)
{
	nr_warnings = 0;
	last_warning[0] = '\0';
	cmdline_init(text);
	if (nr_warnings != warnings)
		print_error("'%s': last warning: %s\n", text, last_warning);
	assert_int_equal(nr_warnings, warnings);
}

static void expect_text(const char *key, const char *want)
{
	const char *got = cmdline_get(key);

	assert_non_null(got);
	if (strcmp(got, want) != 0)
		fail_msg("%s: got '%s', want '%s'", key, got, want);
}

static void words_are_cut_at_blanks_and_the_first_equals_sign(void **state)
{
	(void)state;
	parse("  selftest=all\treplay=a=b \n monitor=on panic_on_warn", 0);
	expect_text("selftest", "all");
	expect_text("replay", "a=b");
	expect_text("monitor", "on");
	expect_text("panic_on_warn", "");
	assert_null(cmdline_get("seed"));
	parse("", 0);
	assert_null(cmdline_get("selftest"));
	parse("selftest=", 0);
	expect_text("selftest", "");
}

static void every_documented_key_is_known(void **state)
{
	(void)state;
	parse("selftest=quick replay=none monitor=off maxcpus=4 possible_cpus=0x10 "
	      "percpu_alloc=page "
	      "percpu_reserve=8K percpu_unit=1M percpu_dyn=65536 percpu_engine=areamap "
	      "panic_on_warn "
	      "seed=18446744073709551615 loglevel=3 cpu_ids=0,2,5",
	      0);
	assert_int_equal(cmdline_u64("maxcpus", 1), 4);
	assert_int_equal(cmdline_u64("possible_cpus", 1), 16);
	assert_int_equal(cmdline_u64("seed", 1), UINT64_MAX);
	assert_int_equal(cmdline_size("percpu_reserve", 1), 8192);
	assert_int_equal(cmdline_size("percpu_unit", 1), 1 << 20);
	assert_int_equal(cmdline_size("percpu_dyn", 1), 65536);
}

static void the_last_of_several_wins(void **state)
{
	(void)state;
	parse("loglevel=1 loglevel=2 selftest=none selftest=core_*", 0);
	assert_int_equal(cmdline_u64("loglevel", 9), 2);
	expect_text("selftest", "core_*");
}

static void an_unknown_key_warns_once(void **state)
{
	(void)state;
	parse("colour=red", 1);
	assert_non_null(strstr(last_warning, "'colour'"));
	parse("colour=red seed=1 colour=blue colour", 1);
	parse("colour=red taste=sweet", 2);
	parse("=5", 1);
}

static void an_unknown_key_is_told_what_may_have_been_meant(void **state)
{
	(void)state;
	parse("selftset=all", 1);
	assert_non_null(strstr(last_warning, "'selftset' is ignored (did you mean selftest?)"));
	parse("possible_cpu=2", 1);
	assert_non_null(strstr(last_warning, "did you mean possible_cpus?"));
	parse("colour=red", 1);
	assert_null(strstr(last_warning, "mean"));
}

static void a_bad_value_warns_and_counts_as_absent(void **state)
{
	static const char *const bad[] = {"seed=",	   "seed=x",   "seed=-1",
					  "seed=1K",	   "seed=12 ", "percpu_unit=4G",
					  "monitor=yes",   "console=", "seed=18446744073709551616",
					  "monitor=on|off"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		parse(bad[i], i == 4 ? 0 : 1);
	parse("maxcpus=two", 1);
	assert_non_null(strstr(last_warning, "maxcpus='two'"));
	assert_int_equal(cmdline_u64("maxcpus", 77), 77);
	assert_null(cmdline_get("maxcpus"));
	parse("monitor=on monitor=maybe", 1);
	expect_text("monitor", "on");
}

static void flags_are_on_unless_they_say_off(void **state)
{
	(void)state;
	parse("panic_on_warn", 0);
	assert_true(cmdline_flag("panic_on_warn"));
	parse("panic_on_warn=1", 0);
	assert_true(cmdline_flag("panic_on_warn"));
	parse("panic_on_warn=0", 0);
	assert_false(cmdline_flag("panic_on_warn"));
	parse("panic_on_warn=off", 0);
	assert_false(cmdline_flag("panic_on_warn"));
	parse("", 0);
	assert_false(cmdline_flag("panic_on_warn"));
}

static void overlong_input_is_cut_and_said(void **state)
{
	static char text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "seed=7 ", 7);
	parse(text, 2); /* too long, and the rest is an unknown key */
	assert_int_equal(cmdline_u64("seed", 0), 7);
	for (size_t i = 0; i < 100; i++)
		memcpy(text + i * 7, "seed=7 ", 8);
	parse(text, 1); /* too many words */
	assert_int_equal(cmdline_u64("seed", 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_cut_at_blanks_and_the_first_equals_sign),
		cmocka_unit_test(every_documented_key_is_known),
		cmocka_unit_test(the_last_of_several_wins),
		cmocka_unit_test(an_unknown_key_warns_once),
		cmocka_unit_test(an_unknown_key_is_told_what_may_have_been_meant),
		cmocka_unit_test(a_bad_value_warns_and_counts_as_absent),
		cmocka_unit_test(flags_are_on_unless_they_say_off),
		cmocka_unit_test(overlong_input_is_cut_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
