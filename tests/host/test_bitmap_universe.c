/* SPDX-License-Identifier: GPL-2.0-only */
/* links: percpu/bitmap.c percpu/bitmap_tree.c */
/*
 * Small universes of the engine `bitmap`, exhaustively: from spaces with 16 free granules, every
 * sequence of up to HOST_DEPTH operations: allocations of 1-24 bytes at alignments 1-64, each also
 * undone, rows of areas, frees of every area. After each one the engine is checked and compared with
 * a model that knows nothing but which granules are in use and where areas start, and whatever is not
 * the start of an area is refused.
 *
 * A state is the whole of the engine's books. One that was gone on from with no fewer operations to come is
 * not gone on from again; it is known by a digest of 61 bits.
 */
#include "percpu/bitmap.h"
#include "percpu/percpu_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_DEPTH 7
#define MAX_BOOKS 8192
#define MAX_ROW	  3
#define NR_SEEN	  (1u << 23)
#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_DEPTH 4
#else
#define DEFAULT_DEPTH 5
#endif

/* The engine counts its searches here; in the kernel inspect.c has it. */
struct pcpu_stats pcpu_counters;

/* Granules from `first` on, bit 0 is the first; before them is one area, or nothing. */
struct window {
	uint32_t used, starts;
};

struct state {
	struct pcpu_space space;
	struct window window;
	char books[MAX_BOOKS];
};

static struct state states[MAX_DEPTH + 1]; /* that a way has come through */
static struct pcpu_space space;
static struct window window;
static void *books;
static size_t book_bytes, first, nr,
	odd; /* granules before the window, in it; bytes past the last */
static unsigned long operations;
static uint64_t
	*seen; /* digest, the lowest three bits of it: operations that were to come; 0: none */

static size_t nr_seen;

/* ---- The model ---- */

static uint32_t row_bits(size_t at, size_t count)
{
	return (uint32_t)(((1ull << count) - 1) << at);
}

static bool is_free(size_t at, size_t count)
{
	return at + count <= nr && (window.used & row_bits(at, count)) == 0;
}

static size_t end_of(size_t at)
{
	size_t end = at + 1;

	while (end < nr && (window.used >> end & 1) && !(window.starts >> end & 1))
		end++;
	return end;
}

static size_t length_of(size_t at, size_t end)
{
	return (end - at) * GRANULE + (end == nr ? odd : 0);
}

/* The lowest place for a request; else the one at the end, where odd bytes make up for a granule; else nr. */
static size_t place_for(size_t size, size_t align, size_t *count)
{
	*count = (size + GRANULE - 1) / GRANULE;
	for (size_t at = 0; at < nr; at++)
		if ((first + at) * GRANULE % align == 0 && is_free(at, *count))
			return at;
	(*count)--;
	if (*count == 0 || *count > nr || length_of(nr - *count, nr) < size ||
	    (first + nr - *count) * GRANULE % align != 0 || !is_free(nr - *count, *count))
		return nr;
	return nr - *count;
}

static void take(size_t at, size_t count)
{
	assert_true(is_free(at, count));
	window.used |= row_bits(at, count);
	window.starts |= row_bits(at, 1);
}

/* ---- Comparing ---- */

struct progress {
	size_t at, free_size;
};

static void compare_run(const struct pcpu_area *area, void *arg)
{
	struct progress *p = arg;
	bool used = window.used >> p->at & 1;
	size_t end = p->at + 1;

	if (area->offset < first * GRANULE) {
		assert_true(area->offset == 0 && area->length == first * GRANULE);
		return;
	}
	if (used)
		end = end_of(p->at);
	else
		while (end < nr && !(window.used >> end & 1))
			end++;
	assert_int_equal(area->offset, (first + p->at) * GRANULE);
	assert_int_equal(area->length, length_of(p->at, end));
	assert_int_equal(area->used, used);
	p->free_size += used ? 0 : area->length;
	p->at = end;
}

static void compare(void)
{
	struct progress p = {0};
	const char *error;

	operations++;
	bitmap_engine.walk(&space, compare_run, &p);
	assert_int_equal(p.at, nr);
	assert_int_equal(space.free_size, p.free_size);
	error = bitmap_engine.check(&space);
	if (error)
		fail_msg("the engine's checker: %s", error);
	for (size_t at = 0; at <= nr; at++)
		if (!(window.starts >> at & 1))
			assert_int_equal(bitmap_engine.free(&space, (first + at) * GRANULE), 0);
}

/* ---- Ways ---- */

static void save(struct state *state)
{
	state->space = space;
	state->window = window;
	memcpy(state->books, books, book_bytes);
}

static void restore(const struct state *state)
{
	space = state->space;
	window = state->window;
	memcpy(books, state->books, book_bytes);
}

/* Whether the state was gone on from with so many operations to come; it is from now on. */
static bool known_state(unsigned int to_come)
{
	const uint64_t *word = books;
	uint64_t digest = space.hint * 0x9e3779b97f4a7c15u + space.free_size;
	size_t slot;

	for (size_t i = 0; i < book_bytes / 8; i++)
		digest = (digest ^ word[i] ^ digest >> 29) * 0xbf58476d1ce4e5b9u;
	digest = (digest ^ digest >> 32) & ~7ull;
	for (slot = digest >> 41; seen[slot] != 0; slot = (slot + 1) % NR_SEEN) {
		if ((seen[slot] & ~7ull) != digest)
			continue;
		if ((seen[slot] & 7) >= to_come)
			return true;
		break;
	}
	assert_true(seen[slot] != 0 || ++nr_seen < NR_SEEN);
	seen[slot] = digest | to_come;
	return false;
}

static void go_on(unsigned int to_come);

static void alloc_one(size_t size, size_t align, unsigned int to_come)
{
	struct window before = window;
	struct pcpu_grant grant;
	size_t count, want = place_for(size, align, &count);

	assert_int_equal(bitmap_engine.alloc(&space, size, align, &grant), want < nr);
	if (want < nr) {
		assert_int_equal(grant.offset, (first + want) * GRANULE);
		assert_int_equal(grant.length, length_of(want, want + count));
		bitmap_engine.undo(&space, &grant);
		compare();
		assert_true(bitmap_engine.alloc(&space, size, align, &grant));
		assert_int_equal(grant.offset, (first + want) * GRANULE);
		window = before;
		take(want, count);
	}
	compare();
	go_on(to_come);
}

/* A row: the first in the lowest place, the others above, as far as the engine likes. */
static void alloc_row(size_t size, unsigned int to_come)
{
	size_t count, align = size & -size, offsets[MAX_ROW], n;
	size_t want = place_for(size, align, &count);

	n = bitmap_engine.alloc_many(&space, size, align, MAX_ROW, offsets);
	assert_true(n <= MAX_ROW);
	for (size_t i = 0; i < n; i++) {
		size_t at = offsets[i] / GRANULE - first;

		assert_int_equal(offsets[i] % align, 0);
		assert_true(i == 0 ? at == want : offsets[i] > offsets[i - 1]);
		take(at, size / GRANULE);
		assert_int_equal(length_of(at, at + size / GRANULE), size);
	}
	assert_true(n > 0 || want + size / GRANULE >= nr);
	compare();
	go_on(to_come);
}

static void free_one(size_t at, unsigned int to_come)
{
	size_t end = end_of(at);

	assert_int_equal(bitmap_engine.free(&space, (first + at) * GRANULE), length_of(at, end));
	window.used &= ~row_bits(at, end - at);
	window.starts &= ~row_bits(at, 1);
	compare();
	go_on(to_come);
}

/* Every operation, each from here. */
static void go_on(unsigned int to_come)
{
	static const size_t sizes[] = {1, 6, 8, 12, 16, 24}, aligns[] = {1, 8, 64};
	struct state *here = &states[to_come];

	if (to_come == 0 || known_state(to_come))
		return;
	save(here);
	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(aligns); i++) {
		alloc_one(sizes[i / ARRAY_SIZE(aligns)], aligns[i % ARRAY_SIZE(aligns)],
			  to_come - 1);
		restore(here);
	}
	for (size_t size = GRANULE; size <= 3 * GRANULE; size += GRANULE) {
		alloc_row(size, to_come - 1);
		restore(here);
	}
	for (size_t at = 0; at < nr; at++) {
		if (!(window.starts >> at & 1))
			continue;
		free_one(at, to_come - 1);
		restore(here);
	}
}

static void universe(size_t used, size_t free_bytes)
{
	const char *depth = getenv("HOST_DEPTH");
	unsigned int to_come = depth ? (unsigned int)strtoul(depth, NULL, 0) : DEFAULT_DEPTH;

	assert_in_range(to_come, 1, MAX_DEPTH);
	book_bytes = bitmap_engine.init_bytes(used + free_bytes);
	assert_true(book_bytes <= MAX_BOOKS);
	books = calloc(1, book_bytes);
	seen = calloc(NR_SEEN, sizeof(*seen));
	nr_seen = 0;
	assert_true(books != NULL && seen != NULL);
	space = (struct pcpu_space){.engine = &bitmap_engine};
	bitmap_engine.init(&space, used, free_bytes, books, book_bytes, false);
	first = used / GRANULE;
	nr = free_bytes / GRANULE;
	odd = free_bytes % GRANULE;
	compare();
	go_on(to_come);
	print_message("# %lu operations compared\n", operations);
	free(seen);
	free(books);
}

/* One leaf, all of it free. */
static void U20_every_short_sequence_in_a_leaf(void **state)
{
	(void)state;
	universe(0, 64);
}

/* Eight granules in one leaf, eight in the next: runs that the tree has to join. */
static void U20_every_short_sequence_over_two_leaves(void **state)
{
	(void)state;
	universe(4096 - 32, 64);
}

/* And three bytes that are no granule. */
static void U20_every_short_sequence_before_odd_bytes(void **state)
{
	(void)state;
	universe(4096 - 32, 67);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U20_every_short_sequence_in_a_leaf),
		cmocka_unit_test(U20_every_short_sequence_over_two_leaves),
		cmocka_unit_test(U20_every_short_sequence_before_odd_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
