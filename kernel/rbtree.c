/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Red-black trees, see rbtree.h. The two directions of every case are one piece of code here: a
 * side is a bool, child() gives the link on that side, and the mirrored case is the same with
 * !side. Missing children are NULL and count as black, so the fix-up after an erase carries the
 * parent along.
 *
 * Subtree values: linking and unlinking bring the whole path to the root up to date first; a
 * rotation then only changes the values of the two nodes it turns, as the set of nodes below the
 * upper one stays the same.
 */
#include "kernel/rbtree.h"

enum { LEFT = false, RIGHT = true };

static struct rb_node **child(struct rb_node *node, bool side)
{
	return side == RIGHT ? &node->right : &node->left;
}

static bool side_of(const struct rb_node *parent, const struct rb_node *node)
{
	return parent->right == node ? RIGHT : LEFT;
}

static bool is_red(const struct rb_node *node)
{
	return node != NULL && node->red;
}

static void update_one(struct rb_root *root, struct rb_node *node)
{
	if (root->update != NULL)
		root->update(node);
}

/* Recomputes every value from node up to the root, whether or not one on the way stays the same:
 * nodes that were just moved carry old values. */
static void update_path(struct rb_root *root, struct rb_node *node)
{
	if (root->update == NULL)
		return;
	for (; node != NULL; node = node->parent)
		root->update(node);
}

void rb_propagate(struct rb_root *root, struct rb_node *node)
{
	if (root->update == NULL)
		return;
	while (node != NULL && root->update(node))
		node = node->parent;
}

/* Puts new (or nothing) where old hangs below its parent. */
static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
			  struct rb_node *new)
{
	if (parent == NULL)
		root->node = new;
	else
		*child(parent, side_of(parent, old)) = new;
	if (new != NULL)
		new->parent = parent;
}

/* Turns node down to the given side; its child on the other side comes up. */
static void rotate(struct rb_root *root, struct rb_node *node, bool side)
{
	struct rb_node *up = *child(node, !side);
	struct rb_node *middle = *child(up, side);

	replace_child(root, node->parent, node, up);
	*child(up, side) = node;
	node->parent = up;
	*child(node, !side) = middle;
	if (middle != NULL)
		middle->parent = node;
	update_one(root, node);
	update_one(root, up);
}

/* node is red and may have a red parent: moves the conflict up, or ends it with rotations. */
static void insert_fixup(struct rb_root *root, struct rb_node *node)
{
	while (is_red(node->parent)) {
		struct rb_node *parent = node->parent;
		struct rb_node *grand = parent->parent;
		bool side = side_of(grand, parent);
		struct rb_node *uncle = *child(grand, !side);

		if (is_red(uncle)) {
			parent->red = false;
			uncle->red = false;
			grand->red = true;
			node = grand;
			continue;
		}
		if (side_of(parent, node) != side) {
			rotate(root, parent, side);
			parent = node;
		}
		parent->red = false;
		grand->red = true;
		rotate(root, grand, !side);
		break;
	}
	root->node->red = false;
}

void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link)
{
	node->parent = parent;
	node->left = NULL;
	node->right = NULL;
	node->red = true;
	*link = node;
	update_path(root, node);
	insert_fixup(root, node);
}

/* The subtree `node` (NULL: empty) below parent lacks one black: gives it one back. */
static void erase_fixup(struct rb_root *root, struct rb_node *node, struct rb_node *parent)
{
	while (parent != NULL && !is_red(node)) {
		bool side = parent->left == node ? LEFT : RIGHT;
		struct rb_node *sibling = *child(parent, !side);

		if (is_red(sibling)) {
			sibling->red = false;
			parent->red = true;
			rotate(root, parent, side);
			sibling = *child(parent, !side);
		}
		if (!is_red(sibling->left) && !is_red(sibling->right)) {
			sibling->red = true;
			node = parent;
			parent = node->parent;
			continue;
		}
		if (!is_red(*child(sibling, !side))) {
			(*child(sibling, side))->red = false;
			sibling->red = true;
			rotate(root, sibling, !side);
			sibling = *child(parent, !side);
		}
		sibling->red = parent->red;
		parent->red = false;
		(*child(sibling, !side))->red = false;
		rotate(root, parent, side);
		return;
	}
	if (node != NULL)
		node->red = false;
}

/* Swaps the places and colours of node, which has two children, and the next node in order. */
static void swap_with_next(struct rb_root *root, struct rb_node *node)
{
	struct rb_node *next = rb_next(node);
	struct rb_node *next_parent = next->parent, *next_right = next->right;
	bool next_red = next->red;

	replace_child(root, node->parent, node, next);
	next->red = node->red;
	next->left = node->left;
	next->left->parent = next;
	if (next_parent == node) {
		next->right = node;
		node->parent = next;
	} else {
		next->right = node->right;
		next->right->parent = next;
		next_parent->left = node;
		node->parent = next_parent;
	}
	node->left = NULL;
	node->right = next_right;
	if (next_right != NULL)
		next_right->parent = node;
	node->red = next_red;
}

void rb_erase(struct rb_root *root, struct rb_node *node)
{
	struct rb_node *rest, *parent;

	if (node->left != NULL && node->right != NULL)
		swap_with_next(root, node);
	rest = node->left != NULL ? node->left : node->right;
	parent = node->parent;
	replace_child(root, parent, node, rest);
	update_path(root, parent);
	if (!node->red)
		erase_fixup(root, rest, parent);
}

static struct rb_node *outermost(struct rb_node *node, bool side)
{
	if (node == NULL)
		return NULL;
	while (*child(node, side) != NULL)
		node = *child(node, side);
	return node;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return outermost(root->node, LEFT);
}

struct rb_node *rb_last(const struct rb_root *root)
{
	return outermost(root->node, RIGHT);
}

/* The neighbour in order: the nearest node below on that side, else the first ancestor that has
 * node on its other side. */
static struct rb_node *neighbour(struct rb_node *node, bool side)
{
	struct rb_node *parent;

	if (*child(node, side) != NULL)
		return outermost(*child(node, side), !side);
	for (parent = node->parent; parent != NULL && side_of(parent, node) == side;
	     parent = node->parent)
		node = parent;
	return parent;
}

struct rb_node *rb_next(const struct rb_node *node)
{
	return neighbour((struct rb_node *)node, RIGHT);
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	return neighbour((struct rb_node *)node, LEFT);
}

/* The number of black nodes on every path down from node, −1 if the subtree breaks a rule.
 * Recursion is as deep as the tree is high: a tree that is higher than any valid one is refused. */
static int black_height(const struct rb_node *node, unsigned int depth)
{
	int left, right;

	if (node == NULL)
		return 0;
	if (depth > 2 * 64)
		return -1;
	if (node->red && (is_red(node->left) || is_red(node->right)))
		return -1;
	if ((node->left != NULL && node->left->parent != node) ||
	    (node->right != NULL && node->right->parent != node))
		return -1;
	left = black_height(node->left, depth + 1);
	right = black_height(node->right, depth + 1);
	if (left < 0 || left != right)
		return -1;
	return left + !node->red;
}

bool rb_valid(const struct rb_root *root)
{
	if (root->node == NULL)
		return true;
	return !root->node->red && root->node->parent == NULL && black_height(root->node, 0) >= 0;
}
