/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded workloads: the text format of tests/traces/, parsed into an array of events. The parser
 * only reads the given bytes and writes the given arrays; it builds on the host too.
 *
 *	# comment
 *	a ID SIZE ALIGN CPU FLAGS SITE
 *	f ID CPU FLAGS			FLAGS: "-" or letters r (reserved) n (must not sleep) i
 *(irqs off)
 *
 * Fields are separated by blanks, lines end in LF or CRLF, the last may lack its end. Lines of
 *blanks only are passed over. Numbers are decimal: ID below 2^64, CPU below 2^16; SIZE and ALIGN
 *are what the allocator serves (1 to 65536; a power of two up to 4096). SITE is one word. Anything
 *else is malformed.
 */
#pragma once

#include "kernel/compiler.h"

enum { TRACE_RESERVED = 1, TRACE_NOSLEEP = 2, TRACE_IRQS_OFF = 4 };

#define TRACE_MAX_SIZE	65536
#define TRACE_MAX_ALIGN 4096
#define TRACE_MAX_CPU	65535

struct trace_event {
	uint32_t area; /* number of the area: 0 … nr_areas-1, one for each allocation, in order */
	uint32_t size; /* 0: a free */
	uint32_t align; /* 0: a free */
	uint16_t cpu;
	uint16_t flags; /* TRACE_RESERVED … */
};

struct trace_error {
	unsigned int line; /* 1-based */
	const char *what;  /* static text */
};

/* First pass: checks every line's form and counts. 0, or -EINVAL with *error filled. Any context.
 */
int trace_scan(const char *text, size_t size, size_t *nr_events, struct trace_error *error);

/* Scratch of the second pass: a hash table from ID to the area that has it now. */
struct trace_id {
	uint64_t id;
	uint32_t area;
	uint8_t state; /* 0 unused, 1 live, 2 freed */
};
#define TRACE_IDS_PER_EVENT 2 /* entries of struct trace_id, for each event counted */

/*
 * Second pass: fills events (room for nr_events, as counted), and checks what needs memory: an ID
 * is not allocated twice while live (after its free it may be), a free names a live ID. id_table:
 * scratch of nr_events * TRACE_IDS_PER_EVENT entries. Returns 0 with *nr_areas, or -EINVAL with
 * *error. Any context.
 */
int trace_parse(const char *text, size_t size, struct trace_event *events, size_t nr_events,
		struct trace_id *id_table, size_t *nr_areas, struct trace_error *error);

/* The traces linked into the kernel, and the one handed over as a boot module (trace_store.c). */
struct trace_text {
	const char *name;
	const char *text;
	size_t size;
};
const struct trace_text *trace_find(const char *name); /* NULL if there is none of that name */
const struct trace_text *trace_default(void);	       /* the boot module's, else "pods" */
const struct trace_text *trace_list(size_t *count);    /* all; a boot module's is the last */
/* Registers the text of a boot module; it stays where it is. The name is copied: its last path
 * component without ".trace"; "module" if that leaves nothing. It hides a bundled trace of its
 * name. */
void trace_set_module(const char *name, const char *text, size_t size);
