/* SPDX-License-Identifier: GPL-2.0-only */
/* The list that a second Tab prints: words in columns, no more than the terminal has rows for. */
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"

#define GAP	   2 /* blanks between columns */
#define OTHER_ROWS 3 /* of the terminal: the lines typed before and after, the number left out */

struct list {
	size_t count, widest;	     /* of all words */
	size_t columns, most;	     /* words in a row; words shown */
	size_t nr;		     /* words seen so far */
	char row[COMPLETE_SIZE * 2]; /* being filled */
	size_t length;
};

static void measure(const char *word, void *arg)
{
	struct list *list = arg;

	list->count++;
	list->widest = max(list->widest, strlen(word));
}

static void lay_out(struct list *list)
{
	size_t width = min(terminal_columns(), sizeof(list->row) - 1);
	size_t rows = max(terminal_rows(), (size_t)OTHER_ROWS + 1) - OTHER_ROWS;

	list->columns = max((width + GAP - 1) / (list->widest + GAP), (size_t)1);
	list->most = list->columns * rows;
}

static void end_row(struct list *list)
{
	while (list->length > 0 && list->row[list->length - 1] == ' ')
		list->length--;
	monitor_print("%.*s", (int)list->length, list->row);
	list->length = 0;
}

static void print(const char *word, void *arg)
{
	struct list *list = arg;
	size_t left = sizeof(list->row) - list->length;

	if (list->nr++ >= list->most)
		return;
	list->length += (size_t)snprintf(list->row + list->length, left, "%-*s",
					 (int)(list->widest + GAP), word);
	list->length = min(list->length, sizeof(list->row) - 1);
	if (list->nr % list->columns == 0 || list->nr == list->count)
		end_row(list);
}

void monitor_list_words(const char *text, size_t length)
{
	struct list list = {.count = 0};

	complete_list(&monitor_words, text, length, measure, &list);
	lay_out(&list);
	complete_list(&monitor_words, text, length, print, &list);
	if (list.count > list.most)
		monitor_print("... and %zu more: type some of it", list.count - list.most);
}
