/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O APICs: which interrupt of a device reaches which CPU as which vector. Source: Intel 82093AA data
 * sheet, section 3; ACPI 6.4 section 5.2.12.5 (overrides).
 */
#pragma once

#include "kernel/compiler.h"

/* Maps the I/O APICs that the MADT names and masks all their inputs. Boot CPU, once, after
 * vmalloc_init. */
void ioapic_init(void);
/*
 * Delivers ISA interrupt irq (0-15), by the MADT's overrides, to one CPU as vector. False if no I/O
 * APIC has that input. Boot CPU.
 */
bool ioapic_route_isa(unsigned int irq, unsigned int vector, uint32_t apic_id);
