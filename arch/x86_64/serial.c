/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 16550 UARTs. Output is polled; input on COM1 goes by interrupt into a ring that is larger than any
 * paste, emptied by whoever reads the console. The UART holds 16 bytes and its other end (QEMU, a null
 * modem with flow control) waits while they are full, so a drain to the last byte loses nothing.
 * Source: National Semiconductor PC16550D data sheet, section 8.
 */
#include "arch/x86_64/serial.h"

#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/irq.h"
#include "kernel/spinlock.h"

enum {
	REG_DATA = 0,	    /* divisor latch low when DLAB is set */
	REG_IRQ_ENABLE = 1, /* divisor latch high when DLAB is set */
	REG_FIFO = 2,	    /* write: FIFO control; read: interrupt identification */
	REG_LINE = 3,
	REG_MODEM = 4,
	REG_LINE_STATUS = 5,
};

enum {
	IRQ_ENABLE_DATA = 1 << 0,
	FIFO_ON = 1 << 0,
	FIFO_CLEAR = 3 << 1,
	LINE_8N1 = 3,
	LINE_DLAB = 1 << 7,
	MODEM_DTR_RTS = 3,
	MODEM_OUT2 = 1 << 3, /* lets the interrupt out */
	MODEM_LOOP = 1 << 4,
	STATUS_DATA = 1 << 0,
	STATUS_OVERRUN = 1 << 1,
	STATUS_ROOM = 1 << 5,
};

#define DIVISOR_115200 1
#define FIFO_SIZE      16
#define RING_SIZE      (2u << 20) /* bytes, a power of two */

static bool present[2]; /* COM1, COM2 */

static char ring[RING_SIZE];
static uint32_t ring_head, ring_tail; /* written, read; they run on and wrap by themselves */
static uint64_t lost;
static void (*wake_reader)(void);
static struct spinlock ring_lock = SPINLOCK_INIT("serial input", LOCK_CLASS_SERIAL);

static unsigned int port_index(uint16_t port)
{
	return port == COM1 ? 0 : 1;
}

bool serial_init(uint16_t port)
{
	x86_outb(port + REG_IRQ_ENABLE, 0);
	x86_outb(port + REG_LINE, LINE_DLAB);
	x86_outb(port + REG_DATA, DIVISOR_115200);
	x86_outb(port + REG_IRQ_ENABLE, 0);
	x86_outb(port + REG_LINE, LINE_8N1);
	x86_outb(port + REG_FIFO, FIFO_ON | FIFO_CLEAR);
	x86_outb(port + REG_MODEM, MODEM_LOOP | MODEM_DTR_RTS);
	x86_outb(port + REG_DATA, 0xa5);
	present[port_index(port)] = x86_inb(port + REG_DATA) == 0xa5;
	x86_outb(port + REG_MODEM, MODEM_DTR_RTS | MODEM_OUT2);
	return present[port_index(port)];
}

void serial_write(uint16_t port, const char *buf, size_t n)
{
	if (!present[port_index(port)])
		return;
	for (size_t i = 0; i < n; i++) {
		if (i % FIFO_SIZE == 0) {
			while (!(x86_inb(port + REG_LINE_STATUS) & STATUS_ROOM))
				x86_pause();
		}
		x86_outb(port + REG_DATA, (uint8_t)buf[i]);
	}
}

/* Moves what the UART holds into the ring. Lock held. Returns whether there was anything. */
static bool drain(void)
{
	bool any = false;
	uint8_t status;

	while ((status = x86_inb(COM1 + REG_LINE_STATUS)) & STATUS_DATA) {
		char byte = (char)x86_inb(COM1 + REG_DATA);

		lost += (status & STATUS_OVERRUN) != 0;
		if (ring_head - ring_tail == RING_SIZE)
			lost++;
		else
			ring[ring_head++ % RING_SIZE] = byte;
		any = true;
	}
	return any;
}

static void com1_interrupt(struct trap_frame *frame __unused)
{
	irqflags_t flags = spin_lock_irqsave(&ring_lock);
	bool any = drain();

	spin_unlock_irqrestore(&ring_lock, flags);
	if (any && wake_reader)
		wake_reader();
}

void serial_enable_input(void (*wake)(void))
{
	wake_reader = wake;
	if (!present[0])
		return;
	irq_set_handler(VECTOR_COM1, com1_interrupt);
	ioapic_route_isa(4, VECTOR_COM1);
	x86_outb(COM1 + REG_IRQ_ENABLE, IRQ_ENABLE_DATA);
}

size_t serial_read(char *buf, size_t n)
{
	irqflags_t flags;
	size_t got = 0;

	if (!present[0])
		return 0;
	flags = spin_lock_irqsave(&ring_lock);
	drain();
	while (got < n && ring_tail != ring_head)
		buf[got++] = ring[ring_tail++ % RING_SIZE];
	spin_unlock_irqrestore(&ring_lock, flags);
	return got;
}

uint64_t serial_lost(void)
{
	return READ_ONCE(lost);
}
