// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the kernel's page tables and switching to them, once, on the boot CPU:
 *
 *   kernel window   by section: text r-x, rodata r--, data rw-; the boot stack's guard page left out
 *   direct map      all physical memory rw-, in the largest pages that fit; the image's read-only
 *                   parts are read-only here too
 *   vmalloc area    its level-3 tables, empty
 *   identity        the trampoline's page r-x, until paging_drop_identity
 *
 * All tables come from the first 4 GiB, which the boot tables map; the top one has to be there,
 * since the trampoline loads it in 32-bit mode.
 * Source: Intel SDM vol. 3 sections 2.5 (control registers), 4.1.4 (CPUID bits), 4.5.
 */
#include "arch/x86_64/copy.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/paging_internal.h"
#include "boot/sections.h"
#include "kernel/panic.h"
#include "mm/early.h"

#define BOOT_MAPPED_END (4ul << 30)

/* Memory types by the bits PCD and PWT of a leaf: write-back, write-combining, uncached but for the
 * MTRRs, uncached; as after reset but for the second, and twice. Intel SDM vol. 3 section 12.12. */
#define PAT_TYPES 0x0007010600070106ul

enum {
	CPUID_FEATURES = 1,
	CPUID_STRUCTURED = 7,
	CPUID_EXT_MAX = 0x80000000,
	CPUID_EXT_FEATURES = 0x80000001,
};
enum { EAX, EBX, ECX, EDX };

static uint64_t cr4_bits;	  /* that every CPU sets */
static unsigned int largest_page; /* level of the largest page the CPU has: 2 or 3 */

static bool cpuid_has(uint32_t leaf, unsigned int reg, unsigned int bit)
{
	uint32_t regs[4];

	x86_cpuid(leaf & CPUID_EXT_MAX, 0, regs);
	if (regs[EAX] < leaf)
		return false;
	x86_cpuid(leaf, 0, regs);
	return regs[reg] >> bit & 1;
}

static void detect_features(void)
{
	if (!cpuid_has(CPUID_EXT_FEATURES, EDX, 20))
		panic("paging_init: this CPU has no NX bit, without which nothing here is safe");
	largest_page = cpuid_has(CPUID_EXT_FEATURES, EDX, 26) ? 3 : 2;
	cr4_bits = CR4_PAE | CR4_OSFXSR; /* each x86-64 has SSE2 */
	if (cpuid_has(CPUID_FEATURES, EDX, 13))
		cr4_bits |= CR4_PGE;
	if (cpuid_has(CPUID_STRUCTURED, EBX, 7))
		cr4_bits |= CR4_SMEP;
	if (cpuid_has(CPUID_STRUCTURED, EBX, 20))
		cr4_bits |= CR4_SMAP;
	if (cpuid_has(CPUID_STRUCTURED, ECX, 2))
		cr4_bits |= CR4_UMIP;
}

static uint64_t table_alloc_early(void)
{
	phys_addr_t pa = early_alloc_phys(PAGE_SIZE, PAGE_SIZE, BOOT_MAPPED_END);

	if (pa == PHYS_NONE)
		panic("paging: no memory for a page table below 4 GiB; give the machine more "
		      "memory");
	return pa | PTE_TABLE;
}

/* The entry for va in the table of the given level; missing tables on the way are made. */
static uint64_t *entry_make(uint64_t *root, uintptr_t va, unsigned int level)
{
	uint64_t *table = root;

	for (unsigned int at = PAGING_LEVELS; at > level; at--) {
		uint64_t *entry = &table[paging_index(va, at)];

		if (!(*entry & PTE_PRESENT))
			*entry = table_alloc_early();
		table = paging_table(*entry);
	}
	return &table[paging_index(va, level)];
}

/* The level of the largest page that can start at va and pa and ends by va + size. */
static unsigned int page_level(uintptr_t va, phys_addr_t pa, size_t size)
{
	unsigned int level = largest_page;

	while (level > 1 &&
	       (((va | pa) & (PAGING_SPAN(level) - 1)) != 0 || size < PAGING_SPAN(level)))
		level--;
	return level;
}

/* Maps [pa, end) at va; all page-aligned. */
static void map_range(uint64_t *root, uintptr_t va, phys_addr_t pa, phys_addr_t end, uint64_t bits)
{
	while (pa < end) {
		unsigned int level = page_level(va, pa, end - pa);

		*entry_make(root, va, level) = pa | bits | (level > 1 ? PTE_LARGE : 0);
		va += PAGING_SPAN(level);
		pa += PAGING_SPAN(level);
	}
}

static void map_image_part(uint64_t *root, const char *start, const char *end, unsigned int prot)
{
	phys_addr_t pa = virt_to_phys(start);

	map_range(root, (uintptr_t)start, pa, ALIGN_UP(virt_to_phys(end), PAGE_SIZE),
		  paging_leaf_bits(prot));
}

static void map_image(uint64_t *root)
{
	map_image_part(root, __text_start, __text_end, PROT_EXEC);
	map_image_part(root, __rodata_start, __rodata_end, PROT_READ);
	map_image_part(root, __data_start, boot_stack_guard, PROT_WRITE);
	map_image_part(root, boot_stack, __data_end, PROT_WRITE);
	map_image_part(root, __ksyms_start, __ksyms_end, PROT_READ);
}

static void map_direct(uint64_t *root, phys_addr_t start, phys_addr_t end, unsigned int prot)
{
	map_range(root, (uintptr_t)phys_to_virt(start), start, end, paging_leaf_bits(prot));
}

static void map_physical(uint64_t *root, phys_addr_t max_phys)
{
	phys_addr_t text = virt_to_phys(__text_start), data = virt_to_phys(__data_start);
	phys_addr_t ksyms = virt_to_phys(__ksyms_start), image_end = virt_to_phys(__image_end);

	map_direct(root, 0, text, PROT_WRITE);
	map_direct(root, text, data, PROT_READ);
	map_direct(root, data, ksyms, PROT_WRITE);
	map_direct(root, ksyms, image_end, PROT_READ);
	map_direct(root, image_end, max_phys, PROT_WRITE);
}

static void make_vmalloc_tables(uint64_t *root)
{
	for (uintptr_t va = VMALLOC_START; va < VMALLOC_END; va += PAGING_SPAN(4))
		entry_make(root, va, 3);
}

static void map_identity(uint64_t *root)
{
	uint64_t bits = paging_leaf_bits(PROT_EXEC) & ~PTE_GLOBAL;

	map_range(root, TRAMPOLINE_PHYS, TRAMPOLINE_PHYS, TRAMPOLINE_PHYS + PAGE_SIZE, bits);
}

/* Write protection also for ring 0, no-execute, memory types, global pages and the guards against user
 * pages; and the caches, which INIT leaves off (Intel SDM vol. 3 table 9-1). */
static void set_control_bits(void)
{
	x86_write_msr(MSR_EFER, x86_read_msr(MSR_EFER) | EFER_NXE);
	x86_write_msr(MSR_PAT, PAT_TYPES);
	x86_write_cr0((x86_read_cr0() | CR0_WP) & ~(uint64_t)(CR0_CD | CR0_NW));
}

void paging_init(phys_addr_t max_phys)
{
	phys_addr_t end = ALIGN_UP(max_phys, PAGING_SPAN(2));
	uint64_t *root;

	if (end > DIRECT_MAP_SIZE)
		panic("paging_init: memory up to 0x%lx, past the direct map's 0x%lx bytes",
		      max_phys, DIRECT_MAP_SIZE);
	detect_features();
	root = paging_table(table_alloc_early());
	map_image(root);
	map_physical(root, end);
	make_vmalloc_tables(root);
	map_identity(root);
	set_control_bits();
	x86_write_cr3(virt_to_phys(root));
	x86_write_cr4(cr4_bits);
	x86_zero16_init();
	paging_root = root;
	early_direct_map();
}

void paging_init_ap(void)
{
	set_control_bits();
	x86_write_cr4(cr4_bits);
	x86_zero16_init();
}

void paging_populate_early(uintptr_t start, uintptr_t end)
{
	for (uintptr_t va = start; va < end; va = ALIGN_DOWN(va, PAGING_SPAN(2)) + PAGING_SPAN(2))
		entry_make(paging_root, va, 1);
}
