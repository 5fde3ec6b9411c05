// SPDX-License-Identifier: GPL-2.0-only
/*
 * What everything else stands on: numbers and patterns in text, formats, symbols, log lines,
 * warnings, and the rules of spinlocks.
 */
#define LOG_AREA "test"
#include "kernel/printk.h"

#include "arch/x86_64/smp.h"
#include "kernel/ksyms.h"
#include "kernel/spinlock_internal.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"

/* ---- Text ---- */

TEST(base_parse_u64_takes_whole_numbers_only, TEST_QUICK)
{
	static const char *const bad[] = {"",	"-1", "+1", " 1", "1 ",
					  "0x", "1x", "K",  "1K", "18446744073709551616"};
	uint64_t value = 42;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse_u64(bad[i], &value))
			test_fail(t, __FILE__, __LINE__, "parse_u64 took '%s'", bad[i]);
		EXPECT_EQ(value, 42);
	}
	EXPECT(parse_u64("0", &value) && value == 0);
	EXPECT(parse_u64("0xfF", &value) && value == 255);
	EXPECT(parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
	EXPECT(parse_u64("0xffffffffffffffff", &value) && value == UINT64_MAX);
}

TEST(base_parse_size_takes_k_and_m, TEST_QUICK)
{
	uint64_t value = 42;

	EXPECT(!parse_size("K", &value) && !parse_size("1KK", &value) && !parse_size("1G", &value));
	EXPECT(!parse_size("0xffffffffffffffffM", &value));
	EXPECT_EQ(value, 42);
	EXPECT(parse_size("8", &value) && value == 8);
	EXPECT(parse_size("8K", &value) && value == 8192);
	EXPECT(parse_size("3M", &value) && value == 3 << 20);
}

TEST(base_glob_match_knows_star_and_question_mark, TEST_QUICK)
{
	EXPECT(glob_match("*", "") && glob_match("*", "anything"));
	EXPECT(glob_match("percpu_*", "percpu_U7") && !glob_match("percpu_*", "core_percpu_U7"));
	EXPECT(glob_match("*U?_*", "percpu_U7_holes") && !glob_match("*U?_*", "percpu_U17holes"));
	EXPECT(glob_match("a*b*c", "aXbXbXc") && !glob_match("a*b*c", "aXbX"));
	EXPECT(!glob_match("", "x") && glob_match("", ""));
}

#define EXPECT_TEXT(want, ...)                                                                \
	do {                                                                                  \
		char text_[128];                                                              \
		snprintf(text_, sizeof(text_), __VA_ARGS__);                                  \
		if (strcmp(text_, want) != 0)                                                 \
			test_fail(t, __FILE__, __LINE__, "got '%s', want '%s'", text_, want); \
	} while (0)

TEST(base_printf_formats, TEST_QUICK)
{
	EXPECT_TEXT("-5 5 ff FF 0xff 000a", "%d %u %x %X %#x %04x", -5, 5, 255, 255, 255, 10);
	EXPECT_TEXT("18446744073709551615 -9223372036854775808", "%lu %ld", UINT64_MAX, INT64_MIN);
	EXPECT_TEXT("[  ab] [ab  ] [a] %", "[%4s] [%-4s] [%.1s] %%", "ab", "ab", "ab");
	EXPECT_TEXT("0xffffffffc0000000", "%p", (void *)0xffffffffc0000000);
	EXPECT_EQ(snprintf(NULL, 0, "%d", 1000), 4);
}

TEST(base_symbols_are_found_by_address_and_name, TEST_QUICK)
{
	uintptr_t addr = ksym_address("test_run_selection");
	char text[128];
	size_t offset, size;

	EXPECT_EQ(addr, (uintptr_t)test_run_selection);
	EXPECT(strcmp(ksym_name(addr + 1, &offset, &size), "test_run_selection") == 0);
	EXPECT_EQ(offset, 1);
	EXPECT(size > 1);
	EXPECT_EQ(ksym_address("no such symbol"), 0);
	EXPECT(strcmp(ksym_name(0, NULL, NULL), "?") == 0);
	EXPECT(strcmp(ksym_name(UINTPTR_MAX, NULL, NULL), "?") == 0);
	snprintf(text, sizeof(text), "%pS", (void *)(addr + 4));
	EXPECT(strncmp(text, "test_run_selection+0x4/0x", 25) == 0);
}

/* ---- Log and warnings ---- */

static void print_lines(void *arg __unused)
{
	for (unsigned int i = 0; i < 8; i++)
		log_info("line %u of cpu%u: 0123456789 abcdefghijklmnopqrstuvwxyz end", i,
			 smp_processor_id());
}

/* NMIs hit the other CPUs in the middle of their lines; each NMI prints a line of its own. */
static void send_nmis(void)
{
	unsigned int cpu;

	for (unsigned int i = 0; i < 16; i++) {
		for_each_online_cpu (cpu) {
			if (cpu != smp_processor_id())
				smp_send_nmi(cpu);
		}
		thread_yield();
	}
}

/* Whether the lines are whole is for who reads the console to check. */
TEST(base_log_lines_of_all_cpus_and_nmis_at_once, TEST_SLOW)
{
	struct thread *threads[64];
	unsigned int cpu, nr = 0;

	for_each_online_cpu (cpu) {
		if (nr < ARRAY_SIZE(threads))
			threads[nr++] = thread_create("printer", print_lines, NULL, cpu);
	}
	send_nmis();
	for (unsigned int i = 0; i < nr; i++) {
		EXPECT(threads[i] != NULL);
		if (threads[i] != NULL)
			thread_join(threads[i]);
	}
}

TEST(base_expected_warnings_are_counted_apart, TEST_QUICK)
{
	unsigned long before = warn_unexpected();
	char text[64];

	warn_expect_begin();
	warn("test", "expected warning %d", 1);
	warn_expect_begin();
	warn("test", "expected warning %d", 2);
	EXPECT_EQ(warn_expect_end(), 1);
	EXPECT_EQ(warn_expect_end(), 2);
	EXPECT_EQ(warn_unexpected(), before);
	warn_last(text, sizeof(text));
	EXPECT(strcmp(text, "expected warning 2") == 0);
}

/* ---- Spinlocks ---- */

static struct spinlock outer = SPINLOCK_INIT("test outer", LOCK_CLASS_TEST);
static struct spinlock inner = SPINLOCK_INIT("test inner", LOCK_CLASS_HEAP);
static struct spinlock inner_too = SPINLOCK_INIT("test inner too", LOCK_CLASS_HEAP);

TEST(base_spinlocks_refuse_the_wrong_order, TEST_QUICK)
{
	const struct spinlock *other;
	irqflags_t flags, flags_inner;

	flags = spin_lock_irqsave(&outer);
	EXPECT(spin_refuse_take(&inner, &other) == NULL);
	EXPECT(spin_refuse_take(&outer, &other) != NULL); /* held by this CPU */
	flags_inner = spin_lock_irqsave(&inner);
	EXPECT(spin_refuse_take(&inner_too, &other) != NULL && other == &inner);
	EXPECT(spin_refuse_release(&outer) == NULL);
	EXPECT_EQ(spin_held_count(), 2);
	spin_unlock_irqrestore(&outer, 0); /* the outer one first: allowed */
	EXPECT(spin_refuse_take(&outer, &other) != NULL && other == &inner);
	spin_unlock_irqrestore(&inner, flags_inner);
	EXPECT(spin_refuse_take(&outer, &other) == NULL);
	EXPECT(spin_refuse_release(&outer) != NULL);
	irq_restore(flags);
	EXPECT_EQ(spin_held_count(), 0);
}

struct
try {
	const char *refused;
	bool taken, held;
};

static void try_outer(void *arg)
{
	struct try *try = arg;
	irqflags_t flags;

	try->held = spin_is_held(&outer);
	try->refused = spin_refuse_release(&outer);
	try->taken = spin_trylock_irqsave(&outer, &flags);
	if (try->taken)
		spin_unlock_irqrestore(&outer, flags);
}

/* The only place that calls another CPU with a lock held: what it calls there never waits for it.
 */
TEST(base_a_spinlock_belongs_to_the_cpu_that_took_it, TEST_QUICK)
{
	unsigned int cpu;

	preempt_disable();
	for_each_online_cpu (cpu) {
		struct try try = {0};
		irqflags_t flags;

		if (cpu == smp_processor_id())
			continue;
		flags = spin_lock_irqsave(&outer);
		smp_call(cpu, try_outer, &try);
		EXPECT(spin_is_held(&outer));
		spin_unlock_irqrestore(&outer, flags);
		EXPECT(!try.held && !try.taken && try.refused != NULL);
		smp_call(cpu, try_outer, &try);
		EXPECT(try.taken);
	}
	preempt_enable();
}

TEST(base_spinlocks_put_interrupts_back_as_they_were, TEST_QUICK)
{
	irqflags_t off, flags;

	flags = spin_lock_irqsave(&outer);
	EXPECT(!irqs_enabled());
	spin_unlock_irqrestore(&outer, flags);
	EXPECT(irqs_enabled());
	off = irq_save();
	flags = spin_lock_irqsave(&outer);
	spin_unlock_irqrestore(&outer, flags);
	EXPECT(!irqs_enabled());
	EXPECT(spin_trylock_irqsave(&outer, &flags));
	spin_unlock_irqrestore(&outer, flags);
	EXPECT(!irqs_enabled());
	irq_restore(off);
}

static void count_under_spinlock(void *arg)
{
	for (unsigned int i = 0; i < 500; i++) {
		irqflags_t flags = spin_lock_irqsave(&outer);

		(*(unsigned long *)arg)++;
		spin_unlock_irqrestore(&outer, flags);
	}
}

TEST(base_a_spinlock_lets_one_cpu_in, TEST_QUICK)
{
	struct thread *threads[64];
	unsigned long count = 0;
	unsigned int cpu, nr = 0;

	for_each_online_cpu (cpu) {
		if (nr < ARRAY_SIZE(threads))
			threads[nr++] = thread_create("counter", count_under_spinlock, &count, cpu);
	}
	for (unsigned int i = 0; i < nr; i++) {
		EXPECT(threads[i] != NULL);
		if (threads[i] != NULL)
			thread_join(threads[i]);
	}
	EXPECT_EQ(count, nr * 500ul);
}
