/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine `bitmap`: what is in use as bits, and a tree over them that knows every free run.
 *
 *	granules	4 bytes each; sizes are rounded up to whole ones
 *	used		a bit a granule: 1, an area has it
 *	start		a bit a granule: 1, an area begins here
 *	tree		of the bits (bitmap_tree.c), a leaf for each 1024 granules: the longest run below
 *			a node for each alignment
 *
 * The tree says at each node whether a request fits below it, so the lowest place is found by one
 * descent, and only a request that fits nowhere fails. What changes bits marks their leaf dirty; the next
 * who needs the tree computes dirty nodes anew, leaves first. A free is therefore a few bit operations,
 * and nothing here depends on how many areas there are.
 *
 * A span or a first part that is no multiple of 4 has its odd bytes in the granule before it.
 */
#include "percpu/bitmap.h"

#include "percpu/percpu_internal.h"

/* ---- Bits ---- */

/* Where the area or part in use that holds a granule ends. */
static size_t area_end(const struct bitmap_books *b, size_t granule)
{
	return bitmap_next_edge(b, granule + 1, b->granules, true);
}

/* One past the last set bit of map at or before `from`; what is below `stop` may be left out: 0 then. */
static size_t after_last_set(const unsigned long *map, size_t from, size_t stop)
{
	size_t n = from / BITS_PER_LONG;
	unsigned long word = map[n] << (BITS_PER_LONG - 1 - from % BITS_PER_LONG);

	if (word != 0)
		return from + 1 - (size_t)__builtin_clzl(word);
	while (n-- > stop / BITS_PER_LONG) {
		if (map[n] != 0)
			return (n + 1) * BITS_PER_LONG - (size_t)__builtin_clzl(map[n]);
	}
	return 0;
}

/* Sets or clears the bits of [from, end) in used, from < end. */
static void used_change(struct bitmap_books *b, size_t from, size_t end, bool set)
{
	unsigned long *word = &b->used[from / BITS_PER_LONG];
	unsigned long *last = &b->used[(end - 1) / BITS_PER_LONG];
	unsigned long mask = ~0ul << from % BITS_PER_LONG;

	if (word < last) {
		*word = set ? *word | mask : *word & ~mask;
		while (++word < last)
			*word = set ? ~0ul : 0;
		mask = ~0ul;
	}
	mask &= ~0ul >> (BITS_PER_LONG - 1 - (end - 1) % BITS_PER_LONG);
	*word = set ? *word | mask : *word & ~mask;
}

static void mark_dirty(struct bitmap_books *b, size_t from, size_t end)
{
	for (size_t leaf = from / LEAF; leaf <= (end - 1) / LEAF; leaf++)
		bitmap_set(b->dirty, b->leaves + leaf);
}

/* ---- The engine ---- */

/* Bytes of a run of granules; the last one has the odd bytes at the end. */
static size_t bytes_of(const struct pcpu_space *space, size_t from, size_t end)
{
	const struct bitmap_books *b = space->books;

	return (end - from) * GRANULE + (end == b->granules ? space->span % GRANULE : 0);
}

/* The longest free run; the odd bytes at the end count for one that reaches there. Nothing is dirty. */
static void hint_set(struct pcpu_space *space)
{
	const struct bitmap_node *root = &((struct bitmap_books *)space->books)->nodes[1];

	space->hint = root->longest[0] * (size_t)GRANULE;
	if (root->suffix > 0 && root->suffix == root->longest[0])
		space->hint += space->span % GRANULE;
}

static size_t leaves_of(size_t span)
{
	size_t leaves = 1;

	while (leaves * LEAF * GRANULE < span)
		leaves *= 2;
	return leaves;
}

static size_t bitmap_init_bytes(size_t span)
{
	size_t leaves = leaves_of(span);

	return sizeof(struct bitmap_books) + 2 * leaves * LEAF / 8 +
	       BITS_TO_LONGS(2 * leaves) * sizeof(long) + 2 * leaves * sizeof(struct bitmap_node);
}

static void bitmap_init(struct pcpu_space *space, size_t used, size_t free, void *mem, size_t bytes,
			bool mem_is_static)
{
	struct bitmap_books *b = mem;
	size_t first = (used + GRANULE - 1) / GRANULE;

	space->span = used + free;
	space->books = b;
	space->book_bytes = bytes;
	space->books_are_static = mem_is_static;
	b->granules = space->span / GRANULE;
	b->leaves = leaves_of(space->span);
	b->used = (unsigned long *)(b + 1);
	b->start = b->used + b->leaves * LEAF_WORDS;
	b->dirty = b->start + b->leaves * LEAF_WORDS;
	b->nodes = (struct bitmap_node *)(b->dirty + BITS_TO_LONGS(2 * b->leaves));
	first = min(first, b->granules);
	if (first > 0) {
		used_change(b, 0, first, true);
		bitmap_set(b->start, 0);
	}
	space->free_size = first < b->granules ? bytes_of(space, first, b->granules) : 0;
	memset(b->low, 0xff, sizeof(b->low));
	if (first == 0 && b->granules == b->leaves * LEAF) {
		bitmap_tree_fill(b);
	} else {
		for (size_t leaf = 0; leaf < b->leaves; leaf++)
			bitmap_set(b->dirty, b->leaves + leaf);
		bitmap_tree_refresh(b);
	}
	hint_set(space);
}

static void *bitmap_destroy(struct pcpu_space *space, size_t *bytes)
{
	*bytes = space->book_bytes;
	return space->books_are_static ? NULL : space->books;
}

static size_t bitmap_grow_bytes(const struct pcpu_space *space __unused)
{
	return 0;
}

static void *bitmap_grow(struct pcpu_space *space __unused, void *mem, size_t bytes,
			 size_t *old_bytes)
{
	*old_bytes = bytes;
	return mem; /* never asked for */
}

static void update(struct pcpu_space *space)
{
	pcpu_counters.entries_touched += bitmap_tree_refresh(space->books);
	hint_set(space);
}

/* The hint is never too low, but may be too high until a search brings it up to date: carving makes runs
 * shorter. A chunk counts as wholly free by it, so it says no more than there is. */
static size_t bitmap_rank(struct pcpu_space *space)
{
	space->hint = min(space->hint, space->free_size);
	return space->hint;
}

static unsigned int order_of(size_t align)
{
	return align <= GRANULE ? 0 : (unsigned int)__builtin_ctzl(align / GRANULE);
}

static void carve(struct pcpu_space *space, size_t from, size_t end)
{
	struct bitmap_books *b = space->books;

	used_change(b, from, end, true);
	mark_dirty(b, from, end);
	space->free_size -= bytes_of(space, from, end);
}

/* A request that takes the odd bytes at the end needs a granule less, there and only there. Where that place
 * begins; b->granules if it is none. */
static size_t odd_place(const struct pcpu_space *space, size_t size, size_t count, size_t align)
{
	const struct bitmap_books *b = space->books;
	size_t from = b->granules - min(count - 1, b->granules);

	if (b->nodes[1].suffix < count - 1 || !IS_ALIGNED(from * GRANULE, align) ||
	    size > bytes_of(space, from, b->granules))
		return b->granules;
	return from;
}

static bool bitmap_alloc(struct pcpu_space *space, size_t size, size_t align,
			 struct pcpu_grant *grant)
{
	struct bitmap_books *b = space->books;
	size_t count = (size + GRANULE - 1) / GRANULE, from;

	pcpu_counters.scans++;
	update(space);
	from = bitmap_tree_search(b, count, order_of(align));
	if (from == b->granules) {
		from = odd_place(space, size, count, align);
		count = b->granules - from;
	}
	if (count == 0)
		return false;
	carve(space, from, from + count);
	bitmap_set(b->start, from);
	*grant = (struct pcpu_grant){.offset = from * GRANULE,
				     .length = bytes_of(space, from, from + count)};
	return true;
}

/* ---- Places that are known without the tree ---- */

static struct bitmap_known *known_of(struct bitmap_books *b, size_t count)
{
	return &b->known[(count ^ count >> 3) % NR_KNOWN]; /* the usual sizes meet no other */
}

/* Which of `low` counts runs of that length. */
static unsigned int low_index(size_t length)
{
	return min(63 - (unsigned int)__builtin_clzl(length), NR_LOWS - 1u);
}

/* There is room in [from, end) again, at both ends of it, where it is part of runs that may be longer. Further
 * off than the largest known size it does not matter where these begin or end; and it counts as one run, which is
 * a guess on the safe side. */
static void known_lower(struct pcpu_space *space, size_t from, size_t end)
{
	struct bitmap_books *b = space->books;
	size_t below = from - min(from, (size_t)KNOWN_MOST);
	size_t first = from > 0 ? max(after_last_set(b->used, from - 1, below), below) : 0;
	size_t last = bitmap_next_used(b, end, min(end + KNOWN_MOST, b->granules));
	unsigned int n = low_index(last - first);

	b->low[n] = min(b->low[n], (uint32_t)first);
	b->lowered = true;
	space->hint = max(space->hint, last - first < KNOWN_MOST ? bytes_of(space, first, last)
								 : space->free_size);
}

/* Takes what was freed into account: a free run can serve what is no longer than it. */
static void known_correct(struct bitmap_books *b)
{
	for (unsigned int n = NR_LOWS - 1; n-- > 0;)
		b->low[n] = min(b->low[n], b->low[n + 1]);
	for (size_t i = 0; i < NR_KNOWN; i++) {
		struct bitmap_known *known = &b->known[i];

		if (known->count != 0)
			known->place = min(known->place, b->low[low_index(known->count)]);
	}
	memset(b->low, 0xff, sizeof(b->low));
	b->lowered = false;
}

static void known_set(struct bitmap_books *b, size_t count, unsigned int order, size_t place)
{
	if (b->lowered)
		known_correct(b); /* that is below places which were not known then */
	if (count <= KNOWN_MOST)
		*known_of(b, count) =
			(struct bitmap_known){(uint32_t)count, order, (uint32_t)place};
}

/*
 * The lowest place for an area, if it is known where to look: not far above where those like it went last, or
 * where something was freed since. Else b->granules. Needs nothing of the tree.
 */
static size_t known_place(struct bitmap_books *b, size_t count, unsigned int order)
{
	const struct bitmap_known *known = known_of(b, count);
	size_t from, stop, end;

	if (known->count != count || known->order != order)
		return b->granules;
	if (b->lowered)
		known_correct(b);
	from = known->place;
	stop = min(from + KNOWN_REACH, b->granules);
	for (unsigned int runs = 0; runs < KNOWN_RUNS && from < stop; runs++) {
		from = ALIGN_UP(bitmap_next_edge(b, from, stop, false), (size_t)1 << order);
		end = from + count;
		if (from >= stop || end > b->granules)
			break;
		end = bitmap_next_used(b, from, end);
		pcpu_counters.entries_touched++;
		if (end - from == count)
			return from;
		from = end;
	}
	return b->granules;
}

/* ---- Carving and freeing ---- */

/* As many areas as fit from `from` on into a run that ends at `end`. */
static size_t carve_row(struct pcpu_space *space, size_t from, size_t end, size_t count,
			size_t max_areas, size_t *offsets)
{
	struct bitmap_books *b = space->books;
	unsigned long *start = b->start;
	size_t n, next = from;

	if (end == b->granules && space->span % GRANULE != 0)
		end -= from < end; /* the areas are to be alike, and the last granule is larger */
	n = min((end - from) / count, max_areas);
	for (size_t i = 0; i < n; i++, next += count) {
		offsets[i] = next * GRANULE;
		bitmap_set(start, next);
	}
	if (n > 0)
		carve(space, from, next);
	return n;
}

/* The lowest place, the run that it is in, and what else there is in the rest of its leaf. */
static size_t bitmap_alloc_many(struct pcpu_space *space, size_t size, size_t align,
				size_t max_areas, size_t *offsets)
{
	struct bitmap_books *b = space->books;
	unsigned int order = order_of(align);
	size_t count = size / GRANULE, step = (size_t)1 << order, n = 0, from, end, stop;

	pcpu_counters.scans++;
	from = known_place(b, count, order);
	if (from == b->granules) {
		update(space);
		from = bitmap_tree_search(b, count, order);
	}
	stop = min(ALIGN_DOWN(from, (size_t)LEAF) + LEAF, b->granules);
	while (from < stop && n < max_areas) {
		end = bitmap_next_used(b, from, min(from + (max_areas - n) * count, b->granules));
		n += carve_row(space, from, end, count, max_areas - n, offsets + n);
		from = ALIGN_UP(bitmap_next_edge(b, max(end, from + 1), stop, false), step);
	}
	if (n > 0)
		known_set(b, count, order, offsets[n - 1] / GRANULE + count);
	return n;
}

/*
 * All in the word of the first granule, except for an area that goes on in the next. What goes on an area
 * are runs of bits below which there is always a bit that is clear or its start; so the first one's bit,
 * added to them, carries through its run to the end and clears it, and no further.
 */
static size_t bitmap_free_many(struct pcpu_space *space, size_t offset, uint64_t starts)
{
	struct bitmap_books *b = space->books;
	size_t first = offset / GRANULE, n = first / BITS_PER_LONG, next = first + BITS_PER_LONG;
	unsigned long going_on = b->used[n] & ~b->start[n];
	unsigned long freed = starts | (going_on & ~(going_on + (starts << 1 & going_on)));
	size_t from = first + (size_t)__builtin_ctzl(starts);
	size_t end = next - (size_t)__builtin_clzl(freed), length = word_weight(freed) * GRANULE;

	b->start[n] &= ~starts;
	b->used[n] &= ~freed;
	if (end == next) {
		end = bitmap_next_edge(b, next, b->granules, true);
		if (end > next)
			used_change(b, next, end, false);
		length += (end - next) * GRANULE;
	}
	if (end == b->granules)
		length += space->span % GRANULE;
	mark_dirty(b, from, end);
	space->free_size += length;
	known_lower(space, from, end);
	return length;
}

static size_t bitmap_free(struct pcpu_space *space, size_t offset)
{
	struct bitmap_books *b = space->books;
	size_t from = offset / GRANULE, word = ALIGN_DOWN(from, (size_t)BITS_PER_LONG);

	if (offset % GRANULE != 0 || from >= b->granules || !bitmap_test(b->start, from))
		return 0;
	return bitmap_free_many(space, word * GRANULE, 1ul << (from - word));
}

static void bitmap_undo(struct pcpu_space *space, const struct pcpu_grant *grant)
{
	bitmap_free(space, grant->offset);
}

static void bitmap_find(const struct pcpu_space *space, size_t offset, struct pcpu_area *out)
{
	const struct bitmap_books *b = space->books;
	size_t granule = min(offset / GRANULE, b->granules - 1), from, end;

	out->used = bitmap_test(b->used, granule);
	if (out->used) {
		from = after_last_set(b->start, granule, 0) - 1;
		end = area_end(b, granule);
	} else {
		from = after_last_set(b->used, granule, 0);
		end = bitmap_next_used(b, granule, b->granules);
	}
	out->offset = from * GRANULE;
	out->length = bytes_of(space, from, end);
}

static void bitmap_walk(const struct pcpu_space *space, pcpu_area_fn fn, void *arg)
{
	const struct bitmap_books *b = space->books;
	size_t end;

	for (size_t from = 0; from < b->granules; from = end) {
		bool used = bitmap_test(b->used, from);

		end = used ? area_end(b, from) : bitmap_next_used(b, from, b->granules);
		fn(&(struct pcpu_area){from * GRANULE, bytes_of(space, from, end), used}, arg);
	}
}

static void count_run(const struct pcpu_area *area __unused, void *arg)
{
	++*(size_t *)arg;
}

static size_t bitmap_entries(const struct pcpu_space *space, size_t *room)
{
	size_t entries = 0;

	*room = ((const struct bitmap_books *)space->books)->granules;
	bitmap_walk(space, count_run, &entries);
	return entries;
}

/* ---- The checker's part ---- */

/* One of the known places, another one each time. */
static const char *check_known(const struct bitmap_books *b)
{
	const struct bitmap_known *known = &b->known[pcpu_counters.scans % NR_KNOWN];
	size_t place = known->place, end;

	if (known->count == 0)
		return NULL;
	for (unsigned int n = low_index(known->count); n < NR_LOWS; n++)
		place = min(place, (size_t)b->low[n]);
	for (size_t from = 0; from < place; from = end) {
		from = bitmap_next_edge(b, from, place, false);
		end = bitmap_next_used(b, from, b->granules);
		if (ALIGN_UP(from, (size_t)1 << known->order) < place &&
		    bitmap_aligned_length(from, end, known->order) >= known->count)
			return "an area fits below the place that is known as the lowest";
	}
	return NULL;
}

struct sums {
	size_t all, free, longest;
};

static void add_run(const struct pcpu_area *area, void *arg)
{
	struct sums *sums = arg;

	sums->all += area->length;
	if (area->used)
		return;
	sums->free += area->length;
	sums->longest = max(sums->longest, area->length);
}

static const char *bitmap_check(const struct pcpu_space *space)
{
	const struct bitmap_books *b = space->books;
	struct sums sums = {0, 0, 0};

	for (size_t i = 0; i < b->leaves * LEAF_WORDS; i++) {
		unsigned long before = i > 0 ? b->used[i - 1] >> (BITS_PER_LONG - 1) : 0;

		if (b->start[i] & ~b->used[i])
			return "an area starts in free granules";
		if (b->used[i] & ~(b->used[i] << 1 | before) & ~b->start[i])
			return "granules in use that belong to no area";
	}
	bitmap_walk(space, add_run, &sums);
	if (sums.all != space->span)
		return "the runs do not add up to the span";
	if (sums.free != space->free_size)
		return "free_size is not the sum of the free runs";
	if (space->hint < sums.longest)
		return "the hint is below the longest free run";
	return check_known(b) ?: bitmap_tree_check(b);
}

const struct pcpu_engine bitmap_engine = {
	.name = "bitmap",
	.exact = true,
	.init_bytes = bitmap_init_bytes,
	.init = bitmap_init,
	.destroy = bitmap_destroy,
	.grow_bytes = bitmap_grow_bytes,
	.grow = bitmap_grow,
	.rank = bitmap_rank,
	.alloc = bitmap_alloc,
	.alloc_many = bitmap_alloc_many,
	.free = bitmap_free,
	.free_many = bitmap_free_many,
	.undo = bitmap_undo,
	.find = bitmap_find,
	.walk = bitmap_walk,
	.entries = bitmap_entries,
	.check = bitmap_check,
};
