/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keyboard at the PC's 8042 controller: a PS/2 one, or what the firmware makes look like one. So that
 * somebody at a machine without a serial port can type. Source: IBM PS/2 hardware interface technical
 * reference, keyboard and auxiliary device controller.
 */
#pragma once

#include "kernel/compiler.h"

/* Sets controller and keyboard up and routes the interrupt. wake(): called in interrupt context when a key
 * was pressed. Boot CPU, once, after ioapic_init. Without a controller all here does nothing. */
void keyboard_init(void (*wake)(void));
/* Takes up to n bytes of what was typed (as a terminal would send it); returns how many. Never waits, and
 * works without interrupts too. */
size_t keyboard_read(char *buf, size_t n);
