/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What this kernel's port offers beyond port.h: setting up at boot, and hooks for tests.
 */
#pragma once

#include "percpu/port.h"

/* Makes the first chunk as the command line says (percpu_alloc=, percpu_reserve=, percpu_unit=,
 * percpu_dyn=, percpu_engine=) and moves the boot CPU to its unit. Boot CPU, once, after
 * smp_enumerate, before page_init. Panics on wrong values. */
void percpu_init(void);
/* From now on the allocator may use the heap. After kmalloc_init and vmalloc_init. */
void port_kernel_heap_ready(void);

/* How often the allocator's locks were taken since boot; for benchmarks. Any context. */
struct port_lock_counts {
	unsigned long spinlock, mutex;
};
struct port_lock_counts port_kernel_lock_counts(void);

/* ---- For tests ---- */
/* Heap bytes, as kmalloc_bytes counts them, that the allocator's books and ranges take now. */
size_t port_kernel_heap_bytes(void);
enum port_hook { PORT_PAGE, PORT_RANGE, PORT_MAP, PORT_HEAP, PORT_NR_HOOKS };
#define PORT_FAIL_ALWAYS (~0ul)
/* The n-th call of the hook from now fails, once; 0: off; PORT_FAIL_ALWAYS: every call. */
void port_fail_nth(enum port_hook hook, unsigned long n);
bool port_fail_pending(enum port_hook hook); /* set and not fired yet */

enum port_unlock_kind { PORT_UNLOCKED_SPINLOCK, PORT_UNLOCKED_MUTEX };
/* Calls hook right after each release of one of the allocator's locks, NULL: none. The hook runs in
 * the releasing context; it sees to it itself that it does not recurse. */
void port_set_unlock_hook(void (*hook)(enum port_unlock_kind kind));
