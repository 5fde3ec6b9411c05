// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC, see apic.h. Registers are named by their xAPIC offset; the x2APIC's MSR is
 * 0x800 + offset / 16. Destinations are physical ids, so there is no logical set-up.
 */
#define LOG_AREA "apic"
#include "arch/x86_64/apic.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"

enum {
	REG_TASK_PRIORITY = 0x080,
	REG_EOI = 0x0b0,
	REG_SPURIOUS = 0x0f0,
	REG_ERROR_STATUS = 0x280,
	REG_COMMAND_LOW = 0x300,
	REG_COMMAND_HIGH = 0x310,
	REG_LVT_TIMER = 0x320,
	REG_LVT_LINT0 = 0x350,
	REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370,
	REG_TIMER_INITIAL = 0x380,
	REG_TIMER_CURRENT = 0x390,
	REG_TIMER_DIVIDE = 0x3e0,
	REGS_SIZE = 0x400,
};

enum {
	SPURIOUS_ENABLE = 1 << 8,
	LVT_NMI = 4 << 8,
	LVT_MASKED = 1 << 16,
	LVT_PERIODIC = 1 << 17,
	DIVIDE_BY_16 = 3,
	COMMAND_NMI = 4 << 8,
	COMMAND_INIT = 5 << 8,
	COMMAND_STARTUP = 6 << 8,
	COMMAND_PENDING = 1 << 12,
	COMMAND_ASSERT = 1 << 14,
	DEVICES_PRIORITY =
		VECTOR_RESCHEDULE - 1, /* of the classes below that of other CPUs' interrupts */
	XAPIC_ID_SHIFT = 24,
	XAPIC_ID_MAX = 254, /* 255 is everybody */
};

enum { MSR_X2APIC = 0x800, APIC_BASE_X2 = 1 << 10, APIC_BASE_ENABLE = 1 << 11 };
enum { EAX, EBX, ECX, EDX };
enum { CPUID_FEATURES = 1, CPUID_TOPOLOGY = 0xb, ECX_X2APIC = 1 << 21 };

/* The two 8259s: where they raise interrupts until they are masked. */
enum { PIC1 = 0x20, PIC2 = 0xa0, PIC_INIT = 0x11, PIC_8086 = 0x01, PIC_VECTORS = 0x20 };

#define CALIBRATION_US 10000

/*
 * Many processors tick more slowly, so that the machine as a whole does not tick more often than
 * this: where they are virtual, every tick of an idle one wakes a thread of the host.
 */
#define TICKS_ALL_CPUS 4000u
#define TICKS_MAX      250u
#define TICKS_MIN      20u
#define SEND_SPINS     1000000

static bool x2apic;
static volatile char *regs;	  /* xAPIC */
static uint32_t ticks_per_period; /* of the timer, divided by 16 */
static void (*timer_fn)(void);
static DEFINE_PER_CPU(uint64_t, nr_ticks);

static uint32_t reg_read(unsigned int reg)
{
	if (x2apic)
		return (uint32_t)x86_read_msr(MSR_X2APIC + reg / 16);
	return *(volatile uint32_t *)(regs + reg);
}

static void reg_write(unsigned int reg, uint32_t value)
{
	if (x2apic)
		x86_write_msr(MSR_X2APIC + reg / 16, value);
	else
		*(volatile uint32_t *)(regs + reg) = value;
}

uint32_t lapic_id(void)
{
	uint32_t r[4];

	x86_cpuid(0, 0, r);
	if (r[EAX] >= CPUID_TOPOLOGY) {
		x86_cpuid(CPUID_TOPOLOGY, 0, r);
		if (r[EBX] != 0)
			return r[EDX];
	}
	x86_cpuid(CPUID_FEATURES, 0, r);
	return r[EBX] >> 24;
}

static bool has_x2apic(void)
{
	uint32_t r[4];

	x86_cpuid(CPUID_FEATURES, 0, r);
	return r[ECX] & ECX_X2APIC;
}

bool lapic_can_reach(uint32_t apic_id)
{
	return apic_id <= XAPIC_ID_MAX || has_x2apic();
}

/* ---- Set-up ---- */

/*
 * The 8259s are moved off the exceptions' vectors even though they stay masked: they can still
 * raise a spurious interrupt.
 */
static void mask_pics(void)
{
	x86_outb(PIC1, PIC_INIT);
	x86_outb(PIC2, PIC_INIT);
	x86_outb(PIC1 + 1, PIC_VECTORS);
	x86_outb(PIC2 + 1, PIC_VECTORS + 8);
	x86_outb(PIC1 + 1, 1 << 2);
	x86_outb(PIC2 + 1, 2);
	x86_outb(PIC1 + 1, PIC_8086);
	x86_outb(PIC2 + 1, PIC_8086);
	x86_outb(PIC1 + 1, 0xff);
	x86_outb(PIC2 + 1, 0xff);
}

/* Firmware's choice, unless a processor's id can only be reached by x2APIC. */
static bool want_x2apic(void)
{
	if (!has_x2apic())
		return false;
	if (x86_read_msr(MSR_APIC_BASE) & APIC_BASE_X2)
		return true;
	for (unsigned int i = 0; i < acpi_madt.nr_cpus; i++)
		if (acpi_madt.cpus[i].apic_id > XAPIC_ID_MAX)
			return true;
	return false;
}

unsigned int timer_hz(void)
{
	unsigned int hz = TICKS_ALL_CPUS / max(acpi_madt.nr_cpus, 1u);

	return max(min(hz, TICKS_MAX), TICKS_MIN);
}

static void calibrate_timer(void)
{
	uint32_t elapsed;
	uint64_t start;

	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	start = time_ns();
	reg_write(REG_TIMER_INITIAL, ~0u);
	time_delay_us(CALIBRATION_US);
	elapsed = ~0u - reg_read(REG_TIMER_CURRENT);
	/* What really went by, not what was asked for: the machine may have been held up. */
	ticks_per_period = (uint32_t)(elapsed * (1000000000ul / timer_hz()) / (time_ns() - start));
	reg_write(REG_TIMER_INITIAL, 0);
	if (ticks_per_period == 0)
		panic("lapic_init: the local APIC's timer does not count");
}

static void error_interrupt(struct trap_frame *frame __unused)
{
	reg_write(REG_ERROR_STATUS, 0);
	log_error("local APIC error, status 0x%x", reg_read(REG_ERROR_STATUS));
}

static void timer_interrupt(struct trap_frame *frame __unused)
{
	this_cpu_inc(nr_ticks);
	timer_fn();
}

void lapic_init(void)
{
	phys_addr_t base = x86_read_msr(MSR_APIC_BASE) & ~(PAGE_SIZE - 1) & ((1ul << 52) - 1);

	mask_pics();
	x2apic = want_x2apic();
	if (!x2apic)
		regs = vm_map_device(base, REGS_SIZE, PROT_NOCACHE, "lapic");
	irq_set_handler(VECTOR_ERROR, error_interrupt);
	lapic_init_cpu();
	calibrate_timer();
	log_info("local APICs by %s, timer %u counts a tick of %u us",
		 x2apic ? "MSR (x2APIC)" : "memory (xAPIC)", ticks_per_period,
		 1000000 / timer_hz());
}

void lapic_init_cpu(void)
{
	uint64_t base = x86_read_msr(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	x86_write_msr(MSR_APIC_BASE, base);
	if (x2apic)
		x86_write_msr(MSR_APIC_BASE, base | APIC_BASE_X2);
	reg_write(REG_TASK_PRIORITY, 0);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, LVT_NMI);
	reg_write(REG_LVT_ERROR, VECTOR_ERROR);
	reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	reg_write(REG_ERROR_STATUS, 0);
}

void lapic_timer_start(void)
{
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
	reg_write(REG_TIMER_INITIAL, ticks_per_period);
}

void lapic_timer_stop(void)
{
	reg_write(REG_TIMER_INITIAL, 0);
}

void timer_set_handler(void (*fn)(void))
{
	timer_fn = fn;
	irq_set_handler(VECTOR_TIMER, timer_interrupt);
	lapic_timer_start();
}

uint64_t timer_ticks(unsigned int cpu)
{
	return READ_ONCE(per_cpu(nr_ticks, cpu));
}

/* ---- Use ---- */

void lapic_hold_devices(void)
{
	reg_write(REG_TASK_PRIORITY, DEVICES_PRIORITY);
}

void lapic_admit_devices(void)
{
	reg_write(REG_TASK_PRIORITY, 0);
}

void lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

/* The command register takes one at a time; the one before is on its way within microseconds. */
static void wait_sent(void)
{
	for (unsigned int spins = 0; spins < SEND_SPINS; spins++) {
		if ((reg_read(REG_COMMAND_LOW) & COMMAND_PENDING) == 0)
			return;
		x86_pause();
	}
}

static void send(uint32_t apic_id, uint32_t command)
{
	irqflags_t flags;

	if (x2apic) {
		/* Unlike a store to a device, this WRMSR waits for no earlier store. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		x86_write_msr(MSR_X2APIC + REG_COMMAND_LOW / 16, (uint64_t)apic_id << 32 | command);
		return;
	}
	flags = irq_save(); /* the two halves belong together */
	wait_sent();
	reg_write(REG_COMMAND_HIGH, apic_id << XAPIC_ID_SHIFT);
	reg_write(REG_COMMAND_LOW, command);
	irq_restore(flags);
}

void lapic_send_ipi(uint32_t apic_id, unsigned int vector)
{
	send(apic_id, COMMAND_ASSERT | vector);
}

void lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_NMI);
}

void lapic_send_init(uint32_t apic_id)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_INIT);
}

void lapic_send_startup(uint32_t apic_id, unsigned int page)
{
	send(apic_id, COMMAND_ASSERT | COMMAND_STARTUP | page);
}
