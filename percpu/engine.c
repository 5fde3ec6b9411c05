/* SPDX-License-Identifier: GPL-2.0-only */
/* The engines there are, by name. */
#include "percpu/area.h"

const struct pcpu_engine *pcpu_engine_find(const char *name)
{
	static const struct pcpu_engine *const engines[] = {&areamap_engine, &bitmap_engine};

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	}
	return NULL;
}
