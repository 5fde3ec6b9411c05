/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Doubly linked circular lists whose links live inside the listed objects. A head is a node that
 * belongs to no object; an empty list is a head that points at itself. No locking of its own.
 */
#pragma once

#include "kernel/compiler.h"

struct list_node {
	struct list_node *next;
	struct list_node *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list_node *head)
{
	head->next = head;
	head->prev = head;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

static inline void list_link_between(struct list_node *node, struct list_node *before,
				     struct list_node *after)
{
	node->prev = before;
	node->next = after;
	before->next = node;
	after->prev = node;
}

/* Puts node first in the list. */
static inline void list_add_front(struct list_node *node, struct list_node *head)
{
	list_link_between(node, head, head->next);
}

/* Puts node last in the list. */
static inline void list_add_back(struct list_node *node, struct list_node *head)
{
	list_link_between(node, head->prev, head);
}

/* Takes node out of its list and leaves it an empty list of its own; harmless when repeated. */
static inline void list_del(struct list_node *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Moves every node of the list `from` to the end of the list `to`. */
static inline void list_splice_back(struct list_node *from, struct list_node *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member)  list_entry((head)->prev, type, member)

#define list_for_each(node, head) for (node = (head)->next; node != (head); node = node->next)

#define list_for_each_entry(obj, head, member)                                         \
	for (obj = list_first(head, __typeof__(*obj), member); &obj->member != (head); \
	     obj = list_entry(obj->member.next, __typeof__(*obj), member))

/* As above; obj may be unlinked or freed inside the loop. */
#define list_for_each_entry_safe(obj, next_obj, head, member)                  \
	for (obj = list_first(head, __typeof__(*obj), member),                 \
	    next_obj = list_entry(obj->member.next, __typeof__(*obj), member); \
	     &obj->member != (head); obj = next_obj,                           \
	    next_obj = list_entry(next_obj->member.next, __typeof__(*obj), member))
