// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nearest word, see similar.h. Near is by slips of the fingers: a letter left out, put in or
 * mistaken, two neighbours the wrong way round; capitals count as small letters; the beginning of a
 * word is near to it.
 * Source: optimal string alignment, after F. J. Damerau, "A technique for computer detection and
 * correction of spelling errors" (1964).
 */
#include "kernel/similar.h"

#include "kernel/string.h"

#define FAR	   (~0u)
#define MIN_PREFIX 3 /* letters that make a beginning worth a guess */

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Row i of the table of distances from the first i letters of a to the first j of b; the two rows
 * before it are in one_ago and two_ago. */
static void fill_row(const char *a, size_t i, const char *b, size_t n, unsigned int *row,
		     const unsigned int *one_ago, const unsigned int *two_ago)
{
	row[0] = (unsigned int)i;
	for (size_t j = 1; j <= n; j++) {
		bool same = small(a[i - 1]) == small(b[j - 1]);
		bool swapped = i > 1 && j > 1 && small(a[i - 1]) == small(b[j - 2]) &&
			       small(a[i - 2]) == small(b[j - 1]);

		row[j] = min(one_ago[j], row[j - 1]) + 1;
		row[j] = min(row[j], one_ago[j - 1] + !same);
		if (swapped)
			row[j] = min(row[j], two_ago[j - 2] + 1);
	}
}

/* Slips between a and b, both shorter than SIMILAR_SIZE. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int rows[3][SIMILAR_SIZE];
	size_t n = strlen(b), i;

	for (size_t j = 0; j <= n; j++)
		rows[0][j] = (unsigned int)j;
	for (i = 1; a[i - 1] != '\0'; i++)
		fill_row(a, i, b, n, rows[i % 3], rows[(i + 2) % 3], rows[(i + 1) % 3]);
	return rows[(i - 1) % 3][n];
}

static bool begins(const char *word, const char *with)
{
	size_t n = strlen(with);

	return n >= MIN_PREFIX && strncmp(word, with, n) == 0;
}

void similar_begin(struct similar *similar, const char *typed)
{
	similar->typed = typed;
	similar->distance = FAR;
}

void similar_offer(struct similar *similar, const char *word)
{
	unsigned int slips;

	if (strnlen(similar->typed, SIMILAR_SIZE) == SIMILAR_SIZE ||
	    strnlen(word, SIMILAR_SIZE) == SIMILAR_SIZE)
		return;
	slips = distance(similar->typed, word);
	if (begins(word, similar->typed) || begins(similar->typed, word))
		slips = min(slips, 1u);
	if (slips >= similar->distance)
		return;
	similar->distance = slips;
	strlcpy(similar->best, word, sizeof(similar->best));
}

const char *similar_best(const struct similar *similar)
{
	size_t length = strnlen(similar->typed, SIMILAR_SIZE);

	return similar->distance != FAR && similar->distance <= (length + 1) / 3 ? similar->best
										 : NULL;
}
