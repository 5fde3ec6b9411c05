/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reclaim: gives surplus free chunks back. One wholly free chunk stays, so that a workload that
 * goes up and down by an area does not make and destroy a chunk each time.
 *
 * The mutex is held over all of it: a chunk that is being taken apart can't be populated meanwhile. The
 * spinlock is held for one chunk at a time, however many there are; a chunk that a free empties between
 * two goes to the front of its slot, so it is the one that stays, and the one that was to stay goes too.
 * A free may still be looking its pointer up in such a chunk, so every CPU is visited before one goes away.
 */
#include "percpu/front.h"
#include "percpu/percpu_internal.h"

static void unlink_surplus(struct list_node *surplus)
{
	bool unlinked;

	do {
		irqflags_t flags = port_lock();

		unlinked = pcpu_chunk_unlink_surplus(surplus);
		port_unlock(flags);
	} while (unlinked);
}

void pcpu_reclaim(void)
{
	struct list_node surplus = LIST_INIT(surplus);
	struct pcpu_chunk *chunk, *next;
	unsigned long destroyed = 0;
	irqflags_t flags;

	port_mutex_lock();
	pcpu_front_drain();
	pcpu_front_sweep();
	unlink_surplus(&surplus);

	if (!list_empty(&surplus))
		pcpu_front_pass();
	list_for_each_entry_safe (chunk, next, &surplus, node) {
		pcpu_chunk_destroy(chunk);
		destroyed++;
	}
	flags = port_lock();
	pcpu_counters.reclaim_runs++;
	pcpu_counters.chunks_freed += destroyed;
	port_unlock(flags);
	port_mutex_unlock();
}

bool pcpu_settle(void)
{
	bool surplus;

	if (!pcpu_front_on)
		return false;
	port_mutex_lock();
	pcpu_front_drain();
	surplus = pcpu_front_sweep();
	port_mutex_unlock();
	if (surplus)
		port_reclaim_schedule();
	return surplus;
}

__noinline unsigned long pcpu_sync(void)
{
	pcpu_quarantine_drain(CALLER());
	port_reclaim_wait();
	if (pcpu_settle())
		port_reclaim_wait();
	return READ_ONCE(pcpu_counters.chunks_freed);
}
