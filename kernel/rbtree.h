/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Red-black trees whose nodes live inside the objects they order. The caller walks down to find
 * the place, links the node there, and lets the tree rebalance:
 *
 *	struct rb_node **link = &root->node, *parent = NULL;
 *	while (*link) { parent = *link; link = key < key_of(parent) ? &parent->left : &parent->right; }
 *	rb_insert(root, &obj->node, parent, link);
 *
 * A tree may carry a value in every node that sums up its subtree (the largest gap, a count …):
 * root->update(node) computes it from node and its two children and returns whether it changed.
 * The tree calls it wherever a subtree changed. NULL: nothing to keep.
 * No locking of its own. Source of the algorithm: Cormen et al., "Introduction to Algorithms", 13.
 */
#pragma once

#include "kernel/compiler.h"

struct rb_node {
	struct rb_node *parent;
	struct rb_node *left;
	struct rb_node *right;
	bool red;
};

struct rb_root {
	struct rb_node *node;
	bool (*update)(struct rb_node *node); /* may be NULL */
};

#define rb_entry(ptr, type, member) container_of(ptr, type, member)

/* Links node below parent at *link (both found by the caller's walk) and rebalances. */
void rb_insert(struct rb_root *root, struct rb_node *node, struct rb_node *parent,
	       struct rb_node **link);
/* Takes node, which is in the tree, out of it and rebalances. */
void rb_erase(struct rb_root *root, struct rb_node *node);
/* Brings the subtree values from node up to the root up to date after node's own data changed. */
void rb_propagate(struct rb_root *root, struct rb_node *node);

/* In order; NULL at the ends or for an empty tree. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *node);
struct rb_node *rb_prev(const struct rb_node *node);

/* Whether colours, black heights and parent links are right (for tests and checkers). */
bool rb_valid(const struct rb_root *root);
