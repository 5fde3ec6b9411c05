/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The early allocator, see early.h. Two sets of address ranges, each sorted and without overlaps or
 * touching neighbours: memory that exists, and memory that is taken. What is free is the
 * difference. Memory is handed out at the lowest address that fits, byte by byte, so that a few
 * tables do not cost a page each.
 */
#include "mm/early.h"

#include "arch/x86_64/memlayout.h"
#include "kernel/panic.h"
#include "kernel/string.h"

#define EARLY_NONE	 (~(phys_addr_t)0)
#define EARLY_MAX_RANGES 256
#define BOOT_WINDOW_SIZE ((phys_addr_t)1 << 30)

struct early_range {
	phys_addr_t start;
	phys_addr_t end;
};

struct early_set {
	struct early_range ranges[EARLY_MAX_RANGES + 1]; /* one spare while a range is cut in two */
	size_t nr;
	const char *name; /* for messages */
};

static struct early_set usable = {.name = "usable"};
static struct early_set taken = {.name = "taken"};
static bool direct_map_stands;
static bool closed;

static void check_open(const char *function)
{
	if (closed)
		panic("%s: called after page_init; use mm/page.h or mm/kmalloc.h", function);
}

/* Puts `with` (nr_with of them, 0 to 2) in the place of nr_old ranges from index `at` on. */
static void set_replace(struct early_set *set, size_t at, size_t nr_old,
			const struct early_range *with, size_t nr_with)
{
	size_t nr_after = set->nr - at - nr_old;

	if (set->nr - nr_old + nr_with > EARLY_MAX_RANGES)
		panic("early memory: more than %d %s ranges", EARLY_MAX_RANGES, set->name);
	memmove(&set->ranges[at + nr_with], &set->ranges[at + nr_old],
		nr_after * sizeof(struct early_range));
	for (size_t i = 0; i < nr_with; i++)
		set->ranges[at + i] = with[i];
	set->nr = set->nr - nr_old + nr_with;
}

/* Adds [start, end), joined with every range that it overlaps or touches. */
static void set_add(struct early_set *set, phys_addr_t start, phys_addr_t end)
{
	struct early_range joined = {start, end};
	size_t first = 0, after;

	if (start >= end)
		return;
	while (first < set->nr && set->ranges[first].end < start)
		first++;
	for (after = first; after < set->nr && set->ranges[after].start <= end; after++) {
		joined.start = min(joined.start, set->ranges[after].start);
		joined.end = max(joined.end, set->ranges[after].end);
	}
	set_replace(set, first, after - first, &joined, 1);
}

/* Takes [start, end), which lies inside one range, away. */
static bool set_remove(struct early_set *set, phys_addr_t start, phys_addr_t end)
{
	struct early_range left[2];
	size_t i = 0, nr_left = 0;

	while (i < set->nr && set->ranges[i].end < end)
		i++;
	if (i == set->nr || set->ranges[i].start > start)
		return false;
	if (set->ranges[i].start < start)
		left[nr_left++] = (struct early_range){set->ranges[i].start, start};
	if (end < set->ranges[i].end)
		left[nr_left++] = (struct early_range){end, set->ranges[i].end};
	set_replace(set, i, 1, left, nr_left);
	return true;
}

void early_add(phys_addr_t start, phys_addr_t end)
{
	check_open(__func__);
	set_add(&usable, ALIGN_UP(start, PAGE_SIZE), ALIGN_DOWN(end, PAGE_SIZE));
}

void early_reserve(phys_addr_t start, phys_addr_t end)
{
	check_open(__func__);
	set_add(&taken, ALIGN_DOWN(start, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE));
}

/*
 * The next free range that begins at or after *cursor: true with it in *out, and *cursor moved to
 * its end.
 */
static bool next_free(phys_addr_t *cursor, struct early_range *out)
{
	for (size_t u = 0; u < usable.nr; u++) {
		phys_addr_t start = max(*cursor, usable.ranges[u].start);
		phys_addr_t end = usable.ranges[u].end;
		size_t t = 0;

		for (; t < taken.nr && taken.ranges[t].start <= start; t++)
			start = max(start, taken.ranges[t].end);
		if (start >= end)
			continue;
		if (t < taken.nr)
			end = min(end, taken.ranges[t].start);
		*out = (struct early_range){start, end};
		*cursor = end;
		return true;
	}
	return false;
}

void *early_virt(phys_addr_t pa)
{
	return direct_map_stands ? phys_to_virt(pa) : (void *)(uintptr_t)(pa + KERNEL_BASE);
}

void early_direct_map(void)
{
	direct_map_stands = true;
}

phys_addr_t early_alloc_phys(size_t size, size_t align, phys_addr_t limit)
{
	struct early_range range;
	phys_addr_t cursor = 0;

	check_open(__func__);
	if (size == 0 || !is_power_of_2(align))
		panic("early_alloc: size %zu, align %zu", size, align);
	if (!direct_map_stands)
		limit = limit == 0 ? BOOT_WINDOW_SIZE : min(limit, BOOT_WINDOW_SIZE);
	while (next_free(&cursor, &range)) {
		phys_addr_t start = ALIGN_UP(range.start, align);
		phys_addr_t end = limit == 0 ? range.end : min(range.end, limit);

		if (start < range.start || start >= end || end - start < size)
			continue;
		set_add(&taken, start, start + size);
		memset(early_virt(start), 0, size);
		return start;
	}
	return EARLY_NONE;
}

void *early_alloc(size_t size, size_t align)
{
	phys_addr_t pa = early_alloc_phys(size, align, 0);

	if (pa == EARLY_NONE)
		panic("early_alloc: no %zu bytes (align %zu); %lu of %lu taken: give the machine "
		      "more memory",
		      size, align, (unsigned long)early_taken(), (unsigned long)early_total());
	return early_virt(pa);
}

void early_free(phys_addr_t start, size_t size)
{
	check_open(__func__);
	if (!IS_ALIGNED(start, PAGE_SIZE) || !IS_ALIGNED(size, PAGE_SIZE) ||
	    !set_remove(&taken, start, start + size))
		panic("early_free: %#lx + %zu is not whole pages that were taken",
		      (unsigned long)start, size);
}

uint64_t early_total(void)
{
	uint64_t total = 0;

	for (size_t i = 0; i < usable.nr; i++)
		total += usable.ranges[i].end - usable.ranges[i].start;
	return total;
}

uint64_t early_taken(void)
{
	uint64_t left = 0;
	phys_addr_t cursor = 0;
	struct early_range range;

	while (next_free(&cursor, &range))
		left += range.end - range.start;
	return early_total() - left;
}

void early_for_each_usable(void (*fn)(phys_addr_t start, phys_addr_t end))
{
	for (size_t i = 0; i < usable.nr; i++)
		fn(usable.ranges[i].start, usable.ranges[i].end);
}

void early_for_each_free(void (*fn)(phys_addr_t start, phys_addr_t end))
{
	phys_addr_t cursor = 0;
	struct early_range range;

	while (next_free(&cursor, &range)) {
		phys_addr_t start = ALIGN_UP(range.start, PAGE_SIZE);
		phys_addr_t end = ALIGN_DOWN(range.end, PAGE_SIZE);

		if (start < end)
			fn(start, end);
	}
}

void early_close(void)
{
	closed = true;
}
