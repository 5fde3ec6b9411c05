/* SPDX-License-Identifier: GPL-2.0-only */
/* The host port: the heap, and memory at set-up. */
#include "tests/host/port_host_internal.h"

#include <stdlib.h>

bool host_heap_is_up;

struct block_head {
	size_t size;
	size_t magic; /* address of the block itself, so that a stray free is seen */
};

void host_heap_set(bool up)
{
	host_heap_is_up = up;
}

void *port_zalloc(size_t size)
{
	struct block_head *head;

	host_assert_mutex("port_zalloc");
	if (size == 0)
		host_die("port_zalloc of nothing");
	if (!host_heap_is_up || host_hook_fails(HOOK_HEAP))
		return NULL;
	head = calloc(1, sizeof(*head) + size);
	if (head == NULL)
		host_die("the host has no memory");
	head->size = size;
	head->magic = (size_t)head;
	__atomic_add_fetch(&host_books.heap_blocks, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&host_books.heap_bytes, size, __ATOMIC_RELAXED);
	return head + 1;
}

void port_free(void *ptr, size_t size)
{
	struct block_head *head = (struct block_head *)ptr - 1;

	host_assert_mutex("port_free");
	if (ptr == NULL)
		host_die("port_free of NULL");
	if (head->magic != (size_t)head || head->size != size)
		host_die("port_free of %p as %zu bytes; it has %zu", ptr, size, head->size);
	head->magic = 0;
	__atomic_sub_fetch(&host_books.heap_blocks, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&host_books.heap_bytes, size, __ATOMIC_RELAXED);
	free(head);
}

void *port_early_alloc(size_t size)
{
	void *ptr;

	if (host_is_set_up)
		host_die("port_early_alloc after set-up");
	ptr = calloc(1, size);
	if (ptr == NULL)
		port_panic("no memory for %zu bytes at set-up", size);
	return ptr;
}
