/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host tests share: child processes, checks, patterns, snapshots. */
#define _GNU_SOURCE
#include "tests/host/host_test.h"

#include "percpu/front.h"
#include "percpu/percpu_internal.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CHUNKS   256
#define TIME_LIMIT_S 900 /* of one test; the environment's LIMIT is another */

void host_check_failed(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	host_leave(1);
}

bool host_has(unsigned int what)
{
	const char *engine = getenv("HOST_ENGINE"), *front = getenv("HOST_FRONT");
	unsigned int has = 0;

	if (engine == NULL || strcmp(engine, "areamap") == 0)
		has |= HOST_AREAMAP;
	if (front == NULL || strcmp(front, "on") != 0)
		has |= HOST_NO_FRONT;
	return (has & what) == what;
}

void host_need(unsigned int what)
{
	const char *why = "it counts what the front keeps from the engine";

	if (host_has(what))
		return;
	if (!host_has(what & HOST_AREAMAP))
		why = "it is about area maps";
	print_message("# skipped: %s\n", why);
	skip();
}

/* A child that hung until its CPU time was used up: what comes after it would hang as well. */
static void end_if_hung(const char *name, int status)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGXCPU)
		return;
	fprintf(stderr, "%s hangs: it has used up its CPU time\n", name);
	fflush(NULL);
	raise(SIGXCPU);
}

void host_run_child(const char *name, void (*body)(void))
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm((unsigned int)host_env("LIMIT", TIME_LIMIT_S));
		body();
		fflush(NULL);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail_msg("%s: no child process", name);
	end_if_hung(name, status);
	if (WIFSIGNALED(status))
		fail_msg("%s: killed by signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		fail_msg("%s: exit status %d", name, WEXITSTATUS(status));
}

/* Reads all that the child prints into text (always ended with 0). */
static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used + 1 < size && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = 0;
	close(fd);
}

void host_expect_death(void (*fn)(const void *arg), const void *arg, int want, const char *part,
		       const char *part2)
{
	char text[4096];
	int fds[2], status;
	pid_t pid;

	fflush(NULL);
	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], 2);
		alarm(60);
		fn(arg);
		fprintf(stderr, "it returned");
		_exit(0);
	}
	close(fds[1]);
	read_all(fds[0], text, sizeof(text));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	end_if_hung("a process that has to die", status);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
		host_check_failed(__FILE__, __LINE__, "wait status %#x, want exit %d; printed: %s",
				  (unsigned int)status, want, text);
	CHECK_TEXT(text, part);
	CHECK_TEXT(text, part2);
}

unsigned int host_in_fork(unsigned int (*fn)(const void *arg), const void *arg)
{
	int fds[2], status;
	unsigned char value = 0;
	pid_t pid;

	fflush(NULL);
	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		alarm((unsigned int)host_env("LIMIT", TIME_LIMIT_S));
		value = (unsigned char)fn(arg);
		CHECK_EQ(write(fds[1], &value, 1), 1);
		host_leave(0); /* thousands of these: no leak check each */
	}
	close(fds[1]);
	CHECK(read(fds[0], &value, 1) >= 0);
	close(fds[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	end_if_hung("a process of a test", status);
	CHECK_EQ(status, 0);
	return value;
}

void check_invariants(const char *when)
{
	struct pcpu_check_result result;

	if (!pcpu_check(&result))
		host_check_failed(__FILE__, __LINE__, "%s: %s", when, result.error);
	CHECK_EQ(result.error[0], 0);
	host_assert_clean("pcpu_check", true);
}

unsigned long host_env(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value == NULL ? otherwise : strtoul(value, NULL, 0);
}

uint64_t host_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

void check_filled(const void __percpu *ptr, size_t size, uint8_t value, const char *when)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		const uint8_t *copy = (const uint8_t *)per_cpu_ptr((const char __percpu *)ptr, cpu);

		size_t i = 0;

		if (size > 0 && copy[0] == value && memcmp(copy, copy + 1, size - 1) == 0)
			continue;
		while (i < size && copy[i] == value)
			i++;
		if (i < size)
			host_check_failed(__FILE__, __LINE__,
					  "%s: byte %zu of CPU %u's copy: got %#x, want %#x", when,
					  i, cpu, copy[i], value);
	}
}

/*
 * Byte i of a CPU's copy: (key + i / 8 * 7 + i) | 1, where seed and CPU make the key, so that it
 * differs between CPUs, areas and neighbouring words and is never zero. It comes again after
 * PATTERN_PERIOD bytes; each key's period lies here, since all areas are looked at very often.
 */
#define PATTERN_PERIOD 2048
static uint8_t patterns[256][PATTERN_PERIOD];

static void __attribute__((constructor)) patterns_make(void)
{
	for (size_t key = 0; key < 256; key++)
		for (size_t i = 0; i < PATTERN_PERIOD; i++)
			patterns[key][i] = (uint8_t)((key + (i >> 3) * 7 + i) | 1);
}

static const uint8_t *pattern_of(uint64_t seed, unsigned int cpu)
{
	return patterns[(uint8_t)(seed * 31 + cpu * 57)];
}

void pattern_fill(const void __percpu *ptr, size_t size, uint64_t seed)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		uint8_t *copy = (uint8_t *)per_cpu_ptr((char __percpu *)ptr, cpu);

		for (size_t i = 0; i < size; i += PATTERN_PERIOD)
			memcpy(copy + i, pattern_of(seed, cpu),
			       min(size - i, (size_t)PATTERN_PERIOD));
	}
}

static void check_piece(const uint8_t *copy, const uint8_t *want, size_t size, unsigned int cpu,
			size_t from)
{
	size_t i = 0;

	if (memcmp(copy, want, size) == 0)
		return;
	while (copy[i] == want[i])
		i++;
	host_check_failed(__FILE__, __LINE__, "byte %zu of CPU %u's copy of %p: got %#x, want %#x",
			  from + i, cpu, (const void *)(copy - from), copy[i], want[i]);
}

void pattern_check(const void __percpu *ptr, size_t size, uint64_t seed)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		const uint8_t *copy = (const uint8_t *)per_cpu_ptr((const char __percpu *)ptr, cpu);

		for (size_t i = 0; i < size; i += PATTERN_PERIOD)
			check_piece(copy + i, pattern_of(seed, cpu),
				    min(size - i, (size_t)PATTERN_PERIOD), cpu, i);
	}
}

/* ---- Snapshots ---- */

struct host_snapshot {
	size_t nr_chunks;
	struct pcpu_chunk_info chunks[MAX_CHUNKS]; /* by id */
	int *maps[MAX_CHUNKS];
	size_t map_bytes; /* of the heap: maps, or bitmaps */
	struct pcpu_stats stats;
	struct host_ledger ledger;
	uint64_t mapping;
};

static int by_id(const void *a, const void *b)
{
	const struct pcpu_chunk_info *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void add_map_bytes(struct pcpu_chunk *chunk, void *arg)
{
	size_t *bytes = arg;

	if (chunk->space.map_room > 2) /* else it is one of the first, static maps */
		*bytes += chunk->space.map_room * sizeof(int);
	if (!chunk->space.books_are_static)
		*bytes += chunk->space.book_bytes;
}

struct host_snapshot *host_snapshot(void)
{
	struct host_snapshot *shot = calloc(1, sizeof(*shot));
	irqflags_t flags;

	CHECK(shot != NULL);
	pcpu_settle();
	flags = port_lock();
	pcpu_for_each_chunk(add_map_bytes, &shot->map_bytes);
	port_unlock(flags);
	shot->nr_chunks = pcpu_inspect_chunks(shot->chunks, MAX_CHUNKS);
	CHECK(shot->nr_chunks <= MAX_CHUNKS);
	qsort(shot->chunks, shot->nr_chunks, sizeof(shot->chunks[0]), by_id);
	for (size_t i = 0; i < shot->nr_chunks; i++) {
		size_t n = shot->chunks[i].nr_entries;

		shot->maps[i] = calloc(n, sizeof(int));
		CHECK_EQ(pcpu_inspect_map(shot->chunks[i].id, shot->maps[i], n), n);
	}
	pcpu_stats_get(&shot->stats);
	shot->ledger = host_ledger();
	shot->mapping = host_mapping_sum();
	return shot;
}

void host_snapshot_free(struct host_snapshot *shot)
{
	for (size_t i = 0; i < shot->nr_chunks; i++)
		free(shot->maps[i]);
	free(shot);
}

static void compare_maps(const struct host_snapshot *before, size_t i,
			 const struct host_snapshot *after, size_t k, const char *when)
{
	const struct pcpu_chunk_info *a = &before->chunks[i], *b = &after->chunks[k];

	if (a->id != b->id || a->free_size != b->free_size ||
	    a->pages_populated != b->pages_populated || a->nr_entries != b->nr_entries)
		host_check_failed(__FILE__, __LINE__,
				  "%s: chunk %lu free %zu pages %zu entries %zu became "
				  "chunk %lu free %zu pages %zu entries %zu",
				  when, a->id, a->free_size, a->pages_populated, a->nr_entries,
				  b->id, b->free_size, b->pages_populated, b->nr_entries);
	if (memcmp(before->maps[i], after->maps[k], a->nr_entries * sizeof(int)) != 0)
		host_check_failed(__FILE__, __LINE__, "%s: the map of chunk %lu changed", when,
				  a->id);
}

static size_t skip_wholly_free(const struct host_snapshot *shot, size_t i, size_t *skipped)
{
	for (; i < shot->nr_chunks && shot->chunks[i].free_size == pcpu_unit_size; i++)
		(*skipped)++;
	return i;
}

/* Both lists of chunks without the wholly free ones; *extra: how many of those there are more. */
static void compare_chunks(const struct host_snapshot *before, const struct host_snapshot *after,
			   size_t *extra, const char *when)
{
	size_t i = 0, k = 0, free_before = 0, free_after = 0;

	for (;; i++, k++) {
		i = skip_wholly_free(before, i, &free_before);
		k = skip_wholly_free(after, k, &free_after);
		if (i == before->nr_chunks || k == after->nr_chunks)
			break;
		compare_maps(before, i, after, k, when);
	}
	CHECK_EQ(i, before->nr_chunks);
	CHECK_EQ(k, after->nr_chunks);
	*extra = free_after - free_before;
	if (free_after < free_before || *extra > 1 || (*extra == 1 && free_after != 1))
		host_check_failed(__FILE__, __LINE__, "%s: %zu wholly free chunks became %zu", when,
				  free_before, free_after);
}

/* Heap bytes that are not area maps: a map may grow for a request that then fails, nothing else. */
static size_t heap_without_maps(const struct host_snapshot *shot)
{
	return shot->ledger.heap_bytes - shot->map_bytes;
}

/* What a chunk takes beside its map. */
static size_t chunk_heap(void)
{
	return sizeof(struct pcpu_chunk) + sizeof(struct pcpu_pages) +
	       pcpu_nr_units * pcpu_unit_pages * sizeof(struct page *) +
	       BITS_TO_LONGS(pcpu_unit_pages) * sizeof(long) + pcpu_front_book_bytes();
}

void host_snapshot_compare(struct host_snapshot *before, struct host_snapshot *after,
			   const char *when)
{
	size_t extra;

	compare_chunks(before, after, &extra, when);
	CHECK_EQ(after->stats.live_areas, before->stats.live_areas);
	CHECK_EQ(after->stats.live_bytes, before->stats.live_bytes);
	CHECK_EQ(after->stats.populated_pages, before->stats.populated_pages);
	CHECK_EQ(after->stats.pages_owned, before->stats.pages_owned);
	CHECK_EQ(after->stats.meta_bytes, after->ledger.heap_bytes);
	CHECK_EQ(heap_without_maps(after), heap_without_maps(before) + extra * chunk_heap());
	CHECK_EQ(after->ledger.pages, before->ledger.pages);
	CHECK_EQ(after->ledger.mapped, before->ledger.mapped);
	CHECK_EQ(after->ledger.ranges, before->ledger.ranges + extra);
	CHECK_EQ(after->ledger.stale, 0);
	CHECK_EQ(after->mapping, before->mapping);
	host_snapshot_free(before);
	host_snapshot_free(after);
}
