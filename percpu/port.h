/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The port: everything percpu/ needs from outside. A kernel that wants the allocator supplies the
 * functions below and the headers named here (list, rb-tree, bitmap, string: plain C without
 * dependencies) and calls pcpu_setup_first_chunk once. percpu/port_kernel.c is this kernel's.
 *
 * "sleep" below says whether percpu/ calls the hook where it may sleep. No hook may call back into
 * percpu/ unless it says so.
 */
#pragma once

#include <stdarg.h>

#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"
#include "kernel/bitmap.h"
#include "kernel/compiler.h"
#include "kernel/cpumask.h"
#include "kernel/errno.h"
#include "kernel/list.h"
#include "kernel/rbtree.h"
#include "kernel/string.h"

struct page; /* one physical page; percpu/ never looks inside */

/* ---- Pages: sleep. ---- */
/* A page for CPU cpu's unit, from its memory node; contents undefined. NULL when out of memory. */
struct page *port_page_alloc(unsigned int cpu);
/* Pages that port_page_alloc has given and port_page_free has not got back. Any context. For
 * checks. */
size_t port_pages_owned(void);
/* Gives it back. Nothing maps it any more and every TLB was flushed. */
void port_page_free(struct page *page);
phys_addr_t port_page_to_phys(const struct page *page); /* any context */

/* ---- Addresses and mapping: sleep. ---- */
/* size bytes of addresses for a chunk, page-aligned; 0 when there are none. */
uintptr_t port_range_alloc(size_t size);
/* Nothing is mapped in it any more, and flushed. */
void port_range_free(uintptr_t start, size_t size);
/* The same before the heap is up, for the first chunk; stays for good; panics when it can't. */
uintptr_t port_range_register_early(size_t size);
/* Maps n pages at addr, readable and writable. 0, or -ENOMEM with nothing left mapped there. */
int port_map(uintptr_t addr, struct page *const *pages, size_t n);
/* Takes n mappings away; the hardware may still use them until port_flush. */
void port_unmap(uintptr_t addr, size_t n);
/* After mapping a range: whatever this machine needs before it is used (x86: nothing). */
void port_flush_map(uintptr_t start, uintptr_t end);
/*
 * After unmapping: returns when no CPU uses an old translation of [start, end); frees empty tables.
 */
void port_flush_unmap(uintptr_t start, uintptr_t end);
/* Memory for good before the heap is up, zeroed; panics when there is none. Set-up only. */
void *port_early_alloc(size_t size);
/*
 * What the page tables say is mapped at addr: a physical address, or ~0. Any context. For checks.
 */
phys_addr_t port_lookup(uintptr_t addr);

/* ---- Heap: sleep; never called under the spinlock. ---- */
void *port_zalloc(size_t size); /* zeroed; NULL when out of memory and before the heap is up */
void port_free(void *ptr, size_t size);

/* ---- Locks. pcpu_alloc_mutex, then pcpu_lock. ---- */
void port_mutex_lock(void); /* sleeps */
void port_mutex_unlock(void);
bool port_mutex_held(void);	    /* by the caller */
irqflags_t port_lock(void);	    /* spinlock, interrupts off */
void port_unlock(irqflags_t flags); /* interrupts back as they were at port_lock */
bool port_lock_held(void);	    /* by this CPU */
bool port_may_sleep(void);	    /* whether the caller may take the mutex */

/* ---- Deferred work. ---- */
/* Makes pcpu_reclaim run soon in a sleeping context. Any context; never under the spinlock. */
void port_reclaim_schedule(void);
/* Sleeps until nothing scheduled is pending or running. */
void port_reclaim_wait(void);

/* ---- CPUs ---- */
/* Unit number of a possible CPU: a bijection from the possible CPUs to 0 … count-1. Asked during
 * set-up. */
unsigned int port_cpu_unit(unsigned int cpu);
/*
 * Told once units exist: pcpu pointers of CPU cpu are at this offset from now on. Points GS bases.
 */
void port_set_offset(unsigned int cpu, uintptr_t offset);

/* ---- Report ---- */
/* One warning line: counted, panics if so configured. caller: address of who called the public
 * function; the port adds its symbol. Any context but NMI. */
void port_warn(uintptr_t caller, const char *fmt, ...) __printf(2, 3);
void port_info(const char *fmt, ...) __printf(1, 2);
void port_panic(const char *fmt, ...) __printf(1, 2) __noreturn;
int port_format(char *buf, size_t size, const char *fmt, ...) __printf(3, 4); /* as snprintf */
/* Writes the name of the code at addr to buf, or its number where names are not known. Any context. */
void port_symbol(uintptr_t addr, char *buf, size_t size);
uint64_t port_time_ms(void);						      /* for rate limits */
/* Whether addr is an address that ordinary kernel pointers have (for messages only). */
bool port_is_kernel_address(uintptr_t addr);
