/* SPDX-License-Identifier: GPL-2.0-only */
/* This CPU's local APIC. */
#pragma once

#include "kernel/compiler.h"

/* Tells the local APIC that the interrupt being handled is done. */
void lapic_eoi(void);

/* fn runs in the timer interrupt of every CPU, each tick, interrupts off. Boot CPU, once. */
void timer_set_handler(void (*fn)(void));
