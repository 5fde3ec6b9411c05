// SPDX-License-Identifier: GPL-2.0-only
/*
 * U25: a NULL per-CPU pointer, and one a little above it, faults through every accessor, of every
 * size, on every CPU, at the address that is PERCPU_LINK_BASE below the CPU's unit.
 */
#include "arch/x86_64/irq.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/smp.h"
#include "tests/kernel/percpu_util.h"

static DEFINE_PER_CPU(uint8_t, some_byte);

#define AT(T, arg) (*(T __percpu *)(uintptr_t)(arg))

/* One function an operation and size, for trap_probe; arg is the per-CPU pointer's number. */
#define DEFINE_NULL_OPS(T)                                                \
	static void __undefined_on_purpose null_read_##T(void *arg)       \
	{                                                                 \
		this_cpu_read(AT(T, arg));                                \
	}                                                                 \
	static void __undefined_on_purpose null_write_##T(void *arg)      \
	{                                                                 \
		this_cpu_write(AT(T, arg), 1);                            \
	}                                                                 \
	static void __undefined_on_purpose null_add_##T(void *arg)        \
	{                                                                 \
		this_cpu_add(AT(T, arg), 1);                              \
	}                                                                 \
	static void __undefined_on_purpose null_sub_##T(void *arg)        \
	{                                                                 \
		this_cpu_sub(AT(T, arg), 1);                              \
	}                                                                 \
	static void __undefined_on_purpose null_inc_##T(void *arg)        \
	{                                                                 \
		this_cpu_inc(AT(T, arg));                                 \
	}                                                                 \
	static void __undefined_on_purpose null_dec_##T(void *arg)        \
	{                                                                 \
		this_cpu_dec(AT(T, arg));                                 \
	}                                                                 \
	static void __undefined_on_purpose null_and_##T(void *arg)        \
	{                                                                 \
		this_cpu_and(AT(T, arg), 1);                              \
	}                                                                 \
	static void __undefined_on_purpose null_or_##T(void *arg)         \
	{                                                                 \
		this_cpu_or(AT(T, arg), 1);                               \
	}                                                                 \
	static void __undefined_on_purpose null_xchg_##T(void *arg)       \
	{                                                                 \
		this_cpu_xchg(AT(T, arg), 1);                             \
	}                                                                 \
	static void __undefined_on_purpose null_cmpxchg_##T(void *arg)    \
	{                                                                 \
		this_cpu_cmpxchg(AT(T, arg), 0, 1);                       \
	}                                                                 \
	static void __undefined_on_purpose null_add_return_##T(void *arg) \
	{                                                                 \
		this_cpu_add_return(AT(T, arg), 1);                       \
	}                                                                 \
	static void __undefined_on_purpose null_inc_return_##T(void *arg) \
	{                                                                 \
		this_cpu_inc_return(AT(T, arg));                          \
	}

DEFINE_NULL_OPS(uint8_t)
DEFINE_NULL_OPS(uint16_t)
DEFINE_NULL_OPS(uint32_t)
DEFINE_NULL_OPS(uint64_t)

static void __undefined_on_purpose null_this_cpu_ptr(void *arg)
{
	READ_ONCE(*this_cpu_ptr((uint64_t __percpu *)(uintptr_t)arg));
}

static void __undefined_on_purpose null_raw_cpu_ptr(void *arg)
{
	WRITE_ONCE(*raw_cpu_ptr((uint64_t __percpu *)(uintptr_t)arg), 1);
}

#define NULL_OP(fn)     \
	{               \
#fn, fn \
	}
#define NULL_OPS(T)                                                                  \
	NULL_OP(null_read_##T), NULL_OP(null_write_##T), NULL_OP(null_add_##T),      \
		NULL_OP(null_sub_##T), NULL_OP(null_inc_##T), NULL_OP(null_dec_##T), \
		NULL_OP(null_and_##T), NULL_OP(null_or_##T), NULL_OP(null_xchg_##T), \
		NULL_OP(null_cmpxchg_##T), NULL_OP(null_add_return_##T),             \
		NULL_OP(null_inc_return_##T)

static const struct {
	const char *name;
	void (*fn)(void *arg);
} null_ops[] = {
	NULL_OPS(uint8_t),  NULL_OPS(uint16_t),		NULL_OPS(uint32_t),
	NULL_OPS(uint64_t), NULL_OP(null_this_cpu_ptr), NULL_OP(null_raw_cpu_ptr),
};

static const size_t null_offsets[] = {0, 1, 8, 256, 4088};

static void run_null_ops(void *arg)
{
	struct test_run *t = arg;
	unsigned int cpu = smp_processor_id();
	uintptr_t null =
		(uintptr_t)pcpu_base_addr + pcpu_unit_of[cpu] * pcpu_unit_size - PERCPU_LINK_BASE;

	for (size_t i = 0; i < ARRAY_SIZE(null_ops); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(null_offsets); k++) {
			uintptr_t addr = 0, want = null + null_offsets[k];

			if (!trap_probe(null_ops[i].fn, (void *)null_offsets[k], &addr) &&
			    addr == want)
				continue;
			test_fail(t, __FILE__, __LINE__,
				  "%s at %zu on CPU %u: got fault address 0x%lx, want 0x%lx",
				  null_ops[i].name, null_offsets[k], cpu, addr, want);
		}
	}
}

TEST(percpu_U25_every_accessor_on_null_faults_on_every_cpu, TEST_QUICK)
{
	test_on_each_cpu(t, run_null_ops, t);
}

static void __undefined_on_purpose read_through(void *arg)
{
	READ_ONCE(*(uint64_t *)arg);
}

static void __undefined_on_purpose write_through(void *arg)
{
	WRITE_ONCE(*(uint64_t *)arg, 1);
}

static void run_null_per_cpu_ptr(void *arg)
{
	struct test_run *t = arg;
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		uint64_t *null = per_cpu_ptr((uint64_t __percpu *)0, cpu);
		uintptr_t addr = 0;

		EXPECT(!trap_probe(read_through, null, &addr));
		EXPECT_EQ(addr, (uintptr_t)null);
		EXPECT(!trap_probe(write_through, null, &addr));
		EXPECT_EQ(addr, (uintptr_t)null);
	}
}

TEST(percpu_U25_per_cpu_ptr_of_null_faults_on_every_cpu, TEST_QUICK)
{
	test_on_each_cpu(t, run_null_per_cpu_ptr, t);
}

TEST(percpu_U25_no_variable_has_a_pointer_near_null, TEST_QUICK)
{
	void __percpu *ptr = __alloc_percpu(1, 1);

	EXPECT((uintptr_t)__per_cpu_start >= 4096);
	EXPECT((uintptr_t)&some_byte >= 4096);
	EXPECT((uintptr_t)&cpu_number >= 4096);
	EXPECT((uintptr_t)ptr >= 4096);
	free_percpu(ptr);
}
