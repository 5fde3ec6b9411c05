/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recorded workloads: the text format of tests/traces/, parsed into an array of events. The parser
 * only reads the given bytes and writes the given arrays; it builds on the host too.
 *
 *	# comment
 *	a ID SIZE ALIGN CPU FLAGS SITE
 *	f ID CPU FLAGS			FLAGS: "-" or letters r (reserved) n (must not sleep) i (irqs off)
 */
#pragma once

#include "kernel/compiler.h"

enum { TRACE_RESERVED = 1, TRACE_NOSLEEP = 2, TRACE_IRQS_OFF = 4 };

struct trace_event {
	uint32_t area;	 /* dense number of the area: 0 … nr_areas-1, in order of first allocation */
	uint32_t size;	 /* 0: a free */
	uint32_t align;
	uint16_t cpu;
	uint16_t flags;
};

struct trace_error {
	unsigned int line; /* 1-based */
	const char *what;  /* static text */
};

/* First pass: checks every line's form and counts. 0, or -EINVAL with *error filled. */
int trace_scan(const char *text, size_t size, size_t *nr_events, struct trace_error *error);
/*
 * Second pass: fills events (room for nr_events, as counted), and checks what needs memory: an ID is
 * not allocated twice while live, a free names a live ID. id_table: scratch of nr_events * 2 entries of
 * struct trace_id. Returns 0 with *nr_areas, or -EINVAL with *error.
 */
struct trace_id {
	uint64_t id;
	uint32_t area;
	uint8_t state; /* 0 unused, 1 live, 2 freed */
};
int trace_parse(const char *text, size_t size, struct trace_event *events, size_t nr_events,
		struct trace_id *id_table, size_t *nr_areas, struct trace_error *error);

/* The traces linked into the kernel, and the one handed over as a boot module ("module" or file name). */
struct trace_text {
	const char *name;
	const char *text;
	size_t size;
};
const struct trace_text *trace_find(const char *name); /* NULL if there is none of that name */
const struct trace_text *trace_default(void);	       /* the boot module's, else "pods" */
const struct trace_text *trace_list(size_t *count);
/* Registers the text of a boot module. */
void trace_set_module(const char *name, const char *text, size_t size);
