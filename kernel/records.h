/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel remembers of the allocator's operations: who allocated each live area, and when;
 * the last operations, for a panic; and, between `trace on` and `trace off`, all of them, as a trace
 * that can be replayed.
 */
#pragma once

#include "kernel/trace.h"
#include "percpu/inspect.h"

#define RECORDS_MAX_AREAS 16384 /* live areas remembered; those beyond are counted */
#define RECORDS_MAX_SITES 256	/* call sites told apart */
#define RECORDS_LAST	  16	/* operations kept for a panic */
#define RECORDS_TRACE	  65536 /* operations in a recorded trace */

/* A live area as its caller knows it: with percpu_debug, without the zones around it. */
struct area_record {
	uintptr_t ptr;	  /* the per-CPU pointer */
	uintptr_t caller; /* an address in whoever allocated it */
	uint64_t ns;	  /* time_ns of the allocation */
	uint32_t size, align;
	uint16_t cpu; /* that asked */
	bool reserved;
};

/* All live areas of one call site. */
struct site_record {
	uintptr_t caller;
	unsigned long areas, bytes;
};

struct records_total {
	unsigned long areas, bytes, sites; /* remembered, live */
	unsigned long forgotten;	   /* allocations since boot that found no room here */
};

/* Begins to watch the allocator. Without memory for it: says so, and nothing is remembered but the
 * last operations. Once, after vmalloc_init. */
void records_init(void);
/*
 * Stops watching, or goes on; returns whether it watched. What is allocated in between is unknown
 * here, and what was known must not be freed in between: for benchmarks, which count each
 * instruction. Context: no operation of the allocator runs.
 */
bool records_watch(bool on);
/* The live area that holds ptr; false if none is remembered. Any context but NMI. */
bool records_find(uintptr_t ptr, struct area_record *out);
/* Live bytes by call site, most bytes first; up to RECORDS_MAX_SITES in out, the number returned. The
 * sites beyond are only in *total. Thread context. */
size_t records_sites(struct site_record *out, struct records_total *total);
/* How many areas a CPU has allocated and freed since boot. Any context. */
void records_of_cpu(unsigned int cpu, unsigned long *allocs, unsigned long *frees);
/* Prints the last operations, oldest first, as log lines. Takes no lock: for a panic. */
void records_print_last(void);

/* ---- A trace of what happens (record_trace.c) ---- */

struct record_trace_status {
	bool on;
	size_t events;
	unsigned long dropped; /* for want of room */
	unsigned long unknown; /* frees of areas that are older than the trace */
};

/* Forgets the trace recorded before and records anew. 0, or -ENOMEM with nothing changed. Sleeps. */
int record_trace_start(void);
/* Stops; what was recorded stays until the next start. Any context but NMI. */
void record_trace_stop(void);
/* Stops, and gives the memory back. Sleeps. */
void record_trace_drop(void);
/* How far it is. Any context but NMI. */
void record_trace_get(struct record_trace_status *out);
/* Event n as a line of a trace, without its end. False when there are not so many. */
bool record_trace_line(size_t n, char *buf, size_t size);

/* For records.c, under its lock: notes an allocation, returns the ID that its free is to be noted
 * with, 0 if it was not; and the free of an area with that ID. */
uint64_t record_trace_alloc(const struct pcpu_event *event);
void record_trace_free(uint64_t id, const struct pcpu_event *event);
