// SPDX-License-Identifier: GPL-2.0-only
/* The line being typed, see edit.h. Key bindings are those most shells have. */
#include "kernel/edit.h"

#include "kernel/keys.h"
#include "kernel/string.h"

#define MIN_ROOM   8 /* on a terminal too narrow for anything */
#define FEW_STEPS  4 /* of the cursor, for which no sequence is shorter */
#define MARK_LEFT  '<'
#define MARK_RIGHT '>'

void edit_resize(struct edit *edit, size_t columns, size_t prompt)
{
	size_t room = columns > prompt ? columns - prompt - 1 : 0;

	edit->room = min(max(room, (size_t)MIN_ROOM), (size_t)EDIT_MAX_ROOM);
}

void edit_begin(struct edit *edit, size_t columns, size_t prompt)
{
	edit->length = edit->cursor = edit->window = 0;
	edit->shown_length = edit->shown_cursor = 0;
	edit->overflowed = false;
	edit_resize(edit, columns, prompt);
}

/* ---- Text ---- */

bool edit_insert(struct edit *edit, const char *text, size_t length)
{
	char *at = edit->text + edit->cursor;

	if (length > EDIT_SIZE - edit->length)
		return false;
	memmove(at + length, at, edit->length - edit->cursor);
	memcpy(at, text, length);
	edit->length += length;
	edit->cursor += length;
	return true;
}

/* Takes n bytes away that begin at first; they lie in the text. */
static enum edit_answer take_away(struct edit *edit, size_t first, size_t n)
{
	memmove(edit->text + first, edit->text + first + n, edit->length - first - n);
	edit->length -= n;
	edit->cursor = first;
	if (edit->length == 0)
		edit->overflowed = false;
	return EDIT_MORE;
}

void edit_set(struct edit *edit, const char *text)
{
	edit->length = edit->cursor = 0;
	edit->overflowed = false;
	edit_insert(edit, text, strnlen(text, EDIT_SIZE));
}

static enum edit_answer type(struct edit *edit, char c)
{
	if (edit_insert(edit, &c, 1))
		return EDIT_MORE;
	edit->overflowed = true;
	return EDIT_FULL;
}

static enum edit_answer move_to(struct edit *edit, size_t cursor)
{
	edit->cursor = cursor;
	return EDIT_MORE;
}

/* Where the word before the cursor begins. */
static size_t word_start(const struct edit *edit)
{
	size_t i = edit->cursor;

	while (i > 0 && edit->text[i - 1] == ' ')
		i--;
	while (i > 0 && edit->text[i - 1] != ' ')
		i--;
	return i;
}

/* Keys that are no character. */
static enum edit_answer control(struct edit *edit, int key)
{
	size_t cursor = edit->cursor, word;

	switch (key) {
	case KEY_LEFT:
	case CTRL('B'):
		return move_to(edit, cursor - (cursor > 0));
	case KEY_RIGHT:
	case CTRL('F'):
		return move_to(edit, cursor + (cursor < edit->length));
	case KEY_HOME:
	case CTRL('A'):
		return move_to(edit, 0);
	case KEY_END:
	case CTRL('E'):
		return move_to(edit, edit->length);
	case KEY_RUBOUT:
	case CTRL('H'):
		return take_away(edit, cursor - (cursor > 0), cursor > 0);
	case KEY_DELETE:
		return take_away(edit, cursor, cursor < edit->length);
	case CTRL('K'):
		return take_away(edit, cursor, edit->length - cursor);
	case CTRL('U'):
		return take_away(edit, 0, cursor);
	case CTRL('W'):
		word = word_start(edit);
		return take_away(edit, word, cursor - word);
	default:
		return EDIT_MORE;
	}
}

enum edit_answer edit_key(struct edit *edit, int key)
{
	switch (key) {
	case '\r':
	case '\n':
		return EDIT_DONE;
	case '\t':
		return EDIT_COMPLETE;
	case CTRL('C'):
		return EDIT_DROP;
	case CTRL('D'):
		return edit->length == 0 ? EDIT_END : control(edit, KEY_DELETE);
	case CTRL('L'):
		return EDIT_CLEAR;
	case KEY_UP:
	case CTRL('P'):
		return EDIT_OLDER;
	case KEY_DOWN:
	case CTRL('N'):
		return EDIT_NEWER;
	default:
		return key >= ' ' && key <= '~' ? type(edit, (char)key) : control(edit, key);
	}
}

/* ---- Row ---- */

/* Moves the window, by half a room, when the cursor left it or stands on a mark. */
static void fit_window(struct edit *edit)
{
	size_t end = edit->window + edit->room;

	if (edit->length <= edit->room)
		edit->window = 0;
	else if (edit->cursor < edit->window + (edit->window > 0) ||
		 edit->cursor + (edit->length > end ? 2 : 0) > end)
		edit->window = edit->cursor > edit->room / 2 ? edit->cursor - edit->room / 2 : 0;
}

/* What the row should show; returns its length. */
static size_t compose(const struct edit *edit, char *row)
{
	size_t left = edit->length - edit->window, n = min(left, edit->room);

	memcpy(row, edit->text + edit->window, n);
	if (edit->window > 0)
		row[0] = MARK_LEFT;
	if (left > n)
		row[n - 1] = MARK_RIGHT;
	return n;
}

struct output {
	char *bytes;
	size_t length;
};

static void put(struct output *out, const char *bytes, size_t n)
{
	memcpy(out->bytes + out->length, bytes, n);
	out->length += n;
}

/* ESC [ n letter; n < 1000 */
static void put_sequence(struct output *out, size_t n, char letter)
{
	char digits[3];
	size_t i = sizeof(digits);

	for (; n > 0; n /= 10)
		digits[--i] = (char)('0' + n % 10);
	put(out, "\033[", 2);
	put(out, digits + i, sizeof(digits) - i);
	put(out, &letter, 1);
}

/* From one cell of row to another; the terminal shows row at least up to there. */
static void put_move(struct output *out, const char *row, size_t from, size_t to)
{
	if (to > from + FEW_STEPS)
		put_sequence(out, to - from, 'C');
	else if (to > from)
		put(out, row + from, to - from);
	else if (from > to + FEW_STEPS)
		put_sequence(out, from - to, 'D');
	else
		put(out, "\b\b\b\b", from - to);
}

size_t edit_draw(struct edit *edit, char *bytes)
{
	struct output out = {bytes, 0};
	char row[EDIT_MAX_ROOM];
	size_t length, same = 0, cursor;

	fit_window(edit);
	length = compose(edit, row);
	cursor = edit->cursor - edit->window;
	while (same < min(length, edit->shown_length) && row[same] == edit->shown[same])
		same++;
	if (same < length || same < edit->shown_length) {
		put_move(&out, row, edit->shown_cursor, same);
		put(&out, row + same, length - same);
		if (edit->shown_length == length + 1)
			put(&out, " \b", 2);
		else if (edit->shown_length > length)
			put(&out, "\033[K", 3);
		edit->shown_cursor = length;
	}
	put_move(&out, row, edit->shown_cursor, cursor);
	memcpy(edit->shown, row, length);
	edit->shown_length = length;
	edit->shown_cursor = cursor;
	return out.length;
}

size_t edit_draw_anew(struct edit *edit, char *out)
{
	edit->shown_length = edit->shown_cursor = 0;
	return edit_draw(edit, out);
}
