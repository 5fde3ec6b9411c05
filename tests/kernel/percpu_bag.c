/* SPDX-License-Identifier: GPL-2.0-only */
/* Bags of areas, and what must be the same before and after a failed request. */
#define LOG_AREA "test"
#include "tests/kernel/percpu_bag.h"

#include "kernel/printk.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/port_kernel.h"

bool bag_init(struct bag *bag, size_t room)
{
	bag->ptrs = vmalloc(room * sizeof(*bag->ptrs), "test bag");
	bag->count = 0;
	bag->room = room;
	return bag->ptrs != NULL;
}

bool bag_add(struct bag *bag, size_t size, size_t align)
{
	void __percpu *ptr = bag->count < bag->room ? __alloc_percpu(size, align) : NULL;

	if (!ptr)
		return false;
	bag->ptrs[bag->count++] = ptr;
	return true;
}

void bag_empty(struct bag *bag)
{
	while (bag->count > 0)
		free_percpu(bag->ptrs[--bag->count]);
	vfree(bag->ptrs);
	pcpu_sync();
}

void bag_fill(struct bag *bag, size_t size, size_t least)
{
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	for (; size >= least; size /= 2) {
		while (bag_add(bag, size, min(size, (size_t)8)))
			;
	}
	port_fail_nth(PORT_RANGE, 0);
	pcpu_sync();
}

size_t count_chunks(void)
{
	return pcpu_inspect_chunks(NULL, 0);
}

bool state_is_sound(void)
{
	struct pcpu_check_result result;

	if (pcpu_check(&result))
		return true;
	log_warn("checker: %s", result.error);
	return false;
}

struct footprint footprint_take(void)
{
	struct pcpu_stats s;

	pcpu_sync();
	pcpu_stats_get(&s);
	return (struct footprint){count_chunks(), s.meta_bytes,	     s.live_areas,
				  s.live_bytes,	  s.populated_pages, page_count(PAGE_PERCPU)};
}

void expect_unchanged(struct test_run *t, const struct footprint *before)
{
	struct footprint after = footprint_take();

	/* A chunk made for the request may stay as the one free chunk. */
	if (after.chunks == before->chunks)
		EXPECT_EQ(after.meta, before->meta);
	EXPECT(after.chunks <= before->chunks + 1);
	EXPECT_EQ(after.areas, before->areas);
	EXPECT_EQ(after.bytes, before->bytes);
	EXPECT_EQ(after.pages, before->pages);
	EXPECT_EQ(after.owned, before->owned);
	EXPECT(state_is_sound());
}
