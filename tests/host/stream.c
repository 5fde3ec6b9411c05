/* SPDX-License-Identifier: GPL-2.0-only */
/* What random streams ask for, and the machines that they run on. See stream.h. */
#include "tests/host/stream.h"

uint64_t stream_random;

size_t stream_below(size_t n)
{
	return host_random(&stream_random) % n;
}

/* What the stream asks for changes from epoch to epoch. */
enum taste { MIXED, TINY, HOLES, COARSE, NR_TASTES };

static enum taste taste;
size_t stream_grow;
bool stream_plugs;

void stream_epoch(void)
{
	taste = (enum taste)stream_below(NR_TASTES);
	stream_plugs = stream_below(2) == 0;
	stream_grow = stream_below(2) == 0 ? 9 + stream_below(6) : 2 + stream_below(6);
}

static size_t mixed_size(void)
{
	switch (stream_below(16)) {
	case 0:
		return PCPU_MIN_UNIT_SIZE;
	case 1:
		return 1 + stream_below(PCPU_MIN_UNIT_SIZE);
	case 2:
		return 1 + stream_below(16384);
	case 3:
	case 4:
		return 1 + stream_below(2048);
	case 5:
	case 6:
		return (size_t)1 << stream_below(13);
	case 7:
		return 8 * (1 + stream_below(16));
	default:
		return 1 + stream_below(96);
	}
}

size_t stream_size(void)
{
	switch (taste) {
	case TINY:
		return 1 + stream_below(16);
	case HOLES: /* leave remainders just below and above what is worth an entry */
		return (8u << stream_below(4)) - 1 - stream_below(6);
	case COARSE:
		return 1500 + stream_below(stream_below(8) == 0 ? 30000 : 6000);
	default:
		return mixed_size();
	}
}

size_t stream_align(void)
{
	if (taste == TINY)
		return (size_t)1 << stream_below(4);
	return (size_t)1 << (stream_below(4) == 0 ? stream_below(13) : stream_below(5));
}

static const unsigned int holes[] = {0, 2, 5}, holes_units[] = {2, 0, 1};

const struct host_config stream_machines[STREAM_NR_MACHINES] = {
	[STREAM_EMBED] = {.nr_cpus = 2},
	[STREAM_EMBED_RESERVED] = {.nr_cpus = 2, .reserved = 8192, .dyn_size = 20480},
	[STREAM_PAGE] = {.nr_cpus = 3, .style = HOST_PAGE},
	[STREAM_PAGE_RESERVED] = {.nr_cpus = 2,
				  .style = HOST_PAGE,
				  .reserved = 12289,
				  .ranges_fall = true},
	[STREAM_CPUS_WITH_HOLES] = {.cpus = holes,
				    .units = holes_units,
				    .nr_cpus = 3,
				    .style = HOST_PAGE,
				    .unit_size = 128 << 10,
				    .dyn_size = 30001,
				    .reserved = 5003,
				    .extra_pages = 2},
	[STREAM_ONE_CPU] = {.nr_cpus = 1, .unit_size = 72 << 10},
	[STREAM_ONLY_RESERVED] = {.nr_cpus = 2,
				  .reserved = 16384,
				  .unit_size = 64 << 10,
				  .dyn_size = -2},
	[STREAM_NO_DYNAMIC_AREA] = {.nr_cpus = 1,
				    .style = HOST_PAGE,
				    .unit_size = 64 << 10,
				    .dyn_size = -2},
};
