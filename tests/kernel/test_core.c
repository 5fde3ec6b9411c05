// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads, preemption, waiting and deferred work, on all CPUs that are online. Nothing here depends
 * on how fast the machine is; what would wait for ever is found by the test watchdog.
 */
#include "kernel/mutex.h"
#include "kernel/sched.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "kernel/workqueue.h"

#include "arch/x86_64/irq.h"
#include "arch/x86_64/smp.h"
#include "mm/vmalloc.h"

#define MANY_THREADS 64

/* Starts fn(arg) on every online CPU that test_takes, `each` times but no more than MANY_THREADS in all, or one on
 * each, and waits for all. Returns how many there were. */
static unsigned int run_everywhere(struct test_run *t, void (*fn)(void *), void *arg,
				   unsigned int each)
{
	static struct thread *threads[NR_CPUS];
	unsigned int limit = max(cpumask_weight(&cpu_online_mask), (unsigned int)MANY_THREADS);
	unsigned int cpu, nr = 0;

	for_each_online_cpu (cpu) {
		for (unsigned int i = 0; test_takes(cpu) && i < each && nr < limit; i++) {
			threads[nr] = thread_create("everywhere", fn, arg, cpu);
			EXPECT(threads[nr] != NULL);
			nr += threads[nr] != NULL;
		}
	}
	for (unsigned int i = 0; i < nr; i++)
		thread_join(threads[i]);
	return nr;
}

/* ---- Threads ---- */

static void note_cpu(void *arg)
{
	bitmap_set_atomic(((struct cpumask *)arg)->bits, smp_processor_id());
}

TEST(core_a_pinned_thread_runs_on_its_cpu, TEST_QUICK)
{
	static struct cpumask ran;
	unsigned int cpu;

	ran = (struct cpumask){0};
	EXPECT(run_everywhere(t, note_cpu, &ran, 1) > 0);
	for_each_online_cpu (cpu)
		EXPECT_EQ(bitmap_test(ran.bits, cpu), test_takes(cpu));
}

TEST(core_no_thread_starts_on_an_offline_cpu, TEST_QUICK)
{
	EXPECT(thread_create("nowhere", note_cpu, NULL, nr_cpu_ids) == NULL);
	EXPECT(thread_create("nowhere", note_cpu, NULL, NR_CPUS + 1) == NULL);
}

struct wanderer {
	struct test_run *t;
	unsigned int moves;
};

static void wander(void *arg)
{
	struct wanderer *me = arg;
	struct test_run *t = me->t;
	unsigned int cpu;

	for (int round = 0; round < 20; round++) {
		for_each_online_cpu (cpu) {
			thread_pin(cpu);
			EXPECT_EQ(smp_processor_id(), cpu);
			me->moves++;
		}
	}
}

TEST(core_a_thread_moves_to_the_cpu_it_asks_for, TEST_QUICK)
{
	struct wanderer me = {.t = t};
	struct thread *thread = thread_create("wanderer", wander, &me, THREAD_ANY_CPU);

	REQUIRE(thread != NULL);
	thread_join(thread);
	EXPECT_EQ(me.moves, 20 * cpumask_weight(&cpu_online_mask));
}

static void set_flag(void *arg)
{
	__atomic_store_n((bool *)arg, true, __ATOMIC_SEQ_CST);
}

static void spin_until_set(void *arg)
{
	while (!__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
		x86_pause();
}

TEST(core_a_spinning_thread_is_preempted, TEST_QUICK)
{
	struct thread *spinner, *setter;
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		bool flag = false;

		if (!test_takes(cpu))
			continue;
		spinner = thread_create("spinner", spin_until_set, &flag, cpu);
		REQUIRE(spinner != NULL);
		thread_sleep_ms(1); /* it spins by now; else it finds the flag set, no harm */
		setter = thread_create("setter", set_flag, &flag, cpu);
		if (setter == NULL)
			flag = true;
		EXPECT(setter != NULL);
		thread_join(spinner);
		if (setter != NULL)
			thread_join(setter);
	}
}

static void wait_us(uint64_t us)
{
	uint64_t end = time_us() + us;

	while (time_us() < end)
		x86_pause();
}

TEST(core_nobody_else_runs_while_preemption_is_off, TEST_QUICK)
{
	bool ran = false;
	struct thread *thread;

	preempt_disable();
	EXPECT(!preempt_enabled());
	preempt_enable();
	EXPECT(preempt_enabled());
	preempt_disable();
	thread = thread_create("held off", set_flag, &ran, smp_processor_id());
	wait_us(30000);
	EXPECT(!__atomic_load_n(&ran, __ATOMIC_SEQ_CST));
	preempt_enable();
	REQUIRE(thread != NULL);
	thread_join(thread);
}

static void do_nothing(void *arg __unused)
{
}

TEST(core_detached_threads_free_themselves, TEST_QUICK)
{
	for (int i = 0; i < 20; i++) {
		struct thread *thread = thread_create("detached", do_nothing, NULL, THREAD_ANY_CPU);

		REQUIRE(thread != NULL);
		thread_detach(thread);
	}
	/* The leak check sees the stacks that stay. */
}

TEST(core_thread_create_gives_all_back_when_memory_runs_out, TEST_QUICK)
{
	page_fail_nth(PAGE_VMALLOC, 1);
	EXPECT(thread_create("no stack", do_nothing, NULL, THREAD_ANY_CPU) == NULL);
	page_fail_nth(PAGE_VMALLOC, 0);
	page_fail_nth(PAGE_VMALLOC, KERNEL_STACK_SIZE / PAGE_SIZE);
	EXPECT(thread_create("half a stack", do_nothing, NULL, THREAD_ANY_CPU) == NULL);
	page_fail_nth(PAGE_VMALLOC, 0);
}

static void __undefined_on_purpose read_byte(void *arg)
{
	(void)*(volatile char *)arg;
}

static void probe_own_guards(void *arg)
{
	struct test_run *t = arg;
	uintptr_t addr = 0;
	struct vm_range range;

	REQUIRE(vm_range_find((uintptr_t)&range, &range));
	EXPECT_EQ(range.size, KERNEL_STACK_SIZE);
	EXPECT(trap_probe(read_byte, (void *)range.start, &addr));
	EXPECT(!trap_probe(read_byte, (void *)(range.start - 1), &addr));
	EXPECT_EQ(addr, range.start - 1);
	EXPECT(!trap_probe(read_byte, (void *)(range.start + range.size), &addr));
}

TEST(core_unmapped_pages_stand_on_both_sides_of_a_stack, TEST_QUICK)
{
	run_everywhere(t, probe_own_guards, t, 1);
}

/* ---- Sleep and time ---- */

TEST(core_sleep_lasts_as_long_as_asked, TEST_QUICK)
{
	uint64_t start = time_ns();

	thread_sleep_ms(20);
	EXPECT(time_ns() - start >= 20000000);
}

static void sleep_by_number(void *arg)
{
	unsigned int *order = arg;

	thread_sleep_ms(1 + smp_processor_id() % 7);
	__atomic_add_fetch(order, 1, __ATOMIC_SEQ_CST);
}

TEST(core_many_sleepers_all_wake, TEST_QUICK)
{
	unsigned int woken = 0, nr = run_everywhere(t, sleep_by_number, &woken, 4);

	EXPECT_EQ(woken, nr);
}

static unsigned long ticks_seen;

static void count_tick(void)
{
	__atomic_add_fetch(&ticks_seen, 1, __ATOMIC_SEQ_CST);
}

TEST(core_tick_hooks_run_until_they_are_removed, TEST_QUICK)
{
	unsigned long after;

	ticks_seen = 0;
	REQUIRE(thread_tick_hook_add(count_tick));
	while (__atomic_load_n(&ticks_seen, __ATOMIC_SEQ_CST) < 3)
		thread_sleep_ms(1);
	thread_tick_hook_remove(count_tick);
	thread_sleep_ms(20); /* a call that had begun elsewhere ends */
	after = __atomic_load_n(&ticks_seen, __ATOMIC_SEQ_CST);
	thread_sleep_ms(50);
	EXPECT_EQ(__atomic_load_n(&ticks_seen, __ATOMIC_SEQ_CST), after);
}

/* ---- May this context sleep? ---- */

static void ask_may_sleep(void *arg)
{
	*(bool *)arg = may_sleep();
}

TEST(core_may_sleep_tells_the_contexts_apart, TEST_QUICK)
{
	static struct spinlock lock = SPINLOCK_INIT("test outer", LOCK_CLASS_TEST);
	bool answer = true;
	irqflags_t flags;

	EXPECT(may_sleep());
	flags = irq_save();
	EXPECT(!may_sleep());
	irq_restore(flags);
	preempt_disable();
	EXPECT(!may_sleep());
	preempt_enable();
	flags = spin_lock_irqsave(&lock);
	EXPECT(!may_sleep());
	EXPECT_EQ(spin_held_count(), 1);
	spin_unlock_irqrestore(&lock, flags);
	EXPECT(may_sleep());
	smp_call_all(ask_may_sleep, &answer);
	EXPECT(!answer);
}

/* ---- Mutexes ---- */

struct counter {
	struct mutex mutex;
	unsigned long value; /* raised without any atomic operation */
	unsigned int inside;
	bool overlap;
};

static void count_under_mutex(void *arg)
{
	struct counter *counter = arg;

	for (unsigned int i = 0; i < 100; i++) {
		unsigned long seen;

		mutex_lock(&counter->mutex);
		if (__atomic_fetch_add(&counter->inside, 1, __ATOMIC_SEQ_CST) != 0)
			counter->overlap = true;
		seen = READ_ONCE(counter->value);
		if (i % 16 == 0)
			thread_yield(); /* the owner loses the CPU and keeps the mutex */
		WRITE_ONCE(counter->value, seen + 1);
		__atomic_sub_fetch(&counter->inside, 1, __ATOMIC_SEQ_CST);
		mutex_unlock(&counter->mutex);
	}
}

TEST(core_a_mutex_lets_one_thread_in, TEST_QUICK)
{
	static struct counter counter = {.mutex = MUTEX_INIT(counter.mutex, "test counter")};
	unsigned int nr;

	counter.value = 0;
	nr = run_everywhere(t, count_under_mutex, &counter, 2);
	EXPECT_EQ(counter.value, nr * 100ul);
	EXPECT(!counter.overlap);
	EXPECT(!mutex_is_held(&counter.mutex));
}

static void try_mutex(void *arg)
{
	struct counter *counter = arg;

	if (!mutex_trylock(&counter->mutex))
		return;
	counter->overlap = true;
	mutex_unlock(&counter->mutex);
}

TEST(core_trylock_fails_on_a_mutex_of_another_thread, TEST_QUICK)
{
	static struct counter counter = {.mutex = MUTEX_INIT(counter.mutex, "test trylock")};

	counter.overlap = false;
	mutex_lock(&counter.mutex);
	EXPECT(mutex_is_held(&counter.mutex));
	run_everywhere(t, try_mutex, &counter, 1);
	EXPECT(!counter.overlap);
	mutex_unlock(&counter.mutex);
	run_everywhere(t, try_mutex, &counter, 1);
	EXPECT(counter.overlap);
}

/* ---- Wait queues ---- */

#define ROUNDS 50

struct ball {
	struct wait_queue queue;
	unsigned int turn; /* player 0 hits it at even numbers, player 1 at odd ones */
};

static void play(struct ball *ball, unsigned int player)
{
	for (unsigned int turn = player; turn < 2 * ROUNDS; turn += 2) {
		wait_event(&ball->queue, READ_ONCE(ball->turn) == turn);
		WRITE_ONCE(ball->turn, turn + 1);
		wake_all(&ball->queue);
	}
}

static void play_second(void *arg)
{
	play(arg, 1);
}

TEST(core_no_wake_up_is_lost_between_two_cpus, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct ball ball = {.turn = 0};
		struct thread *thread;

		if (!test_takes(cpu))
			continue;
		wait_queue_init(&ball.queue);
		thread = thread_create("second player", play_second, &ball, cpu);
		REQUIRE(thread != NULL);
		play(&ball, 0);
		thread_join(thread);
		EXPECT_EQ(ball.turn, 2 * ROUNDS);
	}
}

TEST(core_a_wait_ends_at_its_time_limit, TEST_QUICK)
{
	uint64_t start = time_ns();
	struct wait_entry entry;
	struct wait_queue queue;

	wait_queue_init(&queue);
	wait_prepare(&queue, &entry);
	EXPECT(!wait_sleep(&entry, 10));
	wait_finish(&queue, &entry);
	EXPECT(time_ns() - start >= 10000000);
	wait_prepare(&queue, &entry);
	wake_one(&queue); /* before the sleep: it ends at once */
	EXPECT(wait_sleep(&entry, 0));
	wait_finish(&queue, &entry);
}

struct crowd {
	struct wait_queue queue;
	unsigned int waiting, passed;
	bool open;
};

static void wait_for_open(void *arg)
{
	struct crowd *crowd = arg;

	__atomic_add_fetch(&crowd->waiting, 1, __ATOMIC_SEQ_CST);
	wait_event(&crowd->queue, READ_ONCE(crowd->open));
	__atomic_add_fetch(&crowd->passed, 1, __ATOMIC_SEQ_CST);
}

static void open_for_all(void *arg)
{
	struct crowd *crowd = arg;

	WRITE_ONCE(crowd->open, true);
	wake_all(&crowd->queue);
}

TEST(core_wake_all_from_an_interrupt_wakes_all, TEST_QUICK)
{
	struct crowd crowd = {.open = false};
	struct thread *threads[16];

	wait_queue_init(&crowd.queue);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = thread_create("crowd", wait_for_open, &crowd, THREAD_ANY_CPU);
	while (__atomic_load_n(&crowd.waiting, __ATOMIC_SEQ_CST) < ARRAY_SIZE(threads))
		thread_sleep_ms(1);
	EXPECT_EQ(crowd.passed, 0);
	smp_call_all(open_for_all, &crowd);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		thread_join(threads[i]);
	EXPECT_EQ(crowd.passed, ARRAY_SIZE(threads));
}

/* ---- Deferred work ---- */

static struct task {
	struct work work;
	unsigned int runs;
	bool again; /* queue it once more from inside */
} task;

static void task_run(struct work *work)
{
	struct task *mine = container_of(work, struct task, work);

	__atomic_add_fetch(&mine->runs, 1, __ATOMIC_SEQ_CST);
	if (mine->again) {
		mine->again = false;
		work_queue(work);
		work_queue(work); /* queued already: counts once */
	}
	thread_sleep_ms(2);
}

TEST(core_work_queued_while_it_runs_runs_once_more, TEST_QUICK)
{
	task = (struct task){.work = WORK_INIT(task.work, task_run), .again = true};
	work_queue(&task.work);
	work_flush(&task.work);
	EXPECT_EQ(task.runs, 2);
	work_queue(&task.work);
	work_flush(&task.work);
	EXPECT_EQ(task.runs, 3);
}

static void queue_task(void *arg __unused)
{
	work_queue(&task.work);
}

TEST(core_work_may_be_queued_in_interrupts, TEST_QUICK)
{
	task = (struct task){.work = WORK_INIT(task.work, task_run)};
	smp_call_all(queue_task, NULL);
	work_flush(&task.work);
	EXPECT(task.runs >= 1);
	EXPECT(task.runs <= cpumask_weight(&cpu_online_mask));
}
