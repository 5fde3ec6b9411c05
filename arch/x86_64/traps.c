// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens on an exception or interrupt, after entry.S made the frame.
 *
 * Vectors above 31 go to their registered handler, then the end-of-interrupt, then the scheduler
 * may switch threads. Exceptions end in a panic that says what happened, with three exceptions:
 * code run by trap_probe is expected to fault; an NMI may be another CPU that panics; a page fault
 * may be stale.
 * Source: Intel SDM vol. 3 chapter 6.
 */
#define LOG_AREA "trap"
#include "arch/x86_64/traps.h"

#include "arch/x86_64/apic.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/percpu.h"
#include "boot/sections.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/thread.h"

enum {
	VECTOR_NMI = 2,
	VECTOR_INVALID_OPCODE = 6,
	VECTOR_PROTECTION = 13,
	NR_EXCEPTIONS = 32,
	NR_VECTORS = 256,
};

_Static_assert(offsetof(struct trap_frame, rip) == TRAP_FRAME_RIP, "entry.S reads rip there");
_Static_assert(sizeof(struct trap_frame) == 22 * 8, "entry.S pushes 15 registers and a vector");

/* A trap_probe that is under way on a CPU. */
struct trap_recovery {
	uintptr_t resume_sp;	     /* stack to go on with at trap_probe_resume */
	uintptr_t fault_addr;	     /* where it faulted */
	irqflags_t flags;	     /* to go on with */
	unsigned int depth;	     /* trap_depth that fn runs at */
	struct trap_recovery *outer; /* the probe that this one runs in */
};

/* switch.S */
bool trap_probe_run(uintptr_t *resume_sp, void (*fn)(void *), void *arg);
extern char trap_probe_resume[];
/* entry.S */
void trap_dispatch(struct trap_frame *frame);
extern char trap_entry_start[], trap_entry_end[];

static DEFINE_PER_CPU(unsigned int, trap_depth); /* handlers that run on this CPU now */
static DEFINE_PER_CPU(struct trap_recovery *, trap_recovery);
static irq_handler_t irq_handlers[NR_VECTORS];

static const char *const exception_names[NR_EXCEPTIONS] = {
	[0] = "divide error",
	[1] = "debug exception",
	[2] = "non-maskable interrupt",
	[3] = "breakpoint",
	[4] = "overflow",
	[5] = "bound range exceeded",
	[6] = "invalid opcode",
	[7] = "device not available (floating point in the kernel)",
	[8] = "double fault",
	[10] = "invalid TSS",
	[11] = "segment not present",
	[12] = "stack segment fault",
	[13] = "general protection fault",
	[14] = "page fault",
	[16] = "x87 floating-point error",
	[17] = "alignment check",
	[18] = "machine check",
	[19] = "SIMD floating-point exception",
	[20] = "virtualization exception",
	[21] = "control protection exception",
};

bool in_interrupt(void)
{
	return this_cpu_read(trap_depth) > 0;
}

bool trap_is_entry_code(uintptr_t pc)
{
	return pc >= (uintptr_t)trap_entry_start && pc < (uintptr_t)trap_entry_end;
}

void irq_set_handler(unsigned int vector, irq_handler_t handler)
{
	if (vector < NR_EXCEPTIONS || vector >= NR_VECTORS)
		panic("irq_set_handler: vector %u is not one of %u to %u", vector, NR_EXCEPTIONS,
		      NR_VECTORS - 1);
	if (irq_handlers[vector] != NULL && irq_handlers[vector] != handler)
		panic("irq_set_handler: vector %u already has the handler %pS", vector,
		      (void *)irq_handlers[vector]);
	irq_handlers[vector] = handler;
}

bool trap_probe(void (*fn)(void *arg), void *arg, uintptr_t *addr)
{
	struct trap_recovery here = {.flags = x86_read_flags()};
	bool returned;

	preempt_disable();
	here.depth = this_cpu_read(trap_depth);
	here.outer = this_cpu_xchg(trap_recovery, &here);
	returned = trap_probe_run(&here.resume_sp, fn, arg);
	this_cpu_write(trap_recovery, here.outer);
	preempt_enable();
	if (!returned && addr != NULL)
		*addr = here.fault_addr;
	return returned;
}

/* If the faulting code runs in a trap_probe: makes the frame return to it, and true. */
static bool recover(struct trap_frame *frame, uintptr_t addr)
{
	struct trap_recovery *recovery = this_cpu_read(trap_recovery);

	if (recovery == NULL || recovery->depth + 1 != this_cpu_read(trap_depth))
		return false;
	recovery->fault_addr = addr;
	frame->rip = (uintptr_t)trap_probe_resume;
	frame->rsp = recovery->resume_sp;
	frame->rflags = recovery->flags;
	return true;
}

/*
 * A not-present fault where the tables do map a page: this CPU walked through a page table that was
 * replaced and whose flush is still on its way. The fault dropped what was cached; trying again
 * works.
 */
static bool fault_is_stale(const struct trap_frame *frame, uintptr_t addr)
{
	return (frame->error & FAULT_PRESENT) == 0 && addr >= VMALLOC_START && addr < VMALLOC_END &&
	       paging_lookup(addr, NULL) != PHYS_NONE;
}

static const char *access_name(uint64_t error)
{
	if (error & FAULT_FETCH)
		return "execute";
	return error & FAULT_WRITE ? "write" : "read";
}

static const char *access_reason(uint64_t error)
{
	if (error & FAULT_RESERVED)
		return "a page-table entry with reserved bits set";
	return error & FAULT_PRESENT ? "a page whose protection forbids it"
				     : "no page mapped there";
}

static void handle_page_fault(struct trap_frame *frame)
{
	uintptr_t addr = x86_read_cr2();

	if (recover(frame, addr) || fault_is_stale(frame, addr))
		return;
	panic_trap(frame, "page fault: %s of 0x%lx at %pS: %s: %s", access_name(frame->error), addr,
		   (void *)frame->rip, fault_describe(addr, frame->rsp),
		   access_reason(frame->error));
}

static void handle_protection_fault(struct trap_frame *frame)
{
	if (recover(frame, 0))
		return;
	if (frame->error != 0)
		panic_trap(frame, "general protection fault at %pS: selector 0x%lx",
			   (void *)frame->rip, frame->error);
	panic_trap(frame,
		   "general protection fault at %pS: an address that is not canonical, or a "
		   "privileged register written with a bad value",
		   (void *)frame->rip);
}

/* A push on an overflown stack faults, and so does reporting it: that is the usual double fault. */
static void handle_double_fault(struct trap_frame *frame)
{
	uintptr_t addr = x86_read_cr2();

	panic_trap(frame, "double fault at %pS: last page fault at 0x%lx: %s", (void *)frame->rip,
		   addr, fault_describe(addr, frame->rsp));
}

/* The compiler writes ud2 into C code for one reason only: the sanitizer's trap (make SANITIZE=1),
 * or code that is reached only by undefined behaviour that it saw coming. */
static bool is_compiler_trap(uintptr_t rip)
{
	static const uint8_t ud2[] = {0x0f, 0x0b};

	return rip >= (uintptr_t)__text_start && rip < (uintptr_t)__text_end &&
	       memcmp((const void *)rip, ud2, sizeof(ud2)) == 0;
}

static void handle_invalid_opcode(struct trap_frame *frame)
{
	const char *what = is_compiler_trap(frame->rip) ? "undefined behaviour: the compiler's trap"
							: exception_names[VECTOR_INVALID_OPCODE];

	panic_trap(frame, "%s at %pS", what, (void *)frame->rip);
}

static void handle_nmi(struct trap_frame *frame)
{
	if (!panic_nmi(frame))
		log_warn("non-maskable interrupt that nobody asked for at %pS", (void *)frame->rip);
}

static void handle_exception(struct trap_frame *frame)
{
	const char *name = exception_names[frame->vector];

	switch (frame->vector) {
	case VECTOR_NMI:
		handle_nmi(frame);
		break;
	case VECTOR_DOUBLE_FAULT:
		handle_double_fault(frame);
		break;
	case VECTOR_INVALID_OPCODE:
		handle_invalid_opcode(frame);
		break;
	case VECTOR_PROTECTION:
		handle_protection_fault(frame);
		break;
	case VECTOR_PAGE_FAULT:
		handle_page_fault(frame);
		break;
	default:
		panic_trap(frame, "%s (vector %lu, error 0x%lx) at %pS",
			   name != NULL ? name : "reserved exception", frame->vector, frame->error,
			   (void *)frame->rip);
	}
}

static void handle_interrupt(struct trap_frame *frame)
{
	irq_handler_t handler = irq_handlers[frame->vector];

	if (handler != NULL)
		handler(frame);
	else if (frame->vector != VECTOR_SPURIOUS)
		log_warn("interrupt on vector 0x%lx, which has no handler", frame->vector);
	if (frame->vector != VECTOR_SPURIOUS)
		lapic_eoi();
}

void trap_dispatch(struct trap_frame *frame)
{
	this_cpu_inc(trap_depth);
	if (frame->vector < NR_EXCEPTIONS)
		handle_exception(frame);
	else
		handle_interrupt(frame);
	this_cpu_dec(trap_depth);
	if (frame->vector >= NR_EXCEPTIONS && !in_interrupt())
		thread_preempt_from_irq();
}
