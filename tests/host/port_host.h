/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's side of percpu/port.h: a small machine made of a Linux process, on which percpu/ runs
 * unchanged. It is stricter than any real machine: what a contract forbids ends the process.
 *
 *	memory     a memfd, one struct page for each of its pages; the "direct map" shows all of it
 *	mapping    real: a page is mapped at its address with mmap(MAP_FIXED), all else is
 *PROT_NONE. port_map shows a page only once port_flush_map has covered it; port_unmap leaves it
 *	           visible until port_flush_unmap (the TLB), and a page may not be freed before that
 *	CPUs       threads; the GS base is really set, so that this_cpu_ accessors run for real
 *	interrupts a flag of each thread
 *	locks      pthread mutexes that know their holder; order and forbidden calls are checked
 *	failures   the n-th call of any hook that can fail fails, when a test says so
 *
 * Layout of the addresses, lowest first; all PROT_NONE but for what is mapped:
 *	hole (a NULL per-CPU pointer ends here) | direct map | hole | range area
 */
#pragma once

#include "percpu/inspect.h"

#define HOST_EXIT_PANIC 99 /* exit status of port_panic */
#define HOST_EXIT_PORT	98 /* exit status when the port's contract was broken */

enum host_style {
	HOST_EMBED, /* units in the direct map: an immutable first chunk */
	HOST_PAGE,  /* single pages, mapped into the range area */
};

struct host_config {
	const unsigned int *cpus;  /* possible CPUs, rising; NULL: 0 … nr_cpus - 1 */
	const unsigned int *units; /* unit number of each of these; NULL: 0, 1, 2 … */
	unsigned int nr_cpus;	   /* 0: one */
	enum host_style style;
	size_t static_size; /* bytes of the static area if more than the linker's; the rest is 0 */
	size_t reserved;    /* bytes of the reserved area */
	ssize_t unit_size;  /* as for pcpu_setup_first_chunk; 0 means -1 */
	ssize_t dyn_size;   /* the same; -2 means 0 */
	size_t extra_pages; /* HOST_PAGE: pages of a unit past the static area */
	size_t nr_pages;    /* physical memory; 0: 16 MiB */
	bool ranges_fall;   /* each new address range lies below the ones before */
	bool no_heap;	    /* the heap stays down until host_heap_up */
};

/*

 * Starts the machine and makes the first chunk. Once a process. The caller becomes the first CPU.

 */
void host_boot(const struct host_config *config);
/* The same without the first chunk. */
void host_power_on(const struct host_config *config);
void host_first_chunk(const struct host_config *config);
void host_heap_up(void);
size_t host_static_size(void);

/* ---- CPUs ---- */
/* From now on the calling thread is that CPU: GS base, current CPU. */
void host_become_cpu(unsigned int cpu);
unsigned int host_cpu(void);
/* Interrupts of the calling thread: sets them, returns what they were. */
bool host_irqs(bool on);
/* Runs fn(arg) as CPU cpu's interrupt handler on the calling thread. */
void host_interrupt(unsigned int cpu, void (*fn)(void *arg), void *arg);
/* Runs fn(arg) on the calling thread as if it were another thread, on CPU cpu, with interrupts on.
 * It must not need the mutex while the caller holds it. */
void host_run_as(unsigned int cpu, void (*fn)(void *arg), void *arg);
/* Threads that wait for the mutex now. */
unsigned int host_mutex_waiters(void);

/* ---- Failures ---- */
enum host_hook { HOOK_PAGE, HOOK_RANGE, HOOK_MAP, HOOK_HEAP, NR_HOOKS };

struct host_fault {
	unsigned long calls;   /* so far */
	unsigned long fail_at; /* the call that fails; 0: none */
	bool fail_all;	       /* every call fails */
	bool hit;	       /* a call has failed */
};
extern struct host_fault host_faults[NR_HOOKS];
/* port_pages_alloc fails for this CPU; NR_CPUS: for none. */
extern unsigned int host_fail_page_cpu;
/* Called at the start of each of these hooks; not from within itself. NULL: none. */
extern void (*host_in_hook)(enum host_hook hook);
/* Makes the n-th call from now fail (0: none), and forgets earlier hits. */
void host_fail(enum host_hook hook, unsigned long n);
/* No failures from now on. */
void host_fail_none(void);

/* ---- Locks ---- */
struct host_lock_stats {
	unsigned long locks, mutex_locks; /* acquisitions */
};
extern struct host_lock_stats host_lock_stats;
/* Whether the process ends when a counter of pcpu_stats has changed while nobody held the spinlock;
 * host_boot turns it on. Off, a test may change them by hand. */
void host_watch_counters(bool on);
/* Called after every release of the spinlock, with no lock taken by the caller's own action; not
 * called from within itself. NULL: none. */
extern void (*host_after_unlock)(void);
/* The same for the mutex; and for each CPU that port_on_each_cpu has been on, called as that CPU. */
extern void (*host_after_mutex_unlock)(void);
extern void (*host_after_cpu_call)(void);
/* Ends the process unless the calling thread holds no lock and has its interrupts as given. */
void host_assert_clean(const char *after, bool irqs_on);

/* ---- Memory ---- */
struct host_ledger {
	size_t pages;  /* taken with port_pages_alloc and not given back */
	size_t mapped; /* pages mapped in the range area */
	size_t stale;  /* unmapped, not flushed */
	size_t ranges; /* address ranges out */
	size_t heap_blocks, heap_bytes;
};
struct host_ledger host_ledger(void);
bool host_ledger_equal(const struct host_ledger *a, const struct host_ledger *b);
extern unsigned long host_flush_maps, host_flush_unmaps; /* calls */
size_t host_pages_free(void);
/* A number that changes when another page is mapped anywhere, or one less. */
uint64_t host_mapping_sum(void);
/* In a new child process: memory of its own, with what the parent has in its; else they share it. */
void host_memory_own(void);

/* ---- Deferred work ---- */
extern bool host_reclaim_pending;
/* Runs what is pending on the calling thread; whether there was something. */
bool host_run_reclaim(void);
/* A thread that runs reclaims as they are scheduled, until host_worker_stop. */
void host_worker_start(unsigned int cpu);
void host_worker_stop(void);

/* ---- Report ---- */
extern unsigned long host_warnings;   /* lines of port_warn */
extern char host_warning[512];	      /* the last of them */
extern uintptr_t host_warning_caller; /* … and its caller */
extern char host_info[512];	      /* the last line of port_info */
extern uint64_t host_time_ms;	      /* what port_time_ms says */
extern bool host_quiet;		      /* port_warn and port_info do not print */
/* Ends the process at once: no exit handlers, no leak check, but coverage counters are kept. */
void host_leave(int status) __noreturn;
/* Called first by host_leave, which every failed check ends in; NULL: nothing. */
extern void (*host_on_leave)(int status);
/* Ends the process with HOST_EXIT_PORT: the port's contract was broken. */
void host_die(const char *fmt, ...) __printf(1, 2) __noreturn;

/* ---- Public calls, with the state of locks and interrupts looked at afterwards ---- */
void __percpu *host_alloc(size_t size, size_t align);
void __percpu *host_alloc_reserved(size_t size, size_t align);
void host_free(void __percpu *ptr);
