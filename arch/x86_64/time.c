// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time from the time-stamp counter (TSC), measured once against the PIT's channel 2, which can be
 * watched without an interrupt: the two are read side by side twice, some time apart. All CPUs'
 * counters are taken to run together, as they do on every machine with an invariant TSC and under
 * QEMU.
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
	PIT_CHANNEL_2_LATCH = 0x80,
	PIT_CHANNEL_2_ONE_SHOT = 0xb0, /* low byte then high byte, mode 0: output rises at 0 */
	SYSTEM_PORT = 0x61,
	SYSTEM_GATE_2 = 1 << 0,
	SYSTEM_SPEAKER = 1 << 1,
	SYSTEM_OUTPUT_2 = 1 << 5,
};

#define PIT_HZ	      1193182ul
#define PIT_COUNT     65535u /* 55 ms, the longest */
#define PIT_WINDOW    11932u /* 10 ms between the two samples */
#define SAMPLES	      8
#define MAX_TRIES     100
#define FRACTION_BITS 32

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

/* A moment as both clocks saw it. */
struct sample {
	uint64_t tsc;
	uint64_t error; /* TSC counts that the two readings may lie apart */
	uint32_t pit;	/* counts left */
};

static void pit_start(void)
{
	uint8_t port = x86_inb(SYSTEM_PORT) & (uint8_t)~SYSTEM_SPEAKER;

	x86_outb(SYSTEM_PORT, port | SYSTEM_GATE_2);
	x86_outb(PIT_MODE, PIT_CHANNEL_2_ONE_SHOT);
	x86_outb(PIT_CHANNEL_2, PIT_COUNT & 0xff);
	x86_outb(PIT_CHANNEL_2, PIT_COUNT >> 8);
}

static bool pit_is_at_zero(void)
{
	return x86_inb(SYSTEM_PORT) & SYSTEM_OUTPUT_2;
}

static struct sample sample_once(void)
{
	uint64_t before = x86_rdtsc(), after;
	struct sample sample;

	x86_outb(PIT_MODE, PIT_CHANNEL_2_LATCH);
	after = x86_rdtsc();
	sample.pit = x86_inb(PIT_CHANNEL_2);
	sample.pit |= (uint32_t)x86_inb(PIT_CHANNEL_2) << 8;
	sample.tsc = before + (after - before) / 2;
	sample.error = after - before;
	return sample;
}

/* The best of a few: a virtual CPU may be held up between two instructions for milliseconds. */
static struct sample take_sample(void)
{
	struct sample best = sample_once();

	for (unsigned int i = 1; i < SAMPLES; i++) {
		struct sample other = sample_once();

		if (other.error < best.error)
			best = other;
	}
	return best;
}

/* The TSC's counts a second; 0 if the PIT got to its end before the second sample. */
static uint64_t measure_hz(void)
{
	struct sample first, last;

	pit_start();
	first = take_sample();
	do {
		last = take_sample();
	} while (!pit_is_at_zero() && last.pit + PIT_WINDOW > first.pit);
	if (pit_is_at_zero())
		return 0;
	return (last.tsc - first.tsc) * PIT_HZ / (first.pit - last.pit);
}

void time_init(void)
{
	uint64_t hz = 0, now, ns;

	for (unsigned int tries = 0; hz == 0; tries++) {
		if (tries == MAX_TRIES)
			panic("time_init: the PIT's channel 2 runs out before it can be read: no "
			      "clock to measure by");
		hz = measure_hz();
	}
	ns = time_ns();
	now = x86_rdtsc();
	start_ns = ns;
	start_count = now;
	scale = (1000000000ul << FRACTION_BITS) / hz;
	log_info("the time-stamp counter runs at %lu kHz", hz / 1000);
}
