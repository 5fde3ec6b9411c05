/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many areas at once. What this CPU keeps ready comes and goes a batch at a time, interrupts off once for
 * all of it; whatever the front does not do goes the ordinary way, one by one. A miss brings areas along,
 * which the next batch takes, so misses are few. Without a front, or while somebody watches, each area goes
 * the ordinary way.
 */
#include "percpu/front.h"

/* Areas of one batch: bounds the time with interrupts off. */
#define BATCH ((size_t)16)

/* Gives back what alloc_percpu_many has so far. */
static size_t give_up(void __percpu **out, size_t done, size_t n)
{
	free_percpu_many(out, done);
	for (size_t i = 0; i < n; i++)
		out[i] = NULL;
	return 0;
}

size_t alloc_percpu_many(size_t size, size_t align, size_t n, void __percpu **out)
{
	for (size_t done = 0; done < n;) {
		size_t batch = min(n - done, BATCH);
		size_t got = 0;

		if (pcpu_front_on)
			got = pcpu_front_alloc_batch(size, align, batch, &out[done]);
		done += got;
		if (got == batch)
			continue;
		out[done] = pcpu_alloc_slowly(size, align, false, CALLER());
		if (!out[done])
			return give_up(out, done, n);
		done++;
	}
	return n;
}

void free_percpu_many(void __percpu *const *ptrs, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t batch = min(n - done, BATCH);
		size_t got = pcpu_front_on ? pcpu_front_free_batch(&ptrs[done], batch) : 0;

		done += got;
		if (got < batch)
			pcpu_free_slowly(ptrs[done++], CALLER());
	}
}
