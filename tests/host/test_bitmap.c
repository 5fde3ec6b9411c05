/* SPDX-License-Identifier: GPL-2.0-only */
/* links: percpu/bitmap.c percpu/bitmap_tree.c */
/*
 * The engine `bitmap` by itself, beside a model that knows for each granule which area has it. Every
 * answer is compared, and where the model finds room the engine must too, in the lowest place.
 */
#include "percpu/bitmap.h"
#include "percpu/percpu_internal.h"

#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_SPAN ((size_t)4 << 20)
#define MAX_MANY 32

/* The engine counts its searches here; in the kernel inspect.c has it. */
struct pcpu_stats pcpu_counters;

static struct pcpu_space space;
static void *books;
static uint32_t owner[MAX_SPAN / GRANULE]; /* of each granule; 0: free */
static size_t granules, odd;		   /* of the space; bytes past the last */
static uint32_t last_owner;
static size_t starts[1 << 16], nr_live; /* granules at which live areas start */
static uint64_t random_state;

static uint64_t roll(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned long env_or(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

static void begin(size_t used, size_t free_bytes)
{
	size_t bytes = bitmap_engine.init_bytes(used + free_bytes);

	books = calloc(2, bytes);
	assert_non_null(books);
	/* However far past its end the engine reads or writes. */
	ASAN_POISON_MEMORY_REGION((char *)books + bytes, bytes);
	space = (struct pcpu_space){.engine = &bitmap_engine};
	bitmap_engine.init(&space, used, free_bytes, books, bytes, false);
	granules = (used + free_bytes) / GRANULE;
	odd = (used + free_bytes) % GRANULE;
	last_owner = 1;
	nr_live = 0;
	for (size_t i = 0; i < granules; i++)
		owner[i] = i * GRANULE < used;
}

static void end(void)
{
	size_t bytes, want = bitmap_engine.init_bytes(space.span);

	assert_ptr_equal(bitmap_engine.destroy(&space, &bytes), books);
	assert_int_equal(bytes, want);
	ASAN_UNPOISON_MEMORY_REGION((char *)books + bytes, bytes);
	free(books);
}

/* ---- The model ---- */

static size_t run_end(size_t from)
{
	size_t at = from;

	while (at < granules && owner[at] == owner[from])
		at++;
	return at;
}

static size_t bytes_of(size_t from, size_t to)
{
	return (to - from) * GRANULE + (to == granules ? odd : 0);
}

/* The lowest aligned granule with so many free ones from it on; `granules` if there is none. */
static size_t lowest(size_t count, size_t align)
{
	size_t step = align > GRANULE ? align / GRANULE : 1, at = 0, to;

	for (at = 0; at < granules; at = to) {
		to = run_end(at);
		if (owner[at] != 0)
			continue;
		at = (at + step - 1) / step * step;
		if (at + count <= to)
			return at;
	}
	return granules;
}

static void take(size_t from, size_t count)
{
	last_owner++;
	for (size_t i = from; i < from + count; i++) {
		assert_int_equal(owner[i], 0);
		owner[i] = last_owner;
	}
	starts[nr_live++] = from;
}

static size_t give(size_t index)
{
	size_t from = starts[index], to = run_end(from);

	for (size_t i = from; i < to; i++)
		owner[i] = 0;
	starts[index] = starts[--nr_live];
	return bytes_of(from, to);
}

/* ---- Comparing ---- */

struct comparison {
	size_t at, runs, free_size, longest;
};

static void compare_run(const struct pcpu_area *area, void *arg)
{
	struct comparison *c = arg;
	size_t to = run_end(c->at), length = bytes_of(c->at, to);

	assert_int_equal(area->offset, c->at * GRANULE);
	assert_int_equal(area->length, length);
	assert_int_equal(area->used, owner[c->at] != 0);
	if (!area->used) {
		c->free_size += length;
		c->longest = max(c->longest, length);
	}
	c->runs++;
	c->at = to;
}

static void compare_find(size_t granule, size_t byte)
{
	struct pcpu_area area;
	size_t from = granule, to = run_end(granule);

	while (from > 0 && owner[from - 1] == owner[granule])
		from--;
	bitmap_engine.find(&space, granule * GRANULE + byte, &area);
	assert_int_equal(area.offset, from * GRANULE);
	assert_int_equal(area.length, bytes_of(from, to));
	assert_int_equal(area.used, owner[granule] != 0);
}

static void compare(void)
{
	struct comparison c = {0};
	const char *error;
	size_t room;

	bitmap_engine.walk(&space, compare_run, &c);
	assert_int_equal(c.at, granules);
	assert_int_equal(space.free_size, c.free_size);
	assert_true(bitmap_engine.rank(&space) >= c.longest);
	assert_true(space.hint <= space.free_size);
	assert_int_equal(bitmap_engine.entries(&space, &room), c.runs);
	assert_true(room >= c.runs);
	error = bitmap_engine.check(&space);
	if (error)
		fail_msg("the engine's checker: %s", error);
	if (granules > 0) {
		compare_find(roll() % granules, roll() % GRANULE);
		compare_find(granules - 1, roll() % (GRANULE + odd)); /* which has the odd bytes */
	}
}

/* ---- Operations ---- */

static size_t roll_size(void)
{
	uint64_t dice = roll();

	return 1 + (dice >> 8) % (dice % 8 == 0 ? 70000 : dice % 8 == 1 ? 5000 : 200);
}

/* Whether the last so many granules are free and, with the odd bytes after them, enough. */
static bool odd_place(size_t size, size_t count, size_t align)
{
	if (count == 0 || count > granules || (granules - count) * GRANULE % align != 0)
		return false;
	for (size_t i = granules - count; i < granules; i++) {
		if (owner[i] != 0)
			return false;
	}
	return bytes_of(granules - count, granules) >= size;
}

/* The whole of what is left at the end, odd bytes and all. */
static void the_odd_bytes_at_the_end_serve(void **state)
{
	struct pcpu_grant grant;

	(void)state;
	begin(5888, 9001);
	assert_int_equal(space.hint, 9001);
	assert_true(bitmap_engine.alloc(&space, 9001, 8, &grant));
	assert_int_equal(grant.offset, 5888);
	assert_int_equal(grant.length, 9001);
	assert_int_equal(space.free_size, 0);
	assert_false(bitmap_engine.alloc(&space, 1, 1, &grant));
	assert_int_equal(bitmap_engine.free(&space, 5888), 9001);
	assert_false(bitmap_engine.alloc(&space, 9002, 4, &grant));
	assert_false(bitmap_engine.alloc(&space, 9001, 512, &grant));
	end();
}

static void alloc_one(bool undone)
{
	size_t size = roll_size(), align = (size_t)1 << roll() % 13;
	size_t count = (size + GRANULE - 1) / GRANULE, want = lowest(count, align);
	struct pcpu_grant grant;

	if (want == granules && odd_place(size, count - 1, align)) {
		count--;
		want = granules - count;
	}
	assert_int_equal(bitmap_engine.grow_bytes(&space), 0);
	if (!bitmap_engine.alloc(&space, size, align, &grant)) {
		assert_int_equal(want, granules);
		return;
	}
	assert_int_equal(grant.offset, want * GRANULE);
	assert_int_equal(grant.length, bytes_of(want, want + count));
	assert_int_equal(grant.donated, 0);
	if (undone)
		bitmap_engine.undo(&space, &grant);
	else
		take(want, count);
}

/* The first of many is in the lowest place; each is free, aligned, of the size asked for. */
static void alloc_many(void)
{
	size_t size = GRANULE * (1 + roll() % 64), align = size & -size, offsets[MAX_MANY];
	size_t max_areas = 1 + roll() % MAX_MANY, count = size / GRANULE;
	size_t want = lowest(count, min(align, (size_t)64)), n;

	n = bitmap_engine.alloc_many(&space, size, min(align, (size_t)64), max_areas, offsets);
	assert_true(n <= max_areas);
	if (n == 0 && want + count < granules)
		fail_msg("none of %zu bytes, though %zu is free", size, want * GRANULE);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 ? offsets[0] == want * GRANULE : offsets[i] > offsets[i - 1]);
		assert_int_equal(offsets[i] % min(align, (size_t)64), 0);
		take(offsets[i] / GRANULE, count);
		assert_int_equal(bytes_of(offsets[i] / GRANULE, offsets[i] / GRANULE + count),
				 size);
	}
}

static void free_one(void)
{
	size_t index = roll() % nr_live, offset = starts[index] * GRANULE;

	assert_int_equal(bitmap_engine.free(&space, offset), give(index));
	assert_int_equal(bitmap_engine.free(&space, offset), 0);
	bitmap_engine.rank(&space);
}

/* What starts no area is not freed. */
static void free_nothing(void)
{
	size_t offset = roll() % (space.span + 4 * GRANULE);
	bool starts_area = offset % GRANULE == 0 && offset / GRANULE < granules &&
			   owner[offset / GRANULE] != 0 &&
			   (offset == 0 || owner[offset / GRANULE - 1] != owner[offset / GRANULE]);

	if (!starts_area)
		assert_int_equal(bitmap_engine.free(&space, offset), 0);
}

static void operate(void)
{
	uint64_t dice = roll() % 16;

	if (nr_live + MAX_MANY >= ARRAY_SIZE(starts) || (nr_live > 0 && dice < 6))
		free_one();
	else if (dice < 7)
		free_nothing();
	else if (dice < 10)
		alloc_many();
	else
		alloc_one(dice == 10);
}

static void story(size_t used, size_t free_bytes, unsigned long ops)
{
	begin(used, free_bytes);
	compare();
	for (unsigned long i = 0; i < ops; i++) {
		operate();
		compare();
	}
	while (nr_live > 0)
		free_one();
	compare();
	bitmap_engine.rank(&space);
	assert_int_equal(space.hint, space.free_size);
	end();
}

/* ---- Tests ---- */

static void every_answer_is_the_models(void **state)
{
	static const struct {
		size_t used, free_bytes, share;
	} spaces[] = {
		{0, 65536, 10},	    {5888, 59648, 10}, {5889, 59647, 10}, {6, 65536, 10},
		{0, 4100, 10},	    {0, 4096, 10},     {0, 64, 10},	  {0, 8, 5},
		{4, 7, 5},	    {0, 4, 5},	       {65536, 0, 2},	  {7, 0, 2},
		{12000, 250000, 3}, {0, MAX_SPAN, 1},
	};
	unsigned long ops = env_or("HOST_OPS", 20000) / 200 + 20;

	(void)state;
	random_state = env_or("HOST_SEED", 1) * 0x9e3779b97f4a7c15ul | 1;
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		story(spaces[i].used, spaces[i].free_bytes,
		      ops * spaces[i].share * (spaces[i].free_bytes > 70000 ? 1 : 2));
}

/* A million areas of 4 bytes at align 8 leave every other granule free, and none of them in the way. */
static void U12_many_small_areas_cost_the_same_each(void **state)
{
	struct pcpu_grant grant;
	unsigned long most = 0;

	(void)state;
	begin(0, 65536);
	for (size_t i = 0; i < 65536 / 8; i++) {
		unsigned long before = pcpu_counters.entries_touched;

		assert_true(bitmap_engine.alloc(&space, 4, 8, &grant));
		assert_int_equal(grant.offset, 8 * i);
		most = max(most, pcpu_counters.entries_touched - before);
	}
	assert_false(bitmap_engine.alloc(&space, 4, 8, &grant));
	assert_true(bitmap_engine.alloc(&space, 4, 4, &grant));
	assert_int_equal(grant.offset, 4);
	print_message("# at most %lu nodes and runs for one of 8192\n", most);
	assert_true(most < 1100); /* nodes of a path, and the runs of one leaf */
	end();
}

/* No leaf too many, which would cost a tenth of a page each. */
static void books_are_no_larger_than_their_span_needs(void **state)
{
	(void)state;
	for (size_t span = 4096; span <= MAX_SPAN; span *= 2) {
		assert_int_equal(bitmap_engine.init_bytes(span),
				 bitmap_engine.init_bytes(span - 4));
		assert_true(bitmap_engine.init_bytes(span) < bitmap_engine.init_bytes(span + 4));
	}
	assert_true(bitmap_engine.init_bytes(65536) < 65536 / 8);
}

static void static_books_are_kept(void **state)
{
	static unsigned long memory[4096];
	size_t bytes = bitmap_engine.init_bytes(65536);

	(void)state;
	assert_true(bytes <= sizeof(memory));
	space = (struct pcpu_space){.engine = &bitmap_engine};
	bitmap_engine.init(&space, 100, 65436, memory, bytes, true);
	assert_null(bitmap_engine.destroy(&space, &bytes));
	assert_ptr_equal(bitmap_engine.grow(&space, memory, 8, &bytes), memory);
	assert_int_equal(bytes, 8);
}

/* ---- The checker sees each damage ---- */

static void expect_error(const char *want)
{
	const char *error = bitmap_engine.check(&space);

	assert_non_null(error);
	assert_string_equal(error, want);
}

static void each_damage_is_found_and_named(void **state)
{
	struct bitmap_books *b;
	struct pcpu_grant grant;

	(void)state;
	begin(64, 65472);
	b = space.books;
	assert_true(bitmap_engine.alloc(&space, 400, 4, &grant));
	bitmap_engine.free(&space, 0);
	assert_false(
		bitmap_engine.alloc(&space, 65536, 4, &grant)); /* brings the tree up to date */
	assert_null(bitmap_engine.check(&space));
	bitmap_set(b->start, 0);
	expect_error("an area starts in free granules");
	bitmap_clear(b->start, 0);
	bitmap_clear(b->start, 16);
	expect_error("granules in use that belong to no area");
	bitmap_set(b->start, 16);
	bitmap_set(b->start, granules - 1); /* in the last word */
	expect_error("an area starts in free granules");
	bitmap_clear(b->start, granules - 1);
	bitmap_set(b->used, granules - 1);
	expect_error("granules in use that belong to no area");
	bitmap_clear(b->used, granules - 1);
	space.span += GRANULE;
	expect_error("the runs do not add up to the span");
	space.span -= GRANULE;
	space.free_size += GRANULE;
	expect_error("free_size is not the sum of the free runs");
	space.free_size -= GRANULE;
	space.hint = 65535 - 464;
	expect_error("the hint is below the longest free run");
	space.hint = 65536;
	b->nodes[1].longest[3]++;
	expect_error("a node of the tree has another longest run");
	b->nodes[1].longest[3]--;
	b->nodes[2].prefix++;
	expect_error("a node of the tree has other ends");
	b->nodes[2].prefix--;
	b->nodes[3].suffix--;
	expect_error("a node of the tree has other ends");
	b->nodes[3].suffix++;
	memset(b->low, 0xff, sizeof(b->low));
	for (size_t i = 0; i < NR_KNOWN; i++)
		b->known[i] = (struct bitmap_known){4, 0, 1};
	expect_error("an area fits below the place that is known as the lowest");
	b->low[2] = 0;
	assert_null(bitmap_engine.check(&space));
	b->low[2] = UINT32_MAX;
	for (size_t i = 0; i < NR_KNOWN; i++)
		b->known[i].place = 0;
	assert_null(bitmap_engine.check(&space));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_the_models),
		cmocka_unit_test(U12_many_small_areas_cost_the_same_each),
		cmocka_unit_test(the_odd_bytes_at_the_end_serve),
		cmocka_unit_test(books_are_no_larger_than_their_span_needs),
		cmocka_unit_test(static_books_are_kept),
		cmocka_unit_test(each_damage_is_found_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
