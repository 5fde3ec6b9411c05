/* SPDX-License-Identifier: GPL-2.0-only */
/* Bags of areas, and what must be the same before and after a failed request. */
#define LOG_AREA "test"
#include "tests/kernel/percpu_bag.h"

#include "arch/x86_64/paging.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"
#include "percpu/front.h"
#include "percpu/port_kernel.h"
#include "tests/kernel/percpu_util.h"

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

/* Chunks, how many of them are wholly free, and the heap bytes of their maps, or bitmaps. */
struct tally {
	size_t chunks, free_chunks, map_bytes;
};

static void tally_chunk(struct pcpu_chunk *chunk, void *arg)
{
	struct tally *tally = arg;

	tally->chunks++;
	tally->free_chunks += chunk->space.free_size == pcpu_unit_size;
	if (chunk->space.map_room > 2) /* else it is static memory of the first chunk */
		tally->map_bytes += chunk->space.map_room * sizeof(int);
	if (!chunk->space.books_are_static)
		tally->map_bytes += chunk->space.book_bytes;
}

static size_t count_ranges(void)
{
	struct vm_range range = {0};
	size_t count = 0;

	while (vm_range_next(range.start, &range))
		count++;
	return count;
}

/* Page tables that the mappings of the vmalloc area need. */
struct table_tally {
	uintptr_t last_span[2]; /* that a mapping was in: of a table, of one a level above */
	size_t needed;
};

static bool tally_tables(uintptr_t va, size_t size __unused, unsigned int prot __unused, void *arg)
{
	static const unsigned int shifts[] = {21, 30};
	struct table_tally *tally = arg;

	for (size_t i = 0; i < ARRAY_SIZE(shifts) && va >= VMALLOC_START; i++) {
		tally->needed += va >> shifts[i] != tally->last_span[i];
		tally->last_span[i] = va >> shifts[i];
	}
	return va < VMALLOC_END;
}

/* Where the one chunk lies that is kept decides how many it needs, so those that are not needed are counted. */
static size_t count_spare_tables(void)
{
	struct table_tally tally = {0};

	paging_walk(tally_tables, &tally);
	return page_count(PAGE_PGTABLE) - tally.needed;
}

struct footprint footprint_take(void)
{
	struct tally tally = {0};
	struct footprint now;
	struct pcpu_stats s;
	irqflags_t flags;

	thread_reap_wait();
	pcpu_sync();
	pcpu_stats_get(&s);
	flags = port_lock();
	pcpu_for_each_chunk(tally_chunk, &tally);
	port_unlock(flags);
	now = (struct footprint){.chunks = tally.chunks,
				 .free_chunks = tally.free_chunks,
				 .areas = s.live_areas,
				 .bytes = s.live_bytes,
				 .pages = s.populated_pages,
				 .books = s.meta_bytes - tally.map_bytes,
				 .other_heap = kmalloc_bytes() - port_kernel_heap_bytes(),
				 .ranges = count_ranges(),
				 .spare_tables = count_spare_tables(),
				 .digest = test_used_books_digest()};
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++)
		now.owned[owner] = page_count(owner);
	return now;
}

/* Heap bytes of a chunk's books but its map; with what the front has for it. */
static size_t chunk_books(void)
{
	return sizeof(struct pcpu_chunk) + sizeof(struct pcpu_pages) +
	       pcpu_nr_units * pcpu_unit_pages * sizeof(struct page *) +
	       BITS_TO_LONGS(pcpu_unit_pages) * sizeof(unsigned long) + pcpu_front_book_bytes();
}

/* Pages by owner. The heap's own follow its bytes, page tables are counted in another way, and what is free is
 * the rest. */
static void expect_same_pages(struct test_run *t, const struct footprint *before,
			      const struct footprint *after)
{
	for (unsigned int owner = 0; owner < PAGE_NR_OWNERS; owner++) {
		if (owner == PAGE_HEAP || owner == PAGE_FREE || owner == PAGE_PGTABLE ||
		    after->owned[owner] == before->owned[owner])
			continue;
		test_fail(t, __FILE__, __LINE__, "pages of %s: got %zu, want %zu",
			  page_owner_name(owner), after->owned[owner], before->owned[owner]);
	}
}

void expect_unchanged(struct test_run *t, const struct footprint *before)
{
	struct footprint after = footprint_take();
	size_t extra = after.chunks - before->chunks;

	EXPECT(extra == 0 || (extra == 1 && before->free_chunks == 0));
	EXPECT_EQ(after.free_chunks, before->free_chunks + extra);
	EXPECT_EQ(after.areas, before->areas);
	EXPECT_EQ(after.bytes, before->bytes);
	EXPECT_EQ(after.pages, before->pages);
	EXPECT_EQ(after.books, before->books + extra * chunk_books());
	EXPECT_EQ(after.other_heap, before->other_heap);
	EXPECT_EQ(after.ranges, before->ranges + extra);
	EXPECT_EQ(after.spare_tables, before->spare_tables);
	EXPECT_EQ(after.digest, before->digest);
	expect_same_pages(t, before, &after);
	EXPECT(state_is_sound());
	EXPECT(vmalloc_check());
}
