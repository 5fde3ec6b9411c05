/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine `bitmap`: what is in use as bits, and a tree over them that knows every free run.
 *
 *	granules	4 bytes each; sizes are rounded up to whole ones
 *	used		a bit a granule: 1, an area has it
 *	start		a bit a granule: 1, an area begins here
 *	tree		of the bits, a leaf for each 1024 granules: the longest run below a node for each
 *			alignment, and the runs at its two ends, from which its parent is computed
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

static size_t next_used(const struct bitmap_books *b, size_t from, size_t end)
{
	return bitmap_next_set(b->used, end, from);
}

/* The first granule at or after `from` whose bit in used is clear, or starts an area if starts. */
static size_t next_edge(const struct bitmap_books *b, size_t from, size_t end, bool starts)
{
	while (from < end) {
		size_t n = from / BITS_PER_LONG;
		unsigned long word = ~b->used[n] | (starts ? b->start[n] : 0);

		word >>= from % BITS_PER_LONG;
		if (word != 0)
			return min(from + (size_t)__builtin_ctzl(word), end);
		from = (n + 1) * BITS_PER_LONG;
	}
	return end;
}

/* Where the area or part in use that holds a granule ends. */
static size_t area_end(const struct bitmap_books *b, size_t granule)
{
	return next_edge(b, granule + 1, b->granules, true);
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

/* ---- The tree ---- */

static uint32_t aligned_length(size_t from, size_t end, unsigned int order)
{
	size_t start = ALIGN_UP(from, (size_t)1 << order);

	return start < end ? (uint32_t)(end - start) : 0;
}

/* The largest alignment that a place in a run has. */
static unsigned int order_within(size_t from, size_t end)
{
	size_t differ = (from - 1) ^ (end - 1);

	return min(63 - (unsigned int)__builtin_clzl(differ), NR_ALIGNS - 1u);
}

/* A run is no news to an alignment at which there is a run as long, and then to no smaller one. */
static void node_add_run(struct bitmap_node *node, size_t from, size_t end)
{
	if (from % LEAF == 0 && end - from >= node->longest[0]) { /* as long at each alignment */
#pragma GCC unroll 11
		for (unsigned int n = 0; n < NR_ALIGNS; n++)
			node->longest[n] = (uint32_t)(end - from);
		return;
	}
	for (unsigned int n = order_within(from, end) + 1; n-- > 0;) {
		if (node->longest[n] >= end - from)
			return;
		node->longest[n] = max(node->longest[n], aligned_length(from, end, n));
	}
}

static void leaf_compute(const struct bitmap_books *b, struct bitmap_node *node, size_t leaf)
{
	size_t first = leaf * LEAF, end = min(first + LEAF, b->granules), from, to;

	*node = (struct bitmap_node){.length = (uint32_t)(end - first)};
	for (from = next_edge(b, first, end, false); from < end;
	     from = next_edge(b, to, end, false)) {
		to = next_used(b, from, end);
		node_add_run(node, from, to);
		if (from == first)
			node->prefix = (uint32_t)(to - from);
		if (to == end)
			node->suffix = (uint32_t)(to - from);
	}
}

/* middle: the granule where the right child begins. */
static void inner_compute(struct bitmap_node *node, const struct bitmap_node *left,
			  const struct bitmap_node *right, size_t middle)
{
	node->length = left->length + right->length;
	node->prefix = left->prefix == left->length ? left->length + right->prefix : left->prefix;
	node->suffix =
		right->suffix == right->length ? right->length + left->suffix : right->suffix;
#pragma GCC unroll 11
	for (unsigned int order = 0; order < NR_ALIGNS; order++)
		node->longest[order] = max(left->longest[order], right->longest[order]);
	if (left->suffix > 0 && right->prefix > 0)
		node_add_run(node, middle - left->suffix, middle + right->prefix);
}

/* The first granule below a node's right child. */
static size_t middle_of(const struct bitmap_books *b, size_t n)
{
	unsigned int depth = 63 - (unsigned int)__builtin_clzl(n);
	size_t leaves = b->leaves >> depth;

	return ((n - ((size_t)1 << depth)) * leaves + leaves / 2) * LEAF;
}

static void node_compute(const struct bitmap_books *b, struct bitmap_node *node, size_t n)
{
	if (n < b->leaves)
		inner_compute(node, &b->nodes[2 * n], &b->nodes[2 * n + 1], middle_of(b, n));
	else if ((n - b->leaves) * LEAF < b->granules)
		leaf_compute(b, node, n - b->leaves);
	else
		*node = (struct bitmap_node){0};
}

static bool node_equal(const struct bitmap_node *a, const struct bitmap_node *b)
{
	uint32_t differ = (a->prefix ^ b->prefix) | (a->suffix ^ b->suffix);

#pragma GCC unroll 11
	for (unsigned int order = 0; order < NR_ALIGNS; order++)
		differ |= a->longest[order] ^ b->longest[order];
	return differ == 0;
}

/* Returns whether the node has changed. */
static bool node_renew(struct bitmap_books *b, size_t n)
{
	struct bitmap_node node;

	node_compute(b, &node, n);
	if (node_equal(&node, &b->nodes[n]))
		return false;
	b->nodes[n] = node;
	return true;
}

/* Computes what is dirty: children have higher numbers than their parents, so from the highest on; the way
 * up ends at a node that comes out as it was. Returns how many nodes that were. */
static size_t refresh(struct pcpu_space *space)
{
	struct bitmap_books *b = space->books;
	size_t computed = 0;

	for (size_t i = BITS_TO_LONGS(2 * b->leaves); i-- > 0;) {
		while (b->dirty[i] != 0) {
			size_t n = i * BITS_PER_LONG + 63 - (size_t)__builtin_clzl(b->dirty[i]);

			bitmap_clear(b->dirty, n);
			if (node_renew(b, n) && n > 1)
				bitmap_set(b->dirty, n / 2);
			computed++;
		}
	}
	return computed;
}

/* The tree of a space that is free all over and fills its leaves: the same as refresh would compute. */
static void tree_fill(struct bitmap_books *b)
{
	uint32_t length = (uint32_t)b->granules;

	for (size_t n = 1; n < 2 * b->leaves; n++) {
		struct bitmap_node *node = &b->nodes[n];

		if (n > 1 && is_power_of_2(n))
			length /= 2;
		node->length = node->prefix = node->suffix = length;
#pragma GCC unroll 11
		for (unsigned int order = 0; order < NR_ALIGNS; order++)
			node->longest[order] = length;
	}
}

/* Where the lowest run that fits begins, aligned; b->granules if there is none. Nothing is dirty. */
static size_t tree_search(const struct bitmap_books *b, size_t count, unsigned int order)
{
	size_t n = 1, end, from, to;

	if (b->nodes[1].longest[order] < count)
		return b->granules;
	for (; n < b->leaves; pcpu_counters.entries_touched++) {
		const struct bitmap_node *left = &b->nodes[2 * n], *right = left + 1;
		size_t middle = middle_of(b, n);

		if (left->longest[order] >= count)
			n = 2 * n;
		else if (left->suffix > 0 && aligned_length(middle - left->suffix,
							    middle + right->prefix, order) >= count)
			return ALIGN_UP(middle - left->suffix, (size_t)1 << order);
		else
			n = 2 * n + 1;
	}
	from = (n - b->leaves) * LEAF;
	end = min(from + LEAF, b->granules);
	for (;;) { /* the leaf says that there is one */
		from = next_edge(b, from, end, false);
		to = next_used(b, from, end);
		pcpu_counters.entries_touched++;
		if (aligned_length(from, to, order) >= count)
			return ALIGN_UP(from, (size_t)1 << order);
		from = to;
	}
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
		tree_fill(b);
	} else {
		for (size_t leaf = 0; leaf < b->leaves; leaf++)
			bitmap_set(b->dirty, b->leaves + leaf);
		refresh(space);
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
	pcpu_counters.entries_touched += refresh(space);
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
	from = tree_search(b, count, order_of(align));
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
	size_t last = next_used(b, end, min(end + KNOWN_MOST, b->granules));
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
		from = ALIGN_UP(next_edge(b, from, stop, false), (size_t)1 << order);
		end = from + count;
		if (from >= stop || end > b->granules)
			break;
		end = next_used(b, from, end);
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
		from = tree_search(b, count, order);
	}
	stop = min(ALIGN_DOWN(from, (size_t)LEAF) + LEAF, b->granules);
	while (from < stop && n < max_areas) {
		end = next_used(b, from, min(from + (max_areas - n) * count, b->granules));
		n += carve_row(space, from, end, count, max_areas - n, offsets + n);
		from = ALIGN_UP(next_edge(b, max(end, from + 1), stop, false), step);
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
		end = next_edge(b, next, b->granules, true);
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
		end = next_used(b, granule, b->granules);
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

		end = used ? area_end(b, from) : next_used(b, from, b->granules);
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

static const char *check_tree(const struct bitmap_books *b)
{
	struct bitmap_node want;

	for (size_t i = 0; i < BITS_TO_LONGS(2 * b->leaves); i++) {
		if (b->dirty[i] != 0)
			return NULL; /* nobody reads it before it is computed anew */
	}
	for (size_t n = 1; n < 2 * b->leaves; n++) {
		node_compute(b, &want, n);
		for (unsigned int order = 0; order < NR_ALIGNS; order++) {
			if (want.longest[order] != b->nodes[n].longest[order])
				return "a node of the tree has another longest run";
		}
		if (want.prefix != b->nodes[n].prefix || want.suffix != b->nodes[n].suffix)
			return "a node of the tree has other ends";
	}
	return NULL;
}

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
		from = next_edge(b, from, place, false);
		end = next_used(b, from, b->granules);
		if (ALIGN_UP(from, (size_t)1 << known->order) < place &&
		    aligned_length(from, end, known->order) >= known->count)
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
	return check_known(b) ?: check_tree(b);
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
