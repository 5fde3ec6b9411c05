// SPDX-License-Identifier: GPL-2.0-only
/*
 * Panic: one CPU tells what happened, the others are stopped by NMI and leave a note of where they
 * were, and the machine ends with status 0x11; on a terminal not before somebody has looked around
 * (monitor_panic.c).
 *
 * The first CPU to panic owns it. Another CPU that panics meanwhile waits for its NMI; a second
 * panic on the owner itself ends what panic_try runs, or else the machine at once. From the NMI on the others touch nothing: the
 * owner reads their notes, so it waits for each no longer than STOP_NS, and takes no lock.
 */
#define LOG_AREA "panic"
#include "kernel/panic.h"

#include "arch/x86_64/arch.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/traps.h"
#include "kernel/hints.h"
#include "kernel/ksyms.h"
#include "kernel/monitor.h"
#include "kernel/mutex.h"
#include "kernel/panic_internal.h"
#include "kernel/printk.h"
#include "kernel/printk_internal.h"
#include "kernel/records.h"
#include "kernel/sched.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/time.h"

#define MAX_FRAMES 32
#define STOP_NS	   1000000000ul /* for all other CPUs together */
#define TEXT_SIZE  512

#define CODE_BEFORE 16 /* bytes printed before the instruction's first */
#define CODE_AFTER  16 /* and from it on */

/* Where a CPU was when it was stopped. */
struct snapshot {
	uintptr_t pcs[MAX_FRAMES];
	size_t nr;
	bool after_call; /* pcs[0] is a return address too */
	bool taken;	 /* the rest is valid */
};

static DEFINE_PER_CPU(struct snapshot, snapshot);
static unsigned int owner; /* id + 1 of the CPU that panics */
static char what[TEXT_SIZE];
static struct trap_frame
	place; /* where it panicked; without a trap only rip, rsp, rbp and rflags */
static bool trapped;
static uintptr_t fault_addr; /* CR2 then */
static bool probing;	     /* the owner runs something of panic_try */

/* Notes where this CPU is: pcs[0] is where it stopped, the rest are return addresses. */
static void take_snapshot(const struct trap_frame *frame)
{
	struct snapshot *mine = this_cpu_ptr(&snapshot);

	mine->pcs[0] = frame->rip;
	mine->nr = 1 + arch_backtrace(frame->rbp, mine->pcs + 1, MAX_FRAMES - 1);
	__atomic_store_n(&mine->taken, true, __ATOMIC_RELEASE);
}

/* The call is the byte before a return address. */
static void print_trace(unsigned int cpu)
{
	const struct snapshot *theirs = per_cpu_ptr(&snapshot, cpu);

	for (size_t i = 0; i < theirs->nr; i++) {
		size_t back = i > 0 || theirs->after_call;
		size_t offset, size;
		const char *name = ksym_name(theirs->pcs[i] - back, &offset, &size);

		log_error("  #%zu 0x%016lx %s+0x%zx/0x%zx", i, theirs->pcs[i], name, offset + back,
			  size);
	}
}

bool panic_print_trace(unsigned int cpu)
{
	if (per_cpu(snapshot, cpu).taken)
		print_trace(cpu);
	return per_cpu(snapshot, cpu).taken;
}

static void print_control(void)
{
	log_error("cr0=0x%lx cr2=0x%lx cr3=0x%lx cr4=0x%lx", x86_read_cr0(), fault_addr,
		  x86_read_cr3(), x86_read_cr4());
}

static void print_registers(const struct trap_frame *frame)
{
	log_error("rip=0x%lx (%pS) rflags=0x%lx cs=0x%lx", frame->rip, (void *)frame->rip,
		  frame->rflags, frame->cs);
	log_error("rsp=0x%016lx ss=0x%lx vector=%lu error=0x%lx", frame->rsp, frame->ss,
		  frame->vector, frame->error);
	log_error("rax=0x%016lx rbx=0x%016lx rcx=0x%016lx rdx=0x%016lx", frame->rax, frame->rbx,
		  frame->rcx, frame->rdx);
	log_error("rsi=0x%016lx rdi=0x%016lx rbp=0x%016lx r8 =0x%016lx", frame->rsi, frame->rdi,
		  frame->rbp, frame->r8);
	log_error("r9 =0x%016lx r10=0x%016lx r11=0x%016lx r12=0x%016lx", frame->r9, frame->r10,
		  frame->r11, frame->r12);
	log_error("r13=0x%016lx r14=0x%016lx r15=0x%016lx", frame->r13, frame->r14, frame->r15);
}

static bool is_mapped(uintptr_t addr)
{
	return paging_lookup(addr, NULL) != PHYS_NONE;
}

/* The instruction's bytes in <>, those around it before and after. */
static void print_code(uintptr_t rip)
{
	char line[CODE_BEFORE * 3 + CODE_AFTER * 3 + 8] = "";
	size_t n = 0;

	for (uintptr_t addr = rip - CODE_BEFORE; addr != rip + CODE_AFTER; addr++) {
		const char *form = addr == rip ? " <%02x>" : " %02x";

		if (is_mapped(addr))
			n += (size_t)snprintf(line + n, sizeof(line) - n, form,
					      *(const uint8_t *)addr);
		else
			n += (size_t)snprintf(line + n, sizeof(line) - n,
					      addr == rip ? " <-->" : " --");
	}
	log_error("code:%s", line);
}

static void print_error(const struct trap_frame *frame)
{
	uint64_t error = frame->error;

	if (frame->vector == VECTOR_PAGE_FAULT)
		log_error("error=0x%lx: present=%d write=%d user=%d reserved=%d instruction=%d",
			  error, !!(error & FAULT_PRESENT), !!(error & FAULT_WRITE),
			  !!(error & FAULT_USER), !!(error & FAULT_RESERVED),
			  !!(error & FAULT_FETCH));
	else if (error != 0)
		log_error("error=0x%lx: external=%lu table=%s selector=0x%lx", error, error & 1,
			  error & 2   ? "IDT"
			  : error & 4 ? "LDT"
				      : "GDT",
			  error >> 3 << 3);
}

void panic_print_registers(void)
{
	if (trapped)
		print_registers(&place);
	else
		log_error("rip=0x%lx rsp=0x%lx rbp=0x%lx rflags=0x%lx", place.rip, place.rsp,
			  place.rbp, place.rflags);
	print_control();
	if (trapped) {
		print_error(&place);
		print_code(place.rip);
	}
}

/* ---- The other CPUs ---- */

static void stop_here(void)
{
	x86_cli();
	for (;;)
		x86_pause();
}

bool panic_nmi(struct trap_frame *frame)
{
	unsigned int by = __atomic_load_n(&owner, __ATOMIC_ACQUIRE);

	if (by == 0 || by == smp_processor_id() + 1)
		return false;
	if (!this_cpu_ptr(&snapshot)->taken)
		take_snapshot(frame);
	stop_here();
	return true;
}

static void stop_others(void)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		if (cpu != smp_processor_id())
			smp_send_nmi(cpu);
	}
}

static bool wait_for(unsigned int cpu, uint64_t deadline)
{
	const struct snapshot *theirs = per_cpu_ptr(&snapshot, cpu);

	while (!__atomic_load_n(&theirs->taken, __ATOMIC_ACQUIRE)) {
		if (time_ns() > deadline)
			return false;
		x86_pause();
	}
	return true;
}

static void print_others(void)
{
	uint64_t deadline = time_ns() + STOP_NS;
	unsigned int cpu;

	stop_others();
	for_each_online_cpu (cpu) {
		if (cpu == smp_processor_id())
			continue;
		if (!wait_for(cpu, deadline)) {
			log_error("cpu%u (thread %s) does not answer the NMI", cpu,
				  sched_running_name(cpu));
			continue;
		}
		log_error("cpu%u was in thread %s:", cpu, sched_running_name(cpu));
		print_trace(cpu);
		spin_print_held(cpu);
	}
}

/* ---- The CPU that panics ---- */

/* A panic on the CPU that panics: ends what panic_try runs. Else one line, then the end; a third one is
 * silent. */
static void __noreturn panic_again(const char *fmt, va_list args)
{
	static bool said;

	if (probing) {
		probing = false;
		log_vline(LOG_ERROR, LOG_AREA, fmt, args);
		*(volatile char *)NULL = 0; /* the probe takes it from here */
	}
	if (!said) {
		said = true;
		log_error("panic inside a panic, the end:");
		log_vline(LOG_ERROR, LOG_AREA, fmt, args);
	}
	arch_exit(EXIT_FAILED);
}

/* Returns on the CPU that owns the panic, the first time only, with the text in `what`. */
static void panic_claim(const char *fmt, va_list args)
{
	unsigned int me = smp_processor_id() + 1, nobody = 0;

	x86_cli();
	if (!__atomic_compare_exchange_n(&owner, &nobody, me, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		if (nobody != me)
			stop_here();
		panic_again(fmt, args);
	}
	vsnprintf(what, sizeof(what), fmt, args);
	fault_addr = x86_read_cr2();
}

static void print_head(void)
{
	const char *test = test_running();

	console_panic_begin();
	log_error("PANIC: %s", what);
	log_error("on cpu%u, in thread %s", smp_processor_id(), thread_name(thread_current()));
	if (test == NULL)
		return;
	console_printf("# panic in test %s: %s\n", test, what);
	report_write("Bail out! panic in test ", 24);
	report_write(test, strlen(test));
	report_write(": ", 2);
	report_write(what, strlen(what));
	report_write("\n", 1);
}

bool panic_try(const char *name, void (*fn)(void *arg), void *arg)
{
	uintptr_t addr;
	bool good;

	probing = true;
	good = trap_probe(fn, arg, &addr);
	probing = false;
	if (!good)
		log_error("%s ended by a fault at 0x%lx: what it reads is broken", name, addr);
	return good;
}

static void print_books(void *unused __unused)
{
	mutex_print_held();
	records_print_last();
}

static void print_hints(void *unused __unused)
{
	hints_print(&place, fault_addr);
}

/* The rest of the report, then the end, or a prompt. */
static void __noreturn finish(void)
{
	unsigned int me = smp_processor_id();

	log_error("backtrace of cpu%u:", me);
	print_trace(me);
	spin_print_held(me);
	print_others();
	spin_break();
	panic_try("the report", print_books, NULL);
	if (trapped)
		panic_try("the hints", print_hints, NULL);
	log_error("end of panic: %s", what);
	if (monitor_panic_wanted())
		monitor_panic();
	arch_exit(EXIT_FAILED);
}

void panic_at(const char *file, int line, const char *fmt, ...)
{
	struct snapshot *mine = this_cpu_ptr(&snapshot);
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	uint64_t flags = x86_read_flags();
	va_list args;

	va_start(args, fmt);
	panic_claim(fmt, args);
	va_end(args);
	print_head();
	log_error("at %s:%d, called from %pS", file, line, (void *)(CALLER() - 1));
	place = (struct trap_frame){.rip = CALLER(), .rsp = frame + 16, .rflags = flags};
	place.rbp = *(uintptr_t *)frame;
	panic_print_registers();
	mine->nr = arch_backtrace(frame, mine->pcs, MAX_FRAMES);
	mine->after_call = mine->taken = true;
	finish();
}

void panic_trap(struct trap_frame *frame, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	panic_claim(fmt, args);
	va_end(args);
	print_head();
	log_error("at %pS", (void *)frame->rip);
	place = *frame;
	trapped = true;
	panic_print_registers();
	take_snapshot(frame);
	finish();
}
