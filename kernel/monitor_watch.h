/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two files of the monitor's watch share: monitor_watch.c drives, monitor_watch_frame.c draws. */
#pragma once

#include "kernel/monitor_internal.h"

/* A picture of CPUs and chunks, and what it needs to draw the next one. */
struct watch_frame {
	const char *what;    /* runs meanwhile; "" if nothing does */
	bool done;	     /* it has ended */
	char *texts;	     /* room for this one and the one before, which the console has */
	char *text;	     /* the bytes that draw this one: in one half of texts */
	size_t length, room; /* of text */
	size_t columns;	     /* of the terminal */
	uint64_t us;	     /* when it is drawn */
	uint64_t before_us;  /* when the one before was; 0: it is the first */
	struct monitor_map map;
	struct watch_counts *counts; /* of the frame before: the totals, then each CPU's */
};

/* What each text begins with; the rest draws it on a screen that is there already. */
#define WATCH_ENTER "\033[?1049h\033[?25l\033[2J"

/* Memory for all frames: a test that runs meanwhile must not find that some came or went. False, with
 * everything given back, when there is none. */
bool watch_frame_init(struct watch_frame *frame);
void watch_frame_free(struct watch_frame *frame);
/* Composes the next frame, with `last` behind it. */
void watch_frame_draw(struct watch_frame *frame, const char *last);
