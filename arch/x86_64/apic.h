/* SPDX-License-Identifier: GPL-2.0-only */
/* This CPU's local APIC. */
#pragma once

#include "kernel/compiler.h"

/* Tells the local APIC that the interrupt being handled is done. */
void lapic_eoi(void);
