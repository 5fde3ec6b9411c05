// SPDX-License-Identifier: GPL-2.0-only
/*
 * The public interface with good input: sizes and alignments, zeroed memory, U9's addresses, the
 * reserved area. Bad input is in test_percpu_bad.c.
 */
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "mm/kmalloc.h"
#include "tests/kernel/percpu_util.h"

static const size_t sizes[] = {
	1,    2,    3,	  4,	 5,	7,     8,     12,    15,    16,	   17,
	31,   32,   33,	  48,	 63,	64,    65,    100,   127,   128,   192,
	255,  256,  500,  512,	 1000,	1023,  1024,  1025,  2048,  3000,  4095,
	4096, 4097, 8192, 10000, 16384, 32767, 32768, 40000, 65535, 65536,
};

/* Allocates, looks at address and contents on every CPU, and frees it dirty. */
static void check_area(struct test_run *t, size_t size, size_t align)
{
	void __percpu *ptr = __alloc_percpu(size, align);
	unsigned int cpu;
	size_t nonzero;

	REQUIRE(ptr);
	for_each_possible_cpu (cpu) {
		if (!IS_ALIGNED((uintptr_t)test_copy(ptr, cpu), align))
			test_fail(t, __FILE__, __LINE__,
				  "size %zu align %zu: CPU %u's copy is at %p", size, align, cpu,
				  (void *)test_copy(ptr, cpu));
	}
	nonzero = test_nonzero_bytes(ptr, size);
	if (nonzero != 0)
		test_fail(t, __FILE__, __LINE__, "size %zu align %zu: got %zu bytes that are not 0",
			  size, align, nonzero);
	test_fill(ptr, size, (unsigned int)size);
	EXPECT_EQ(test_wrong_bytes(ptr, size, (unsigned int)size), 0);
	free_percpu(ptr);
}

TEST(percpu_areas_are_aligned_and_zeroed_on_every_cpu, TEST_QUICK)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= 1025; i++) {
		for (size_t align = 1; align <= PAGE_SIZE; align *= 2)
			check_area(t, sizes[i], align);
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		check_area(t, sizes[i], 64);
}

TEST(percpu_large_areas_are_aligned_and_zeroed_on_every_cpu, TEST_SLOW)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (size_t align = 1; align <= PAGE_SIZE; align *= 2)
			check_area(t, sizes[i], align);
	}
}

/* Areas of odd sizes side by side, all live at once: none reaches into another. */
TEST(percpu_live_areas_do_not_overlap, TEST_QUICK)
{
	static void __percpu *areas[300];
	uint64_t random = 12345;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		size_t align = (size_t)1 << (test_random(&random) % 7);

		size = 1 + i % 97;
		areas[i] = __alloc_percpu(size, align);
		EXPECT(areas[i]);
		if (areas[i])
			test_fill(areas[i], size, (unsigned int)i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(areas); i++) {
		if (areas[i])
			EXPECT_EQ(test_wrong_bytes(areas[i], 1 + i % 97, (unsigned int)i), 0);
		free_percpu(areas[i]);
	}
}

/* alloc_percpu takes size and alignment from the type. */
struct wide {
	char bytes[24];
} __aligned(256);

TEST(percpu_alloc_percpu_knows_its_type, TEST_QUICK)
{
	struct wide __percpu *ptr = alloc_percpu(struct wide);
	struct pcpu_where where;
	unsigned int cpu;

	REQUIRE(ptr);
	pcpu_where(ptr, &where);
	EXPECT(where.area_length >= sizeof(struct wide));
	for_each_possible_cpu (cpu)
		EXPECT_EQ((uintptr_t)per_cpu_ptr(ptr, cpu) % 256, 0);
	free_percpu(ptr);
}

/* ---- Addresses ---- */

TEST(percpu_static_addresses_are_told_from_others, TEST_QUICK)
{
	void __percpu *dynamic = __alloc_percpu(64, 8);
	uint64_t on_stack = 0;
	unsigned int cpu;

	REQUIRE(dynamic);
	for_each_possible_cpu (cpu) {
		uintptr_t start = (uintptr_t)per_cpu_ptr(&cpu_number, cpu) -
				  ((uintptr_t)&cpu_number - (uintptr_t)__per_cpu_start);
		uintptr_t size = (uintptr_t)(__per_cpu_end - __per_cpu_start);

		EXPECT(is_kernel_percpu_address(start));
		EXPECT(is_kernel_percpu_address(start + size - 1));
		EXPECT(!is_kernel_percpu_address(start - 1));
		EXPECT(!is_kernel_percpu_address(start + size));
		EXPECT(!is_kernel_percpu_address((uintptr_t)test_copy(dynamic, cpu)));
	}
	EXPECT(!is_kernel_percpu_address((uintptr_t)&on_stack));
	EXPECT(!is_kernel_percpu_address((uintptr_t)&cpu_number));
	EXPECT(!is_kernel_percpu_address(0));
	free_percpu(dynamic);
}

/* One byte of one unit: what the allocator says is what the page tables say. */
static void check_phys(struct test_run *t, uintptr_t addr)
{
	phys_addr_t got = per_cpu_ptr_to_phys((void *)addr), want = paging_lookup(addr, NULL);

	if (got != want)
		test_fail(t, __FILE__, __LINE__, "0x%lx: got 0x%lx, want 0x%lx", addr, got, want);
}

static void check_chunk_phys(struct test_run *t, const struct pcpu_chunk_info *chunk)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		uintptr_t base = chunk->base + unit * pcpu_unit_size;

		check_phys(t, base);
		check_phys(t, base + pcpu_unit_size - 1);
		for (size_t n = 0; n < pcpu_unit_pages; n++)
			check_phys(t, base + n * PAGE_SIZE + 123);
	}
	/* Before and behind it there is a gap or another kind of memory, never a unit. */
	EXPECT_EQ(per_cpu_ptr_to_phys((void *)(chunk->base - 1)), PHYS_NONE);
	EXPECT_EQ(per_cpu_ptr_to_phys((void *)(chunk->base + pcpu_chunk_bytes())), PHYS_NONE);
}

TEST(percpu_U9_first_and_last_byte_of_every_unit_translate, TEST_QUICK)
{
	static struct pcpu_chunk_info chunks[64];
	static void __percpu *areas[64];
	size_t made, n;

	test_chunks_exhaust(t);
	made = test_fill_chunk(areas, ARRAY_SIZE(areas), PCPU_MIN_UNIT_SIZE / 2 - 64);
	n = min(pcpu_inspect_chunks(chunks, ARRAY_SIZE(chunks)), ARRAY_SIZE(chunks));
	EXPECT(n >= 3);
	for (size_t i = 0; i < n; i++)
		check_chunk_phys(t, &chunks[i]);
	for (size_t i = 0; i < made; i++) {
		unsigned int cpu;

		for_each_possible_cpu (cpu)
			EXPECT(per_cpu_ptr_to_phys(test_copy(areas[i], cpu)) != PHYS_NONE);
	}
	test_free_all(areas, made);
	test_chunks_release();
}

TEST(percpu_U9_addresses_of_no_chunk_do_not_translate, TEST_QUICK)
{
	uint64_t on_stack = 0;
	void *heap = kmalloc(64);

	EXPECT_EQ(per_cpu_ptr_to_phys(&on_stack), PHYS_NONE);
	EXPECT_EQ(per_cpu_ptr_to_phys(heap), PHYS_NONE);
	EXPECT_EQ(per_cpu_ptr_to_phys((void *)(uintptr_t)&cpu_number), PHYS_NONE);
	EXPECT_EQ(per_cpu_ptr_to_phys(NULL), PHYS_NONE);
	EXPECT_EQ(per_cpu_ptr_to_phys((void *)(uintptr_t)test_chunk_of), PHYS_NONE);
	kfree(heap);
}

/* ---- Listings ---- */

TEST(percpu_listings_show_maps_and_chunks, TEST_QUICK)
{
	static struct pcpu_chunk_info chunks[64];
	static int map[4096];
	size_t n = min(pcpu_inspect_chunks(chunks, ARRAY_SIZE(chunks)), ARRAY_SIZE(chunks));

	for (size_t i = 0; i < n; i++) {
		ssize_t entries = pcpu_inspect_map(chunks[i].id, map, ARRAY_SIZE(map));
		size_t free = 0, span = 0;

		EXPECT_EQ(entries, chunks[i].nr_entries);
		for (ssize_t k = 0; k < min(entries, (ssize_t)ARRAY_SIZE(map)); k++) {
			free += map[k] > 0 ? (size_t)map[k] : 0;
			span += (size_t)(map[k] > 0 ? map[k] : -map[k]);
		}
		EXPECT_EQ(span, chunks[i].span);
		EXPECT_EQ(free, chunks[i].free_size);
		EXPECT(i == 0 || chunks[i].reserved || chunks[i].slot >= chunks[i - 1].slot);
	}
	EXPECT_EQ(pcpu_inspect_map(~0ul, map, ARRAY_SIZE(map)), -ENOENT);
}

/* ---- The reserved area ---- */

/* Fills the reserved area; returns how many areas it took. */
static size_t fill_reserved(struct test_run *t, void __percpu **areas, size_t max_areas)
{
	size_t n = 0;

	while (n < max_areas) {
		void __percpu *ptr = __alloc_reserved_percpu(128, 8);

		if (!ptr)
			break;
		EXPECT_EQ(test_chunk_of(ptr), pcpu_reserved_chunk->id);
		EXPECT(test_offset_of(ptr) >= pcpu_static_size);
		EXPECT(test_offset_of(ptr) + 128 <= pcpu_reserved_chunk->space.span);
		EXPECT_EQ(test_nonzero_bytes(ptr, 128), 0);
		test_fill(ptr, 128, (unsigned int)n);
		areas[n++] = ptr;
	}
	return n;
}

TEST(percpu_reserved_requests_stay_in_the_reserved_area, TEST_QUICK)
{
	static void __percpu *areas[1024];
	size_t n;
	void __percpu *dynamic;
	struct pcpu_stats before, after;

	if (!pcpu_reserved_chunk) {
		test_skip(t, "no reserved area: percpu_reserve= was not given");
		return;
	}
	pcpu_stats_get(&before);
	n = fill_reserved(t, areas, ARRAY_SIZE(areas));
	EXPECT(n < ARRAY_SIZE(areas));
	pcpu_stats_get(&after);
	EXPECT_EQ(after.alloc_failures, before.alloc_failures + 1);
	EXPECT_EQ(after.chunks_made, before.chunks_made);
	dynamic = __alloc_percpu(128, 8);
	EXPECT(dynamic && test_chunk_of(dynamic) != pcpu_reserved_chunk->id);
	free_percpu(dynamic);
	for (size_t i = 0; i < n; i++)
		EXPECT_EQ(test_wrong_bytes(areas[i], 128, (unsigned int)i), 0);
	test_free_all(areas, n);
}

TEST(percpu_reserved_requests_without_a_reserved_area_are_ordinary, TEST_QUICK)
{
	void __percpu *ptr;

	if (pcpu_reserved_chunk) {
		test_skip(t, "there is a reserved area");
		return;
	}
	ptr = __alloc_reserved_percpu(128, 8);
	REQUIRE(ptr);
	EXPECT(test_chunk_of(ptr) != ~0ul);
	EXPECT_EQ(test_nonzero_bytes(ptr, 128), 0);
	free_percpu(ptr);
}
