/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 16550 UARTs: COM1 carries the console, COM2 the test report. Output is polled and works from the
 * first line of C, from any context; input on COM1 is by interrupt once serial_enable_input ran.
 * Source: National Semiconductor PC16550D data sheet.
 */
#pragma once

#include "kernel/compiler.h"

enum { COM1 = 0x3f8, COM2 = 0x2f8 };

/* 115200 8N1, FIFOs on, interrupts off. False if no UART answers (its loop-back test fails). */
bool serial_init(uint16_t port);
/* Writes n bytes as they are, waiting for room. Does nothing on a port without a UART. Takes no
 * lock: the console's lock keeps lines whole, and interrupts are off. */
void serial_write(uint16_t port, const char *buf, size_t n);
/* Waits until all that was written has left the UART. Interrupts are off, as for serial_write(). */
void serial_flush(uint16_t port);
/* Routes COM1's interrupt and collects received bytes into an in-memory ring that takes at least
 * 1 MiB without loss. wake(): called in interrupt context when bytes arrived; may be NULL. */
void serial_enable_input(void (*wake)(void));
/* Takes up to n received bytes out of the ring; returns how many. Never waits. Works without
 * interrupts too (it then polls the UART), so that the panic monitor can use it. */
size_t serial_read(char *buf, size_t n);
/* Bytes lost to a full ring or a UART overrun since boot. */
uint64_t serial_lost(void);
