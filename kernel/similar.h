/* SPDX-License-Identifier: GPL-2.0-only */
/* "Did you mean …": the word nearest to one that is not known. Builds on the host too. */
#pragma once

#include "kernel/compiler.h"

#define SIMILAR_SIZE 48 /* longer words are not compared */

struct similar {
	const char *typed;
	unsigned int distance; /* of best */
	char best[SIMILAR_SIZE];
};

void similar_begin(struct similar *similar, const char *typed);
/* Looks at one word that is known. */
void similar_offer(struct similar *similar, const char *word);
/* The nearest word so far, the first of several; NULL if none is near enough to be meant. */
const char *similar_best(const struct similar *similar);
