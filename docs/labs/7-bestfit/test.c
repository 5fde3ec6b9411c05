/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 7: the area map serves a request from the shortest run that can hold it. */
#include "mm/kmalloc.h"
#include "percpu/percpu_internal.h"
#include "tests/kernel/percpu_util.h"

#define SPAN	   4096
#define GRAIN	   8 /* of the sizes and alignments compared with the reference */
#define NR_GRAINS  (SPAN / GRAIN)
#define MAX_AREAS  NR_GRAINS
#define OPERATIONS 20000
#define ROOM	   (2 * SPAN) /* ints: the map never has to grow */

static struct pcpu_space space;

/* The areas that are allocated: the reference, and what is freed at random. */
static struct pcpu_grant areas[MAX_AREAS];
static size_t nr_areas;
static bool used[NR_GRAINS];

static int *space_begin(void)
{
	int *books = kzalloc(ROOM * sizeof(int));

	nr_areas = 0;
	memset(used, 0, sizeof(used));
	if (books)
		areamap_engine.init(&space, 0, SPAN, books, ROOM * sizeof(int), true);
	return books;
}

/* The free grains from `from` on. */
static size_t run_at(size_t from)
{
	size_t n = 0;

	while (from + n < NR_GRAINS && !used[from + n])
		n++;
	return n;
}

/* Where best fit has to put a request, in bytes; SPAN if there is no room. *longest: of the runs. */
static size_t reference(size_t size, size_t align, size_t *longest)
{
	size_t found = SPAN, shortest = SPAN + 1, run;

	*longest = 0;
	for (size_t from = 0; from < NR_GRAINS; from += max(run, 1ul)) {
		size_t offset = ALIGN_UP(from * GRAIN, align);

		run = run_at(from);
		*longest = max(*longest, run * GRAIN);
		if (offset + size <= (from + run) * GRAIN && run * GRAIN < shortest) {
			found = offset;
			shortest = run * GRAIN;
		}
	}
	return found;
}

static void expect_consistent(struct test_run *t)
{
	const char *error = areamap_engine.check(&space);

	if (error)
		test_fail(t, __FILE__, __LINE__, "%s", error);
}

static void free_one(struct test_run *t, size_t i)
{
	EXPECT_EQ(areamap_engine.free(&space, areas[i].offset), areas[i].length);
	areas[i] = areas[--nr_areas];
}

static void compare_alloc(struct test_run *t, size_t size, size_t align)
{
	struct pcpu_grant grant = {0};
	size_t longest, want = reference(size, align, &longest);
	bool served = areamap_engine.alloc(&space, size, align, &grant);

	EXPECT(space.hint >= longest || served);
	EXPECT_EQ(served ? grant.offset : SPAN, want);
	if (!served) {
		EXPECT_EQ(space.hint, longest);
		return;
	}
	EXPECT_EQ(grant.length, size);
	memset(&used[grant.offset / GRAIN], 1, size / GRAIN);
	areas[nr_areas++] = grant;
}

TEST(lab7_each_area_is_where_best_fit_puts_it, TEST_QUICK)
{
	uint64_t random = test_seed(7);
	int *books = space_begin();

	REQUIRE(books);
	for (size_t n = 0; n < OPERATIONS && !test_failed(t); n++) {
		uint64_t r = test_random(&random) >> 8;
		bool filling = (n / 500) % 2 == 0;

		if (nr_areas > 0 && r % 8 >= (filling ? 6 : 3)) {
			size_t i = (r >> 8) % nr_areas;

			memset(&used[areas[i].offset / GRAIN], 0, areas[i].length / GRAIN);
			free_one(t, i);
		} else {
			compare_alloc(t, GRAIN * (1 + (r >> 8) % ((r >> 16) % 4 ? 6 : 40)),
				      (size_t)GRAIN << ((r >> 24) % 4));
		}
		expect_consistent(t);
	}
	kfree(books);
}

/* The contract's rules for rests below 4 bytes stay as they are: any size, any alignment. */
TEST(lab7_slivers_go_where_they_went, TEST_QUICK)
{
	uint64_t random = test_seed(77);
	int *books = space_begin();

	REQUIRE(books);
	for (size_t n = 0; n < OPERATIONS && !test_failed(t); n++) {
		uint64_t r = test_random(&random) >> 8;
		size_t size = 1 + (r >> 8) % 60, align = 1ul << ((r >> 16) % 7);

		if (nr_areas > 0 && r % 8 >= 5)
			free_one(t, (r >> 24) % nr_areas);
		else if (nr_areas < MAX_AREAS &&
			 areamap_engine.alloc(&space, size, align, &areas[nr_areas])) {
			EXPECT_EQ(areas[nr_areas].offset % align, 0);
			EXPECT(areas[nr_areas].length - size < 4);
			for (size_t i = 0; i < nr_areas && areas[nr_areas].donated > 0; i++) {
				if (areas[i].offset + areas[i].length + areas[nr_areas].donated ==
				    areas[nr_areas].offset)
					areas[i].length += areas[nr_areas].donated;
			}
			nr_areas++;
		}
		expect_consistent(t);
	}
	while (nr_areas > 0 && !test_failed(t))
		free_one(t, nr_areas - 1);
	EXPECT_EQ(space.nr_entries, 1);
	EXPECT_EQ(space.free_size, SPAN);
	kfree(books);
}

/* A row of like requests still goes on from where the last one ended, if nothing before it fits. */
TEST(lab7_the_memo_still_saves_work, TEST_QUICK)
{
	int *books = space_begin();
	unsigned long before;

	REQUIRE(books);
	for (size_t i = 0; i < SPAN / 16; i++)
		REQUIRE(areamap_engine.alloc(&space, 16, 8, &areas[i]));
	areamap_engine.free(&space, areas[SPAN / 16 - 1].offset);
	REQUIRE(areamap_engine.alloc(&space, 16, 8, &areas[0]));
	areamap_engine.free(&space, areas[0].offset);
	before = READ_ONCE(pcpu_counters.entries_touched);
	REQUIRE(areamap_engine.alloc(&space, 16, 8, &areas[0]));
	EXPECT(READ_ONCE(pcpu_counters.entries_touched) - before < 4);
	kfree(books);
}
