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

static void check_locks(size_t size)
{
	bool mutex = port_mutex_held(), lock = port_lock_held();

	if (unlikely(!mutex || lock))
		port_panic(
			"%zu bytes of heap with mutex %s and spinlock %s; it needs held and free",
			size, mutex ? "held" : "free", lock ? "held" : "free");
}

void *pcpu_mem_alloc(size_t size)
{
	void *mem;

	check_locks(size);
	mem = port_zalloc(size);
	if (mem)
		count_meta((ssize_t)size);
	return mem;
}

void pcpu_mem_free(void *ptr, size_t size)
{
	if (!ptr)
		return;
	check_locks(size);
	count_meta(-(ssize_t)size);
	port_free(ptr, size);
}
