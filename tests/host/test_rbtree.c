/* SPDX-License-Identifier: GPL-2.0-only */
/* links: kernel/rbtree.c */
/*
 * Red-black trees against a sorted array: every operation is done on both, then order, colours and
 * subtree values (size and largest key of a subtree) are compared.
 */
#include "kernel/rbtree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR_KEYS 400

struct item {
	struct rb_node node;
	unsigned int key;
	unsigned int weight; /* own data, changed at random */
	unsigned int count;  /* nodes of the subtree */
	unsigned int heaviest;
	bool in_tree;
};

static struct item items[NR_KEYS];

static bool item_update(struct rb_node *node)
{
	struct item *item = rb_entry(node, struct item, node);
	unsigned int count = 1, heaviest = item->weight;
	bool changed;

	for (int side = 0; side < 2; side++) {
		struct rb_node *below = side ? node->right : node->left;

		if (below == NULL)
			continue;
		count += rb_entry(below, struct item, node)->count;
		heaviest = max(heaviest, rb_entry(below, struct item, node)->heaviest);
	}
	changed = count != item->count || heaviest != item->heaviest;
	item->count = count;
	item->heaviest = heaviest;
	return changed;
}

static void item_insert(struct rb_root *root, struct item *item)
{
	struct rb_node **link = &root->node, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = item->key < rb_entry(parent, struct item, node)->key ? &parent->left
									    : &parent->right;
	}
	rb_insert(root, &item->node, parent, link);
	item->in_tree = true;
}

/* Recomputes the values below node without using them. */
static unsigned int check_values(const struct rb_node *node, unsigned int *heaviest)
{
	const struct item *item;
	unsigned int count, left = 0, right = 0;

	*heaviest = 0;
	if (node == NULL)
		return 0;
	item = rb_entry(node, const struct item, node);
	count = 1 + check_values(node->left, &left) + check_values(node->right, &right);
	*heaviest = max(item->weight, max(left, right));
	assert_int_equal(item->count, count);
	assert_int_equal(item->heaviest, *heaviest);
	return count;
}

/* The keys in the tree, forwards and backwards, are those of the items marked as in it. */
static void check_order(const struct rb_root *root)
{
	struct rb_node *node = rb_first(root), *last = NULL;
	unsigned int i;

	for (i = 0; i < NR_KEYS; i++) {
		if (!items[i].in_tree)
			continue;
		assert_ptr_equal(node, &items[i].node);
		assert_ptr_equal(rb_prev(node), last);
		last = node;
		node = rb_next(node);
	}
	assert_null(node);
	assert_ptr_equal(rb_last(root), last);
	assert_true(rb_valid(root));
}

static void reset_items(void)
{
	memset(items, 0, sizeof(items));
	for (unsigned int i = 0; i < NR_KEYS; i++) {
		items[i].key = i;
		items[i].weight = (unsigned int)rand() % 1000;
	}
}

static void random_operations(struct rb_root *root, unsigned int range, unsigned int operations)
{
	unsigned int heaviest;

	reset_items();
	while (operations-- > 0) {
		struct item *item = &items[(unsigned int)rand() % range];

		if (item->in_tree && root->update != NULL && rand() % 3 == 0) {
			item->weight = (unsigned int)rand() % 1000;
			rb_propagate(root, &item->node);
		} else if (item->in_tree) {
			rb_erase(root, &item->node);
			item->in_tree = false;
		} else {
			item_insert(root, item);
		}
		check_order(root);
		if (root->update != NULL)
			check_values(root->node, &heaviest);
	}
}

static void plain_tree_matches_sorted_array(void **state __unused)
{
	for (unsigned int range = 1; range <= NR_KEYS; range = range * 2 + 1) {
		struct rb_root root = {0};

		random_operations(&root, range, 4000);
	}
}

static void subtree_values_follow_every_change(void **state __unused)
{
	for (unsigned int range = 1; range <= NR_KEYS; range = range * 2 + 1) {
		struct rb_root root = {.update = item_update};

		random_operations(&root, range, 4000);
	}
}

/* Rising, falling and inside-out orders in, each of three orders out. */
static void sorted_insertions_stay_balanced(void **state __unused)
{
	for (unsigned int order = 0; order < 9; order++) {
		struct rb_root root = {.update = item_update};
		unsigned int heaviest;

		reset_items();
		for (unsigned int i = 0; i < NR_KEYS; i++) {
			unsigned int at[] = {i, NR_KEYS - 1 - i, (i * 7) % NR_KEYS};

			item_insert(&root, &items[at[order / 3]]);
			check_order(&root);
		}
		for (unsigned int i = 0; i < NR_KEYS; i++) {
			unsigned int at[] = {i, NR_KEYS - 1 - i, (i * 7) % NR_KEYS};

			rb_erase(&root, &items[at[order % 3]].node);
			items[at[order % 3]].in_tree = false;
			check_order(&root);
			check_values(root.node, &heaviest);
		}
		assert_null(root.node);
	}
}

static void checker_sees_broken_trees(void **state __unused)
{
	struct rb_root root = {0};

	reset_items();
	for (unsigned int i = 0; i < 10; i++)
		item_insert(&root, &items[i]);
	assert_true(rb_valid(&root));
	root.node->red = true;
	assert_false(rb_valid(&root));
	root.node->red = false;
	rb_first(&root)->red ^= true;
	assert_false(rb_valid(&root));
	rb_first(&root)->red ^= true;
	rb_last(&root)->parent = NULL;
	assert_false(rb_valid(&root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_tree_matches_sorted_array),
		cmocka_unit_test(subtree_values_follow_every_change),
		cmocka_unit_test(sorted_insertions_stay_balanced),
		cmocka_unit_test(checker_sees_broken_trees),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
