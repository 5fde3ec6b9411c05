/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The port: everything percpu/ needs from outside, and the only file that brings it in. A kernel
 * that wants the allocator takes percpu/ without port_kernel.* and setup_kernel.c (which are this
 * kernel's port), the headers named below and kernel/rbtree.c, writes the functions below and the
 * half that is the machine's (percpu/port_arch.h), and calls pcpu_setup_first_chunk once.
 * docs/porting.md does it.
 *
 * Besides functions it defines cpu_possible_mask and nr_cpu_ids (kernel/cpumask.h), both final
 * before set-up, and memcpy, memmove, memset and strcmp (kernel/string.h). The machine is a 64-bit
 * one with pages of PAGE_SIZE (kernel/compiler.h).
 *
 * Contexts, named at each hook:
 *
 *	set-up	inside pcpu_setup_first_chunk: the boot CPU alone, no lock held, no heap
 *	mutex	the caller holds pcpu_alloc_mutex and not pcpu_lock, interrupts are on: may sleep
 *	any	everything but NMI: interrupt handlers, under either lock, before set-up too. Must
 *		not sleep, allocate or take a lock that is ever held around a call into percpu/
 *
 * No hook may call into percpu/, but for pcpu_reclaim as port_reclaim_schedule says. One CPU at a
 * time is in a hook of context mutex; hooks of context any may run on all CPUs at once. A hook that
 * says how it fails may fail on any call, and then nothing has changed; the others cannot fail.
 */
#pragma once

#include <stdarg.h>

#include "kernel/bitmap.h"
#include "kernel/compiler.h"
#include "kernel/cpumask.h"
#include "kernel/errno.h"
#include "kernel/list.h"
#include "kernel/rbtree.h"
#include "kernel/string.h"
#include "percpu/port_arch.h"

/* ---- Pages ---- */

/*
 * One physical page. percpu/ hands pointers to it around and never looks inside: it may be a
 * descriptor, the page's address in a direct map, or a promise that port_map keeps.
 */
struct page;

/*
 * n pages for CPU cpu's unit, from its memory node if possible, into pages[0] to pages[n - 1];
 * contents undefined. They are the caller's alone until port_page_free. Returns how many there
 * were: fewer than n when out of memory, and then the rest of the array is as it was. Context: mutex.
 */
size_t port_pages_alloc(unsigned int cpu, struct page **pages, size_t n);
/*
 * Gives a page of port_pages_alloc back. It is mapped nowhere: never was, or port_unmap took it away
 * and port_flush_unmap has returned since. Context: mutex.
 */
void port_page_free(struct page *page);
/* Physical address of a page that is mapped, by port_map or by get_page's owner. Context: any. */
phys_addr_t port_page_to_phys(const struct page *page);
/* Pages given by port_pages_alloc and not got back by port_page_free. For checks. Context: any. */
size_t port_pages_owned(void);

/* ---- Addresses and mapping ---- */

/*
 * size bytes of addresses for a chunk; size a multiple of PAGE_SIZE, the start page-aligned.
 * Nothing is mapped there. 0 when there are none left. Context: mutex.
 */
uintptr_t port_range_alloc(size_t size);
/* Gives such a range back, whole. Nothing is mapped in it, and flushed. Context: mutex. */
void port_range_free(uintptr_t start, size_t size);
/*
 * As port_range_alloc, for a first chunk without base_addr, which keeps it for good. Panics when
 * there are no addresses. Context: set-up.
 */
uintptr_t port_range_register_early(size_t size);

/*
 * Makes pages[i] readable and writable at addr + i × PAGE_SIZE, for 0 ≤ i < n, n > 0: addresses of
 * one unit in a range, where nothing is mapped. Nobody uses them before port_flush_map. 0; or
 * -ENOMEM, with nothing left mapped there and nothing to flush. Context: mutex, or set-up (in page
 * tables that populate_pte has prepared; a failure then panics).
 */
int port_map(uintptr_t addr, struct page *const *pages, size_t n);
/*
 * After the port_map calls of one request: whatever the machine needs before the new mappings are
 * used on any CPU (x86: nothing). [start, end) spans them all, in one chunk, across units: pages
 * between them may be live or have no memory. Context: mutex or set-up.
 */
void port_flush_map(uintptr_t start, uintptr_t end);
/*
 * Takes away n > 0 mappings that port_map made; CPUs may still use them until port_flush_unmap.
 * Context: mutex.
 */
void port_unmap(uintptr_t addr, size_t n);
/*
 * After the port_unmap calls of one request, and before their pages or range are freed: returns
 * when no CPU uses a translation that they took away. [start, end) as for port_flush_map. May free
 * page tables that are empty now. Context: mutex.
 */
void port_flush_unmap(uintptr_t start, uintptr_t end);
/*
 * Physical address of what is mapped at addr, an address in a unit of a chunk; ~0 if nothing is.
 * For checks, which compare it with port_page_to_phys. Context: any.
 */
phys_addr_t port_lookup(uintptr_t addr);

/* ---- Memory for the allocator's books ---- */

/*
 * size > 0 bytes, zeroed, aligned for pointers. NULL when out of memory and as long as the heap is
 * not up: requests that need no memory are served all the same. Context: mutex.
 */
void *port_zalloc(size_t size);
/* Gives memory of port_zalloc back, with the size it was asked for; never NULL. Context: mutex. */
void port_free(void *ptr, size_t size);
/* As port_zalloc, before there is a heap, for good; panics when out of memory. Context: set-up. */
void *port_early_alloc(size_t size);

/* ---- Locks: pcpu_alloc_mutex, then pcpu_lock. Both work before set-up. ---- */

/* Sleeps until the mutex is free and takes it. Context: where port_may_sleep holds, not held. */
void port_mutex_lock(void);
void port_mutex_unlock(void); /* Context: mutex. */
/* Whether the caller, not somebody else, holds the mutex. Context: any thread. */
bool port_mutex_held(void);
/*
 * Turns this CPU's interrupts off, then takes the spinlock; returns what port_unlock needs to put
 * interrupts back. Context: any, not held by this CPU.
 */
irqflags_t port_lock(void);
/* Releases the spinlock, then puts interrupts back as they were at port_lock. Same CPU. */
void port_unlock(irqflags_t flags);
bool port_lock_held(void); /* whether this CPU holds the spinlock. Context: any. */
/*
 * Whether the caller may take the mutex: a thread that holds no spinlock and has interrupts on;
 * before the scheduler runs, the boot CPU. A request is refused if not. Context: any.
 */
bool port_may_sleep(void);

/* ---- Deferred work ---- */

/*
 * Sees to it that pcpu_reclaim is called once, soon, from a context where port_may_sleep holds,
 * with no lock held: a worker thread, an idle loop; never from here. Calls before it has begun may
 * fall together, one after that makes it run again. Context: any, but never under pcpu_lock: it may
 * take locks of its own.
 */
void port_reclaim_schedule(void);
/*
 * Sleeps until nothing scheduled is pending or running. Context: where port_may_sleep holds, no
 * lock held.
 */
void port_reclaim_wait(void);

/* ---- CPUs ---- */

/*
 * Unit number of a possible CPU: a bijection from the possible CPUs to 0 … their number - 1.
 * percpu/ asks at set-up only.
 */
unsigned int port_cpu_unit(unsigned int cpu);
/*
 * Called once for each possible CPU at the end of set-up, when its unit is mapped and holds the
 * static data: from now on CPU cpu's copy of a per-CPU pointer's target is at ptr + offset. Stores
 * it in __per_cpu_offset[cpu] and wherever the accessors look. GS bases (or what the machine has
 * instead) may follow here or right after pcpu_setup_first_chunk. Context: set-up.
 */
void port_set_offset(unsigned int cpu, uintptr_t offset);

/*
 * Runs fn once for each possible CPU, there or in its place, with interrupts off; returns when all are
 * done. Each CPU is then past whatever it did between a port_irq_save and its port_irq_restore when
 * this was called, and sees what was written before the call. A CPU that never ran may be left out.
 * Context: mutex.
 */
void port_on_each_cpu(void (*fn)(void *arg), void *arg);

/* ---- Report. Formats are printf's: %s %u %p %x, l and z forms of d, u and x, +, 0 and width. ---- */

/*
 * One warning line. caller: an address in whoever called the public function; a port with symbols
 * adds its name. Counts; panics if so configured. Context: any, not under pcpu_lock.
 */
void port_warn(uintptr_t caller, const char *fmt, ...) __printf(2, 3);
/* One line for the log. Context: any, not under pcpu_lock. */
void port_info(const char *fmt, ...) __printf(1, 2);
/* Says what is wrong and stops the machine. Context: any. */
void port_panic(const char *fmt, ...) __printf(1, 2) __noreturn;
/* As snprintf. Context: any. */
int port_format(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/*
 * Writes the name of the code at addr to buf, as port_format would, or its number where names are
 * not known. Context: any.
 */
void port_symbol(uintptr_t addr, char *buf, size_t size);
/* Milliseconds since some start, never falling; limits the rate of warnings. Context: any. */
uint64_t port_time_ms(void);
/*
 * Whether ordinary pointers of this kernel have values like addr; only chooses the words of a
 * message about a pointer that is no area. Context: any.
 */
bool port_is_kernel_address(uintptr_t addr);
