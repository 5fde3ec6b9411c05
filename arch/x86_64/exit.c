// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways out: QEMU's debug-exit device, ACPI, a reset by the keyboard controller, and a CPU that stands
 * still. Source: QEMU hw/misc/debugexit.c (interface only); IBM PC AT technical reference (8042).
 */
#include "arch/x86_64/arch.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/coverage.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/serial.h"
#include "kernel/printk.h"

enum {
	DEBUG_EXIT_PORT = 0xf4,
	RESET_CONTROL_PORT = 0xcf9,
	RESET_HARD = 0x02,
	RESET_NOW = 0x06,
	KEYBOARD_PORT = 0x64,
	KEYBOARD_BUSY = 0x02,
	KEYBOARD_PULSE_RESET = 0xfe,
};

/* Stops this CPU for good. */
static void __noreturn halt(void)
{
	for (;;) {
		x86_cli();
		x86_hlt();
	}
}

void arch_exit(unsigned int code)
{
	x86_cli();
	coverage_dump();
	x86_outb(DEBUG_EXIT_PORT, (uint8_t)code);
	/* Still here: it is no QEMU. What failed stays on the screen until somebody has read it. */
	console_printf("the end: %s\n", code == EXIT_GOOD ? "all good" : "failed");
	console_flush();
	serial_flush(COM1);
	serial_flush(COM2);
	if (code == EXIT_GOOD)
		acpi_power_off();
	halt();
}

void arch_triple_fault(void)
{
	const struct x86_table_pointer empty = {0};

	x86_cli();
	x86_lidt(&empty);
	*(volatile int *)NULL =
		0; /* address 0 is never mapped once the kernel's own tables are in use */
	halt();
}

void arch_reboot(void)
{
	x86_cli();
	for (unsigned int tries = 0; tries < 100000; tries++)
		if ((x86_inb(KEYBOARD_PORT) & KEYBOARD_BUSY) == 0)
			break;
	x86_outb(KEYBOARD_PORT, KEYBOARD_PULSE_RESET);
	x86_outb(RESET_CONTROL_PORT, RESET_HARD);
	x86_outb(RESET_CONTROL_PORT, RESET_NOW);
	halt();
}
