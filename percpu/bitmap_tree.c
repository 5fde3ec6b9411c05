/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree of the engine `bitmap`: which free runs there are, for each alignment, without a look at the bits.
 *
 *	node 1			the whole space
 *	nodes 2n, 2n + 1	the left and right half of what node n knows of
 *	nodes leaves + i	granules i * LEAF and on
 *
 * A node has the longest run for each alignment, and the lengths of the free runs at its two ends; so a run that
 * lies across the middle of a node is known from its two children. What changes bits only marks leaves
 * dirty (bitmap.c); bitmap_tree_refresh computes them and what is above them.
 */
#include "percpu/bitmap.h"

#include "percpu/percpu_internal.h"

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
		node->longest[n] = max(node->longest[n], bitmap_aligned_length(from, end, n));
	}
}

static void leaf_compute(const struct bitmap_books *b, struct bitmap_node *node, size_t leaf)
{
	size_t first = leaf * LEAF, end = min(first + LEAF, b->granules), from, to;

	*node = (struct bitmap_node){.length = (uint32_t)(end - first)};
	for (from = bitmap_next_edge(b, first, end, false); from < end;
	     from = bitmap_next_edge(b, to, end, false)) {
		to = bitmap_next_used(b, from, end);
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
size_t bitmap_tree_refresh(struct bitmap_books *b)
{
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

void bitmap_tree_fill(struct bitmap_books *b)
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

size_t bitmap_tree_search(const struct bitmap_books *b, size_t count, unsigned int order)
{
	size_t n = 1, end, from, to;

	if (b->nodes[1].longest[order] < count)
		return b->granules;
	for (; n < b->leaves; pcpu_counters.entries_touched++) {
		const struct bitmap_node *left = &b->nodes[2 * n], *right = left + 1;
		size_t middle = middle_of(b, n);

		if (left->longest[order] >= count)
			n = 2 * n;
		else if (left->suffix > 0 &&
			 bitmap_aligned_length(middle - left->suffix, middle + right->prefix,
					       order) >= count)
			return ALIGN_UP(middle - left->suffix, (size_t)1 << order);
		else
			n = 2 * n + 1;
	}
	from = (n - b->leaves) * LEAF;
	end = min(from + LEAF, b->granules);
	for (;;) { /* the leaf says that there is one */
		from = bitmap_next_edge(b, from, end, false);
		to = bitmap_next_used(b, from, end);
		pcpu_counters.entries_touched++;
		if (bitmap_aligned_length(from, to, order) >= count)
			return ALIGN_UP(from, (size_t)1 << order);
		from = to;
	}
}

const char *bitmap_tree_check(const struct bitmap_books *b)
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
