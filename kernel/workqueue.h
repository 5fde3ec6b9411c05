/* SPDX-License-Identifier: GPL-2.0-only */
/* Work deferred to a thread. An item is queued at most once at a time; queueing it while it runs
 * makes it run once more. */
#pragma once

#include "kernel/list.h"

struct work {
	struct list_node node;
	void (*fn)(struct work *work); /* may sleep */
	bool queued;
	bool running;
};

#define WORK_INIT(name, function)                                \
	{                                                        \
		.node = LIST_INIT((name).node), .fn = (function) \
	}

/* Starts the worker thread. Work queued before it stands waits for it. */
void workqueue_init(void);
/* Queues the item. Any context but NMI; no lock of class LOCK_CLASS_WAIT or above held. */
void work_queue(struct work *work);
/* Sleeps until the item is neither queued nor running. */
void work_flush(struct work *work);
