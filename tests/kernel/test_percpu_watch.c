/* SPDX-License-Identifier: GPL-2.0-only */
/* Trap O4: another CPU reads in a chunk while it is taken apart. */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "mm/page.h"
#include "tests/kernel/percpu_bag.h"

/* What the reader of O4 looks at. */
struct watch {
	volatile uint8_t *byte;
	uint8_t seen;
	bool stop;
	unsigned long reads, strange;
};

static void read_byte(void *arg)
{
	struct watch *watch = arg;

	watch->seen = *watch->byte;
}

/* What the area held, what a fresh one holds, what guards leave in a freed one. */
static bool may_be_seen(uint8_t value)
{
	return value == 0x5a || value == 0 || (pcpu_guard_on && value == GUARD_FREED_BYTE);
}

static void watch_thread(void *arg)
{
	struct watch *watch = arg;
	uintptr_t addr;

	while (!READ_ONCE(watch->stop)) {
		if (trap_probe(read_byte, watch, &addr) && !may_be_seen(watch->seen))
			watch->strange++;
		WRITE_ONCE(watch->reads, watch->reads + 1);
	}
}

/* Writes all over pages that are free now. */
static void dirty_free_pages(void)
{
	struct page *pages[64];
	size_t n = 0;

	while (n < ARRAY_SIZE(pages) && (pages[n] = page_alloc(0, PAGE_TEST)) != NULL)
		memset(page_address(pages[n++]), 0xa5, PAGE_SIZE);
	while (n > 0)
		page_free(pages[--n]);
}

/* One chunk dies while another CPU reads in it. */
static void read_while_reclaimed(struct test_run *t, unsigned int cpu)
{
	struct watch watch = {0};
	struct thread *reader;
	struct bag bag;

	REQUIRE(bag_init(&bag, 1024));
	bag_fill(&bag, BIG, BIG);
	REQUIRE(bag_add(&bag, BIG, 8) && bag_add(&bag, BIG, 8));
	watch.byte = per_cpu_ptr((uint8_t __percpu *)bag.ptrs[bag.count - 1], cpu);
	memset((uint8_t *)watch.byte, 0x5a, BIG);
	reader = thread_create("O4 reader", watch_thread, &watch, cpu);
	REQUIRE(reader != NULL);
	while (READ_ONCE(watch.reads) < 100)
		thread_yield();
	bag_empty(&bag);
	dirty_free_pages();
	WRITE_ONCE(watch.stop, true);
	thread_join(reader);
	EXPECT_EQ(watch.strange, 0);
}

TEST(percpu_O4_no_cpu_reads_a_page_after_it_was_given_back, TEST_QUICK)
{
	unsigned int cpu = cpumask_next(&cpu_online_mask, smp_processor_id() + 1);

	if (cpu >= nr_cpu_ids)
		cpu = cpumask_next(&cpu_online_mask, 0);
	for (unsigned int n = test_rounds(10); n > 0 && !test_failed(t); n--)
		read_while_reclaimed(t, cpu);
}
