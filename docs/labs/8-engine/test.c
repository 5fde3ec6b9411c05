/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 8: an engine of one's own behind percpu/area.h, chosen with percpu_engine=lab. */
#include "kernel/cmdline.h"
#include "kernel/string.h"
#include "mm/kmalloc.h"
#include "percpu/percpu_internal.h"
#include "tests/kernel/percpu_util.h"

#define SPAN	   8192
#define MAX_AREAS  512
#define OPERATIONS 10000

static struct {
	const struct pcpu_engine *engine;
	struct pcpu_space space;
	struct pcpu_grant areas[MAX_AREAS];
	size_t nr;
} s;

/* False: no memory for the books. */
static bool space_begin(size_t used, size_t free)
{
	size_t bytes;
	void *books;

	s.engine = pcpu_engine_find("lab");
	memset(&s.space, 0, sizeof(s.space));
	s.nr = 0;
	bytes = s.engine->init_bytes(used + free);
	books = kzalloc(bytes);
	if (books)
		s.engine->init(&s.space, used, free, books, bytes, false);
	return books;
}

/* Makes the books fit for another area, as a request does. */
static bool space_grow(void)
{
	size_t bytes = s.engine->grow_bytes(&s.space), old_bytes;
	void *mem = bytes > 0 ? kzalloc(bytes) : NULL;

	if (mem)
		kfree(s.engine->grow(&s.space, mem, bytes, &old_bytes));
	return bytes == 0 || mem;
}

static void space_end(void)
{
	size_t bytes;

	kfree(s.engine->destroy(&s.space, &bytes));
}

/* What a walk has seen. */
struct seen {
	struct test_run *t;
	size_t end, free, runs, used_runs, longest;
	bool fits; /* a free run holds the request */
	size_t size, align;
	bool last_was_free;
};

static void look(const struct pcpu_area *run, void *arg)
{
	struct seen *seen = arg;
	struct test_run *t = seen->t;
	struct pcpu_area found;

	EXPECT_EQ(run->offset, seen->end);
	EXPECT(run->length > 0);
	EXPECT(run->used || !seen->last_was_free);
	seen->end += run->length;
	seen->runs++;
	seen->last_was_free = !run->used;
	s.engine->find(&s.space, run->offset + run->length / 2, &found);
	EXPECT_EQ(found.offset, run->offset);
	EXPECT_EQ(found.length, run->length);
	EXPECT_EQ(found.used, run->used);
	if (run->used) {
		seen->used_runs++;
		return;
	}
	seen->free += run->length;
	seen->longest = max(seen->longest, run->length);
	seen->fits |= ALIGN_UP(run->offset, seen->align) + seen->size <= seen->end;
}

/* Every run in order, as many in use as there are areas (and the static one), the numbers right. */
static struct seen look_at_all(struct test_run *t, size_t size, size_t align, size_t first_runs)
{
	struct seen seen = {.t = t, .size = size, .align = align};
	const char *error = s.engine->check(&s.space);
	size_t room;

	s.engine->walk(&s.space, look, &seen);
	EXPECT_EQ(seen.end, s.space.span);
	EXPECT_EQ(seen.free, s.space.free_size);
	EXPECT_EQ(seen.used_runs, s.nr + first_runs);
	EXPECT_EQ(s.engine->entries(&s.space, &room), seen.runs);
	EXPECT(s.engine->rank(&s.space) > 0 || seen.longest < 8);
	EXPECT(s.space.hint >= seen.longest);
	if (error)
		test_fail(t, __FILE__, __LINE__, "%s", error);
	return seen;
}

static void check_grant(struct test_run *t, const struct pcpu_grant *grant, size_t size,
			size_t align, size_t lowest)
{
	EXPECT_EQ(grant->offset % align, 0);
	EXPECT(grant->offset >= lowest && grant->offset + grant->length <= s.space.span);
	EXPECT(grant->length >= size);
	for (size_t i = 0; i < s.nr; i++)
		EXPECT(grant->offset + grant->length <= s.areas[i].offset ||
		       s.areas[i].offset + s.areas[i].length <= grant->offset);
}

static void free_one(struct test_run *t, size_t i)
{
	struct pcpu_grant area = s.areas[i];

	EXPECT_EQ(s.engine->free(&s.space, area.offset + area.length / 2),
		  area.length / 2 == 0 ? area.length : 0);
	EXPECT_EQ(s.engine->free(&s.space, area.offset), area.length);
	EXPECT_EQ(s.engine->free(&s.space, area.offset), 0);
	s.areas[i] = s.areas[--s.nr];
}

static void alloc_one(struct test_run *t, size_t size, size_t align, size_t lowest, size_t first)
{
	struct seen seen = look_at_all(t, size, align, first);
	struct pcpu_grant grant;
	bool served;

	if (s.nr == MAX_AREAS)
		return;
	REQUIRE(space_grow());
	served = s.engine->alloc(&s.space, size, align, &grant);
	EXPECT_EQ(served, seen.fits);
	if (!served) {
		EXPECT_EQ(s.space.hint, seen.longest);
		return;
	}
	EXPECT_EQ(grant.donated, 0);
	check_grant(t, &grant, size, align, lowest);
	s.areas[s.nr++] = grant;
}

static void play(struct test_run *t, size_t used, uint64_t seed)
{
	uint64_t random = test_seed(seed);

	REQUIRE(space_begin(used, SPAN - used));
	look_at_all(t, 1, 1, used > 0);
	for (size_t n = 0; n < OPERATIONS && !test_failed(t); n++) {
		uint64_t r = test_random(&random) >> 8;

		if (s.nr > 0 && r % 8 >= ((n / 500) % 2 == 0 ? 6u : 3u))
			free_one(t, (r >> 8) % s.nr);
		else
			alloc_one(t, 8 * (1 + (r >> 8) % ((r >> 16) % 4 ? 6 : 60)),
				  8ul << ((r >> 24) % 5), used, used > 0);
	}
	while (s.nr > 0 && !test_failed(t))
		free_one(t, s.nr - 1);
	look_at_all(t, 1, 1, used > 0);
	EXPECT_EQ(s.space.free_size, SPAN - used);
	space_end();
}

TEST(lab8_percpu_engine_chooses_it, TEST_QUICK)
{
	const struct pcpu_engine *engine = pcpu_engine_find("lab");

	REQUIRE(engine);
	EXPECT(strcmp(engine->name, "lab") == 0);
	EXPECT(pcpu_engine == engine || !cmdline_get("percpu_engine"));
	EXPECT(engine->alloc != areamap_engine.alloc && engine->free != areamap_engine.free);
	EXPECT(pcpu_engine_find("areamap") == &areamap_engine);
}

TEST(lab8_random_areas_are_apart_and_found_again, TEST_QUICK)
{
	REQUIRE(pcpu_engine_find("lab"));
	play(t, 0, 8);
	play(t, 512, 88);
}

TEST(lab8_any_size_and_alignment, TEST_QUICK)
{
	uint64_t random = test_seed(888);

	REQUIRE(pcpu_engine_find("lab"));
	REQUIRE(space_begin(64, SPAN - 64));
	for (size_t n = 0; n < MAX_AREAS && !test_failed(t); n++) {
		uint64_t r = test_random(&random) >> 8;
		size_t size = 1 + r % 30, align = 1ul << ((r >> 8) % 6);
		struct pcpu_grant grant;

		REQUIRE(space_grow());
		if (s.engine->alloc(&s.space, size, align, &grant)) {
			check_grant(t, &grant, size, align, 64);
			s.areas[s.nr++] = grant;
		}
		look_at_all(t, size, align, 1);
	}
	while (s.nr > 0 && !test_failed(t)) {
		s.engine->undo(&s.space, &s.areas[--s.nr]);
		look_at_all(t, 1, 1, 1);
	}
	EXPECT_EQ(s.space.free_size, SPAN - 64);
	space_end();
}
