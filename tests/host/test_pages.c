/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host tests/host/host_look.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Known defects of this design, second part: pages, their zeroing and their way back; the invariant
 * checker itself; requests before everything is up.
 */
#include "percpu/percpu_internal.h"
#include "tests/host/host_look.h"

static const struct host_config two_cpus = {.nr_cpus = 2};
static const struct host_config two_cpus_page = {.nr_cpus = 2, .style = HOST_PAGE};
static const unsigned int holes[] = {0, 2, 5};

/* ---- Pages ---- */

static void dirty_then_look(void)
{
	static const size_t sizes[] = {1, 7, 64, 4096, 4097, 20000, 65536};

	for (unsigned int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			void __percpu *ptr = must_alloc(sizes[i], 1);

			check_filled(ptr, sizes[i], 0, "a fresh area");
			pattern_fill(ptr, sizes[i], round);
			host_free(ptr);
			if (round == 1)
				host_run_reclaim();
		}
	}
}

HOST_TEST(U23_fresh_areas_are_zero_on_every_cpu_embed)
{
	host_boot(&two_cpus);
	dirty_then_look();
}

HOST_TEST(U23_fresh_areas_are_zero_on_every_cpu_page)
{
	host_boot(&(struct host_config){
		.cpus = holes, .nr_cpus = 3, .style = HOST_PAGE, .reserved = 4000});
	dirty_then_look();
}

static void read_byte(const void *arg)
{
	fprintf(stderr, "read %d", *(const volatile char *)arg);
	fflush(stderr);
	_Exit(77);
}

/* Pages go back only after an unmap and a flush, and are out of reach then. */
HOST_TEST(O4_U16_pages_go_back_after_unmap_and_flush)
{
	char __percpu *big[3];
	unsigned long flushes = host_flush_unmaps;
	const char *address;

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(big); i++)
		big[i] = must_alloc(65536, 4096);
	address = per_cpu_ptr(big[1], 1);
	host_expect_death(read_byte, address, 77, "read 0", "");
	for (size_t i = 0; i < ARRAY_SIZE(big); i++)
		host_free(big[i]);
	CHECK(host_run_reclaim());
	CHECK(host_flush_unmaps >= flushes + 2);
	CHECK_EQ(host_ledger().stale, 0);
	CHECK_EQ(host_ledger().pages, 2 * 16); /* one chunk is kept */
	CHECK_EQ(port_lookup((uintptr_t)address) == ~(phys_addr_t)0 ||
			 port_lookup((uintptr_t)per_cpu_ptr(big[0], 1)) == ~(phys_addr_t)0,
		 true);
	check_invariants("reclaimed");
}

/* Destroyed chunks give all their memory back: page, mapping, range and heap ledger. */
HOST_TEST(U17_destroy_gives_everything_back)
{
	struct host_ledger after[4];

	host_boot(&two_cpus_page);
	for (size_t round = 0; round < ARRAY_SIZE(after); round++) {
		void __percpu *ptrs[40];

		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			ptrs[i] = must_alloc(20000, 8);
		for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
			host_free(ptrs[i]);
		CHECK(host_run_reclaim());
		CHECK_EQ(look_chunks(), 2);
		after[round] = host_ledger();
		CHECK_EQ(after[round].heap_bytes, look_stats().meta_bytes);
		check_invariants("a round of destroyed chunks");
	}
	for (size_t round = 2; round < ARRAY_SIZE(after); round++)
		CHECK(host_ledger_equal(&after[1], &after[round]));
}

HOST_TEST(O10_the_first_chunk_is_never_reclaimed)
{
	void __percpu *ptrs[30];

	host_boot(&two_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		ptrs[i] = must_alloc(16000, 8);
	for (size_t i = 0; i < ARRAY_SIZE(ptrs); i++)
		host_free(ptrs[i]);
	CHECK(host_run_reclaim());
	CHECK(look_chunk(0)->first && look_chunk(0)->immutable);
	pcpu_reclaim();
	pcpu_reclaim();
	CHECK_EQ(look_chunks(), 2);
	CHECK(look_chunk(0)->first);
	CHECK_EQ(this_cpu_read(this_cpu_off), __per_cpu_offset[0]);
}

/* U18: what holds in general holds with no new chunk to fall back on. */
HOST_TEST(U18_with_chunk_making_forbidden)
{
	void __percpu *ptrs[200] = {0};
	uint64_t random = 18;
	size_t refused = 0;

	host_boot(&two_cpus_page);
	host_faults[HOOK_RANGE].fail_all = true;
	for (unsigned int i = 0; i < 4000; i++) {
		size_t k = host_random(&random) % ARRAY_SIZE(ptrs);

		if (ptrs[k] != NULL) {
			host_free(ptrs[k]);
			ptrs[k] = NULL;
		} else {
			ptrs[k] = host_alloc(1 + host_random(&random) % 1200,
					     1u << host_random(&random) % 10);
			refused += ptrs[k] == NULL;
		}
		check_invariants("one chunk only");
	}
	CHECK(refused > 0);
	for (size_t k = 0; k < ARRAY_SIZE(ptrs); k++)
		host_free(ptrs[k]);
	pcpu_settle();
	look_chunks();
	CHECK_EQ(look_at[0].nr_entries, 2);
	CHECK_EQ(look_at[0].free_size, look_at[0].span - host_static_size());
}

/* ---- The checker itself ---- */

static void must_see(const char *what)
{
	struct pcpu_check_result result;

	CHECK(!pcpu_check(&result));
	CHECK_TEXT(result.error, what);
}

HOST_TEST(O20_the_checker_sees_a_page_missing_on_one_cpu)
{
	struct pcpu_chunk *chunk;
	struct page **slot, *page;

	host_boot(&two_cpus_page);
	must_alloc(30000, 8);
	check_invariants("before");
	chunk = pcpu_first_chunk;
	for (unsigned int unit = 0; unit < 2; unit++) {
		slot = &chunk->memory->pages[unit * pcpu_unit_pages + 3];
		page = *slot;
		*slot = NULL;
		must_see("page 3");
		*slot = page;
		check_invariants("mended");
	}
}

HOST_TEST(U21_the_checker_recomputes_the_counters)
{
	size_t *const levels[] = {
		&pcpu_counters.live_areas,	&pcpu_counters.live_bytes,
		&pcpu_counters.populated_pages, &pcpu_counters.pages_owned,
		&pcpu_counters.allocs,		&pcpu_counters.frees,
		&pcpu_counters.chunks_made,	&pcpu_counters.chunks_freed,
	};

	host_boot(&two_cpus_page);
	host_watch_counters(false);
	must_alloc(30000, 8);
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		++*levels[i];
		must_see("");
		--*levels[i];
		check_invariants("mended");
	}
	pcpu_first_chunk->space.hint = 3;
	must_see("hint");
}

/* ---- Order of things at boot ---- */

HOST_TEST(U24_requests_before_first_chunk_and_before_the_heap)
{
	struct host_config config = {.nr_cpus = 2, .no_heap = true};
	struct pcpu_result result;

	host_power_on(&config);
	CHECK_EQ(this_cpu_read(this_cpu_off), 0); /* the load image itself */
	CHECK(host_alloc(8, 8) == NULL);
	CHECK_EQ(host_warnings, 1);
	CHECK(pcpu_try_alloc(8, 8, false, &result) == NULL);
	CHECK_TEXT(result.text, "first chunk");
	host_first_chunk(&config);
	if (host_has(HOST_AREAMAP))
		CHECK(host_alloc(8, 8) == NULL); /* its map of two entries cannot grow yet */
	CHECK(pcpu_try_alloc(65536, 8, false, &result) == NULL);
	CHECK_TEXT(result.text, "out of memory");
	CHECK_EQ(host_warnings, 1);
	check_invariants("no heap");
	host_heap_up();
	must_alloc(8, 8);
	check_invariants("the heap is there");
}

/* U25, the host's part: NULL reaches no memory, on any CPU, in either style. */
static unsigned int null_reaches_nothing(const void *arg)
{
	unsigned int cpu;

	host_boot(arg);
	for_each_possible_cpu (cpu) {
		CHECK_EQ(port_lookup(__per_cpu_offset[cpu]), ~(phys_addr_t)0);
		CHECK_EQ(port_lookup(__per_cpu_offset[cpu] + 4095), ~(phys_addr_t)0);
	}
	return 0;
}

HOST_TEST(U25_null_reaches_no_memory)
{
	host_in_fork(null_reaches_nothing, &two_cpus);
	host_in_fork(null_reaches_nothing, &two_cpus_page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(U23_fresh_areas_are_zero_on_every_cpu_embed),
		cmocka_unit_test(U23_fresh_areas_are_zero_on_every_cpu_page),
		cmocka_unit_test(O4_U16_pages_go_back_after_unmap_and_flush),
		cmocka_unit_test(U17_destroy_gives_everything_back),
		cmocka_unit_test(O10_the_first_chunk_is_never_reclaimed),
		cmocka_unit_test(U18_with_chunk_making_forbidden),
		cmocka_unit_test(O20_the_checker_sees_a_page_missing_on_one_cpu),
		cmocka_unit_test(U21_the_checker_recomputes_the_counters),
		cmocka_unit_test(U24_requests_before_first_chunk_and_before_the_heap),
		cmocka_unit_test(U25_null_reaches_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
