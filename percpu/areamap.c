/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine `areamap`: an array of signed run lengths, searched first-fit.
 *
 *	offset 0        64       96                 200     256
 *	       | in use |  free  |      in use      | free  |
 *	map    {  -64,     +32,        -104,          +56   }
 *
 * Placement is fixed by the contract: the lowest entry that can hold the request at its alignment,
 *with slivers of less than 4 bytes given to a neighbour, since no request worth its map entry fits
 *them.
 *
 * A scan is linear, but a row of like requests need not start over each time: the memo keeps where
 *the last scan ended, what it asked for and the longest free run it passed. A request at least as
 *hard goes on from there and finds exactly what a scan from offset 0 would find; any change before
 *that place forgets the memo.
 *
 * Source of the design: the area map of T. Heo's 2009 percpu allocator.
 */
#include "percpu/area.h"

#include "percpu/percpu_internal.h"

/* A free run or a sliver below this many bytes is not worth an entry of its own. */
#define MIN_RUN 4
/* Entries a map that is on the heap has room for at least; it doubles from there. */
#define MIN_ROOM 16
/* Carving splits one entry into at most three. */
#define SPARE_ENTRIES 2

/* A scan's place in the map. */
struct cursor {
	size_t index;	/* entry looked at */
	size_t offset;	/* where it starts */
	size_t biggest; /* longest free run before it */
};

static size_t run_length(int entry)
{
	return entry < 0 ? (size_t) - (ssize_t)entry : (size_t)entry;
}

static size_t areamap_init_bytes(size_t span __unused)
{
	return MIN_ROOM * sizeof(int);
}

static void areamap_init(struct pcpu_space *space, size_t used, size_t free, void *mem,
			 size_t bytes, bool mem_is_static)
{
	space->span = used + free;
	space->free_size = free;
	space->hint = free;
	space->map = mem;
	space->map_room = bytes / sizeof(int);
	space->map_is_static = mem_is_static;
	space->nr_entries = 0;
	space->memo = (struct areamap_memo){0};
	if (used > 0)
		space->map[space->nr_entries++] = -(int)used;
	if (free > 0)
		space->map[space->nr_entries++] = (int)free;
}

static void *areamap_destroy(struct pcpu_space *space, size_t *bytes)
{
	*bytes = space->map_room * sizeof(int);
	return space->map_is_static ? NULL : space->map;
}

static size_t areamap_grow_bytes(const struct pcpu_space *space)
{
	size_t room = MIN_ROOM;

	if (space->nr_entries + SPARE_ENTRIES <= space->map_room)
		return 0;
	while (room < space->nr_entries + SPARE_ENTRIES)
		room *= 2;
	return room * sizeof(int);
}

static void *areamap_grow(struct pcpu_space *space, void *mem, size_t bytes, size_t *old_bytes)
{
	void *old = areamap_destroy(space, old_bytes);

	memcpy(mem, space->map, space->nr_entries * sizeof(int));
	space->map = mem;
	space->map_room = bytes / sizeof(int);
	space->map_is_static = false;
	return old;
}

/* With fewer free bytes than an entry is worth, or no run of them, a chunk counts as full. */
static size_t areamap_rank(struct pcpu_space *space)
{
	return space->free_size < MIN_RUN || space->hint < MIN_RUN ? 0 : space->free_size;
}

static void cursor_advance(const struct pcpu_space *space, struct cursor *at)
{
	int entry = space->map[at->index];

	if (entry > 0)
		at->biggest = max(at->biggest, (size_t)entry);
	at->offset += run_length(entry);
	at->index++;
}

/* On to the entry that holds the byte at offset, which is not before the cursor. */
static void cursor_go_to(const struct pcpu_space *space, struct cursor *at, size_t offset)
{
	while (at->offset + run_length(space->map[at->index]) <= offset)
		cursor_advance(space, at);
}

/* Where a scan for this request may start: at the memo if it speaks of a request no harder. */
static struct cursor scan_start(const struct pcpu_space *space, size_t size, size_t align)
{
	const struct areamap_memo *memo = &space->memo;

	if (memo->index > 0 && size >= memo->size && align >= memo->align)
		return (struct cursor){memo->index, memo->offset, memo->biggest};
	return (struct cursor){0, 0, 0};
}

static void memo_set(struct pcpu_space *space, size_t size, size_t align, const struct cursor *at)
{
	space->memo = (struct areamap_memo){size, align, at->index, at->offset, at->biggest};
}

/* Something changed in the entry at index; what the memo says of it may not hold any more. */
static void memo_forget_from(struct pcpu_space *space, size_t index)
{
	if (index < space->memo.index)
		space->memo.index = 0;
}

/* Makes room for n entries before the one at index. */
static void entries_insert(struct pcpu_space *space, size_t index, size_t n)
{
	memmove(&space->map[index + n], &space->map[index],
		(space->nr_entries - index) * sizeof(int));
	space->nr_entries += n;
}

static void entries_remove(struct pcpu_space *space, size_t index, size_t n)
{
	space->nr_entries -= n;
	memmove(&space->map[index], &space->map[index + n],
		(space->nr_entries - index) * sizeof(int));
}

/*
 * Rule 3: a head too short for an entry of its own goes to the entry before, which is in use, since
 * two free entries never stand side by side, and exists, since offset 0 suits every alignment.
 */
static void donate_head(struct pcpu_space *space, struct cursor *at, size_t head)
{
	space->map[at->index - 1] -= (int)head;
	space->map[at->index] -= (int)head;
	space->free_size -= head;
	at->offset += head;
}

/*
 * Rules 3 to 7: takes the area out of the free entry at the cursor, which then stands on the area.
 */
static void carve(struct pcpu_space *space, struct cursor *at, size_t head, size_t size,
		  struct pcpu_grant *grant)
{
	bool was_last = at->index == space->nr_entries - 1;
	size_t tail;

	grant->donated = 0;
	if (head > 0 && head < MIN_RUN) {
		donate_head(space, at, head);
		grant->donated = head;
		head = 0;
	}
	tail = (size_t)space->map[at->index] - head - size;
	if (tail < MIN_RUN) {
		size += tail;
		tail = 0;
	}
	entries_insert(space, at->index, (head > 0) + (tail > 0));
	if (head > 0) {
		space->map[at->index] = (int)head;
		cursor_advance(space, at);
	}
	space->map[at->index] = -(int)size;
	if (tail > 0)
		space->map[at->index + 1] = (int)tail;
	space->free_size -= size;
	grant->offset = at->offset;
	grant->length = size;
	if (was_last)
		space->hint = max(at->biggest, tail);
	else
		space->hint = max(space->hint, max(at->biggest, tail));
}

static bool areamap_alloc(struct pcpu_space *space, size_t size, size_t align,
			  struct pcpu_grant *grant)
{
	struct cursor at = scan_start(space, size, align);
	size_t first = at.index;
	bool found = false;

	while (at.index < space->nr_entries && !found) {
		int entry = space->map[at.index];
		size_t head = ALIGN_UP(at.offset, align) - at.offset;

		if (entry > 0 && (size_t)entry >= head + size) {
			carve(space, &at, head, size, grant);
			found = true;
		} else {
			cursor_advance(space, &at);
		}
	}
	pcpu_counters.scans++;
	pcpu_counters.entries_touched += at.index - first + found;
	if (!found)
		space->hint = at.biggest;
	memo_set(space, size, align, &at);
	return found;
}

/* The entry that holds the byte at offset (< span). */
static struct cursor entry_at(const struct pcpu_space *space, size_t offset)
{
	struct cursor at = {0, 0, 0};

	if (space->memo.index > 0 && space->memo.offset <= offset)
		at = (struct cursor){space->memo.index, space->memo.offset, space->memo.biggest};
	cursor_go_to(space, &at, offset);
	return at;
}

/* Turns the entry at index free and joins it with free neighbours. Returns the joined entry's
 * index. */
static size_t release(struct pcpu_space *space, size_t index)
{
	space->map[index] = -space->map[index];
	space->free_size += (size_t)space->map[index];
	if (index > 0 && space->map[index - 1] > 0) {
		index--;
		space->map[index] += space->map[index + 1];
		entries_remove(space, index + 1, 1);
	}
	if (index + 1 < space->nr_entries && space->map[index + 1] > 0) {
		space->map[index] += space->map[index + 1];
		entries_remove(space, index + 1, 1);
	}
	memo_forget_from(space, index);
	space->hint = max(space->hint, (size_t)space->map[index]);
	return index;
}

static size_t areamap_free(struct pcpu_space *space, size_t offset)
{
	struct cursor at = entry_at(space, offset);
	size_t length = run_length(space->map[at.index]);

	if (at.offset != offset || space->map[at.index] > 0)
		return 0;
	release(space, at.index);
	return length;
}

static size_t areamap_free_many(struct pcpu_space *space, size_t offset, uint64_t starts)
{
	struct cursor at = entry_at(space, offset + 4 * (size_t)__builtin_ctzl(starts));
	size_t length = 0;

	for (; starts != 0; starts &= starts - 1) {
		cursor_go_to(space, &at, offset + 4 * (size_t)__builtin_ctzl(starts));
		length += run_length(space->map[at.index]);
		if (at.index > 0 && space->map[at.index - 1] > 0)
			at.offset -= (size_t)space->map[at.index - 1];
		at.index = release(space, at.index);
	}
	return length;
}

static void areamap_undo(struct pcpu_space *space, const struct pcpu_grant *grant)
{
	struct cursor at = entry_at(space, grant->offset);
	bool before_in_use = at.index > 0 && space->map[at.index - 1] < 0;
	size_t index = release(space, at.index);

	if (grant->donated == 0 || !before_in_use)
		return;
	space->map[index - 1] += (int)grant->donated;
	space->map[index] += (int)grant->donated;
	space->free_size += grant->donated;
	space->hint = max(space->hint, (size_t)space->map[index]);
	memo_forget_from(space, index - 1);
}

static size_t areamap_alloc_many(struct pcpu_space *space, size_t size, size_t align,
				 size_t max_areas, size_t *offsets)
{
	struct pcpu_grant grant;
	size_t n = 0;

	while (n < max_areas && areamap_grow_bytes(space) == 0 &&
	       areamap_alloc(space, size, align, &grant)) {
		if (grant.length != size || grant.donated != 0) { /* the front's areas are alike */
			areamap_undo(space, &grant);
			break;
		}
		offsets[n++] = grant.offset;
	}
	return n;
}

static void areamap_find(const struct pcpu_space *space, size_t offset, struct pcpu_area *out)
{
	struct cursor at = entry_at(space, offset);

	out->offset = at.offset;
	out->length = run_length(space->map[at.index]);
	out->used = space->map[at.index] < 0;
}

static void areamap_walk(const struct pcpu_space *space, pcpu_area_fn fn, void *arg)
{
	struct pcpu_area area = {0, 0, false};

	for (size_t i = 0; i < space->nr_entries; i++) {
		area.offset += area.length;
		area.length = run_length(space->map[i]);
		area.used = space->map[i] < 0;
		fn(&area, arg);
	}
}

static size_t areamap_entries(const struct pcpu_space *space, size_t *room)
{
	*room = space->map_room;
	return space->nr_entries;
}

/* Whether the memo tells the truth about the entries before it. */
static bool memo_holds(const struct pcpu_space *space)
{
	struct cursor at = {0, 0, 0};
	const struct areamap_memo *memo = &space->memo;

	if (memo->index > space->nr_entries)
		return false;
	while (at.index < memo->index) {
		int entry = space->map[at.index];
		size_t head = ALIGN_UP(at.offset, memo->align) - at.offset;

		if (entry > 0 && (size_t)entry >= head + memo->size)
			return false;
		cursor_advance(space, &at);
	}
	return memo->index == 0 || (at.offset == memo->offset && at.biggest == memo->biggest);
}

static const char *areamap_check(const struct pcpu_space *space)
{
	size_t sum = 0, sum_free = 0, longest = 0;
	int before = -1;

	for (size_t i = 0; i < space->nr_entries; i++) {
		int entry = space->map[i];

		if (entry == 0)
			return "an area map entry is zero";
		if (before > 0 && entry > 0)
			return "two free entries stand side by side";
		if (entry > 0) {
			sum_free += (size_t)entry;
			longest = max(longest, (size_t)entry);
		}
		sum += run_length(entry);
		before = entry;
	}
	if (sum != space->span)
		return "the entries do not add up to the span";
	if (sum_free != space->free_size)
		return "free_size is not the sum of the free entries";
	if (space->hint < longest)
		return "the hint is below the longest free run";
	if (space->nr_entries > space->map_room)
		return "more entries than the map has room for";
	return memo_holds(space) ? NULL : "the scan memo does not fit the map";
}

const struct pcpu_engine areamap_engine = {
	.name = "areamap",
	.init_bytes = areamap_init_bytes,
	.init = areamap_init,
	.destroy = areamap_destroy,
	.grow_bytes = areamap_grow_bytes,
	.grow = areamap_grow,
	.rank = areamap_rank,
	.alloc = areamap_alloc,
	.alloc_many = areamap_alloc_many,
	.free = areamap_free,
	.free_many = areamap_free_many,
	.undo = areamap_undo,
	.find = areamap_find,
	.walk = areamap_walk,
	.entries = areamap_entries,
	.check = areamap_check,
};
