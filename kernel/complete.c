// SPDX-License-Identifier: GPL-2.0-only
/* What Tab does, see complete.h. */
#include "kernel/complete.h"

#include "kernel/string.h"
#include "kernel/usage.h"

#define COMMAND "COMMAND" /* the kind: a command's name; with dots: and its arguments */

/* The words that are looked through. */
struct search {
	const char *typed; /* what they have to begin with */
	size_t length;
	complete_each *each;
	void *arg;
};

static void offer(const char *word, void *arg)
{
	const struct search *search = arg;

	if (strncmp(word, search->typed, search->length) == 0)
		search->each(word, search->arg);
}

static bool is_kind(const char *word, size_t length, const char *kind)
{
	return length == strlen(kind) && strncmp(word, kind, length) == 0;
}

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* One word of a usage: a kind, or itself. */
static void offer_word(const struct complete_source *source, const char *word, size_t length,
		       struct search *search)
{
	char text[COMPLETE_SIZE];

	if (is_capital(*word)) {
		source->words(word, length, offer, search);
	} else if (length < sizeof(text)) {
		memcpy(text, word, length);
		text[length] = '\0';
		offer(text, search);
	}
}

/* What '|' separates, one by one. */
static void offer_choices(const struct complete_source *source, const struct usage_arg *arg,
			  struct search *search)
{
	size_t from = 0;

	for (size_t i = 0; i <= arg->length; i++) {
		if (i < arg->length && arg->word[i] != '|')
			continue;
		offer_word(source, arg->word + from, i - from, search);
		from = i + 1;
	}
}

/* Argument n of a usage; if it may be left out, what follows it may stand there too. */
static void offer_arg(const struct complete_source *source, const char *usage, unsigned int n,
		      struct search *search)
{
	struct usage_arg arg;

	while (usage_arg(usage, n++, &arg)) {
		offer_choices(source, &arg, search);
		if (!arg.optional || arg.repeats)
			return;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The word at text[*at …), up to length; *at goes past it. */
static size_t next_word(const char *text, size_t length, size_t *at)
{
	size_t start;

	while (*at < length && is_blank(text[*at]))
		++*at;
	start = *at;
	while (*at < length && !is_blank(text[*at]))
		++*at;
	return start;
}

/* Where the last command of the line begins. */
static size_t command_start(const char *text, size_t length)
{
	while (length > 0 && text[length - 1] != ';')
		length--;
	return length;
}

static size_t word_start(const char *text, size_t length)
{
	while (length > 0 && !is_blank(text[length - 1]) && text[length - 1] != ';')
		length--;
	return length;
}

/*
 * Walks the words of the last command up to the one being typed, which begins at `last`: what is
 * wanted there is a command's name, or argument n of *usage. A command that takes another one as its
 * argument gives way to it. False: nobody knows.
 */
static bool find_place(const struct complete_source *source, const char *text, size_t last,
		       const char **usage, unsigned int *n)
{
	size_t at = command_start(text, last);
	struct usage_arg arg;

	*usage = NULL;
	for (;;) {
		size_t start = next_word(text, last, &at);

		if (start == at)
			return true;
		if (!*usage) {
			*usage = source->usage(text + start, at - start);
			*n = 0;
			if (!*usage)
				return false;
		} else {
			++*n;
		}
		if (usage_arg(*usage, *n, &arg) && arg.repeats &&
		    is_kind(arg.word, arg.length, COMMAND))
			*usage = NULL;
	}
}

void complete_list(const struct complete_source *source, const char *text, size_t length,
		   complete_each *each, void *arg)
{
	size_t last = word_start(text, length);
	struct search search = {text + last, length - last, each, arg};
	const char *usage;
	unsigned int n;

	if (!find_place(source, text, last, &usage, &n))
		return;
	if (usage)
		offer_arg(source, usage, n, &search);
	else
		source->words(COMMAND, strlen(COMMAND), offer, &search);
}

/* Keeps what the words so far begin with. */
static void narrow(const char *word, void *arg)
{
	struct completion *out = arg;
	size_t i = 0;

	if (out->count++ == 0) {
		strlcpy(out->common, word, sizeof(out->common));
		return;
	}
	while (out->common[i] != '\0' && out->common[i] == word[i])
		i++;
	out->common[i] = '\0';
}

void complete_find(const struct complete_source *source, const char *text, size_t length,
		   struct completion *out)
{
	out->start = word_start(text, length);
	out->count = 0;
	out->common[0] = '\0';
	complete_list(source, text, length, narrow, out);
}
