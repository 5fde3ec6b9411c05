/* SPDX-License-Identifier: GPL-2.0-only */
/* A request on its way, between alloc.c, which serves it, and search.c, which finds room for it. */
#pragma once

#include "percpu/front.h"
#include "percpu/percpu_internal.h"

struct request {
	size_t size, align;
	bool reserved;
	bool surplus;	      /* frees meanwhile and what this made or gave back: chunks too many */
	unsigned long serial; /* tells this request from all others (A) */
	struct pcpu_chunk *chunk; /* found: the chunk; books full: whose */
	size_t book_bytes;	  /* books full: the memory that they need */
	uintptr_t caller;	  /* of the public function */
	struct pcpu_grant grant;
	unsigned int class;	   /* of the front that it is served for; 0: none */
	struct front_batch *batch; /* (A) what comes along then */
	unsigned int looks;	   /* at chunks in vain, under this hold of the lock */
	irqflags_t flags;	   /* of the search's hold of the lock */
};

/* Finds room for the request and carves its area there, growing books and making one chunk as needed; *made: a chunk
 * was. False when out of memory, with nothing carved. (A) held, (L) not; sleeps. */
bool pcpu_find_area(struct request *req, bool *made);
/* Gives back what pcpu_find_area carved. (A) held, (L) not. */
void pcpu_undo_area(struct request *req);
