// SPDX-License-Identifier: GPL-2.0-only
/*
 * Spinlocks: whoever spins when the lock comes free gets it. There is no queue on purpose: on virtual
 * CPUs the next in a queue may not be running just then, and everybody behind it would wait for it.
 *
 * Taking one turns interrupts off, so an interrupt handler never meets a lock that its own CPU holds.
 * Each CPU keeps a list of the locks it holds, for the checks and for the panic report.
 *
 * Source: Mellor-Crummey and Scott, "Algorithms for Scalable Synchronization on Shared-Memory
 * Multiprocessors", 1991, section 2.1 (test and test-and-set).
 */
#include "kernel/spinlock.h"

#include "arch/x86_64/percpu.h"
#include "arch/x86_64/smp.h"
#include "kernel/checks.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock_internal.h"
#include "kernel/time.h"

#define MAX_HELD       16
#define HANG_NS	       10000000000ul /* no progress for so long is a hang */
#define SPINS_PER_LOOK (1u << 12)    /* between two looks at the clock */

struct held_locks {
	const struct spinlock *locks[MAX_HELD]; /* in the order of taking; NULL: a gap */
	unsigned int nr;			/* entries in use */
};

static DEFINE_PER_CPU(struct held_locks, held_locks);
static unsigned int breaker; /* id + 1 of the CPU that waits for no lock any more; 0: none */

void spin_break(void)
{
	WRITE_ONCE(breaker, this_cpu_read(cpu_number) + 1);
}

bool spin_broken(void)
{
	return unlikely(READ_ONCE(breaker) == this_cpu_read(cpu_number) + 1);
}

const char *spin_refuse_take(const struct spinlock *lock, const struct spinlock **other)
{
	const struct held_locks *held = this_cpu_ptr(&held_locks);

	*other = NULL;
	if (READ_ONCE(lock->holder) == this_cpu_read(cpu_number) + 1)
		return "this CPU holds it already";
	if (held->nr == MAX_HELD)
		return "this CPU holds too many locks";
	for (unsigned int i = 0; i < held->nr; i++) {
		if (held->locks[i]->class >= lock->class) {
			*other = held->locks[i];
			return "the lock order puts it outside a lock that is held";
		}
	}
	return NULL;
}

const char *spin_refuse_release(const struct spinlock *lock)
{
	unsigned int holder = READ_ONCE(lock->holder);

	if (holder == 0)
		return "nobody holds it";
	return holder == this_cpu_read(cpu_number) + 1 ? NULL : "another CPU holds it";
}

#if CONFIG_LOCK_CHECKS
bool checks_on = true;
#endif

static __noinline void check_take(const struct spinlock *lock)
{
	const struct spinlock *other;
	const char *why = spin_refuse_take(lock, &other);

	if (likely(why == NULL) || spin_broken())
		return;
	if (other == NULL)
		panic("spin_lock of '%s' (class %d): %s", lock->name, lock->class, why);
	panic("spin_lock of '%s' (class %d): %s: '%s' (class %d)", lock->name, lock->class, why,
	      other->name, other->class);
}

static __noinline void check_release(const struct spinlock *lock)
{
	const char *why = spin_refuse_release(lock);

	if (likely(why == NULL) || spin_broken())
		return;
	if (lock->holder == 0)
		panic("spin_unlock of '%s': %s", lock->name, why);
	panic("spin_unlock of '%s': %s (holder: CPU %u)", lock->name, why, lock->holder - 1);
}

/* The lock is this CPU's now. */
static __always_inline void note_taken(struct spinlock *lock)
{
	struct held_locks *held = this_cpu_ptr(&held_locks);

	WRITE_ONCE(lock->holder, this_cpu_read(cpu_number) + 1);
	WRITE_ONCE(lock->nr_taken, lock->nr_taken + 1);
	if (held->nr < MAX_HELD)
		held->locks[held->nr] = lock;
	held->nr++;
}

/* Not the last one taken: what was taken later moves up. */
static __noinline void close_gap(struct held_locks *held, const struct spinlock *lock)
{
	unsigned int i = min(held->nr, (unsigned int)MAX_HELD);

	while (i > 0 && held->locks[i - 1] != lock)
		i--;
	for (; i > 0 && i < held->nr; i++)
		held->locks[i - 1] = held->locks[i];
	held->nr--;
}

static __always_inline void note_released(struct spinlock *lock)
{
	struct held_locks *held = this_cpu_ptr(&held_locks);
	unsigned int last = held->nr - 1;

	WRITE_ONCE(lock->holder, 0);
	if (likely(last < MAX_HELD && held->locks[last] == lock))
		held->nr = last;
	else
		close_gap(held, lock);
}

static __always_inline bool take(struct spinlock *lock)
{
	return !READ_ONCE(lock->locked) && !__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE);
}

/* Spins until the lock is taken. Each time that somebody else gets it counts as progress. */
static __noinline void wait_and_take(struct spinlock *lock)
{
	uint64_t since = time_ns();
	uint32_t last = READ_ONCE(lock->nr_taken);

	for (unsigned int spins = 1; !take(lock) && !spin_broken(); spins++) {
		x86_pause();
		if (spins % SPINS_PER_LOOK != 0)
			continue;
		if (READ_ONCE(lock->nr_taken) != last) {
			last = READ_ONCE(lock->nr_taken);
			since = time_ns();
		} else if (time_ns() - since > HANG_NS) {
			panic("spin_lock of '%s': CPU %d has held it for over %lu s", lock->name,
			      (int)READ_ONCE(lock->holder) - 1, HANG_NS / 1000000000);
		}
	}
}

irqflags_t spin_lock_irqsave(struct spinlock *lock)
{
	irqflags_t flags = irq_save();

	if (unlikely(checks_on))
		check_take(lock);
	if (unlikely(!take(lock)))
		wait_and_take(lock);
	note_taken(lock);
	return flags;
}

bool spin_trylock_irqsave(struct spinlock *lock, irqflags_t *flags)
{
	irqflags_t saved = irq_save();

	if (!take(lock)) {
		irq_restore(saved);
		return false;
	}
	note_taken(lock);
	*flags = saved;
	return true;
}

void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags)
{
	if (unlikely(checks_on))
		check_release(lock);
	note_released(lock);
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
	irq_restore(flags);
}

bool spin_is_held(const struct spinlock *lock)
{
	irqflags_t flags = irq_save();
	bool held = READ_ONCE(lock->holder) == this_cpu_read(cpu_number) + 1;

	irq_restore(flags);
	return held;
}

unsigned int spin_held_count(void)
{
	return this_cpu_read(held_locks.nr);
}

int spin_innermost_class(void)
{
	const struct held_locks *held = this_cpu_ptr(&held_locks);

	return held->nr == 0 ? -1
			     : (int)held->locks[min(held->nr, (unsigned int)MAX_HELD) - 1]->class;
}

void spin_print_held(unsigned int cpu)
{
	const struct held_locks *held = per_cpu_ptr(&held_locks, cpu);
	unsigned int nr = min(READ_ONCE(held->nr), (unsigned int)MAX_HELD);

	for (unsigned int i = 0; i < nr; i++) {
		const struct spinlock *lock = READ_ONCE(held->locks[i]);

		if (lock != NULL)
			log_line(LOG_ERROR, "panic", "cpu%u holds lock '%s' (class %d) at %pS", cpu,
				 lock->name, lock->class, (void *)lock);
	}
}
