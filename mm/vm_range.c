/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The address ranges of the vmalloc area, see vmalloc.h.
 *
 * Live ranges hang in one tree by address. Each knows the free bytes below it, down to the end of
 *the range before (that range's unmapped page included in the range), and the largest such gap of
 *its subtree; so a search for the lowest gap that is large enough goes down one path:
 *
 *	VMALLOC_START                                                      VMALLOC_END
 *	| gap | range A | page | gap | range B | page |        gap        | end_node
 *
 * The end of the area is a node of its own, with no bytes, so that the last gap is like the others.
 * Alignments above a page may make a large enough gap useless; then the search goes on to the next
 *one.
 */
#include "mm/vmalloc.h"

#include "arch/x86_64/paging.h"
#include "kernel/checks.h"
#include "kernel/panic.h"
#include "kernel/rbtree.h"
#include "kernel/spinlock.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc_internal.h"

#define GUARD_SIZE	 PAGE_SIZE
#define MAX_EARLY_RANGES 8

struct vm_node {
	struct rb_node rb;     /* (vm_lock) by start */
	struct vm_range range; /* (C) while in the tree */
	size_t gap;	       /* (vm_lock) free bytes right below range.start */
	size_t largest_gap;    /* (vm_lock) of the subtree */
};

static bool node_update(struct rb_node *rb);

static struct spinlock vm_lock = SPINLOCK_INIT("vmalloc", LOCK_CLASS_VMALLOC);
static struct rb_root tree = {.update = node_update}; /* (vm_lock) */
static struct vm_node end_node = {.range = {VMALLOC_END, 0, "end"}};
static struct vm_node early_nodes[MAX_EARLY_RANGES];
static size_t nr_early;	      /* (C) after vmalloc_init */
static bool vm_ready;	      /* (C) vmalloc_init is done */
static uint64_t steps;	      /* (vm_lock) */
static unsigned long fail_in; /* (vm_lock) fault injection, 0: off */

static struct vm_node *node_of(struct rb_node *rb)
{
	return rb != NULL ? rb_entry(rb, struct vm_node, rb) : NULL;
}

/* One past the bytes that nobody else may have. */
static uintptr_t node_end(const struct vm_node *node)
{
	return node->range.start + node->range.size + GUARD_SIZE;
}

static size_t largest_below(struct rb_node *rb)
{
	return rb != NULL ? node_of(rb)->largest_gap : 0;
}

static bool node_update(struct rb_node *rb)
{
	struct vm_node *node = node_of(rb);
	size_t below = max(largest_below(rb->left), largest_below(rb->right));
	size_t largest = max(node->gap, below);
	bool changed = largest != node->largest_gap;

	node->largest_gap = largest;
	return changed;
}

/* ---- The tree; vm_lock is held ---- */

/* The gap below a node as its neighbour says. */
static size_t gap_below_locked(struct vm_node *node)
{
	struct vm_node *before = node_of(rb_prev(&node->rb));

	return node->range.start - (before != NULL ? node_end(before) : VMALLOC_START);
}

static void gap_refresh_locked(struct vm_node *node)
{
	node->gap = gap_below_locked(node);
	rb_propagate(&tree, &node->rb);
}

static void tree_link_locked(struct vm_node *node)
{
	struct rb_node **link = &tree.node, *parent = NULL;

	while (*link != NULL) {
		parent = *link;
		link = node->range.start < node_of(parent)->range.start ? &parent->left
									: &parent->right;
	}
	node->gap = 0;
	rb_insert(&tree, &node->rb, parent, link);
	gap_refresh_locked(node);
}

static void tree_insert_locked(struct vm_node *node)
{
	tree_link_locked(node);
	gap_refresh_locked(node_of(rb_next(&node->rb)));
}

static void tree_erase_locked(struct vm_node *node)
{
	struct vm_node *after = node_of(rb_next(&node->rb));

	rb_erase(&tree, &node->rb);
	gap_refresh_locked(after);
}

/* The aligned place at the bottom of the gap below node; 0 if size and guard do not fit there. */
static uintptr_t place_in_gap(const struct vm_node *node, size_t size, size_t align)
{
	uintptr_t start = ALIGN_UP(node->range.start - node->gap, align);

	if (start > node->range.start || node->range.start - start < size + GUARD_SIZE)
		return 0;
	return start;
}

/* The lowest place in the subtree; 0 if there is none. As deep as the tree is high. */
static uintptr_t place_find_locked(struct rb_node *rb, size_t size, size_t align)
{
	struct vm_node *node = node_of(rb);
	uintptr_t start;

	if (rb == NULL)
		return 0;
	steps++;
	if (node->largest_gap < size + GUARD_SIZE)
		return 0;
	start = place_find_locked(rb->left, size, align);
	if (start == 0)
		start = place_in_gap(node, size, align);
	if (start == 0)
		start = place_find_locked(rb->right, size, align);
	return start;
}

/* The range with the highest start ≤ addr. */
static struct vm_node *node_at_or_below_locked(uintptr_t addr)
{
	struct rb_node *rb = tree.node;
	struct vm_node *best = NULL;

	while (rb != NULL) {
		if (node_of(rb)->range.start <= addr) {
			best = node_of(rb);
			rb = rb->right;
		} else {
			rb = rb->left;
		}
	}
	return best;
}

/* Finds a place for node, whose size and name are set, and puts it there. False: no addresses. */
static bool node_place_locked(struct vm_node *node, size_t align)
{
	if (tree.node == NULL)
		tree_link_locked(&end_node);
	node->range.start = place_find_locked(tree.node, node->range.size, align);
	if (node->range.start == 0)
		return false;
	tree_insert_locked(node);
	return true;
}

/* ---- Interface ---- */

void vm_area_register_early(struct vm_range *range, size_t align)
{
	struct vm_node *node = &early_nodes[nr_early];
	irqflags_t flags;
	bool placed;

	if (vm_ready)
		panic("vm_area_register_early: %s comes after vmalloc_init", range->name);
	if (nr_early == MAX_EARLY_RANGES)
		panic("vm_area_register_early: %s is one more than %d", range->name,
		      MAX_EARLY_RANGES);
	if (range->size == 0 || range->size > VMALLOC_END - VMALLOC_START ||
	    !is_power_of_2(align) || align < PAGE_SIZE)
		panic("vm_area_register_early: %s: size %zu, align %zu", range->name, range->size,
		      align);
	nr_early++;
	node->range = *range;
	node->range.size = ALIGN_UP(range->size, PAGE_SIZE);
	flags = spin_lock_irqsave(&vm_lock);
	placed = node_place_locked(node, align);
	spin_unlock_irqrestore(&vm_lock, flags);
	if (!placed)
		panic("vm_area_register_early: %s: no %zu bytes of addresses", range->name,
		      range->size);
	*range = node->range;
}

void vmalloc_init(void)
{
	vm_ready = true;
}

/* Counts down to an injected fault; true when it is this call that fails. */
static bool fail_now(void)
{
	irqflags_t flags = spin_lock_irqsave(&vm_lock);
	bool fail = fail_in != 0 && --fail_in == 0;

	spin_unlock_irqrestore(&vm_lock, flags);
	return fail;
}

uintptr_t vm_range_alloc(size_t size, size_t align, const char *name)
{
	struct vm_node *node;
	irqflags_t flags;
	uintptr_t start;
	bool placed;

	if (!is_power_of_2(align))
		panic("vm_range_alloc: %s: align %zu is no power of two", name, align);
	if (fail_now() || !vm_ready || size == 0 || size > VMALLOC_END - VMALLOC_START)
		return 0;
	node = kzalloc(sizeof(*node));
	if (node == NULL)
		return 0;
	node->range = (struct vm_range){0, ALIGN_UP(size, PAGE_SIZE), name};
	flags = spin_lock_irqsave(&vm_lock);
	placed = node_place_locked(node, max(align, PAGE_SIZE));
	start = node->range.start;
	spin_unlock_irqrestore(&vm_lock, flags);
	if (placed)
		return start;
	kfree(node);
	return 0;
}

/* In test builds: a range that is given back maps nothing. */
static void check_unmapped(const struct vm_range *range)
{
	for (uintptr_t va = range->start; checks_on && va < range->start + range->size;
	     va += PAGE_SIZE) {
		if (unlikely(paging_lookup(va, NULL) != PHYS_NONE))
			panic("vm_range_free: %#lx of %s is still mapped", va, range->name);
	}
}

void vm_range_free(uintptr_t start)
{
	struct vm_range range;
	struct vm_node *node;
	irqflags_t flags;

	if (vm_range_find(start, &range) && range.start == start)
		check_unmapped(&range);
	flags = spin_lock_irqsave(&vm_lock);
	node = node_at_or_below_locked(start);
	if (node == NULL || node->range.start != start || node == &end_node)
		panic("vm_range_free: %#lx is not the start of a live range", start);
	if (node >= early_nodes && node < early_nodes + MAX_EARLY_RANGES)
		panic("vm_range_free: %#lx, %s, was registered early and stays for good", start,
		      node->range.name);
	tree_erase_locked(node);
	spin_unlock_irqrestore(&vm_lock, flags);
	kfree(node);
}

size_t vm_range_charge(void)
{
	return kmalloc_charge(sizeof(struct vm_node));
}

bool vm_range_find(uintptr_t addr, struct vm_range *out)
{
	irqflags_t flags = spin_lock_irqsave(&vm_lock);
	struct vm_node *node = node_at_or_below_locked(addr);
	bool found = node != NULL && addr - node->range.start < node->range.size;

	if (found)
		*out = node->range;
	spin_unlock_irqrestore(&vm_lock, flags);
	return found;
}

bool vm_range_next(uintptr_t after, struct vm_range *out)
{
	irqflags_t flags = spin_lock_irqsave(&vm_lock);
	struct vm_node *node = node_at_or_below_locked(after);
	struct rb_node *next = node != NULL ? rb_next(&node->rb) : rb_first(&tree);
	bool found = next != NULL && node_of(next) != &end_node;

	if (found)
		*out = node_of(next)->range;
	spin_unlock_irqrestore(&vm_lock, flags);
	return found;
}

/* ---- Checks, fault injection ---- */

static bool node_check_locked(struct vm_node *node)
{
	struct rb_node *left = node->rb.left, *right = node->rb.right;
	size_t below = max(largest_below(left), largest_below(right));

	return node->gap == gap_below_locked(node) && node->gap <= VMALLOC_END - VMALLOC_START &&
	       node->largest_gap == max(node->gap, below) &&
	       IS_ALIGNED(node->range.start | node->range.size, PAGE_SIZE) &&
	       (node->range.size > 0 || node == &end_node);
}

bool vmalloc_check(void)
{
	irqflags_t flags = spin_lock_irqsave(&vm_lock);
	struct rb_node *rb, *last = NULL;
	bool ok = rb_valid(&tree);

	for (rb = rb_first(&tree); ok && rb != NULL; rb = rb_next(rb)) {
		ok = node_check_locked(node_of(rb));
		last = rb;
	}
	ok = ok && (last == NULL || node_of(last) == &end_node);
	spin_unlock_irqrestore(&vm_lock, flags);
	return ok;
}

uint64_t vm_range_steps(void)
{
	return READ_ONCE(steps);
}

void vm_range_fail_nth(unsigned long n)
{
	irqflags_t flags = spin_lock_irqsave(&vm_lock);

	fail_in = n;
	spin_unlock_irqrestore(&vm_lock, flags);
}

bool vm_range_fail_pending(void)
{
	return READ_ONCE(fail_in) != 0;
}
