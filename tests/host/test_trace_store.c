/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/trace_store.c kernel/traces.S kernel/string.c */
/* flags: -Dmemcpy=k_memcpy -Dmemmove=k_memmove -Dmemset=k_memset -Dmemcmp=k_memcmp -fno-builtin */
/* flags: -Dstrlen=k_strlen -Dstrnlen=k_strnlen -Dstrcmp=k_strcmp -Dstrncmp=k_strncmp */
/* flags: -Dstrchr=k_strchr -Dstrstr=k_strstr -Dstrlcpy=k_strlcpy */
/* The bundled traces are found by name, whole; a boot module gets a name that a field may hold. */
#include "kernel/trace.h"

#include "kernel/string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void bundled_traces_are_whole(void **state __unused)
{
	static const char *const names[] = {"pods", "netns", "nft"};
	size_t count;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct trace_text *trace = trace_find(names[i]);

		assert_non_null(trace);
		assert_string_equal(trace->name, names[i]);
		assert_memory_equal(trace->text, "# percpu-trace 1\n", 17);
		assert_int_equal(trace->text[trace->size - 1], '\n');
	}
	trace_list(&count);
	assert_int_equal(count, 3);
	assert_ptr_equal(trace_default(), trace_find("pods"));
	assert_null(trace_find("module"));
	assert_null(trace_find(""));
	assert_null(trace_find("Pods"));
}

static void expect_name(const char *given, const char *want)
{
	static const char text[] = "a 1 8 8 0 - f\n";
	const struct trace_text *trace;
	size_t count;

	trace_set_module(given, text, sizeof(text) - 1);
	trace = trace_default();
	assert_string_equal(trace->name, want);
	assert_ptr_equal(trace_find(want), trace);
	assert_ptr_equal(trace->text, text);
	trace_list(&count);
	assert_int_equal(count, 4);
}

static void modules_are_named_by_their_file(void **state __unused)
{
	char name[300];

	expect_name("mine.trace", "mine");
	expect_name("/some/where/mine.trace", "mine");
	expect_name("mine.trace and words", "mine");
	expect_name("mine.txt", "mine.txt");
	expect_name("", "module");
	expect_name(".trace", "module");
	expect_name("/", "module");
	expect_name("a\tb\303\251c", "a_b__c");
	expect_name("netns.trace", "netns"); /* hides the bundled one */
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	trace_set_module(name, "", 0);
	assert_int_equal(strlen(trace_default()->name), 63);
	expect_name("other", "other");
	assert_memory_equal(trace_find("netns")->text, "# percpu-trace 1\n", 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundled_traces_are_whole),
		cmocka_unit_test(modules_are_named_by_their_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
