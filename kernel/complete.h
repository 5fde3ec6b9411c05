/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Tab does: which words may stand where the cursor is, and what all of them that fit begin with.
 * Commands and their usages (usage.h) say what is wanted at a place; which words there are of a kind
 * of argument is asked of the caller. Only functions of strings; builds on the host too.
 */
#pragma once

#include "kernel/compiler.h"

#define COMPLETE_SIZE 128 /* no word is longer */

/* Called for each word. */
typedef void complete_each(const char *word, void *arg);

/* Where the words come from. */
struct complete_source {
	/* The usage of a command, NULL if there is none of that name. */
	const char *(*usage)(const char *name, size_t length);
	/* Calls each for the words of a kind, a kind of none has none: "COMMAND" for commands, else what
	 * the usages have in capitals. */
	void (*words)(const char *kind, size_t length, complete_each *each, void *arg);
};

struct completion {
	size_t start;		    /* in the text: where the word being typed begins */
	size_t count;		    /* words that begin with what is typed of it */
	char common[COMPLETE_SIZE]; /* what all of them begin with, ended by 0 */
};

/* What may come at the end of text[0 … length), a line up to the cursor. */
void complete_find(const struct complete_source *source, const char *text, size_t length,
		   struct completion *out);
/* Calls each for the words that fit, in the order of their source. */
void complete_list(const struct complete_source *source, const char *text, size_t length,
		   complete_each *each, void *arg);
