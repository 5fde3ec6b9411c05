/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/percpu.h>

/* Linux keeps the reserved area to itself. No bundled trace asks for it. */
#define __alloc_reserved_percpu(size, align) __alloc_percpu(size, align)
