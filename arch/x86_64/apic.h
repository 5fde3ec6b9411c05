/* SPDX-License-Identifier: GPL-2.0-only */
/* This CPU's local APIC: end of interrupt, interprocessor interrupts, the timer. */
#pragma once

#include "kernel/compiler.h"

#define TIMER_HZ 250 /* ticks a second on every CPU */

/* Maps the local APIC and measures its timer. Boot CPU, once, after vmalloc_init and time_init. */
void lapic_init(void);
/* Enables this CPU's local APIC and starts its timer; boot CPU and each AP. Interrupts off. */
void lapic_init_cpu(void);
/* This CPU's APIC id. Any context, from the first line of C on. */
uint32_t lapic_id(void);
/* Tells the local APIC that the interrupt being handled is done. */
void lapic_eoi(void);

/* Sends interrupts to the CPU of that APIC id. Any context. */
void lapic_send_ipi(uint32_t apic_id, unsigned int vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
/* page: of the real-mode code, in units of 4 KiB. */
void lapic_send_startup(uint32_t apic_id, unsigned int page);

/* fn runs in the timer interrupt of every CPU, each tick, interrupts off. Boot CPU, once. */
void timer_set_handler(void (*fn)(void));
/* Ticks this CPU has had. */
uint64_t timer_ticks(unsigned int cpu);
