/* SPDX-License-Identifier: GPL-2.0-only */
/* Short ways to look at the allocator. See host_look.h. */
#include "tests/host/host_look.h"

struct pcpu_chunk_info look_at[LOOK_MAX];

size_t look_chunks(void)
{
	size_t n = pcpu_inspect_chunks(look_at, LOOK_MAX);

	CHECK(n <= LOOK_MAX);
	return n;
}

const struct pcpu_chunk_info *look_chunk(unsigned long id)
{
	size_t n = look_chunks();

	for (size_t i = 0; i < n; i++)
		if (look_at[i].id == id)
			return &look_at[i];
	host_check_failed(__FILE__, __LINE__, "there is no chunk %lu", id);
}

enum pcpu_what look_what(const void __percpu *ptr)
{
	struct pcpu_where where;

	pcpu_where(ptr, &where);
	return where.what;
}

unsigned long look_chunk_of(const void __percpu *ptr)
{
	struct pcpu_where where;

	pcpu_where(ptr, &where);
	CHECK_EQ(where.what, PCPU_AREA);
	return where.chunk;
}

struct pcpu_stats look_stats(void)
{
	struct pcpu_stats stats;

	pcpu_stats_get(&stats);
	return stats;
}

void __percpu *must_alloc(size_t size, size_t align)
{
	void __percpu *ptr = host_alloc(size, align);

	if (ptr == NULL)
		host_check_failed(__FILE__, __LINE__, "%zu bytes at %zu: no memory", size, align);
	return ptr;
}

void fill_chunks(void)
{
	host_faults[HOOK_RANGE].fail_all = true;
	for (size_t size = 32768; size >= 4; size /= 2)
		while (host_alloc(size, 4) != NULL)
			;
	host_fail_none();
}
