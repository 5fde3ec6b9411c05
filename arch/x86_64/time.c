// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time from the time-stamp counter (TSC), measured once against the PIT's channel 2, which can be
 * watched without an interrupt. All CPUs' counters are taken to run together, as they do on every
 * machine with an invariant TSC and under QEMU.
 * Source: Intel 8254 data sheet (mode 0); Intel SDM vol. 3 section 18.17 (TSC).
 */
#define LOG_AREA "time"
#include "kernel/time.h"

#include "arch/x86_64/cpu.h"
#include "kernel/compiler.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

enum {
	PIT_CHANNEL_2 = 0x42,
	PIT_MODE = 0x43,
	PIT_CHANNEL_2_ONE_SHOT = 0xb0, /* low byte then high byte, mode 0: output rises at 0 */
	SYSTEM_PORT = 0x61,
	SYSTEM_GATE_2 = 1 << 0,
	SYSTEM_SPEAKER = 1 << 1,
	SYSTEM_OUTPUT_2 = 1 << 5,
};

#define PIT_HZ	      1193182ul
#define PIT_COUNT     11932ul /* 10 ms */
#define TRIES	      3
#define FRACTION_BITS 32
#define SPIN_LIMIT    100000000u

/* ns = start_ns + (counter - start_count) * scale / 2^FRACTION_BITS. Changed once, by time_init,
 * while only the boot CPU runs. */
static uint64_t start_count, start_ns;
static uint64_t scale = 1ul << FRACTION_BITS; /* 1 GHz */

static uint64_t scaled_ns(uint64_t counts)
{
	return (uint64_t)((unsigned __int128)counts * scale >> FRACTION_BITS);
}

uint64_t time_ns(void)
{
	if (unlikely(start_count == 0))
		start_count = x86_rdtsc(); /* the first line of the log */
	return start_ns + scaled_ns(x86_rdtsc() - start_count);
}

uint64_t time_us(void)
{
	return time_ns() / 1000;
}

void time_delay_us(uint64_t us)
{
	uint64_t start = time_ns();

	while (time_ns() - start < us * 1000)
		x86_pause();
}

/* Counts while the PIT counts PIT_COUNT, or a little more; never less. */
static uint64_t measure(void)
{
	uint8_t port = x86_inb(SYSTEM_PORT) & (uint8_t)~(SYSTEM_SPEAKER | SYSTEM_GATE_2);
	uint64_t start;
	unsigned int spins = 0;

	x86_outb(SYSTEM_PORT, port | SYSTEM_GATE_2);
	x86_outb(PIT_MODE, PIT_CHANNEL_2_ONE_SHOT);
	x86_outb(PIT_CHANNEL_2, PIT_COUNT & 0xff);
	start = x86_rdtsc(); /* before the high byte starts the count */
	x86_outb(PIT_CHANNEL_2, PIT_COUNT >> 8);
	while ((x86_inb(SYSTEM_PORT) & SYSTEM_OUTPUT_2) == 0)
		if (++spins == SPIN_LIMIT)
			panic("time_init: the PIT's channel 2 never reaches 0: no clock to measure by");
	return x86_rdtsc() - start;
}

void time_init(void)
{
	uint64_t counts = ~0ul, hz, now, ns;

	/* Being held up while measuring only makes the count larger, so the smallest is right. */
	for (unsigned int i = 0; i < TRIES; i++)
		counts = min(counts, measure());
	ns = time_ns();
	now = x86_rdtsc();
	start_ns = ns;
	start_count = now;
	hz = counts * PIT_HZ / PIT_COUNT;
	scale = (1000000000ul << FRACTION_BITS) / hz;
	log_info("the time-stamp counter runs at %lu kHz", hz / 1000);
}
