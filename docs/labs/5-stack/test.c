/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 5: a list of free objects on each CPU that a timer interrupt uses too. */
#include "arch/x86_64/smp.h"
#include "kernel/lab.h"
#include "kernel/thread.h"
#include "tests/kernel/percpu_util.h"

#define NR_OBJECTS 4
#define TICKS	   500 /* on each CPU, in which the interrupt may come at a bad moment */

/* The lists know of `list` only. */
struct object {
	struct lab_object list;
	unsigned char held; /* somebody popped it and has not pushed it back */
};

static struct object objects[NR_OBJECTS];
static unsigned long twice;		      /* objects popped that were popped already */
static DEFINE_PER_CPU(struct object *, kept); /* by the interrupt, from one tick to the next */
static DEFINE_PER_CPU(unsigned long, ticks);

static struct object *take(void)
{
	struct object *object = (struct object *)lab_pop();

	if (object && __atomic_exchange_n(&object->held, 1, __ATOMIC_SEQ_CST) != 0)
		__atomic_add_fetch(&twice, 1, __ATOMIC_SEQ_CST);
	return object;
}

static void give(struct object *object)
{
	if (!object)
		return;
	__atomic_store_n(&object->held, 0, __ATOMIC_SEQ_CST);
	lab_push(&object->list);
}

/* Takes two and gives back the first only; the second follows a tick later. */
static void take_and_keep(void)
{
	struct object *first = take(), *before = this_cpu_read(kept);

	this_cpu_write(kept, take());
	give(first);
	give(before);
	this_cpu_inc(ticks);
}

static void take_and_give(void *arg __unused)
{
	unsigned long start;

	for (size_t i = 0; i < NR_OBJECTS; i++)
		lab_push(&objects[i].list);
	start = this_cpu_read(ticks);
	while (this_cpu_read(ticks) - start < TICKS && READ_ONCE(twice) == 0) {
		struct object *first = take(), *second = take();

		give(first);
		give(second);
	}
}

/* Counts what one CPU's list and its interrupt have left, each object once. */
static void drain(void *arg)
{
	struct test_run *t = arg;
	size_t found = 0;

	give(this_cpu_xchg(kept, NULL));
	while (found <= NR_OBJECTS && take())
		found++;
	EXPECT_EQ(found, NR_OBJECTS);
	for (size_t i = 0; i < NR_OBJECTS; i++)
		objects[i].held = 0;
}

TEST(lab5_an_interrupt_at_any_moment_neither_doubles_nor_loses, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		bool added = thread_tick_hook_add(take_and_keep);

		twice = 0;
		REQUIRE(added);
		test_on_cpu(t, cpu, take_and_give, NULL);
		thread_tick_hook_remove(take_and_keep);
		EXPECT_EQ(twice, 0);
		REQUIRE(!test_failed(t)); /* the list may go round in a circle */
		test_on_cpu(t, cpu, drain, t);
		REQUIRE(!test_failed(t));
	}
}

static void last_in_first_out(void *arg)
{
	struct test_run *t = arg;

	EXPECT(!lab_pop());
	for (size_t i = 0; i < NR_OBJECTS; i++)
		lab_push(&objects[i].list);
	for (size_t i = NR_OBJECTS; i-- > 0;)
		EXPECT(lab_pop() == &objects[i].list);
	EXPECT(!lab_pop());
}

TEST(lab5_last_in_first_out, TEST_QUICK)
{
	test_on_each_cpu(t, last_in_first_out, t);
}

static void push_one(void *arg)
{
	lab_push(arg);
}

static void pop_one(void *arg)
{
	*(struct lab_object **)arg = lab_pop();
}

TEST(lab5_each_cpu_has_a_list_of_its_own, TEST_QUICK)
{
	unsigned int cpu, n = 0;

	REQUIRE(test_nr_online() <= NR_OBJECTS);
	for_each_online_cpu (cpu)
		test_on_cpu(t, cpu, push_one, &objects[n++].list);
	n = 0;
	for_each_online_cpu (cpu) {
		struct lab_object *got = NULL;

		EXPECT(per_cpu(lab_top, cpu) == &objects[n].list);
		test_on_cpu(t, cpu, pop_one, &got);
		EXPECT(got == &objects[n++].list);
		test_on_cpu(t, cpu, pop_one, &got);
		EXPECT(!got);
	}
}

static void leave_interrupts_alone(void *arg)
{
	struct test_run *t = arg;
	irqflags_t flags;

	lab_push(&objects[0].list);
	EXPECT(irqs_enabled());
	flags = irq_save();
	EXPECT(lab_pop() == &objects[0].list);
	EXPECT(!irqs_enabled());
	lab_push(&objects[0].list);
	EXPECT(!irqs_enabled());
	irq_restore(flags);
	EXPECT(lab_pop() == &objects[0].list);
	EXPECT(irqs_enabled());
}

TEST(lab5_interrupts_come_back_as_they_were, TEST_QUICK)
{
	test_on_each_cpu(t, leave_interrupts_alone, t);
}
