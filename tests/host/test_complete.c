/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/complete.c kernel/similar.c kernel/usage.c kernel/string.c */
/* flags: -Dmemcpy=k_memcpy -Dmemmove=k_memmove -Dmemset=k_memset -Dmemcmp=k_memcmp -fno-builtin */
/* flags: -Dstrlen=k_strlen -Dstrnlen=k_strnlen -Dstrcmp=k_strcmp -Dstrncmp=k_strncmp */
/* flags: -Dstrchr=k_strchr -Dstrstr=k_strstr -Dstrlcpy=k_strlcpy */
/*
 * What Tab does, over a few commands of its own; what a usage says; which words are near each other.
 */
#include "kernel/complete.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/similar.h"
#include "kernel/string.h"
#include "kernel/usage.h"

/* ---- A monitor of a few commands ---- */

static const struct {
	const char *name, *usage;
} commands[] = {
	{"alloc", "SIZE [ALIGN] [reserved]"},
	{"all", ""},
	{"peek", "CPU PTR [LEN]"},
	{"poke", "CPU PTR BYTE..."},
	{"map", "N"},
	{"trace", "on|off|dump"},
	{"help", "[COMMAND|keys]"},
	{"repeat", "TIMES COMMAND..."},
	{"watch", "[COMMAND...]"},
	{"pick", "N..."},
};

static const char *usage(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strlen(commands[i].name) == length &&
		    strncmp(commands[i].name, name, length) == 0)
			return commands[i].usage;
	}
	return NULL;
}

static void words(const char *kind, size_t length, complete_each *each, void *arg)
{
	char name[16] = "";

	assert_true(length < sizeof(name));
	memcpy(name, kind, length);
	if (strcmp(name, "COMMAND") == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			each(commands[i].name, arg);
	} else if (strcmp(name, "CPU") == 0) {
		each("0", arg);
		each("1", arg);
	} else if (strcmp(name, "N") == 0) {
		each("7", arg);
		each("70", arg);
		each("703", arg);
	}
}

static const struct complete_source source = {usage, words};

static void append(const char *word, void *arg)
{
	char *text = arg;

	if (text[0] != '\0')
		text[strlen(text) + 1] = '\0', text[strlen(text)] = ' ';
	strlcpy(text + strlen(text), word, 32);
}

static void tab_finds_the_words_that_may_stand_there(void **state)
{
	static const struct {
		const char *text, *words, *common;
	} cases[] = {
		{"a", "alloc all", "all"},
		{"allo", "alloc", "alloc"},
		{"all", "alloc all", "all"},
		{"", "alloc all peek poke map trace help repeat watch pick", ""},
		{"p", "peek poke pick", "p"},
		{"x", "", ""},
		{"  pe", "peek", "peek"},
		{"all;p", "peek poke pick", "p"},
		{"all; pe", "peek", "peek"},
		{"map 7", "7 70 703", "7"},
		{"map 70", "70 703", "70"},
		{"map 8", "", ""},
		{"map ", "7 70 703", "7"},
		{"map\t", "7 70 703", "7"},
		{"map 7 ", "", ""},
		{"all ", "", ""},
		{"nothing ", "", ""},
		{"nothing 1 2", "", ""},
		{"peek ", "0 1", ""},
		{"peek 1 ", "", ""},
		{"poke 0 0 ", "", ""},
		{"alloc ", "", ""},
		{"alloc 8 ", "reserved", "reserved"},
		{"alloc 8 8 r", "reserved", "reserved"},
		{"alloc 8 8 x", "", ""},
		{"alloc 8 8 reserved ", "", ""},
		{"trace o", "on off", "o"},
		{"trace ", "on off dump", ""},
		{"trace d", "dump", "dump"},
		{"help k", "keys", "keys"},
		{"help al", "alloc all", "all"},
		{"repeat ", "", ""},
		{"repeat 3 m", "map", "map"},
		{"repeat 3 map 70", "70 703", "70"},
		{"repeat 3 repeat 4 peek ", "0 1", ""},
		{"repeat 3 xyz ", "", ""},
		{"watch ma", "map", "map"},
		{"watch repeat 2 trace of", "off", "off"},
		{"watch all; map 703", "703", "703"},
		{"pick 1 2 3 4 70", "70 703", "70"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct completion found;
		char got[512] = "";

		complete_list(&source, cases[i].text, strlen(cases[i].text), append, got);
		if (strcmp(got, cases[i].words) != 0)
			fail_msg("'%s': got '%s', want '%s'", cases[i].text, got, cases[i].words);
		complete_find(&source, cases[i].text, strlen(cases[i].text), &found);
		if (strcmp(found.common, cases[i].common) != 0)
			fail_msg("'%s': common: got '%s', want '%s'", cases[i].text, found.common,
				 cases[i].common);
	}
}

static void only_what_is_before_the_cursor_counts(void **state)
{
	struct completion found;

	(void)state;
	complete_find(&source, "map 703 and more", 5, &found);
	assert_int_equal(found.start, 4);
	assert_int_equal(found.count, 3);
	complete_find(&source, "map 703", 2, &found);
	assert_int_equal(found.start, 0);
	assert_int_equal(strcmp(found.common, "map"), 0);
	complete_find(&source, "all;map ", 8, &found);
	assert_int_equal(found.start, 8);
}

/* ---- Usages ---- */

static void a_usage_counts_its_arguments(void **state)
{
	static const struct {
		const char *usage;
		unsigned int least, most;
	} cases[] = {
		{"", 0, 0},
		{"N", 1, 1},
		{"[N]", 0, 1},
		{"SIZE [ALIGN] [reserved]", 1, 3},
		{"CPU PTR BYTE...", 3, USAGE_NO_LIMIT},
		{"[COMMAND...]", 0, USAGE_NO_LIMIT},
		{"on|off|dump", 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(usage_min(cases[i].usage), cases[i].least);
		assert_int_equal(usage_max(cases[i].usage), cases[i].most);
	}
}

static void expect_arg(const char *text, unsigned int n, const char *word, bool optional,
		       bool repeats)
{
	struct usage_arg arg;

	assert_true(usage_arg(text, n, &arg));
	assert_int_equal(arg.length, strlen(word));
	assert_int_equal(strncmp(arg.word, word, arg.length), 0);
	assert_int_equal(arg.optional, optional);
	assert_int_equal(arg.repeats, repeats);
}

static void a_usage_has_its_arguments_one_by_one(void **state)
{
	struct usage_arg arg;

	(void)state;
	expect_arg("SIZE [ALIGN] BYTE...", 0, "SIZE", false, false);
	expect_arg("SIZE [ALIGN] BYTE...", 1, "ALIGN", true, false);
	expect_arg("SIZE [ALIGN] BYTE...", 2, "BYTE", false, true);
	expect_arg("SIZE [ALIGN] BYTE...", 99, "BYTE", false, true);
	expect_arg("[COMMAND...]", 5, "COMMAND", true, true);
	expect_arg("on|off", 0, "on|off", false, false);
	assert_false(usage_arg("on|off", 1, &arg));
	assert_false(usage_arg("", 0, &arg));
}

/* ---- Near words ---- */

static void expect_near(const char *typed, const char *want)
{
	static const char *const known[] = {"alloc", "free", "peek", "poke",  "chunks",
					    "map",   "sync", "cpus", "stats", "poweroff"};
	struct similar similar;
	const char *best;

	similar_begin(&similar, typed);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		similar_offer(&similar, known[i]);
	best = similar_best(&similar);
	if (strcmp(best ? best : "", want) != 0)
		fail_msg("'%s': got '%s', want '%s'", typed, best ? best : "", want);
}

static void slips_are_understood_and_other_words_are_not(void **state)
{
	static const char *const cases[][2] = {
		{"allco", "alloc"},
		{"aloc", "alloc"},
		{"alloca", "alloc"},
		{"allocate", "alloc"},
		{"ALLOC", "alloc"},
		{"llaoc", "alloc"},
		{"chunk", "chunks"},
		{"chunsk", "chunks"},
		{"pokee", "poke"},
		{"synk", "sync"},
		{"mpa", "map"},
		{"stat", "stats"},
		{"pow", "poweroff"},
		{"power", "poweroff"},
		{"cpu", "cpus"},
		{"free", "free"},
		{"", ""},
		{"x", ""},
		{"frobnicate", ""},
		{"quit", ""},
		{"po", ""},
		{"shutdown", ""},
		{"al", ""},
		{"\1\1\1", ""},
		{"an_endless_word_that_is_longer_than_all_that_are_compared_with_it", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_near(cases[i][0], cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tab_finds_the_words_that_may_stand_there),
		cmocka_unit_test(only_what_is_before_the_cursor_counts),
		cmocka_unit_test(a_usage_counts_its_arguments),
		cmocka_unit_test(a_usage_has_its_arguments_one_by_one),
		cmocka_unit_test(slips_are_understood_and_other_words_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
