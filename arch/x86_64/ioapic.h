/* SPDX-License-Identifier: GPL-2.0-only */
/* I/O APICs: which CPU and vector a device's interrupt goes to. */
#pragma once

#include "kernel/compiler.h"

/* Maps the I/O APICs of the MADT and masks every input; masks the 8259s. Boot CPU, after vmalloc. */
void ioapic_init(void);
/* Sends an ISA interrupt (0-15), by the MADT's overrides, to the boot CPU as the given vector. Reports
 * and does nothing when no I/O APIC has it. */
void ioapic_route_isa(unsigned int irq, unsigned int vector);
