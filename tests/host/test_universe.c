/* SPDX-License-Identifier: GPL-2.0-only */
/* links: tests/host/universe.c percpu/areamap.c */
/*
 * Small universes, exhaustively: from an empty offset space of 64 bytes, every sequence of up to
 * HOST_DEPTH operations: allocations of 1-16 bytes at alignments 1-8, each also undone, and frees
 * of every area. After each operation the engine is checked and compared with a model that knows
 * nothing but which bytes are in use and where areas start.
 *
 * Why that covers every sequence:
 * - A state is the map and the hint. It is gone on from once, with every operation, on the level
 *   where it was first reached; a longer way to it leaves fewer operations. Keys hold a state
 *   whole, they are no digests of it. What the last operation leads to is compared, not kept.
 * - Beside the state the engine has the memo of its last scan, which must change no answer. The
 *   checker passes only memos that are true of the map, and all that a scan takes from one is the
 *   place to start at. So each request is repeated from every place that a true memo of it names,
 *   on the last level from the farthest, and has to end in the same bytes; look-ups and frees are
 *   tried with no memo and with the farthest. On the first HOST_MEMO_DEPTH levels every operation
 *   meets every true memo of every request.
 *
 *	level 0 .. depth-2   one table each
 *	level depth-1        HOST_SHARDS tables, by hash: each made from the level before, gone on
 *	                     from and dropped in a process of its own, HOST_JOBS of them at a time
 *	level depth          compared only
 */
#define _GNU_SOURCE
#include "percpu/percpu_internal.h"
#include "tests/host/universe.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_SIZE  16
#define MAX_ALIGN 8
#define ROOM	  (MAX_ENTRIES + 2)
#define MAX_DEPTH 7
#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_DEPTH 4
#else
#define DEFAULT_DEPTH 5
#endif
#define DEFAULT_MEMO_DEPTH 3

/* The engine counts its scans here; in the kernel alloc.c has it. */
struct pcpu_stats pcpu_counters;

/* What was done: operations compared, repeated under memos, states of the last level but one. */
struct counts {
	unsigned long operations, repeated, states;
};

static struct counts counts, *sums; /* of this process; of the shards */

static bool in_shard; /* this is not the process that cmocka runs in */

static void differs(const char *fmt, ...) __printf(1, 2) __noreturn;
static void differs(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	if (in_shard)
		_exit(1);
	fail();
	abort(); /* fail does not return */
}

/* ---- The search ---- */

static struct table levels[MAX_DEPTH]; /* of the states first reached by so many operations */
static unsigned int level;	       /* of the states that are gone on from now */
static unsigned int depth, memo_depth;
static unsigned int shard, nr_shards; /* in a shard, which states of level depth-1 are kept */

/* The state is kept for the next level, if it was not reached before. */
static void reached(const struct bytes *b)
{
	struct key key = key_of(b);

	if (in_shard && (key_hash(&key) >> 40) % nr_shards != shard)
		return;
	for (unsigned int l = 0; l <= level; l++)
		if (table_has(&levels[l], &key))
			return;
	if (!table_add(&levels[level + 1], &key))
		differs("no memory for more than %zu states: HOST_SHARDS has to be higher",
			levels[level + 1].nr);
}

/* What every operation makes of the state. */
static void reach_next(const struct bytes *from)
{
	for (size_t size = 1; size <= MAX_SIZE; size++)
		for (size_t align = 1; align <= MAX_ALIGN; align *= 2) {
			struct bytes b = *from, undone;
			size_t offset = bytes_alloc(&b, size, align);

			reached(&b);
			if (offset == SPAN)
				continue;
			undone = bytes_undo(from, &b, offset);
			reached(&undone);
		}
	for (size_t at = 0; at < SPAN; at = bytes_end(from, at))
		if (bytes_used(from, at)) {
			struct bytes b = *from;

			bytes_free(&b, at);
			reached(&b);
		}
}

/* ---- The engine in a state ---- */

struct state {
	struct pcpu_space space;
	int map[ROOM];
};

static void state_make(struct state *s, const struct bytes *b)
{
	size_t i = 0;

	s->space = (struct pcpu_space){.engine = &areamap_engine,
				       .span = SPAN,
				       .hint = b->hint,
				       .map = s->map,
				       .map_room = ROOM,
				       .free_size = SPAN - (size_t)__builtin_popcountll(b->used)};
	for (size_t from = 0, end; from < SPAN; from = end) {
		end = bytes_end(b, from);
		s->map[i++] = bytes_used(b, from) ? -(int)(end - from) : (int)(end - from);
	}
	s->space.nr_entries = i;
}

static void state_copy(struct state *to, const struct state *from)
{
	*to = *from;
	to->space.map = to->map;
}

static bool states_equal(const struct state *a, const struct state *b)
{
	return a->space.nr_entries == b->space.nr_entries && a->space.hint == b->space.hint &&
	       a->space.free_size == b->space.free_size &&
	       memcmp(&a->space.memo, &b->space.memo, sizeof(a->space.memo)) == 0 &&
	       memcmp(a->map, b->map, a->space.nr_entries * sizeof(int)) == 0;
}

/* The operation that is compared now. */
static struct {
	const char *what;
	size_t size, at;
} now;

static void same_map(const struct state *s, const struct bytes *want)
{
	size_t i = 0;

	for (size_t from = 0, end; from < SPAN; from = end, i++) {
		int length;

		end = bytes_end(want, from);
		length = bytes_used(want, from) ? -(int)(end - from) : (int)(end - from);
		if (i >= s->space.nr_entries || s->map[i] != length)
			differs("%s of %zu at %zu: entry %zu: got %d, want %d", now.what, now.size,
				now.at, i, i < s->space.nr_entries ? s->map[i] : 0, length);
	}
	if (s->space.nr_entries != i)
		differs("%s of %zu at %zu: got %zu entries, want %zu", now.what, now.size, now.at,
			s->space.nr_entries, i);
}

static void same(const struct state *s, const struct bytes *want)
{
	const char *error = areamap_engine.check(&s->space);
	size_t free_size = SPAN - (size_t)__builtin_popcountll(want->used);

	counts.operations++;
	if (error != NULL)
		differs("%s of %zu at %zu: %s", now.what, now.size, now.at, error);
	same_map(s, want);
	if (s->space.hint != want->hint || s->space.free_size != free_size)
		differs("%s of %zu at %zu: got hint %zu, free size %zu, want %zu, %zu", now.what,
			now.size, now.at, s->space.hint, s->space.free_size, want->hint, free_size);
}

/* find and the refusal of frees that hit no area, for every byte. */
static void look_everywhere(const struct state *from, const struct bytes *b)
{
	struct state s;
	struct pcpu_area area;

	state_copy(&s, from);
	for (size_t start = 0, end; start < SPAN; start = end) {
		end = bytes_end(b, start);
		for (size_t at = start; at < end; at++) {
			areamap_engine.find(&s.space, at, &area);
			if (area.offset != start || area.length != end - start ||
			    area.used != bytes_used(b, at))
				differs("find %zu: got %zu at %zu, want %zu at %zu", at,
					area.length, area.offset, end - start, start);
			if ((at != start || !area.used) && areamap_engine.free(&s.space, at) != 0)
				differs("free at %zu was not refused", at);
		}
	}
	if (!states_equal(&s, from))
		differs("looks and refused frees changed the map");
}

/* ---- Memos ---- */

/* Makes the memo go on past the next entry, if it is then still true; whether it is. */
static bool memo_step(struct areamap_memo *memo, const struct bytes *b)
{
	size_t from = memo->offset, end, at;

	if (from == SPAN)
		return false;
	end = bytes_end(b, from);
	at = (from + memo->align - 1) / memo->align * memo->align;
	if (!bytes_used(b, from) && at + memo->size <= end)
		return false;
	if (!bytes_used(b, from))
		memo->biggest = max(memo->biggest, end - from);
	memo->offset = end;
	memo->index++;
	return true;
}

/* The request once more under that memo of it: the same comes of it. */
static void try_start(const struct state *from, const struct areamap_memo *memo,
		      const struct state *want, const struct pcpu_grant *want_grant)
{
	struct pcpu_grant grant = {0};
	struct state s;
	bool got;

	counts.repeated++;
	state_copy(&s, from);
	s.space.memo = *memo;
	got = areamap_engine.alloc(&s.space, memo->size, memo->align, &grant);
	if (got != (want_grant->length > 0) || memcmp(&grant, want_grant, sizeof(grant)) != 0 ||
	    !states_equal(&s, want))
		differs("alloc of %zu at %zu: another answer from entry %zu", memo->size,
			memo->align, memo->index);
}

/* The request from the places that a true memo of it may name; on the last level, the farthest. */
static void try_starts(const struct state *from, const struct bytes *b, const struct state *want,
		       const struct pcpu_grant *want_grant, size_t size, size_t align)
{
	struct areamap_memo memo = {.size = size, .align = align}, farthest;

	for (farthest = memo; memo_step(&memo, b); farthest = memo)
		if (level + 1 < depth)
			try_start(from, &memo, want, want_grant);
	if (level + 1 == depth && farthest.index > 0)
		try_start(from, &farthest, want, want_grant);
}

/* ---- Operations ---- */

/* An allocation whose pages could not be had. */
static void try_undo(const struct bytes *before, const struct bytes *after, struct state *s,
		     const struct pcpu_grant *grant)
{
	struct bytes want = bytes_undo(before, after, grant->offset);

	now.what = "undo";
	areamap_engine.undo(&s->space, grant);
	same(s, &want);
}

static void try_alloc(const struct state *from, const struct bytes *before, size_t size,
		      size_t align)
{
	struct bytes want = *before;
	size_t offset = bytes_alloc(&want, size, align);
	struct pcpu_grant grant = {0};
	struct state s;
	bool got;

	now.what = "alloc", now.size = size, now.at = align;
	state_copy(&s, from);
	got = areamap_engine.alloc(&s.space, size, align, &grant);
	if (got != (offset != SPAN))
		differs("alloc of %zu at %zu: got %d, want offset %zu", size, align, got, offset);
	same(&s, &want);
	if (from->space.memo.index == 0)
		try_starts(from, before, &s, &grant, size, align);
	if (!got)
		return;
	if (grant.offset != offset || grant.length != bytes_end(&want, offset) - offset)
		differs("alloc of %zu at %zu: got %zu bytes at %zu, want %zu at %zu", size, align,
			grant.length, grant.offset, bytes_end(&want, offset) - offset, offset);
	try_undo(before, &want, &s, &grant);
}

static void try_frees(const struct state *from, const struct bytes *before)
{
	for (size_t at = 0, end; at < SPAN; at = end) {
		struct bytes want = *before;
		struct state s;
		size_t length;

		end = bytes_end(before, at);
		if (!bytes_used(before, at))
			continue;
		now.what = "free", now.size = end - at, now.at = at;
		state_copy(&s, from);
		bytes_free(&want, at);
		length = areamap_engine.free(&s.space, at);
		if (length != end - at)
			differs("free at %zu: got %zu, want %zu", at, length, end - at);
		same(&s, &want);
	}
}

/* Everything, with the memo that the state has. */
static void try_all(const struct state *s, const struct bytes *b)
{
	for (size_t size = 1; size <= MAX_SIZE; size++)
		for (size_t align = 1; align <= MAX_ALIGN; align *= 2)
			try_alloc(s, b, size, align);
	look_everywhere(s, b);
	try_frees(s, b);
}

/* Everything, with every memo of this request that is true. */
static void try_memos(struct state *s, const struct bytes *b, size_t size, size_t align)
{
	struct areamap_memo memo = {.size = size, .align = align};

	while (memo_step(&memo, b)) {
		s->space.memo = memo;
		try_all(s, b);
		counts.repeated++;
	}
}

/* Compares the engine with the model in this state, for every operation. */
static void compare_in(const struct bytes *from)
{
	struct areamap_memo farthest = {.size = MAX_SIZE, .align = MAX_ALIGN};
	struct state s;

	state_make(&s, from);
	try_all(&s, from);
	for (size_t size = 1; size <= MAX_SIZE && level < memo_depth; size++)
		for (size_t align = 1; align <= MAX_ALIGN; align *= 2)
			try_memos(&s, from, size, align);
	while (memo_step(&farthest, from))
		s.space.memo = farthest;
	look_everywhere(&s, from);
	try_frees(&s, from);
}

/* Goes on from each state of the level; in a shard, the other shards compare in their share. */
static void go_on_from_level(void)
{
	const struct key *key;
	size_t at = 0, n = 0;

	while ((key = table_next(&levels[level], &at)) != NULL) {
		struct bytes from = bytes_of(key);

		if (level + 1 < depth)
			reach_next(&from);
		if (level + 1 == depth || !in_shard || n++ % nr_shards == shard)
			compare_in(&from);
	}
}

static void start(void)
{
	struct bytes want = {0, 1, SPAN};
	struct key key = key_of(&want);
	struct state s = {0};

	now.what = "init";
	areamap_engine.init(&s.space, 0, SPAN, s.map, sizeof(s.map), true);
	same(&s, &want);
	assert_true(table_add(&levels[0], &key));
}

/* ---- Shards ---- */

/* Finds the shard's states of level depth-1, and goes on from each. */
static void run_shard(void)
{
	go_on_from_level();
	level++;
	go_on_from_level();
	__atomic_add_fetch(&sums->operations, counts.operations, __ATOMIC_RELAXED);
	__atomic_add_fetch(&sums->repeated, counts.repeated, __ATOMIC_RELAXED);
	__atomic_add_fetch(&sums->states, levels[level].nr, __ATOMIC_RELAXED);
	printf("# shard %u of %u: %zu states\n", shard, nr_shards, levels[level].nr);
	fflush(stdout);
}

static void shard_start(unsigned int n)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when one fails, none goes on */
	in_shard = true;
	shard = n;
	counts = (struct counts){0};
	run_shard();
	_exit(0);
}

static void shard_wait(void)
{
	int status;

	assert_true(wait(&status) > 0);
	if (status != 0)
		fail_msg("a shard ended with wait status %#x", (unsigned int)status);
}

static void run_shards(unsigned int jobs)
{
	sums = mmap(NULL, sizeof(*sums), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(sums != MAP_FAILED);
	for (unsigned int n = 0; n < nr_shards; n++) {
		if (n >= jobs)
			shard_wait();
		shard_start(n);
	}
	for (unsigned int n = 0; n < min(jobs, nr_shards); n++)
		shard_wait();
}

static unsigned int env(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

/* U20, and with it U10, U19 and O18: hints and maps are exactly the contract's. */
static void U20_every_short_sequence(void **state)
{
	(void)state;
	depth = env("HOST_DEPTH", DEFAULT_DEPTH);
	memo_depth = env("HOST_MEMO_DEPTH", DEFAULT_MEMO_DEPTH);
	nr_shards = env("HOST_SHARDS", depth == MAX_DEPTH ? 4 : 1);
	assert_in_range(depth, 2, MAX_DEPTH);
	start();
	for (level = 0; level + 2 < depth; level++) {
		go_on_from_level();
		print_message("# after %u operations: %zu new states\n", level + 1,
			      levels[level + 1].nr);
	}
	run_shards(env("HOST_JOBS", (unsigned int)sysconf(_SC_NPROCESSORS_ONLN)));
	print_message("# after %u operations: %lu new states\n", depth - 1, sums->states);
	print_message("# %lu operations compared, %lu repeated under memos\n",
		      counts.operations + sums->operations, counts.repeated + sums->repeated);
	for (unsigned int l = 0; l < MAX_DEPTH; l++)
		free(levels[l].keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U20_every_short_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
