// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a bad address is, in words, for the message of a page fault. Takes no lock: it may run while
 * any is held.
 */
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/traps.h"
#include "boot/sections.h"
#include "kernel/cpumask.h"

/* Objects may be this large, so a NULL pointer's member may be this far away. */
enum { NULL_REACH = 64 * 1024 };

static bool is_within(uintptr_t addr, const char *start, const char *end)
{
	return addr >= (uintptr_t)start && addr < (uintptr_t)end;
}

/* Whether a NULL per-CPU pointer reaches addr: by %gs on this CPU, or by per_cpu_ptr for any. */
static bool is_null_percpu(uintptr_t addr)
{
	unsigned int cpu;

	if (addr - x86_read_msr(MSR_GS_BASE) < NULL_REACH)
		return true;
	for_each_possible_cpu (cpu)
		if (addr - __per_cpu_offset[cpu] < NULL_REACH)
			return true;
	return false;
}

/* An unmapped page right below mapped ones, which the stack pointer has come near to. */
static bool is_stack_guard(uintptr_t addr, uintptr_t rsp)
{
	uintptr_t page = ALIGN_DOWN(addr, PAGE_SIZE);

	if (is_within(addr, boot_stack_guard, boot_stack))
		return true;
	return paging_lookup(page, NULL) == PHYS_NONE &&
	       paging_lookup(page + PAGE_SIZE, NULL) != PHYS_NONE &&
	       rsp - (page - PAGE_SIZE) <= 2 * PAGE_SIZE + KERNEL_STACK_SIZE;
}

const char *fault_describe(uintptr_t addr, uintptr_t rsp)
{
	if (addr < NULL_REACH)
		return "NULL pointer";
	if (is_null_percpu(addr))
		return "NULL per-CPU pointer";
	if (addr >= PERCPU_LINK_BASE &&
	    addr < PERCPU_LINK_BASE + (uintptr_t)(__per_cpu_end - __per_cpu_start))
		return "per-CPU pointer used without this_cpu_ or per_cpu_ptr";
	if (is_stack_guard(addr, rsp))
		return "guard page of a stack: stack overflow";
	if (is_within(addr, __text_start, __text_end))
		return "kernel text";
	if (is_within(addr, __rodata_start, __rodata_end))
		return "read-only data";
	if (is_within(addr, __data_start, __data_end))
		return "kernel data";
	if (addr >= VMALLOC_START && addr < VMALLOC_END)
		return "vmalloc area";
	if (addr >= DIRECT_MAP_BASE && addr < DIRECT_MAP_BASE + DIRECT_MAP_SIZE)
		return "direct map";
	return "wild pointer";
}
