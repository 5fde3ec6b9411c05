/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/vmalloc.h>

#define vmalloc(size, name) vzalloc(size)
