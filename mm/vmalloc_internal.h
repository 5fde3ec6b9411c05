/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the vmalloc area: vm_range.c (addresses) and vmalloc.c (mappings). */
#pragma once

#include <stdbool.h>

/* Whether a fault injected by vm_range_fail_nth has not fired yet. */
bool vm_range_fail_pending(void);
