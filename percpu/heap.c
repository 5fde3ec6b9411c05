/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Heap memory for the allocator's books: counted, and asked for only where it may be.
 */
#include "percpu/percpu_internal.h"

static void count_meta(ssize_t bytes)
{
	irqflags_t flags = port_lock();

	pcpu_counters.meta_bytes += (size_t)bytes;
	port_unlock(flags);
}

void *pcpu_mem_alloc(size_t size)
{
	void *mem;

	if (!port_mutex_held() || port_lock_held())
		port_panic("heap use with the mutex free or the spinlock held");
	mem = port_zalloc(size);
	if (mem)
		count_meta((ssize_t)size);
	return mem;
}

void pcpu_mem_free(void *ptr, size_t size)
{
	if (!ptr)
		return;
	if (!port_mutex_held() || port_lock_held())
		port_panic("heap use with the mutex free or the spinlock held");
	count_meta(-(ssize_t)size);
	port_free(ptr, size);
}
