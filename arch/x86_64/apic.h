/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This CPU's local APIC: end of interrupt, interrupts to other CPUs, the periodic tick. By memory
 * (xAPIC) or, when the firmware left it in that mode or ids need it, by MSRs (x2APIC).
 * Source: Intel SDM vol. 3 chapter 11.
 */
#pragma once

#include "kernel/compiler.h"

/* The APIC id of the CPU this runs on, from CPUID. Any context. */
uint32_t lapic_id(void);

/* Whether an interrupt can be sent to this APIC id: ids past 254 need a CPU with x2APIC. */
bool lapic_can_reach(uint32_t apic_id);

/* Chooses the mode, maps the registers, masks the 8259s and measures the timer. Boot CPU, once, after
 * vmalloc_init and time_init. */
void lapic_init(void);
/* Enables the local APIC of the CPU that runs this. Boot CPU: after lapic_init. Interrupts off. */
void lapic_init_cpu(void);
/* Starts this CPU's tick. After timer_set_handler. */
void lapic_timer_start(void);
/* Stops it until lapic_timer_start. */
void lapic_timer_stop(void);

/* Tells the local APIC that the interrupt being handled is done. */
void lapic_eoi(void);

/*
 * Holds interrupts of devices and the tick off this CPU, those of other CPUs not, until
 * lapic_admit_devices. Interrupts stay on meanwhile as far as anybody asks. The caller stays on this CPU.
 */
void lapic_hold_devices(void);
void lapic_admit_devices(void);

/* Interrupts to the CPU with that APIC id. Any context; returns when it is on its way. */
void lapic_send_ipi(uint32_t apic_id, unsigned int vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
/* Start-up: begins in real mode at page * 4 KiB. */
void lapic_send_startup(uint32_t apic_id, unsigned int page);

/* fn runs in the timer interrupt of every CPU that ticks, each tick, interrupts off. Boot CPU, once; starts its
 * tick. */
void timer_set_handler(void (*fn)(void));
/* Ticks that a CPU has handled. */
uint64_t timer_ticks(unsigned int cpu);
/* Ticks a second on each CPU: 250, fewer on machines with more than 16 processors. */
unsigned int timer_hz(void);
