/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/host/universe.h"

#include <stdlib.h>

/* ---- Bytes ---- */

/* The request is served from the free entry [from, end) at the aligned byte `at`. */
static void bytes_carve(struct bytes *b, size_t from, size_t at, size_t size, size_t end,
			size_t biggest)
{
	size_t area_end = end - (at + size) < 4 ? end : at + size;

	b->used |= bits(at, area_end);
	b->starts |= bits(at, at + 1);
	if (area_end < end)
		b->starts |= bits(area_end, area_end + 1);
	if (at - from >= 4) {
		biggest = max(biggest, at - from);
	} else if (at > from) { /* too short to stand alone: bytes of the area before */
		b->used |= bits(from, at);
		b->starts &= ~bits(from, from + 1);
	}
	biggest = max(biggest, end - area_end);
	b->hint = end == SPAN ? biggest : max(b->hint, biggest);
}

size_t bytes_alloc(struct bytes *b, size_t size, size_t align)
{
	size_t biggest = 0, end;

	for (size_t from = 0; from < SPAN; from = end) {
		size_t at = (from + align - 1) / align * align;

		end = bytes_end(b, from);
		if (bytes_used(b, from))
			continue;
		if (at + size <= end) {
			bytes_carve(b, from, at, size, end, biggest);
			return at;
		}
		biggest = max(biggest, end - from);
	}
	b->hint = biggest;
	return SPAN;
}

void bytes_free(struct bytes *b, size_t from)
{
	size_t end = bytes_end(b, from);

	b->used &= ~bits(from, end);
	if (end < SPAN && !bytes_used(b, end))
		b->starts &= ~bits(end, end + 1);
	if (from > 0 && !bytes_used(b, from - 1))
		b->starts &= ~bits(from, from + 1);
	from = bytes_start(b, from);
	b->hint = max(b->hint, bytes_end(b, from) - from);
}

struct bytes bytes_undo(const struct bytes *before, const struct bytes *after, size_t offset)
{
	struct bytes b = *before;
	size_t run = bytes_start(before, offset);

	b.hint = max(after->hint, bytes_end(before, run) - run);
	return b;
}

/* ---- Keys ---- */

_Static_assert(sizeof(struct key) == 12, "a hundred million of them are kept");

struct key key_of(const struct bytes *b)
{
	struct key key = {{(uint32_t)b->starts, (uint32_t)(b->starts >> 32)}, 0, (uint16_t)b->hint};
	size_t i = 0;

	for (uint64_t left = b->starts; left != 0; left &= left - 1, i++)
		if (bytes_used(b, (size_t)__builtin_ctzll(left)))
			key.used |= (uint16_t)(1u << i);
	return key;
}

struct bytes bytes_of(const struct key *key)
{
	struct bytes b = {0, key->starts[0] | (uint64_t)key->starts[1] << 32, key->hint};
	size_t i = 0;

	for (size_t from = 0, end; from < SPAN; from = end, i++) {
		end = bytes_end(&b, from);
		if (key->used >> i & 1)
			b.used |= bits(from, end);
	}
	return b;
}

uint64_t key_hash(const struct key *key)
{
	uint64_t h = key->starts[0] | (uint64_t)key->starts[1] << 32;

	h = (h ^ h >> 29 ^ (uint64_t)key->used << 40) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 32 ^ key->hint) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

/* ---- Tables ---- */

/* The slot that has the key, or where it belongs. */
static struct key *table_slot(const struct table *table, const struct key *key)
{
	size_t at = key_hash(key) & (table->room - 1);

	while (table->keys[at].starts[0] != 0 && memcmp(&table->keys[at], key, sizeof(*key)) != 0)
		at = (at + 1) & (table->room - 1);
	return &table->keys[at];
}

bool table_has(const struct table *table, const struct key *key)
{
	return table->room > 0 && table_slot(table, key)->starts[0] != 0;
}

static bool table_grow(struct table *table)
{
	struct table bigger = {.room = table->room ? table->room * 2 : 1 << 10, .nr = table->nr};

	bigger.keys = calloc(bigger.room, sizeof(*bigger.keys));
	if (bigger.keys == NULL)
		return false;
	for (size_t i = 0; i < table->room; i++)
		if (table->keys[i].starts[0] != 0)
			*table_slot(&bigger, &table->keys[i]) = table->keys[i];
	free(table->keys);
	*table = bigger;
	return true;
}

bool table_add(struct table *table, const struct key *key)
{
	struct key *slot;

	if (table->nr >= table->room / 8 * 7 && !table_grow(table))
		return false;
	slot = table_slot(table, key);
	table->nr += slot->starts[0] == 0;
	*slot = *key;
	return true;
}

const struct key *table_next(const struct table *table, size_t *at)
{
	while (*at < table->room && table->keys[*at].starts[0] == 0)
		(*at)++;
	return *at < table->room ? &table->keys[(*at)++] : NULL;
}
