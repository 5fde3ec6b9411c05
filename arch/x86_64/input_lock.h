/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of an input device. Not a struct spinlock: the panic monitor reads while a CPU that was stopped may
 * hold it. So waiting has an end, after which the caller goes on as if it had it.
 */
#pragma once

#include "arch/x86_64/irq.h"

#define INPUT_LOCK_SPINS 10000000

typedef unsigned int input_lock_t; /* 1 while a CPU handles input, interrupts off */

static inline irqflags_t input_lock(input_lock_t *lock)
{
	irqflags_t flags = irq_save();

	for (unsigned int spins = 0; spins < INPUT_LOCK_SPINS; spins++) {
		if (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0)
			break;
		x86_pause();
	}
	return flags;
}

static inline void input_unlock(input_lock_t *lock, irqflags_t flags)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	irq_restore(flags);
}
