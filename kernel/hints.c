// SPDX-License-Identifier: GPL-2.0-only
/* What lies at the address of a fault, and what a fault of that kind usually means; see hints.h. */
#define LOG_AREA "panic"
#include "kernel/hints.h"

#include "arch/x86_64/paging.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/traps.h"
#include "boot/sections.h"
#include "kernel/cpumask.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"

#define USER_END 0x800000000000ul

enum {
	NULL_REACH =
		64 * 1024, /* objects may be this large, so a NULL pointer's member this far away */
	POISON_REACH =
		64 * 1024, /* and a member of what a poisoned pointer points to, either way */
};

/* ---- What is at an address: each says so and returns true, or false if it is something else. ---- */

/* Whose NULL per-CPU pointer reaches addr; NR_CPUS: nobody's. */
static unsigned int null_percpu_of(uintptr_t addr)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		if (addr - __per_cpu_offset[cpu] < NULL_REACH)
			return cpu;
	}
	return NR_CPUS;
}

static bool null_percpu_text(uintptr_t addr, char *buf, size_t size)
{
	unsigned int cpu = null_percpu_of(addr);

	if (cpu == NR_CPUS)
		return false;
	snprintf(buf, size, "CPU %u's copy of a NULL per-CPU pointer, plus %lu", cpu,
		 addr - __per_cpu_offset[cpu]);
	return true;
}

/* If addr is in a CPU's unit of a chunk: the per-CPU pointer that it is that CPU's copy of, else 0. */
static uintptr_t unit_pointer(uintptr_t addr, struct pcpu_where *where, unsigned int *cpu)
{
	uintptr_t ptr = addr - (uintptr_t)pcpu_base_addr + (uintptr_t)__per_cpu_start;

	pcpu_where((const void __percpu *)ptr, where);
	*cpu = where->cpu;
	if (where->what == PCPU_OTHER_UNIT) {
		ptr = addr - __per_cpu_offset[*cpu];
		pcpu_where((const void __percpu *)ptr, where);
	}
	return where->what <= PCPU_STATIC ? ptr : 0;
}

static bool unit_text(uintptr_t addr, char *buf, size_t size)
{
	char text[PCPU_TEXT_SIZE];
	struct pcpu_where where;
	unsigned int cpu;
	uintptr_t ptr = unit_pointer(addr, &where, &cpu);

	if (ptr == 0)
		return false;
	pcpu_where_text((const void __percpu *)ptr, &where, text, sizeof(text));
	snprintf(buf, size, "in CPU %u's unit of chunk %lu, page %zu%s: %s", cpu, where.chunk,
		 where.offset / PAGE_SIZE, where.populated ? "" : " (without memory)", text);
	return true;
}

/* The stack that the page of addr guards: its lowest byte, else 0. */
static uintptr_t guarded_stack(uintptr_t addr, const char **name)
{
	uintptr_t page = ALIGN_DOWN(addr, PAGE_SIZE);
	struct vm_range range;

	*name = "boot";
	if (page == (uintptr_t)boot_stack_guard)
		return (uintptr_t)boot_stack;
	if (vm_range_find(addr, &range) || !vm_range_find(page + PAGE_SIZE, &range) ||
	    range.size != KERNEL_STACK_SIZE)
		return 0;
	*name = range.name;
	return range.start;
}

static bool guard_text(uintptr_t addr, char *buf, size_t size)
{
	const char *name;

	if (guarded_stack(addr, &name) == 0)
		return false;
	snprintf(buf, size, "in the guard page of the stack '%s'", name);
	return true;
}

static bool vmalloc_text(uintptr_t addr, char *buf, size_t size)
{
	struct vm_range range;

	if (addr < VMALLOC_START || addr >= VMALLOC_END)
		return false;
	if (vm_range_find(addr, &range))
		snprintf(buf, size, "%lu bytes into the vmalloc range '%s' of %zu bytes",
			 addr - range.start, range.name, range.size);
	else if (vm_range_find(addr - PAGE_SIZE, &range))
		snprintf(buf, size, "in the gap behind the vmalloc range '%s' of %zu bytes",
			 range.name, range.size);
	else
		snprintf(buf, size, "in the vmalloc area, in none of its ranges");
	return true;
}

static bool image_text(uintptr_t addr, char *buf, size_t size)
{
	const char *what = addr < (uintptr_t)__text_end	    ? "kernel text"
			   : addr < (uintptr_t)__rodata_end ? "read-only data"
							    : "kernel data";

	if (addr < (uintptr_t)__text_start || addr >= (uintptr_t)__image_end)
		return false;
	snprintf(buf, size, "in %s, %pS", what, (void *)addr);
	return true;
}

static bool direct_map_text(uintptr_t addr, char *buf, size_t size)
{
	phys_addr_t pa = addr - DIRECT_MAP_BASE;

	if (pa >= DIRECT_MAP_SIZE)
		return false;
	snprintf(buf, size, "in the direct map, physical 0x%lx, owner %s", pa, page_owner_at(pa));
	return true;
}

static bool user_text(uintptr_t addr, char *buf, size_t size)
{
	if (addr >= USER_END)
		return false;
	snprintf(buf, size, "in the user half, where nothing is ever mapped");
	return true;
}

void hints_address_text(uintptr_t addr, char *buf, size_t size)
{
	static bool (*const kinds[])(uintptr_t, char *, size_t) = {
		null_percpu_text, unit_text, guard_text,      vmalloc_text,
		image_text,	  user_text, direct_map_text,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i](addr, buf, size))
			return;
	}
	snprintf(buf, size, "in a hole of the address map");
}

static void print_address(uintptr_t addr)
{
	unsigned int prot = 0;
	bool mapped = paging_lookup(addr, &prot) != PHYS_NONE;
	char text[PCPU_TEXT_SIZE + 80];

	hints_address_text(addr, text, sizeof(text));
	log_error("cr2=0x%lx is %s; %s", addr, text,
		  !mapped	      ? "not mapped"
		  : prot & PROT_WRITE ? "mapped for reading and writing"
		  : prot & PROT_EXEC  ? "mapped for reading and executing"
				      : "mapped for reading");
}

/* ---- Hints on a page fault's address ---- */

static void hint_null(uintptr_t addr, uint64_t error __unused)
{
	if (addr < NULL_REACH)
		log_error("hint: a pointer was NULL: 0x%lx is the member's offset in what it "
			  "should point to",
			  addr);
}

static void hint_null_percpu(uintptr_t addr, uint64_t error __unused)
{
	if (null_percpu_of(addr) != NR_CPUS)
		log_error(
			"hint: a per-CPU pointer was NULL: check what alloc_percpu returned; it is "
			"NULL without memory and, after a warning, for a bad request");
}

static void hint_ordinary_use(uintptr_t addr, uint64_t error __unused)
{
	struct pcpu_where where;

	pcpu_where((const void __percpu *)addr, &where);
	if (where.what == PCPU_AREA || where.what == PCPU_INSIDE || where.what == PCPU_STATIC)
		log_error("hint: 0x%lx is a per-CPU pointer, no address: use this_cpu_ptr or "
			  "per_cpu_ptr(ptr, cpu), or the this_cpu_ operations",
			  addr);
}

static void hint_stack(uintptr_t addr, uint64_t error __unused)
{
	const char *name;

	if (guarded_stack(addr, &name) != 0)
		log_error("hint: the stack '%s' of %d bytes is used up: look in the backtrace for "
			  "a recursion or large local variables",
			  name, KERNEL_STACK_SIZE);
}

static void hint_no_memory(uintptr_t addr, uint64_t error)
{
	struct pcpu_where where;
	unsigned int cpu;

	if ((error & FAULT_PRESENT) == 0 && unit_pointer(addr, &where, &cpu) != 0 &&
	    !where.populated)
		log_error(
			"hint: page %zu of chunk %lu has no memory, as no live area needs it: the "
			"area was freed, or its end was passed; look at the last operations",
			where.offset / PAGE_SIZE, where.chunk);
}

static void hint_read_only(uintptr_t addr, uint64_t error)
{
	if ((error & FAULT_PRESENT) && (error & FAULT_WRITE) && addr >= (uintptr_t)__text_start &&
	    addr < (uintptr_t)__image_end)
		log_error("hint: %pS is read-only: the pointer is wrong, or what it points to must "
			  "not be const",
			  (void *)addr);
}

/* ---- Hints on poison ---- */

#define EVERY_BYTE(byte) ((byte)*0x0101010101010101ul)

static const struct poison {
	uint64_t filling;
	const char *of;
} poisons[] = {
	{PAGE_POISON, "a free page: it was used after page_free"},
	{EVERY_BYTE(HEAP_POISON), "freed heap memory: it was used after kfree"},
	{EVERY_BYTE(GUARD_FREED_BYTE), "a freed per-CPU area (percpu_debug): it was used after "
				       "free_percpu"},
	{EVERY_BYTE(GUARD_ZONE_BYTE), "the zone around a per-CPU area (percpu_debug): its end or "
				      "start was passed"},
	{EVERY_BYTE(STACK_BYTE), "stack memory never written to: a local variable was not set"},
};

static const struct poison *poison_near(uint64_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(poisons); i++) {
		if (value - poisons[i].filling + POISON_REACH <= 2 * POISON_REACH)
			return &poisons[i];
	}
	return NULL;
}

static void hint_poison(const struct trap_frame *frame)
{
	static const char *const names[] = {"r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8",
					    "rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax"};
	const uint64_t *values = &frame->r15;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct poison *poison = poison_near(values[i]);

		if (!poison)
			continue;
		log_error("hint: %s=0x%lx is the filling of %s", names[i], values[i], poison->of);
		return;
	}
}

void hints_print(const struct trap_frame *frame, uintptr_t addr)
{
	static void (*const hints[])(uintptr_t, uint64_t) = {
		hint_null,  hint_null_percpu, hint_ordinary_use,
		hint_stack, hint_no_memory,   hint_read_only,
	};

	if (frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_DOUBLE_FAULT) {
		print_address(addr);
		for (size_t i = 0; i < ARRAY_SIZE(hints); i++)
			hints[i](addr, frame->error);
	}
	hint_poison(frame);
}
