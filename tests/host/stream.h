/* SPDX-License-Identifier: GPL-2.0-only */
/* What the random streams of test_oracle and test_anywhere have in common. */
#pragma once

#include "tests/host/host_test.h"

enum stream_machine {
	STREAM_EMBED,
	STREAM_EMBED_RESERVED,
	STREAM_PAGE,
	STREAM_PAGE_RESERVED,
	STREAM_CPUS_WITH_HOLES,
	STREAM_ONE_CPU,
	STREAM_ONLY_RESERVED,
	STREAM_NO_DYNAMIC_AREA,
	STREAM_NR_MACHINES
};
extern const struct host_config stream_machines[STREAM_NR_MACHINES];

extern uint64_t stream_random; /* all that a stream does follows from it */
size_t stream_below(size_t n);

/* What a stream asks for changes from epoch to epoch. */
void stream_epoch(void);
extern size_t stream_grow; /* in 16 operations so many are allocations */
extern bool stream_plugs;  /* some of them as large as can be */
size_t stream_size(void);
size_t stream_align(void);
