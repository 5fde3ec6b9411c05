/* SPDX-License-Identifier: GPL-2.0-only */
/* See stub_kernel.h. */
#include "tests/host/stub_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "kernel/checks.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"

uintptr_t host_memory_base;
#if CONFIG_LOCK_CHECKS
bool checks_on = true;
#endif

static jmp_buf panic_jump;
static bool panic_armed;
static char panic_text[512];

static struct spinlock *held[16];
static unsigned int nr_held;

/* ---- Panics ---- */

jmp_buf *host_panic_arm(void)
{
	panic_armed = true;
	panic_text[0] = '\0';
	return &panic_jump;
}

void host_panic_missing(const char *expr, const char *file, int line)
{
	panic_armed = false;
	print_error("%s did not panic\n", expr);
	_fail(file, line);
}

void host_panic_check(const char *text, const char *file, int line)
{
	panic_armed = false;
	while (nr_held > 0)
		held[--nr_held]->holder = 0;
	if (strstr(panic_text, text) != NULL)
		return;
	print_error("panic \"%s\", want \"%s\"\n", panic_text, text);
	_fail(file, line);
}

void panic_at(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(panic_text, sizeof(panic_text), fmt, args);
	va_end(args);
	if (panic_armed)
		longjmp(panic_jump, 1);
	print_error("panic: %s\n", panic_text);
	_fail(file, line);
	abort();
}

/* ---- Log ---- */

void log_line(enum log_level level __unused, const char *area __unused, const char *fmt __unused,
	      ...)
{
}

/* ---- Spinlocks: one thread, so a lock that is taken twice is a deadlock ---- */

irqflags_t spin_lock_irqsave(struct spinlock *lock)
{
	if (lock->holder != 0)
		panic("spinlock %s: taken twice", lock->name);
	if (nr_held > 0 && held[nr_held - 1]->class >= lock->class)
		panic("spinlock %s: taken while %s is held", lock->name, held[nr_held - 1]->name);
	lock->holder = 1;
	lock->nr_taken++;
	held[nr_held++] = lock;
	return 0;
}

void spin_unlock_irqrestore(struct spinlock *lock, irqflags_t flags __unused)
{
	if (nr_held == 0 || held[nr_held - 1] != lock)
		panic("spinlock %s: released, but not the last one taken", lock->name);
	lock->holder = 0;
	nr_held--;
}

bool spin_is_held(const struct spinlock *lock)
{
	return lock->holder != 0;
}

unsigned int spin_held_count(void)
{
	return nr_held;
}

unsigned int host_locks_held(void)
{
	return nr_held;
}

/* ---- Memory, numbers ---- */

void host_memory_init(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	host_memory_base = (uintptr_t)memory;
}

/* xorshift64* of Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
unsigned long host_random(unsigned long n)
{
	static uint64_t state = 88172645463325252u;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 2685821657736338717u >> 11) % n;
}
