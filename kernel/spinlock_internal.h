/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of spinlocks as predicates, so that tests can see them refuse without a panic. */
#pragma once

#include "kernel/spinlock.h"

/*
 * Why this CPU must not take, or release, the lock now: static text; NULL if it may. *other is the held
 * lock that is in the way, where there is one, else NULL. Interrupts off.
 */
const char *spin_refuse_take(const struct spinlock *lock, const struct spinlock **other);
const char *spin_refuse_release(const struct spinlock *lock);
