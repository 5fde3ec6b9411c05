/* SPDX-License-Identifier: GPL-2.0-only */
/* What the shared sources want of kernel/compiler.h, from Linux. */
#pragma once

#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define uint64_t   unsigned long /* printed with %lu, as in our kernel */
#define UINT64_MAX ULONG_MAX
