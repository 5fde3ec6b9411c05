// SPDX-License-Identifier: GPL-2.0-only
/*
 * 16550 UARTs, see serial.h.
 *
 * Output is polled: a full transmit FIFO's worth whenever it is empty, looking after input meanwhile.
 *
 * Input: the interrupt handler moves all that the UART has into a ring. Nothing is lost to a reader
 * that is slow: a full ring leaves bytes in the UART, with its interrupt off and RTS down, so that
 * the sender waits; serial_read starts it again. Bytes can still be lost between the wire and the
 * handler when interrupts are off for long; the UART says so, and it is counted.
 * Source: National Semiconductor PC16550D data sheet, section 8 (registers).
 */
#define LOG_AREA "serial"
#include "arch/x86_64/serial.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/input_lock.h"
#include "arch/x86_64/ioapic.h"
#include "kernel/printk.h"
#include "mm/vmalloc.h"

#define RING_SIZE  ((size_t)1 << 20) /* a power of two */
#define FIFO_SIZE  16
#define COM1_IRQ   4
#define SPIN_LIMIT 10000000 /* looks at a UART that never gets ready */

/* Registers, from the port's base. */
enum {
	REG_DATA = 0,
	REG_INTERRUPTS = 1,
	REG_FIFO = 2,
	REG_LINE = 3,
	REG_MODEM = 4,
	REG_LINE_STATUS = 5,
	REG_DIVISOR_LOW = 0, /* while LINE_DIVISOR is set */
	REG_DIVISOR_HIGH = 1,
};

enum {
	INTERRUPT_RECEIVE = 1 << 0,
	FIFO_ON_CLEARED_TRIGGER_8 = 0x87,
	LINE_8N1 = 0x03,
	LINE_DIVISOR = 0x80,
	MODEM_DTR = 1 << 0,
	MODEM_RTS = 1 << 1,
	MODEM_OUT2 = 1 << 3, /* lets the interrupt out of the UART on a PC */
	MODEM_LOOPBACK = 1 << 4,
	STATUS_DATA_READY = 1 << 0,
	STATUS_OVERRUN = 1 << 1,
	STATUS_TRANSMIT_EMPTY = 1 << 5, /* the FIFO */
	STATUS_ALL_SENT = 1 << 6,	/* and the last byte has left */
	DIVISOR_115200 = 1,
	LOOPBACK_BYTE = 0xae,
};

static bool com1_present, com2_present;

/* Received bytes, [tail, head) modulo RING_SIZE; all under input_busy. */
static struct {
	char *bytes; /* NULL until serial_enable_input */
	size_t head, tail;
	bool stopped; /* full: the UART holds back, its interrupt is off */
	bool routed;  /* interrupts are in use */
} ring;
static input_lock_t input_busy;
static uint64_t nr_lost;
static void (*input_wake)(void);

static bool *presence(uint16_t port)
{
	return port == COM1 ? &com1_present : &com2_present;
}

/* Reading the line status clears the overrun bit, so every reader has to count it. */
static uint8_t line_status(uint16_t port)
{
	uint8_t status = x86_inb(port + REG_LINE_STATUS);

	if (status != 0xff && (status & STATUS_OVERRUN) && port == COM1)
		__atomic_add_fetch(&nr_lost, 1, __ATOMIC_RELAXED);
	return status;
}

/* Whether a byte sent in loop-back mode comes back. */
static bool loopback_works(uint16_t port)
{
	x86_outb(port + REG_MODEM, MODEM_LOOPBACK);
	x86_outb(port + REG_DATA, LOOPBACK_BYTE);
	for (unsigned int i = 0; i < 100000; i++)
		if (x86_inb(port + REG_LINE_STATUS) & STATUS_DATA_READY)
			return x86_inb(port + REG_DATA) == LOOPBACK_BYTE;
	return false;
}

bool serial_init(uint16_t port)
{
	x86_outb(port + REG_INTERRUPTS, 0);
	x86_outb(port + REG_LINE, LINE_DIVISOR);
	x86_outb(port + REG_DIVISOR_LOW, DIVISOR_115200);
	x86_outb(port + REG_DIVISOR_HIGH, 0);
	x86_outb(port + REG_LINE, LINE_8N1);
	x86_outb(port + REG_FIFO, FIFO_ON_CLEARED_TRIGGER_8);
	*presence(port) = loopback_works(port);
	x86_outb(port + REG_MODEM, MODEM_DTR | MODEM_RTS | MODEM_OUT2);
	return *presence(port);
}

/* ---- Input ---- */

static void stop_sender(void)
{
	ring.stopped = true;
	x86_outb(COM1 + REG_INTERRUPTS, 0);
	x86_outb(COM1 + REG_MODEM, MODEM_DTR | MODEM_OUT2);
}

static void restart_sender(void)
{
	ring.stopped = false;
	x86_outb(COM1 + REG_MODEM, MODEM_DTR | MODEM_RTS | MODEM_OUT2);
	if (ring.routed)
		x86_outb(COM1 + REG_INTERRUPTS, INTERRUPT_RECEIVE);
}

/* Moves what the UART has into the ring until either is exhausted. */
static void drain_uart(void)
{
	while (line_status(COM1) & STATUS_DATA_READY) {
		if (ring.head - ring.tail == RING_SIZE) {
			if (!ring.stopped)
				stop_sender();
			return;
		}
		ring.bytes[ring.head++ % RING_SIZE] = (char)x86_inb(COM1 + REG_DATA);
	}
}

static void com1_interrupt(struct trap_frame *frame __unused)
{
	void (*wake)(void) = READ_ONCE(input_wake);
	irqflags_t flags = input_lock(&input_busy);

	drain_uart();
	input_unlock(&input_busy, flags);
	if (wake != NULL)
		wake();
}

/* Straight from the UART, while there is no ring. */
static size_t read_uart(char *buf, size_t n)
{
	size_t i = 0;

	while (i < n && (line_status(COM1) & STATUS_DATA_READY))
		buf[i++] = (char)x86_inb(COM1 + REG_DATA);
	return i;
}

size_t serial_read(char *buf, size_t n)
{
	irqflags_t flags;
	size_t i;

	if (!com1_present)
		return 0;
	flags = input_lock(&input_busy);
	if (ring.bytes == NULL) {
		i = read_uart(buf, n);
		input_unlock(&input_busy, flags);
		return i;
	}
	if (ring.head == ring.tail)
		drain_uart();
	for (i = 0; i < n && ring.tail != ring.head; i++)
		buf[i] = ring.bytes[ring.tail++ % RING_SIZE];
	if (ring.stopped && ring.head - ring.tail <= RING_SIZE / 2) {
		restart_sender();
		drain_uart();
	}
	input_unlock(&input_busy, flags);
	return i;
}

/* The ring and the interrupt, once. */
static void start_input(void)
{
	char *bytes = vmalloc(RING_SIZE, "serial input");
	irqflags_t flags;

	if (bytes == NULL) {
		log_warn("no memory for %zu bytes of input: COM1 is polled", RING_SIZE);
		return;
	}
	irq_set_handler(VECTOR_COM1, com1_interrupt);
	flags = input_lock(&input_busy);
	ring.bytes = bytes;
	ring.routed = ioapic_route_isa(COM1_IRQ, VECTOR_COM1, lapic_id());
	restart_sender();
	drain_uart(); /* what came before makes no interrupt any more */
	input_unlock(&input_busy, flags);
	if (!ring.routed)
		log_warn("no I/O APIC takes interrupt %d: COM1 is polled", COM1_IRQ);
}

void serial_enable_input(void (*wake)(void))
{
	WRITE_ONCE(input_wake, wake);
	if (com1_present && ring.bytes == NULL)
		start_input();
}

uint64_t serial_lost(void)
{
	return __atomic_load_n(&nr_lost, __ATOMIC_RELAXED);
}

/* ---- Output ---- */

/*
 * For who waits for the transmitter, which takes 87 us a byte, with interrupts off: what comes in meanwhile
 * would overrun the receiver. Its interrupt is pending by then and wakes the reader.
 */
static void receive_meanwhile(void)
{
	if (__atomic_exchange_n(&input_busy, 1, __ATOMIC_ACQUIRE) != 0)
		return;
	if (ring.bytes != NULL)
		drain_uart();
	__atomic_store_n(&input_busy, 0, __ATOMIC_RELEASE);
}

static void wait_for(uint16_t port, uint8_t status)
{
	for (unsigned int spins = 0; spins < SPIN_LIMIT; spins++) {
		if (line_status(port) & status)
			return;
		receive_meanwhile();
	}
}

void serial_write(uint16_t port, const char *buf, size_t n)
{
	if (!*presence(port))
		return;
	for (size_t i = 0; i < n; i++) {
		if (i % FIFO_SIZE == 0)
			wait_for(port, STATUS_TRANSMIT_EMPTY);
		x86_outb(port + REG_DATA, (uint8_t)buf[i]);
	}
}

void serial_flush(uint16_t port)
{
	if (*presence(port))
		wait_for(port, STATUS_ALL_SENT);
}
