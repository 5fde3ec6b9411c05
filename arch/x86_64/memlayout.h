/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The address map, the one place that fixes it. C, assembly and the linker script include it.
 *
 *   ffffffff ffffffff  +--------------------------------------------+
 *                      | kernel image (text r-x, rodata r--, data)  |  1 GiB window, loaded at
 *   ffffffff c0000000  +--------------------------------------------+  physical KERNEL_PHYS
 *                      | hole                                       |
 *   ffffd200 00000000  +--------------------------------------------+
 *                      | vmalloc area: per-CPU chunks, stacks, MMIO |  2 TiB, four top-level
 *   ffffd000 00000000  +--------------------------------------------+  entries, present from the
 *                      | hole (at least PERCPU_LINK_BASE bytes)     |  start
 *                      +--------------------------------------------+
 *                      | direct map: all physical memory, large     |  up to 64 TiB
 *   ffff8880 00000000  +--------------------------------------------+
 *                      | hole (at least PERCPU_LINK_BASE bytes)     |
 *   00000000 30000000  | .data..percpu is *linked* here, never mapped here: a static per-CPU
 *                      | variable's address is its per-CPU pointer  |
 *   00000000 00000000  +--------------------------------------------+  nothing is mapped down here
 *
 * Why PERCPU_LINK_BASE: GS base of a CPU is (its unit − PERCPU_LINK_BASE), so a NULL per-CPU
 * pointer reaches PERCPU_LINK_BASE bytes below the unit. The first chunk's units lie within the
 * first PERCPU_LINK_BASE bytes of the direct map (embed) or of the vmalloc area (page), and below
 * both of these is a hole: NULL faults on every CPU. The value must also let %gs:name(%rip) reach
 * from the kernel image: (2^64 − KERNEL_BASE) + PERCPU_LINK_BASE < 2^31.
 */
#pragma once

#define KERNEL_BASE	 0xffffffffc0000000
#define KERNEL_PHYS	 0x200000
#define DIRECT_MAP_BASE	 0xffff888000000000
#define DIRECT_MAP_SIZE	 0x400000000000
#define VMALLOC_START	 0xffffd00000000000
#define VMALLOC_END	 0xffffd20000000000
#define PERCPU_LINK_BASE 0x30000000

#define TRAMPOLINE_PHYS 0x8000 /* APs start here: page 8 is the vector of their start-up IPI */

#define KERNEL_STACK_SIZE 16384 /* of every thread, with a guard page below */

#ifndef __ASSEMBLER__
#ifndef __LINKER__
#include "kernel/compiler.h"

#if __STDC_HOSTED__
/* Host tests: where their pretended physical address 0 lies. */
extern uintptr_t host_memory_base;
#undef DIRECT_MAP_BASE
#define DIRECT_MAP_BASE host_memory_base
#endif

/* The direct map's address of a physical one. */
static inline void *phys_to_virt(phys_addr_t pa)
{
	return (void *)(uintptr_t)(pa + DIRECT_MAP_BASE);
}

/* The physical address behind a direct-map or kernel-image address; not for the vmalloc area. */
static inline phys_addr_t virt_to_phys(const void *va)
{
	uintptr_t addr = (uintptr_t)va;

	return addr >= KERNEL_BASE ? addr - KERNEL_BASE : addr - DIRECT_MAP_BASE;
}
#endif
#endif
