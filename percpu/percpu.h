/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Per-CPU memory: the public interface.
 *
 *	DEFINE_PER_CPU(unsigned long, hits);		one copy of `hits` on every possible CPU
 *	this_cpu_inc(hits);				one instruction, safe against interrupts
 *	for_each_possible_cpu(cpu) sum += per_cpu(hits, cpu);
 *
 *	struct stat __percpu *s = alloc_percpu(struct stat);	the same at run time, zeroed
 *	this_cpu_add(s->bytes, n);
 *	free_percpu(s);
 *
 * Static definitions and this_cpu_ accessors are the machine's: percpu/port_arch.h brings them in.
 */
#pragma once

#include "percpu/port.h"

/* No allocation is larger than this, and no unit smaller. */
#define PCPU_MIN_UNIT_SIZE ((size_t)64 << 10)

/*
 * Memory for one object on every possible CPU, zeroed on all of them. size in bytes, 1 to
 * PCPU_MIN_UNIT_SIZE; align a power of two up to PAGE_SIZE. NULL when out of memory, for a bad size
 * or alignment and in a context that must not sleep (the last two warn once a call). May sleep;
 * must not hold a spinlock, must have interrupts on once the scheduler runs.
 */
void __percpu *__alloc_percpu(size_t size, size_t align);
/* The same from the reserved area of the first chunk; as __alloc_percpu if there is none. */
void __percpu *__alloc_reserved_percpu(size_t size, size_t align);

#define alloc_percpu(type) \
	((__typeof__(type) __percpu *)__alloc_percpu(sizeof(type), _Alignof(type)))

/*
 * Gives an area back. NULL does nothing. Anything that is not the start of a live area is refused:
 * one warning that says what it is, nothing changes. Any context but NMI, interrupts on or off.
 */
void free_percpu(void __percpu *ptr);

/*
 * n areas of one size at once, as by n calls of __alloc_percpu but quicker: all of them or none. Stores
 * their pointers in out[0 … n-1] and returns n. Returns 0 if one of them fails, for its reasons and with its
 * one warning: those before it are free again, and all of out is NULL. Memory that the chunks were given for
 * them stays there, as after any free.
 */
size_t alloc_percpu_many(size_t size, size_t align, size_t n, void __percpu **out);
/* As n calls of free_percpu, in that order: a NULL does nothing, each that is no live area is refused, with
 * its own warning, and the others are freed. Any context but NMI, interrupts on or off. */
void free_percpu_many(void __percpu *const *ptrs, size_t n);

/* Whether addr is some CPU's copy of a static per-CPU variable. Any context. */
bool is_kernel_percpu_address(uintptr_t addr);
/* The physical address behind per_cpu_ptr(…): addr must lie in a populated page of a unit of some
 * CPU; ~0 if it does not. Any context but NMI. */
phys_addr_t per_cpu_ptr_to_phys(const void *addr);

/* ---- Set-up, by the port, once, on the boot CPU ---- */

typedef struct page *(*pcpu_get_page_fn)(unsigned int cpu, size_t n);
typedef void (*pcpu_populate_pte_fn)(uintptr_t addr);

/*
 * Makes the first chunk. get_page(cpu, n) returns the n-th page of a CPU's unit, NULL at the end;
 * the pages of the static area hold its initial data already. Sizes in bytes; unit_size and
 * dyn_size may be -1 for automatic. base_addr NULL: the pages are mapped into an early address
 * range, page tables made by populate_pte, called for each page address; else the caller has mapped
 * all units there and the chunk is immutable. Returns the unit size. Panics on wrong arguments,
 * naming argument and layout.
 */
size_t pcpu_setup_first_chunk(pcpu_get_page_fn get_page, size_t static_size, size_t reserved_size,
			      ssize_t unit_size, ssize_t dyn_size, void *base_addr,
			      pcpu_populate_pte_fn populate_pte);

/* Chooses the engine that keeps the books of all chunks, by name; "areamap" if never called. Before
 * pcpu_setup_first_chunk. False for an unknown name (nothing changed). */
bool pcpu_engine_select(const char *name);

/* Lets each CPU keep freed areas of the common sizes ready, so that the usual allocation and free take no
 * lock. Before pcpu_setup_first_chunk; false (nothing changed) later, or with pcpu_debug_enable. */
bool pcpu_front_enable(void);

/*
 * Turns on guards around all areas from now on: zones against overruns, poison and a quarantine against
 * use after free, on every CPU's copy, with who allocated and who freed in every message. Costs time and
 * memory. Before the first allocation; false (nothing changed) later.
 */
bool pcpu_debug_enable(void);

/* Address of unit 0 of the first chunk. */
extern char *pcpu_base_addr;
/* Bytes from one unit to the next; 0 before set-up. */
extern size_t pcpu_unit_size;
/* How many units a chunk has: one per possible CPU. */
extern unsigned int pcpu_nr_units;

/* The reclaim worker's body: destroys surplus free chunks. The port calls it from its deferred
 * work, after port_reclaim_schedule. May sleep; takes the allocation mutex. */
void pcpu_reclaim(void);
