/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Local APICs, by memory (xAPIC) or, where the firmware has switched it on, by MSR (x2APIC). Registers
 * have the same numbers in both: offset / 16. Source: Intel SDM vol. 3 chapter 11.
 */
#define LOG_AREA "apic"
#include "arch/x86_64/apic.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/percpu.h"
#include "kernel/printk.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"

enum {
	REG_ID = 0x02,
	REG_TASK_PRIORITY = 0x08,
	REG_EOI = 0x0b,
	REG_SPURIOUS = 0x0f,
	REG_ERROR = 0x28,
	REG_COMMAND = 0x30,	 /* x2APIC: 64 bits wide */
	REG_COMMAND_HIGH = 0x31, /* xAPIC only */
	REG_LVT_TIMER = 0x32,
	REG_LVT_LINT0 = 0x35,
	REG_LVT_LINT1 = 0x36,
	REG_LVT_ERROR = 0x37,
	REG_TIMER_INITIAL = 0x38,
	REG_TIMER_CURRENT = 0x39,
	REG_TIMER_DIVIDE = 0x3e,
};

#define MSR_X2APIC	 0x800
#define APIC_BASE_X2APIC (1u << 10)
#define SPURIOUS_ENABLE	 (1u << 8)
#define LVT_MASKED	 (1u << 16)
#define LVT_PERIODIC	 (1u << 17)
#define LVT_NMI		 (4u << 8)
#define DIVIDE_BY_16	 3
#define COMMAND_NMI	 (4u << 8)
#define COMMAND_INIT	 (5u << 8)
#define COMMAND_STARTUP	 (6u << 8)
#define COMMAND_PENDING	 (1u << 12)
#define COMMAND_LEVEL	 (1u << 14) /* assert */

#define CALIBRATION_US 10000

static volatile uint32_t *xapic; /* NULL: x2APIC, or not mapped yet */
static uint32_t timer_count;	 /* timer counts a tick */
static void (*tick_handler)(void);
static DEFINE_PER_CPU(uint64_t, nr_ticks);

static bool x2apic_on(void)
{
	return x86_read_msr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

static uint32_t reg_read(unsigned int reg)
{
	return xapic ? xapic[reg * 4] : (uint32_t)x86_read_msr(MSR_X2APIC + reg);
}

static void reg_write(unsigned int reg, uint32_t value)
{
	if (xapic)
		xapic[reg * 4] = value;
	else
		x86_write_msr(MSR_X2APIC + reg, value);
}

uint32_t lapic_id(void)
{
	uint32_t regs[4];

	if (x2apic_on())
		return (uint32_t)x86_read_msr(MSR_X2APIC + REG_ID);
	x86_cpuid(1, 0, regs);
	return xapic ? reg_read(REG_ID) >> 24 : regs[1] >> 24;
}

void lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

/* A command may only be written when the one before has been sent. */
static void send(uint32_t apic_id, uint32_t command)
{
	irqflags_t flags;

	if (!xapic) {
		x86_write_msr(MSR_X2APIC + REG_COMMAND, (uint64_t)apic_id << 32 | command);
		return;
	}
	flags = irq_save();
	while (reg_read(REG_COMMAND) & COMMAND_PENDING)
		x86_pause();
	reg_write(REG_COMMAND_HIGH, apic_id << 24);
	reg_write(REG_COMMAND, command);
	irq_restore(flags);
}

void lapic_send_ipi(uint32_t apic_id, unsigned int vector)
{
	send(apic_id, COMMAND_LEVEL | vector);
}

void lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, COMMAND_LEVEL | COMMAND_NMI);
}

void lapic_send_init(uint32_t apic_id)
{
	send(apic_id, COMMAND_LEVEL | COMMAND_INIT);
}

void lapic_send_startup(uint32_t apic_id, unsigned int page)
{
	send(apic_id, COMMAND_LEVEL | COMMAND_STARTUP | page);
}

static void timer_interrupt(struct trap_frame *frame __unused)
{
	this_cpu_inc(nr_ticks);
	if (tick_handler)
		tick_handler();
}

static void error_interrupt(struct trap_frame *frame __unused)
{
	reg_write(REG_ERROR, 0);
	log_warn("local APIC error, status 0x%x", reg_read(REG_ERROR));
}

static void spurious_interrupt(struct trap_frame *frame __unused)
{
}

void timer_set_handler(void (*fn)(void))
{
	tick_handler = fn;
}

uint64_t timer_ticks(unsigned int cpu)
{
	return READ_ONCE(per_cpu(nr_ticks, cpu));
}

/* Counts how far the timer gets in a known time. */
static void calibrate(void)
{
	uint32_t counted;

	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_LVT_TIMER, LVT_MASKED);
	reg_write(REG_TIMER_INITIAL, ~0u);
	time_delay_us(CALIBRATION_US);
	counted = ~0u - reg_read(REG_TIMER_CURRENT);
	reg_write(REG_TIMER_INITIAL, 0);
	timer_count = (uint32_t)max((uint64_t)counted * (1000000 / CALIBRATION_US) / TIMER_HZ,
				    (uint64_t)1);
}

void lapic_init(void)
{
	if (!x2apic_on())
		xapic = vm_map_device(acpi_madt.lapic_address, PAGE_SIZE, "local APIC");
	irq_set_handler(VECTOR_TIMER, timer_interrupt);
	irq_set_handler(VECTOR_ERROR, error_interrupt);
	irq_set_handler(VECTOR_SPURIOUS, spurious_interrupt);
	reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	calibrate();
	log_info("%s, timer %u counts a tick at %u Hz", xapic ? "xAPIC" : "x2APIC", timer_count,
		 TIMER_HZ);
}

void lapic_init_cpu(void)
{
	reg_write(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	reg_write(REG_TASK_PRIORITY, 0);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, LVT_NMI);
	reg_write(REG_LVT_ERROR, VECTOR_ERROR);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_16);
	reg_write(REG_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
	reg_write(REG_TIMER_INITIAL, timer_count);
}
