/* SPDX-License-Identifier: GPL-2.0-only */
/* The lock over records.c and record_trace.c: taken inside pcpu_lock, and held for short only. */
#pragma once

#include "kernel/spinlock.h"

extern struct spinlock records_lock;
