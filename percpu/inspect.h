/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looking at the allocator without touching it: for the monitor, statistics, tests and the replay.
 * Everything here takes copies under the locks; nothing returned points into the allocator. May
 * sleep unless it says otherwise.
 */
#pragma once

#include "percpu/percpu.h"

/* One chunk, copied. */
struct pcpu_chunk_info {
	unsigned long id;	/* number given at creation */
	int slot;		/* -1: the reserved chunk */
	uintptr_t base;		/* address of unit 0 */
	size_t span;		/* bytes its map covers */
	size_t free_size;	/* bytes free */
	size_t hint;		/* contig_hint */
	size_t nr_entries;	/* area map entries in use */
	size_t map_room;	/* area map entries there is room for */
	size_t pages_populated; /* pages of one unit that have memory */
	size_t pages_total;	/* pages of one unit */
	bool first, reserved, immutable;
};

/* The name of the engine that keeps the books of all chunks. Any context. */
const char *pcpu_engine_name(void);

/* All chunks in the order of the monitor's `chunks`: by slot from 0 up, front to back, then the
 * reserved chunk. Fills up to max; returns how many there are. */
size_t pcpu_inspect_chunks(struct pcpu_chunk_info *out, size_t max);
/* The area map of a chunk: up to max entries into out. Returns the number of entries; -ENOENT if
 * there is no chunk of that number. */
ssize_t pcpu_inspect_map(unsigned long id, int *out, size_t max);
/* Which pages of a chunk's unit have memory: a byte each, 0 or 1, up to max into out. Returns the number
 * of pages; -ENOENT as above. Any context but NMI. */
ssize_t pcpu_inspect_pages(unsigned long id, uint8_t *out, size_t max);

/* What a per-CPU pointer is. */
enum pcpu_what {
	PCPU_AREA,	 /* the start of a live area: the only one that may be freed */
	PCPU_INSIDE,	 /* inside a live area */
	PCPU_FREE,	 /* in free bytes of a chunk */
	PCPU_STATIC,	 /* in the static area */
	PCPU_OTHER_UNIT, /* in a unit other than 0 of a chunk */
	PCPU_GAP,	 /* near chunks, in none: between two, or past the last */
	PCPU_ORDINARY,	 /* not a per-CPU pointer at all */
	PCPU_NULL,
};

struct pcpu_where {
	enum pcpu_what what;
	unsigned long chunk; /* number of the chunk, or of the nearest below for PCPU_GAP */
	bool has_chunk;	     /* whether chunk means anything */
	bool past_last;	     /* PCPU_GAP: above every chunk */
	unsigned int cpu;    /* PCPU_OTHER_UNIT: whose unit */
	size_t offset;	     /* of ptr in the chunk's unit */
	size_t area_offset;  /* AREA, INSIDE, FREE: where the map entry starts */
	size_t area_length;  /* … and its length */
	bool populated;	     /* whether the byte at ptr has memory */
};

/* Any context but NMI. */
void pcpu_where(const void __percpu *ptr, struct pcpu_where *out);
/* One line of text that says what ptr is and what it is near; for messages. */
void pcpu_where_text(const void __percpu *ptr, const struct pcpu_where *where, char *buf,
		     size_t size);

/* Room for a message with two symbols in it; longer ones are cut. */
#define PCPU_TEXT_SIZE 320

/* With percpu_debug: every byte of the zones around an area; of an area freed a while ago. */
#define GUARD_ZONE_BYTE	 0xbb
#define GUARD_FREED_BYTE 0x6b

/* How a request went. */
struct pcpu_result {
	const char *error;	   /* NULL: it succeeded; else why not, without the numbers */
	char text[PCPU_TEXT_SIZE]; /* the whole message, as the warning has it */
	bool warned;		   /* bad input: __alloc_percpu or free_percpu would have warned */
	struct pcpu_where where;   /* the area (alloc: as made; free: as it was) */
};

/* As __alloc_percpu, __alloc_reserved_percpu and free_percpu, but report instead of warning.
 * Counted in the statistics as usual. */
void __percpu *pcpu_try_alloc(size_t size, size_t align, bool reserved, struct pcpu_result *result);
void pcpu_try_free(void __percpu *ptr, struct pcpu_result *result);

/* ---- Watching every operation ---- */

enum pcpu_event_kind { PCPU_ALLOCATED, PCPU_FREED, PCPU_ALLOC_FAILED, PCPU_FREE_REFUSED };

/* One operation as its caller sees it: with percpu_debug, the area without the zones around it. */
struct pcpu_event {
	enum pcpu_event_kind kind;
	const void __percpu *ptr; /* NULL for PCPU_ALLOC_FAILED */
	size_t size, align;	  /* as asked for; 0 for frees */
	bool reserved;		  /* asked for */
	irqflags_t flags;	  /* of a free: how interrupts were */
	uintptr_t caller;	  /* an address in whoever called */
};

/*
 * From now on the observer is called with each operation, before whoever asked gets the answer; NULL:
 * nobody is. A free is told with interrupts off, perhaps under pcpu_lock, before its area can be handed
 * out again, all others without a lock; free_percpu(NULL) is none. The observer must not sleep nor call into percpu/; one
 * that is replaced may still be running on other CPUs. Any context but NMI.
 */
void pcpu_observe(void (*observer)(const struct pcpu_event *event));

/* Counters since boot and levels now, recomputable by the checker. */
struct pcpu_stats {
	unsigned long allocs, frees;		 /* that succeeded */
	unsigned long alloc_failures;		 /* out of memory */
	unsigned long bad_allocs, bad_frees;	 /* refused as bad input */
	unsigned long chunks_made, chunks_freed; /* chunks_made counts the first one(s) */
	unsigned long live_areas;		 /* now; without static areas */
	unsigned long live_bytes;		 /* now; map bytes in use, without static areas */
	unsigned long populated_pages;		 /* now; of one unit, over all chunks */
	unsigned long peak_pages;  /* most of the above since boot or pcpu_stats_reset_peak */
	unsigned long pages_owned; /* now; pages of the page allocator, over all units */
	unsigned long meta_bytes;  /* now; heap bytes asked for by the allocator */
	unsigned long map_growths;
	unsigned long reclaim_runs;
	unsigned long scans, entries_touched; /* area map scans, entries they looked at */
	unsigned long damages;		      /* writes where none may be, found by percpu_debug */
	unsigned long chunks_visited;	      /* chunks looked at by searches */
	unsigned long idle_areas,
		idle_bytes; /* now; ready on some CPU, or freed and not yet swept */
	unsigned long front_allocs,
		front_frees; /* those of allocs and frees that took no lock or few */
};
/* Any context but NMI. */
void pcpu_stats_get(struct pcpu_stats *out);
void pcpu_stats_reset_peak(void);
/* Bytes that a possible CPU keeps ready for its own next allocations. Any context. */
size_t pcpu_ready_bytes(unsigned int cpu);

/*
 * Gives back to their chunks all areas that CPUs keep ready, so that maps and numbers of chunks show what
 * callers hold. True: it woke reclaim. Sleeps; no lock held.
 */
bool pcpu_settle(void);

/* Gives ready areas back, waits until no reclaim is pending; returns the number of chunks destroyed since boot. */
unsigned long pcpu_sync(void);

struct pcpu_check_result {
	unsigned long chunks, areas; /* looked at; areas in use, without static ones */
	char error[PCPU_TEXT_SIZE];  /* "" if all invariants hold; else the first that does not */
};
/* Checks every invariant of every chunk, under both locks. */
bool pcpu_check(struct pcpu_check_result *out);
