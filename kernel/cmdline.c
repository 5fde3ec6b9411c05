// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel command line: cut into words once, looked up by key ever after. Which keys there are
 * and what their values look like is the table below. Builds on the host too.
 */
#define LOG_AREA "cmdline"
#include "kernel/cmdline.h"

#include "kernel/compiler.h"
#include "kernel/printk.h"
#include "kernel/similar.h"
#include "kernel/string.h"

#define TEXT_SIZE 1024
#define MAX_WORDS 64

enum value_kind { VALUE_TEXT, VALUE_FLAG, VALUE_NUMBER, VALUE_SIZE, VALUE_CHOICE };

static const struct key {
	const char *name;
	enum value_kind kind;
	const char *choices; /* VALUE_CHOICE: the legal values, '|' around each */
} known_keys[] = {
	{"selftest", VALUE_TEXT, NULL},
	{"replay", VALUE_TEXT, NULL},
	{"monitor", VALUE_CHOICE, "|on|off|"},
	{"console", VALUE_CHOICE, "|tty|pipe|"}, /* what types at COM1; pipe if not given */
	{"maxcpus", VALUE_NUMBER, NULL},
	{"possible_cpus", VALUE_NUMBER, NULL},
	{"cpu_ids", VALUE_TEXT, NULL},
	{"percpu_alloc", VALUE_TEXT, NULL},
	{"percpu_reserve", VALUE_SIZE, NULL},
	{"percpu_unit", VALUE_SIZE, NULL},
	{"percpu_dyn", VALUE_SIZE, NULL},
	{"percpu_engine", VALUE_TEXT, NULL},
	{"percpu_front", VALUE_TEXT, NULL},
	{"percpu_debug", VALUE_FLAG, NULL},
	{"panic_on_warn", VALUE_FLAG, NULL},
	{"seed", VALUE_NUMBER, NULL},
	{"loglevel", VALUE_NUMBER, NULL},
	{"break", VALUE_CHOICE, "|panic|triple|hang|test|warn|log|"},
};

static char words_text[TEXT_SIZE];
static struct word {
	const char *key;
	const char *value; /* "" if there was no '=' */
} words[MAX_WORDS];
static unsigned int nr_words;

static const struct key *key_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_keys); i++) {
		if (strcmp(known_keys[i].name, name) == 0)
			return &known_keys[i];
	}
	return NULL;
}

/* Whether value is one of the choices; both are short. */
static bool choice_ok(const char *choices, const char *value)
{
	char wanted[32];

	if (strlen(value) + 3 > sizeof(wanted) || strchr(value, '|') != NULL)
		return false;
	snprintf(wanted, sizeof(wanted), "|%s|", value);
	return strstr(choices, wanted) != NULL;
}

static bool value_ok(const struct key *key, const char *value)
{
	uint64_t number;

	switch (key->kind) {
	case VALUE_NUMBER:
		return parse_u64(value, &number);
	case VALUE_SIZE:
		return parse_size(value, &number);
	case VALUE_CHOICE:
		return choice_ok(key->choices, value);
	default:
		return true;
	}
}

static bool seen_before(unsigned int index)
{
	for (unsigned int i = 0; i < index; i++) {
		if (strcmp(words[i].key, words[index].key) == 0)
			return true;
	}
	return false;
}

static void warn_unknown(const char *name)
{
	struct similar similar;
	const char *best;

	similar_begin(&similar, name);
	for (size_t i = 0; i < ARRAY_SIZE(known_keys); i++)
		similar_offer(&similar, known_keys[i].name);
	best = similar_best(&similar);
	log_warn("unknown key '%s' is ignored%s%s%s", name, best ? " (did you mean " : "",
		 best ? best : "", best ? "?)" : "");
}

/* Warns about a word that says nothing to us; a bad value is as if it had not been given. */
static void word_check(unsigned int index)
{
	struct word *word = &words[index];
	const struct key *key = key_find(word->key);

	if (key == NULL && !seen_before(index))
		warn_unknown(word->key);
	if (key == NULL || value_ok(key, word->value))
		return;
	log_warn("%s='%s' is not a value of that key and is ignored", word->key, word->value);
	word->key = "";
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Ends the word at s with 0 and cuts it at its first '='; returns where the next may begin. */
static char *word_add(char *s)
{
	struct word *word = &words[nr_words++];
	bool cut = false;

	word->key = s;
	for (; *s != '\0' && !is_blank(*s); s++) {
		if (*s != '=' || cut)
			continue;
		*s = '\0';
		word->value = s + 1;
		cut = true;
	}
	if (!cut)
		word->value = "";
	if (*s != '\0')
		*s++ = '\0';
	return s;
}

void cmdline_init(const char *text)
{
	char *s = words_text;

	nr_words = 0;
	if (strlcpy(words_text, text, sizeof(words_text)) >= sizeof(words_text))
		log_warn("longer than %zu bytes: the rest is ignored", sizeof(words_text) - 1);
	while (*s != '\0') {
		if (is_blank(*s)) {
			s++;
			continue;
		}
		if (nr_words == MAX_WORDS) {
			log_warn("more than %d words: '%s' and what follows is ignored", MAX_WORDS,
				 s);
			break;
		}
		s = word_add(s);
	}
	for (unsigned int i = 0; i < nr_words; i++)
		word_check(i);
}

const char *cmdline_get(const char *key)
{
	for (unsigned int i = nr_words; i-- > 0;) {
		if (strcmp(words[i].key, key) == 0)
			return words[i].value;
	}
	return NULL;
}

bool cmdline_flag(const char *key)
{
	const char *value = cmdline_get(key);

	return value != NULL && strcmp(value, "0") != 0 && strcmp(value, "off") != 0 &&
	       strcmp(value, "no") != 0;
}

uint64_t cmdline_u64(const char *key, uint64_t otherwise)
{
	const char *value = cmdline_get(key);
	uint64_t number;

	return value != NULL && parse_u64(value, &number) ? number : otherwise;
}

uint64_t cmdline_size(const char *key, uint64_t otherwise)
{
	const char *value = cmdline_get(key);
	uint64_t number;

	return value != NULL && parse_size(value, &number) ? number : otherwise;
}
