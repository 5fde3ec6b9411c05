// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8042 and its keyboard, see keyboard.h. Nobody has to answer: each wait has an end, and a controller or
 * keyboard that is silent is left alone.
 */
#define LOG_AREA "keyboard"
#include "arch/x86_64/keyboard.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/input_lock.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/keymap.h"
#include "kernel/printk.h"

enum {
	PORT_DATA = 0x60,
	PORT_STATUS = 0x64, /* read */
	PORT_COMMAND = 0x64,
};

enum {
	STATUS_OUTPUT_FULL = 1 << 0, /* a byte for us */
	STATUS_INPUT_FULL = 1 << 1,  /* ours was not taken yet */
	STATUS_FROM_MOUSE = 1 << 5,
	STATUS_NOBODY = 0xff, /* what a port without a device reads */
};

enum {
	COMMAND_READ_CONFIG = 0x20,
	COMMAND_WRITE_CONFIG = 0x60,
	COMMAND_DISABLE = 0xad,
	COMMAND_ENABLE = 0xae,
	CONFIG_INTERRUPT = 1 << 0,
	CONFIG_CLOCK_OFF = 1 << 4,
	CONFIG_TRANSLATE = 1 << 6, /* to scan code set 1 */
};

/* To the keyboard itself. */
enum { KEYBOARD_DEFAULTS = 0xf6, KEYBOARD_ENABLE = 0xf4 };

#define KEYBOARD_IRQ 1
#define WAIT_READS   100000 /* of the status: some 100 ms on a real machine */
#define RING_SIZE    256    /* a power of two */

/* (input) */
static struct {
	char bytes[RING_SIZE];
	size_t head, tail;
	struct keymap map;
} typed;
static input_lock_t input;
static bool present;
static void (*wake_reader)(void);

static bool wait_status(uint8_t bit, uint8_t value)
{
	for (unsigned int reads = 0; reads < WAIT_READS; reads++)
		if ((x86_inb(PORT_STATUS) & bit) == value)
			return true;
	return false;
}

static bool send(uint16_t port, uint8_t byte)
{
	if (!wait_status(STATUS_INPUT_FULL, 0))
		return false;
	x86_outb(port, byte);
	return true;
}

static bool receive(uint8_t *byte)
{
	if (!wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL))
		return false;
	*byte = x86_inb(PORT_DATA);
	return true;
}

static void drop_output(void)
{
	for (unsigned int i = 0; i < RING_SIZE; i++) {
		if (!(x86_inb(PORT_STATUS) & STATUS_OUTPUT_FULL))
			return;
		x86_inb(PORT_DATA);
	}
}

/* The keyboard answers each byte; what it says does not matter. */
static void tell_keyboard(uint8_t byte)
{
	uint8_t answer;

	if (send(PORT_DATA, byte))
		receive(&answer);
}

/* Interrupts stay off at the controller until all is set up. False if there is no controller. */
static bool set_up_controller(void)
{
	uint8_t config;

	if (x86_inb(PORT_STATUS) == STATUS_NOBODY || !send(PORT_COMMAND, COMMAND_DISABLE))
		return false;
	drop_output();
	if (!send(PORT_COMMAND, COMMAND_READ_CONFIG) || !receive(&config))
		return false;
	config = (config & ~(CONFIG_CLOCK_OFF | CONFIG_INTERRUPT)) | CONFIG_TRANSLATE;
	send(PORT_COMMAND, COMMAND_WRITE_CONFIG);
	send(PORT_DATA, config);
	send(PORT_COMMAND, COMMAND_ENABLE);
	tell_keyboard(KEYBOARD_DEFAULTS);
	tell_keyboard(KEYBOARD_ENABLE);
	send(PORT_COMMAND, COMMAND_WRITE_CONFIG);
	send(PORT_DATA, config | CONFIG_INTERRUPT);
	return true;
}

/* A key for which there is no room is lost. */
static void take_code(uint8_t code)
{
	char bytes[KEYMAP_MAX_BYTES];
	size_t n = keymap_feed(&typed.map, code, bytes);

	if (RING_SIZE - (typed.head - typed.tail) < n)
		return;
	for (size_t i = 0; i < n; i++)
		typed.bytes[typed.head++ % RING_SIZE] = bytes[i];
}

static void drain_controller(void)
{
	for (unsigned int i = 0; i < RING_SIZE; i++) {
		uint8_t status = x86_inb(PORT_STATUS), code;

		if (!(status & STATUS_OUTPUT_FULL))
			return;
		code = x86_inb(PORT_DATA);
		if (!(status & STATUS_FROM_MOUSE))
			take_code(code);
	}
}

static void keyboard_interrupt(struct trap_frame *frame __unused)
{
	irqflags_t flags = input_lock(&input);

	drain_controller();
	input_unlock(&input, flags);
	wake_reader();
}

void keyboard_init(void (*wake)(void))
{
	wake_reader = wake;
	if (!set_up_controller()) {
		log_info("no 8042 controller: there is no keyboard");
		return;
	}
	irq_set_handler(VECTOR_KEYBOARD, keyboard_interrupt);
	if (!ioapic_route_isa(KEYBOARD_IRQ, VECTOR_KEYBOARD, lapic_id()))
		log_warn("no I/O APIC takes interrupt %d: the keyboard is polled", KEYBOARD_IRQ);
	present = true;
}

size_t keyboard_read(char *buf, size_t n)
{
	irqflags_t flags;
	size_t i;

	if (!present)
		return 0;
	flags = input_lock(&input);
	drain_controller();
	for (i = 0; i < n && typed.tail != typed.head; i++)
		buf[i] = typed.bytes[typed.tail++ % RING_SIZE];
	input_unlock(&input, flags);
	return i;
}
