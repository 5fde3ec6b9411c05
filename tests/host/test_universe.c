/* SPDX-License-Identifier: GPL-2.0-only */
/* links: percpu/areamap.c */
/*
 * Small universes, exhaustively: from an empty offset space of 64 bytes, every sequence of up to
 * HOST_DEPTH operations: allocations of 1-16 bytes at alignments 1-8, each also undone, and frees
 * of every area. After each operation the engine is compared, byte for byte, with a model that
 * knows nothing but who owns each byte. A state that was reached before is not gone on from again.
 *
 * The engine's memo of its last scan is part of the state while HOST_MEMO_DEPTH operations are not
 * passed; from there on a map stands for all memos it can have, and is tried with the first of
 * them.
 */
#include "percpu/percpu_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SPAN		   64
#define MAX_SIZE	   16
#define MAX_ALIGN	   8
#define ROOM		   64
#define DEFAULT_DEPTH	   5
#define DEFAULT_MEMO_DEPTH 3

/* The engine counts its scans here; in the kernel alloc.c has it. */
struct pcpu_stats pcpu_counters;

/* ---- The model: bytes and their owners ---- */

struct bytes {
	unsigned char owner[SPAN]; /* 0: free; else the number of the area */
	unsigned char last_owner;
	size_t hint;
};

/* Where the entry that starts at byte `from` ends: bytes of one owner. */
static size_t entry_end(const struct bytes *b, size_t from)
{
	size_t end = from;

	while (end < SPAN && b->owner[end] == b->owner[from])
		end++;
	return end;
}

static void own(struct bytes *b, size_t from, size_t end, unsigned char owner)
{
	memset(&b->owner[from], owner, end - from);
}

/* The request is served from the free entry [from, end) at the aligned byte `at`. */
static void model_carve(struct bytes *b, size_t from, size_t at, size_t size, size_t end,
			size_t biggest)
{
	size_t area_end = end - (at + size) < 4 ? end : at + size;
	bool was_last = end == SPAN;

	own(b, at, area_end, ++b->last_owner);
	if (at - from < 4)
		own(b, from, at, from > 0 ? b->owner[from - 1] : 0);
	else
		biggest = max(biggest, at - from);
	biggest = max(biggest, end - area_end);
	b->hint = was_last ? biggest : max(b->hint, biggest);
}

/* Returns the offset, or SPAN if nothing fits. */
static size_t model_alloc(struct bytes *b, size_t size, size_t align)
{
	size_t biggest = 0, end;

	for (size_t from = 0; from < SPAN; from = end) {
		size_t at = from;

		end = entry_end(b, from);
		if (b->owner[from] != 0)
			continue;
		while (at % align != 0)
			at++;
		if (at + size <= end) {
			model_carve(b, from, at, size, end, biggest);
			return at;
		}
		biggest = max(biggest, end - from);
	}
	b->hint = biggest;
	return SPAN;
}

/* Frees the area that starts at byte `from`. */
static void model_free(struct bytes *b, size_t from)
{
	size_t run = from;

	own(b, from, entry_end(b, from), 0);
	while (run > 0 && b->owner[run - 1] == 0)
		run--;
	b->hint = max(b->hint, entry_end(b, run) - run);
}

/* ---- States ---- */

struct state {
	struct pcpu_space space;
	int map[ROOM];
	struct bytes bytes;
};

/* A state without what follows from the rest; this is what is remembered and hashed. */
struct packed {
	signed char map[17]; /* zeros behind the nr entries */
	unsigned char nr, hint;
	unsigned char memo_size, memo_align, memo_index, memo_offset, memo_biggest;
};

static struct packed *seen; /* open addressing */
static size_t seen_room, nr_seen;
static bool memo_counts; /* two states that differ in their memos are two */
static bool last_level;	 /* what is reached now is not gone on from */

static struct packed state_pack(const struct state *s)
{
	const struct areamap_memo *memo = &s->space.memo;
	struct packed p;

	memset(&p, 0, sizeof(p));
	assert_true(s->space.nr_entries <= ARRAY_SIZE(p.map));
	for (size_t i = 0; i < s->space.nr_entries; i++)
		p.map[i] = (signed char)s->map[i];
	p.nr = (unsigned char)s->space.nr_entries;
	p.hint = (unsigned char)s->space.hint;
	if (memo->index == 0)
		return p; /* a memo that says nothing has no other value that matters */
	p.memo_size = (unsigned char)memo->size;
	p.memo_align = (unsigned char)memo->align;
	p.memo_index = (unsigned char)memo->index;
	p.memo_offset = (unsigned char)memo->offset;
	p.memo_biggest = (unsigned char)memo->biggest;
	return p;
}

static void state_unpack(const struct packed *p, struct state *s)
{
	size_t offset = 0;

	memset(s, 0, sizeof(*s));
	s->space.engine = &areamap_engine;
	s->space.map = s->map;
	s->space.map_room = ROOM;
	s->space.span = SPAN;
	s->space.nr_entries = p->nr;
	s->space.hint = s->bytes.hint = p->hint;
	s->space.memo = (struct areamap_memo){p->memo_size, p->memo_align, p->memo_index,
					      p->memo_offset, p->memo_biggest};
	for (size_t i = 0; i < p->nr; i++) {
		size_t length = (size_t)abs(p->map[i]);

		s->map[i] = p->map[i];
		if (p->map[i] > 0)
			s->space.free_size += length;
		else
			own(&s->bytes, offset, offset + length, ++s->bytes.last_owner);
		offset += length;
	}
}

static size_t hash(const struct packed *p)
{
	uint64_t word[3], h = 0x9e3779b97f4a7c15u;

	memcpy(word, p, sizeof(word));
	for (size_t i = 0; i < ARRAY_SIZE(word); i++)
		h = (h ^ word[i]) * 0xff51afd7ed558ccdu, h ^= h >> 32;
	return h;
}

_Static_assert(sizeof(struct packed) == 24, "hash takes three words");

static bool seen_put(struct packed *table, size_t room, const struct packed *p)
{
	size_t at = hash(p) % room;

	for (; table[at].nr != 0; at = (at + 1) % room)
		if (memcmp(&table[at], p, sizeof(*p)) == 0)
			return false;
	table[at] = *p;
	return true;
}

static void seen_grow(void)
{
	size_t room = seen_room ? seen_room * 2 : 1 << 16;
	struct packed *table = calloc(room, sizeof(*table));

	assert_non_null(table);
	for (size_t i = 0; i < seen_room; i++)
		if (seen[i].nr != 0)
			seen_put(table, room, &seen[i]);
	free(seen);
	seen = table;
	seen_room = room;
}

/* ---- Comparison ---- */

static void same(const struct state *s, size_t size, size_t align, const char *what)
{
	const char *error = areamap_engine.check(&s->space);
	size_t i = 0, free_bytes = 0;

	if (error != NULL)
		fail_msg("%s of %zu at %zu: %s", what, size, align, error);
	for (size_t from = 0, end; from < SPAN; from = end, i++) {
		int want;

		end = entry_end(&s->bytes, from);
		want = s->bytes.owner[from] != 0 ? -(int)(end - from) : (int)(end - from);
		if (i >= s->space.nr_entries || s->map[i] != want)
			fail_msg("%s of %zu at %zu: entry %zu: got %d, want %d", what, size, align,
				 i, i < s->space.nr_entries ? s->map[i] : 0, want);
		free_bytes += want > 0 ? (size_t)want : 0;
	}
	if (s->space.hint != s->bytes.hint)
		fail_msg("%s of %zu at %zu: hint: got %zu, want %zu", what, size, align,
			 s->space.hint, s->bytes.hint);
	assert_int_equal(s->space.nr_entries, i);
	assert_int_equal(s->space.free_size, free_bytes);
}

/* find and the refusal of frees that hit no area, for every byte. */
static void look_everywhere(struct state *s)
{
	struct packed before = state_pack(s), after;

	for (size_t from = 0, end; from < SPAN; from = end) {
		end = entry_end(&s->bytes, from);
		for (size_t at = from; at < end; at++) {
			struct pcpu_area area;

			areamap_engine.find(&s->space, at, &area);
			assert_int_equal(area.offset, from);
			assert_int_equal(area.length, end - from);
			assert_int_equal(area.used, s->bytes.owner[at] != 0);
			if (at != from || !area.used)
				assert_int_equal(areamap_engine.free(&s->space, at), 0);
		}
	}
	after = state_pack(s);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* ---- The search ---- */

static struct packed *frontier, *next_frontier;
static size_t nr_frontier, nr_next, next_room;

static void reached(const struct state *s)
{
	struct packed p, key;

	if (last_level)
		return;
	p = key = state_pack(s);
	if (!memo_counts)
		memset(&key.memo_size, 0, sizeof(key) - offsetof(struct packed, memo_size));
	if (nr_seen * 4 >= seen_room * 3)
		seen_grow();
	if (!seen_put(seen, seen_room, &key))
		return;
	nr_seen++;
	if (nr_next == next_room) {
		next_room = next_room ? next_room * 2 : 1024;
		/* cppcheck-suppress memleakOnRealloc ; the test ends there */
		next_frontier = realloc(next_frontier, next_room * sizeof(p));
		assert_non_null(next_frontier);
	}
	next_frontier[nr_next++] = p;
}

/* An allocation whose pages could not be had: the map is what it was before. */
static void undo(const struct state *before, struct state *s, const struct pcpu_grant *grant)
{
	areamap_engine.undo(&s->space, grant);
	s->bytes = before->bytes;
	s->bytes.hint = s->space.hint;
	same(s, grant->length, 0, "undo");
	reached(s);
}

static void try_alloc(const struct packed *from, size_t size, size_t align)
{
	struct pcpu_grant grant;
	struct state before, s;
	size_t offset;
	bool got;

	state_unpack(from, &before);
	s = before;
	s.space.map = s.map;
	offset = model_alloc(&s.bytes, size, align);
	got = areamap_engine.alloc(&s.space, size, align, &grant);
	assert_int_equal(got, offset != SPAN);
	same(&s, size, align, "alloc");
	reached(&s);
	if (!got)
		return;
	assert_int_equal(grant.offset, offset);
	assert_int_equal(grant.length, entry_end(&s.bytes, offset) - offset);
	undo(&before, &s, &grant);
}

static void try_frees(const struct packed *from)
{
	struct state before, s;

	state_unpack(from, &before);
	for (size_t at = 0, end; at < SPAN; at = end) {
		end = entry_end(&before.bytes, at);
		if (before.bytes.owner[at] == 0)
			continue;
		s = before;
		s.space.map = s.map;
		model_free(&s.bytes, at);
		assert_int_equal(areamap_engine.free(&s.space, at), end - at);
		same(&s, end - at, at, "free");
		reached(&s);
	}
}

static void go_on_from(const struct packed *from)
{
	struct state s;

	state_unpack(from, &s);
	look_everywhere(&s);
	for (size_t size = 1; size <= MAX_SIZE; size++)
		for (size_t align = 1; align <= MAX_ALIGN; align *= 2)
			try_alloc(from, size, align);
	try_frees(from);
}

static void start(void)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	s.bytes.hint = SPAN;
	areamap_engine.init(&s.space, 0, SPAN, s.map, sizeof(s.map), true);
	same(&s, 0, 0, "init");
	reached(&s);
}

static unsigned long env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* U20, and with it U10, U19 and O18: hints and maps are exactly the contract's. */
static void U20_every_short_sequence(void **state)
{
	unsigned long depth = env("HOST_DEPTH", DEFAULT_DEPTH);
	unsigned long memo_depth = env("HOST_MEMO_DEPTH", DEFAULT_MEMO_DEPTH);

	(void)state;
	memo_counts = memo_depth > 0;
	start();
	for (unsigned long d = 0; d < depth; d++) {
		struct packed *old = frontier;

		frontier = next_frontier;
		nr_frontier = nr_next;
		next_frontier = NULL;
		nr_next = next_room = 0;
		free(old);
		memo_counts = d < memo_depth;
		last_level = d + 1 == depth;
		for (size_t i = 0; i < nr_frontier; i++)
			go_on_from(&frontier[i]);
		print_message("# depth %lu: %zu states, %zu new\n", d + 1, nr_seen, nr_next);
	}
	free(frontier);
	free(next_frontier);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U20_every_short_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
