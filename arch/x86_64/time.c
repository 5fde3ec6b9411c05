/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Time from the time-stamp counter, whose rate is measured once against channel 2 of the PIT: its gate
 * and output are bits of port 0x61, so no interrupt is needed. Under -icount the counter counts
 * instructions and the measure comes out right all the same.
 * Source: Intel 8254 data sheet (mode 0); Intel SDM vol. 3 section 18.17 (TSC).
 */
#include "kernel/time.h"

#include "arch/x86_64/cpu.h"
#include "kernel/compiler.h"

#define PIT_HZ	       1193182u
#define PIT_CHANNEL2   0x42
#define PIT_COMMAND    0x43
#define PIT_MODE0      0xb0 /* channel 2, low then high byte, mode 0: output rises at zero */
#define SPEAKER_PORT   0x61
#define SPEAKER_GATE   (1 << 0)
#define SPEAKER_ON     (1 << 1)
#define SPEAKER_OUTPUT (1 << 5)
#define CALIBRATION_HZ 100 /* measured over 10 ms */

static uint64_t tsc_start;
static uint64_t tsc_per_ms = 1000000; /* 1 GHz until measured */

/* Lets the PIT count down once and returns the time-stamp counts that took. */
static uint64_t measure(void)
{
	uint16_t count = PIT_HZ / CALIBRATION_HZ;
	uint64_t start;

	x86_outb(SPEAKER_PORT, (x86_inb(SPEAKER_PORT) & ~SPEAKER_ON) | SPEAKER_GATE);
	x86_outb(PIT_COMMAND, PIT_MODE0);
	x86_outb(PIT_CHANNEL2, count & 0xff);
	x86_outb(PIT_CHANNEL2, count >> 8);
	start = x86_rdtsc();
	while (!(x86_inb(SPEAKER_PORT) & SPEAKER_OUTPUT))
		x86_pause();
	return x86_rdtsc() - start;
}

void time_init(void)
{
	uint64_t now = time_ns();

	tsc_per_ms = max(measure() * CALIBRATION_HZ / 1000, (uint64_t)1);
	/* What was counted so far at the assumed rate stays: time does not go back. */
	tsc_start = x86_rdtsc() - now / 1000 * tsc_per_ms / 1000;
}

uint64_t time_ns(void)
{
	uint64_t counts = x86_rdtsc() - tsc_start;

	return counts / tsc_per_ms * 1000000 + counts % tsc_per_ms * 1000000 / tsc_per_ms;
}

uint64_t time_us(void)
{
	return time_ns() / 1000;
}

void time_delay_us(uint64_t us)
{
	uint64_t end = time_us() + us;

	while (time_us() < end)
		x86_pause();
}
