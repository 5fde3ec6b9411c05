// SPDX-License-Identifier: GPL-2.0-only
/*
 * Per-CPU variables: every this_cpu_ operation against plain C on objects of each size and sign, in
 * a static variable, a member of one and dynamic memory, on every CPU; where static variables lie
 * and what they start with; and operations against interrupts.
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "tests/kernel/percpu_util.h"

#define GUARD_BYTE 0xa5

/* ---- Operations against plain C ---- */

static const uint64_t samples[] = {
	0,
	1,
	2,
	0x5a,
	0x7f,
	0x80,
	0xff,
	0x7fff,
	0x8000,
	0xffff,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x12345678,
	0x7fffffffffffffff,
	0x8000000000000000,
	0x0123456789abcdef,
	~0ull,
};

/*
 * The tests of one type T on one kind of object: `lv` is the object, an lvalue that may use ptr.
 * Sums are made in 64 unsigned bits and cut to T, which is what wrapping around means.
 */
#define CHECK_OPS(name, T, lv)                                                                     \
	static void name##_arith(struct test_run *t, struct box_##T __percpu *ptr __unused, T a,   \
				 T b)                                                              \
	{                                                                                          \
		this_cpu_write(lv, a);                                                             \
		EXPECT_EQ(this_cpu_read(lv), a);                                                   \
		this_cpu_add(lv, b);                                                               \
		EXPECT_EQ(this_cpu_read(lv), (T)((uint64_t)a + (uint64_t)b));                      \
		this_cpu_write(lv, a);                                                             \
		this_cpu_sub(lv, b);                                                               \
		EXPECT_EQ(this_cpu_read(lv), (T)((uint64_t)a - (uint64_t)b));                      \
		this_cpu_write(lv, a);                                                             \
		EXPECT_EQ(this_cpu_add_return(lv, b), (T)((uint64_t)a + (uint64_t)b));             \
		EXPECT_EQ(this_cpu_read(lv), (T)((uint64_t)a + (uint64_t)b));                      \
	}                                                                                          \
	static void name##_logic(struct test_run *t, struct box_##T __percpu *ptr __unused, T a,   \
				 T b)                                                              \
	{                                                                                          \
		this_cpu_write(lv, a);                                                             \
		this_cpu_and(lv, b);                                                               \
		EXPECT_EQ(this_cpu_read(lv), (T)(a & b));                                          \
		this_cpu_write(lv, a);                                                             \
		this_cpu_or(lv, b);                                                                \
		EXPECT_EQ(this_cpu_read(lv), (T)(a | b));                                          \
		this_cpu_write(lv, a);                                                             \
		EXPECT_EQ(this_cpu_xchg(lv, b), a);                                                \
		EXPECT_EQ(this_cpu_read(lv), b);                                                   \
	}                                                                                          \
	static void name##_cmpxchg(struct test_run *t, struct box_##T __percpu *ptr __unused, T a, \
				   T b)                                                            \
	{                                                                                          \
		this_cpu_write(lv, a);                                                             \
		EXPECT_EQ(this_cpu_cmpxchg(lv, a, b), a);                                          \
		EXPECT_EQ(this_cpu_read(lv), b);                                                   \
		EXPECT_EQ(this_cpu_cmpxchg(lv, (T)(b ^ 1), a), b);                                 \
		EXPECT_EQ(this_cpu_read(lv), b);                                                   \
	}                                                                                          \
	static void name##_unary(struct test_run *t, struct box_##T __percpu *ptr __unused, T a)   \
	{                                                                                          \
		this_cpu_write(lv, a);                                                             \
		this_cpu_inc(lv);                                                                  \
		EXPECT_EQ(this_cpu_read(lv), (T)((uint64_t)a + 1));                                \
		this_cpu_dec(lv);                                                                  \
		this_cpu_dec(lv);                                                                  \
		EXPECT_EQ(this_cpu_read(lv), (T)((uint64_t)a - 1));                                \
		EXPECT_EQ(this_cpu_inc_return(lv), a);                                             \
		EXPECT_EQ(this_cpu_read(lv), a);                                                   \
	}                                                                                          \
	static void name##_constants(struct test_run *t, struct box_##T __percpu *ptr __unused)    \
	{                                                                                          \
		this_cpu_write(lv, (T)-2);                                                         \
		this_cpu_add(lv, 3);                                                               \
		EXPECT_EQ(this_cpu_read(lv), 1);                                                   \
		this_cpu_sub(lv, 2);                                                               \
		EXPECT_EQ(this_cpu_read(lv), (T)-1);                                               \
		this_cpu_and(lv, (T)0x80000000ffffff7e);                                           \
		EXPECT_EQ(this_cpu_read(lv), (T)0x80000000ffffff7e);                               \
		this_cpu_or(lv, (T)0x7fffffff00000001);                                            \
		EXPECT_EQ(this_cpu_read(lv), (T)0xffffffffffffff7f);                               \
		EXPECT_EQ(this_cpu_add_return(lv, -1), (T)0xffffffffffffff7e);                     \
	}                                                                                          \
	static void name(struct test_run *t, struct box_##T __percpu *ptr)                         \
	{                                                                                          \
		for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {                                 \
			name##_unary(t, ptr, (T)samples[i]);                                       \
			for (size_t k = 0; k < ARRAY_SIZE(samples); k++) {                         \
				name##_arith(t, ptr, (T)samples[i], (T)samples[k]);                \
				name##_logic(t, ptr, (T)samples[i], (T)samples[k]);                \
				name##_cmpxchg(t, ptr, (T)samples[i], (T)samples[k]);              \
			}                                                                          \
		}                                                                                  \
		name##_constants(t, ptr);                                                          \
	}

/* An object between bytes that no operation may touch. */
#define DEFINE_BOX(T)                                      \
	struct box_##T {                                   \
		unsigned char before[8];                   \
		T v;                                       \
		unsigned char after[8];                    \
	};                                                 \
	static DEFINE_PER_CPU(struct box_##T, member_##T); \
	static DEFINE_PER_CPU(T, plain_##T);               \
	CHECK_OPS(ops_plain_##T, T, plain_##T)             \
	CHECK_OPS(ops_member_##T, T, member_##T.v)         \
	CHECK_OPS(ops_dynamic_##T, T, ptr->v)

DEFINE_BOX(uint8_t)
DEFINE_BOX(uint16_t)
DEFINE_BOX(uint32_t)
DEFINE_BOX(uint64_t)
DEFINE_BOX(int8_t)
DEFINE_BOX(int16_t)
DEFINE_BOX(int32_t)
DEFINE_BOX(int64_t)

/* Sets every copy of a box to the guard byte. */
static void guard(void __percpu *box, size_t size)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		memset(test_copy(box, cpu), GUARD_BYTE, size);
	barrier();
}

/* All bytes of all copies are still guard bytes, but for [from, end) of this CPU's copy. */
static void expect_guarded(struct test_run *t, void __percpu *box, size_t size, size_t from,
			   size_t end)
{
	unsigned int cpu, self = smp_processor_id();

	barrier();
	for_each_possible_cpu (cpu) {
		unsigned char *copy = test_copy(box, cpu);

		for (size_t i = 0; i < size; i++) {
			if (cpu == self && i >= from && i < end)
				continue;
			if (copy[i] != GUARD_BYTE)
				test_fail(t, __FILE__, __LINE__,
					  "CPU %u's byte %zu of %zu: got 0x%x, want 0x%x", cpu, i,
					  size, copy[i], GUARD_BYTE);
		}
	}
}

/* Runs one kind's operations and looks at the bytes around the object. */
#define RUN_GUARDED(t, T, ops, box)                                                         \
	do {                                                                                \
		guard(box, sizeof(struct box_##T));                                         \
		ops(t, box);                                                                \
		expect_guarded(t, box, sizeof(struct box_##T), offsetof(struct box_##T, v), \
			       offsetof(struct box_##T, v) + sizeof(T));                    \
	} while (0)

#define DEFINE_TYPE_TEST(T)                                                  \
	static void run_##T(void *arg)                                       \
	{                                                                    \
		struct test_run *t = arg;                                    \
		struct box_##T __percpu *ptr = alloc_percpu(struct box_##T); \
                                                                             \
		REQUIRE(ptr);                                                \
		ops_plain_##T(t, NULL);                                      \
		RUN_GUARDED(t, T, ops_member_##T, &member_##T);              \
		RUN_GUARDED(t, T, ops_dynamic_##T, ptr);                     \
		free_percpu(ptr);                                            \
	}                                                                    \
	TEST(thiscpu_operations_on_##T, TEST_QUICK)                          \
	{                                                                    \
		test_on_each_cpu(t, run_##T, t);                             \
	}

DEFINE_TYPE_TEST(uint8_t)
DEFINE_TYPE_TEST(uint16_t)
DEFINE_TYPE_TEST(uint32_t)
DEFINE_TYPE_TEST(uint64_t)
DEFINE_TYPE_TEST(int8_t)
DEFINE_TYPE_TEST(int16_t)
DEFINE_TYPE_TEST(int32_t)
DEFINE_TYPE_TEST(int64_t)

/* ---- Pointers ---- */

static DEFINE_PER_CPU(uint64_t, agreed);

/* Every way to this CPU's copy of *ptr ends at the same bytes. */
static void expect_agreement(struct test_run *t, uint64_t __percpu *ptr, const char *what)
{
	unsigned int cpu = smp_processor_id();
	volatile uint64_t *mine = per_cpu_ptr(ptr, cpu);

	if (this_cpu_ptr(ptr) != mine || raw_cpu_ptr(ptr) != mine)
		test_fail(t, __FILE__, __LINE__, "%s on CPU %u: this_cpu_ptr %p, per_cpu_ptr %p",
			  what, cpu, (void *)this_cpu_ptr(ptr), (void *)mine);
	EXPECT_EQ((uintptr_t)mine, (uintptr_t)ptr + x86_read_msr(MSR_GS_BASE));
	this_cpu_write(*ptr, 0x1111 + cpu);
	EXPECT_EQ(*mine, 0x1111 + cpu);
	*mine = 0x2222 + cpu;
	barrier();
	EXPECT_EQ(this_cpu_read(*ptr), 0x2222 + cpu);
}

static void run_agreement(void *arg)
{
	struct test_run *t = arg;
	uint64_t __percpu *ptr = alloc_percpu(uint64_t);

	REQUIRE(ptr);
	expect_agreement(t, &agreed, "a static variable");
	expect_agreement(t, &member_uint64_t.v, "a member");
	expect_agreement(t, ptr, "dynamic memory");
	EXPECT_EQ((uintptr_t)&per_cpu(agreed, smp_processor_id()),
		  (uintptr_t)this_cpu_ptr(&agreed));
	free_percpu(ptr);
}

TEST(thiscpu_pointers_agree, TEST_QUICK)
{
	test_on_each_cpu(t, run_agreement, t);
}

TEST(thiscpu_copies_are_apart, TEST_QUICK)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		per_cpu(agreed, cpu) = 0x3333 + cpu;
	barrier();
	for_each_possible_cpu (cpu)
		EXPECT_EQ(per_cpu(agreed, cpu), 0x3333 + cpu);
}

/* ---- Static variables ---- */

struct initial {
	uint32_t number;
	char text[12];
	uint16_t list[3];
};

static DEFINE_PER_CPU(uint64_t, initial_word) = 0x0123456789abcdef;
static DEFINE_PER_CPU(uint8_t, initial_byte) = 0xc3;
static DEFINE_PER_CPU(struct initial, initial_struct) = {0xfeedf00d, "eleven char", {1, 2, 3}};
static DEFINE_PER_CPU(uint32_t, initial_zero);
static DEFINE_PER_CPU_READ_MOSTLY(uint32_t, read_mostly_a) = 0x600d0001;
static DEFINE_PER_CPU_READ_MOSTLY(uint64_t, read_mostly_b) = 0x600d0002;
static DEFINE_PER_CPU_SHARED_ALIGNED(uint32_t, shared_a) = 0x5a5a0001;
static DEFINE_PER_CPU_SHARED_ALIGNED(uint64_t, shared_b) = 0x5a5a0002;
static DEFINE_PER_CPU_PAGE_ALIGNED(uint32_t, page_aligned) = 0x4096;

/* The compiler may not take the initial values for granted. */
#define COPY_OF(var, cpu) READ_ONCE(*per_cpu_ptr(&(var), cpu))

TEST(thiscpu_static_variables_start_with_their_values, TEST_QUICK)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		const struct initial *copy = per_cpu_ptr(&initial_struct, cpu);

		barrier();
		EXPECT_EQ(COPY_OF(initial_word, cpu), 0x0123456789abcdef);
		EXPECT_EQ(COPY_OF(initial_byte, cpu), 0xc3);
		EXPECT_EQ(COPY_OF(initial_zero, cpu), 0);
		EXPECT_EQ(READ_ONCE(copy->number), 0xfeedf00d);
		EXPECT(strcmp(copy->text, "eleven char") == 0);
		EXPECT_EQ(copy->list[0] + 10 * copy->list[1] + 100 * copy->list[2], 321);
		EXPECT_EQ(COPY_OF(read_mostly_a, cpu), 0x600d0001);
		EXPECT_EQ(COPY_OF(read_mostly_b, cpu), 0x600d0002);
		EXPECT_EQ(COPY_OF(shared_a, cpu), 0x5a5a0001);
		EXPECT_EQ(COPY_OF(shared_b, cpu), 0x5a5a0002);
		EXPECT_EQ(COPY_OF(page_aligned, cpu), 0x4096);
	}
}

static uintptr_t line_of(const void __percpu *ptr)
{
	return (uintptr_t)ptr / 64;
}

TEST(thiscpu_static_variables_lie_where_their_kind_says, TEST_QUICK)
{
	const void __percpu *const others[] = {&initial_word, &initial_byte,  &agreed,
					       &plain_int8_t, &read_mostly_a, &read_mostly_b,
					       &page_aligned, &this_cpu_off,  &cpu_number};
	uintptr_t low = min(line_of(&read_mostly_a), line_of(&read_mostly_b));
	uintptr_t high = max(line_of(&read_mostly_a), line_of(&read_mostly_b));
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		EXPECT_EQ((uintptr_t)per_cpu_ptr(&shared_a, cpu) % 64, 0);
		EXPECT_EQ((uintptr_t)per_cpu_ptr(&shared_b, cpu) % 64, 0);
		EXPECT_EQ((uintptr_t)per_cpu_ptr(&page_aligned, cpu) % PAGE_SIZE, 0);
	}
	EXPECT(line_of(&shared_a) != line_of(&shared_b));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT(line_of(others[i]) != line_of(&shared_a));
		EXPECT(line_of(others[i]) != line_of(&shared_b));
		if (others[i] != &page_aligned)
			EXPECT((uintptr_t)others[i] / PAGE_SIZE !=
			       (uintptr_t)&page_aligned / PAGE_SIZE);
	}
	low = min(low, min(line_of(&this_cpu_off), line_of(&cpu_number)));
	high = max(high, max(line_of(&this_cpu_off), line_of(&cpu_number)));
	EXPECT(line_of(&initial_word) < low || line_of(&initial_word) > high);
	EXPECT(line_of(&plain_int8_t) < low || line_of(&plain_int8_t) > high);
}

/* ---- Interrupts in the middle of a loop ---- */

#define ENOUGH_INTERRUPTS 3
#define PATIENCE_US	  10000000 /* many CPUs on few real ones */

static DEFINE_PER_CPU(uint64_t, irq_inc);	 /* inc */
static DEFINE_PER_CPU(uint32_t, irq_add_return); /* add_return */
static DEFINE_PER_CPU(uint16_t, irq_cmpxchg);	 /* a loop of cmpxchg */
static DEFINE_PER_CPU(uint8_t, irq_add);	 /* add, sub */
static DEFINE_PER_CPU(uint64_t, irq_count);	 /* how often the interrupt came */

static void count_once(void)
{
	uint16_t seen;

	this_cpu_inc(irq_inc);
	this_cpu_add_return(irq_add_return, 1);
	do {
		seen = this_cpu_read(irq_cmpxchg);
	} while (this_cpu_cmpxchg(irq_cmpxchg, seen, (uint16_t)(seen + 1)) != seen);
	this_cpu_add(irq_add, 2);
	this_cpu_sub(irq_add, 1);
}

static void count_in_interrupt(void)
{
	count_once();
	this_cpu_inc(irq_count);
}

static void count_in_call(void *arg __unused)
{
	count_in_interrupt();
}

static void run_counting(void *arg)
{
	struct test_run *t = arg;
	uint64_t start = time_us(), loops = 0, want;
	irqflags_t flags;

	while (this_cpu_read(irq_count) < ENOUGH_INTERRUPTS && time_us() - start < PATIENCE_US) {
		for (unsigned int i = 0; i < 1000; i++, loops++)
			count_once();
	}
	flags = irq_save();
	want = loops + this_cpu_read(irq_count);
	EXPECT(this_cpu_read(irq_count) >= ENOUGH_INTERRUPTS);
	EXPECT_EQ(this_cpu_read(irq_inc), want);
	EXPECT_EQ(this_cpu_read(irq_add_return), (uint32_t)want);
	EXPECT_EQ(this_cpu_read(irq_cmpxchg), (uint16_t)want);
	EXPECT_EQ(this_cpu_read(irq_add), (uint8_t)want);
	irq_restore(flags);
}

static void reset_counters(void)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		per_cpu(irq_inc, cpu) = 0;
		per_cpu(irq_add_return, cpu) = 0;
		per_cpu(irq_cmpxchg, cpu) = 0;
		per_cpu(irq_add, cpu) = 0;
		per_cpu(irq_count, cpu) = 0;
	}
	barrier();
}

TEST(thiscpu_timer_interrupts_lose_no_increment, TEST_QUICK)
{
	static struct thread *threads[NR_CPUS];
	unsigned int cpu;

	reset_counters();
	REQUIRE(thread_tick_hook_add(count_in_interrupt));
	for_each_online_cpu (cpu) {
		if (test_takes(cpu))
			threads[cpu] = thread_create("counting", run_counting, t, cpu);
	}
	for_each_online_cpu (cpu) {
		EXPECT(threads[cpu] || !test_takes(cpu));
		if (threads[cpu])
			thread_join(threads[cpu]);
	}
	thread_tick_hook_remove(count_in_interrupt);
}

TEST(thiscpu_calls_from_other_cpus_lose_no_increment, TEST_QUICK)
{
	unsigned int target = test_other_cpu();
	struct thread *thread;

	reset_counters();
	thread = thread_create("counting", run_counting, t, target);
	REQUIRE(thread);
	for (unsigned int i = 0; i < ENOUGH_INTERRUPTS; i++) {
		time_delay_us(200);
		smp_call(target, count_in_call, NULL);
	}
	thread_join(thread);
}
