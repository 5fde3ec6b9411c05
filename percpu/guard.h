/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guards around areas, for finding out who writes where they must not (percpu_debug). Private to percpu/
 * and its tests.
 *
 *	front zone | the caller's bytes | back zone		on every CPU's copy
 *
 * Zones are filled with one byte value and looked at when the area is freed. Then all of it, zones
 * included, is filled with another and the area waits in quarantine, out of use, until enough others were
 * freed after it; then that filling is looked at, and only then the area is really free. Each area has a
 * record of who allocated and who freed it; messages name both.
 */
#pragma once

#include "percpu/percpu_internal.h"

#define GUARD_ZONE	       16    /* bytes of a zone, at least */
#define GUARD_QUARANTINE_BYTES 65536 /* of areas that wait, at most */

struct pcpu_guard {
	struct rb_node node;	/* (L) in the tree by the caller's pointer */
	struct list_node fifo;	/* (L) in the quarantine, or among the dead */
	void __percpu *ptr;	/* (C) what the caller got */
	size_t size;		/* (C) what the caller asked for */
	size_t front;		/* (C) bytes of the front zone */
	size_t total;		/* (C) bytes of the whole area */
	uintptr_t alloc_caller; /* (C) who allocated it */
	uintptr_t free_caller;	/* (L) who freed it; 0: it is live */
};

/* What was found wrong, for a warning after the lock is dropped. */
struct pcpu_finding {
	char text[PCPU_TEXT_SIZE]; /* "": nothing */
};

/* Whether guards are on; constant once areas exist. */
extern bool pcpu_guard_on;

/* A record for a request, and how many bytes to allocate for it. NULL when out of memory. (A) held. */
struct pcpu_guard *pcpu_guard_create(size_t size, size_t align, uintptr_t caller);
/* The request failed. (A) held. */
void pcpu_guard_discard(struct pcpu_guard *guard);
/* The area was allocated and zeroed at `area`: fills the zones. Returns the caller's pointer. */
void __percpu *pcpu_guard_attach(struct pcpu_guard *guard, void __percpu *area);

/*
 * Takes a freed area into quarantine. Returns false if ptr is not a live one: text says whose double
 * free it is, or whose inside, or is empty for a pointer into no area. *finding: damage to the zones.
 * (L) held.
 */
bool pcpu_guard_free(void __percpu *ptr, uintptr_t caller, char *text, size_t text_size,
		     struct pcpu_finding *finding);
/*
 * The area that has waited longest, if the quarantine holds more than `limit` bytes: takes it out, looks
 * at its filling and returns its address for the real free; NULL if there is none. (L) held.
 */
void __percpu *pcpu_guard_release(size_t limit, struct pcpu_finding *finding);
/* Gives back the records of areas that are really free. (A) held. */
void pcpu_guard_bury(void);
/* Looks at every zone and filling; "" or what is wrong, in buf. (L) held. */
void pcpu_guard_check(char *buf, size_t size);

/* ---- The quarantine's two ends (quarantine.c) ---- */
/*
 * Frees with guards on: pcpu_guard_free, with result->where as pcpu_free_locked sets it. False: refused
 * and counted. *finding: damage to the zones, to be told once the lock is dropped. (L) held.
 */
bool pcpu_quarantine_add(void __percpu *ptr, uintptr_t caller, struct pcpu_result *result,
			 struct pcpu_finding *finding);
/*
 * Really frees what has waited longest, until at most `limit` bytes wait; damage found is told with
 * caller. Returns whether anything was freed. Any context but NMI, (L) not held.
 */
bool pcpu_quarantine_shrink(size_t limit, uintptr_t caller);
/* Counts and warns of damage, if there is any (report.c). (L) not held. */
void pcpu_report_damage(const struct pcpu_finding *finding, uintptr_t caller);
