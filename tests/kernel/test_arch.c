// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine as the boot left it: what is mapped with which protection, what is not mapped, which
 * control bits are on, and the trap code's own tools.
 */
#include "arch/x86_64/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/irq.h"
#include "arch/x86_64/paging_internal.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/traps.h"
#include "boot/multiboot2.h"
#include "boot/sections.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/thread.h"
#include "mm/vmalloc.h"

/* ---- Protection ---- */

static void __undefined_on_purpose write_byte(void *at)
{
	*(volatile uint8_t *)at = 0;
}

static void __noinline __undefined_on_purpose read_byte(void *at)
{
	(void)*(volatile uint8_t *)at;
}

static void execute(void *at)
{
	((void (*)(void))at)();
}

/* Fails the test unless fn(at) faults, with the fault's address being at. */
static void expect_fault(struct test_run *t, void (*fn)(void *), uintptr_t at)
{
	uintptr_t addr = 0;

	EXPECT(!trap_probe(fn, (void *)at, &addr));
	EXPECT_EQ(addr, at);
}

/* The direct map's address of something in the kernel image. */
static uintptr_t alias(const void *image_addr)
{
	return (uintptr_t)phys_to_virt(virt_to_phys(image_addr));
}

TEST(arch_text_and_rodata_are_write_protected, TEST_QUICK)
{
	static const uint64_t constant = 42;

	expect_fault(t, write_byte, (uintptr_t)arch_exit);
	expect_fault(t, write_byte, (uintptr_t)&constant);
	expect_fault(t, write_byte, (uintptr_t)__ksyms_start);
	expect_fault(t, write_byte, alias(__text_start));
	expect_fault(t, write_byte, alias(&constant));
}

TEST(arch_data_is_not_executable, TEST_QUICK)
{
	static uint8_t return_in_data[16] = {0xc3};
	uint8_t return_on_stack[16] = {0xc3};
	uint8_t *return_in_vmalloc = vmalloc(PAGE_SIZE, "test");

	REQUIRE(return_in_vmalloc != NULL);
	return_in_vmalloc[0] = 0xc3;
	expect_fault(t, execute, (uintptr_t)return_in_data);
	expect_fault(t, execute, (uintptr_t)return_on_stack);
	expect_fault(t, execute, (uintptr_t)return_in_vmalloc);
	expect_fault(t, execute, (uintptr_t)__rodata_start);
	expect_fault(t, execute, alias(__text_start));
	vfree(return_in_vmalloc);
}

struct mapping_count {
	struct test_run *t;
	unsigned long leaves, executable;
};

static bool check_leaf(uintptr_t va, size_t size, unsigned int prot, void *arg)
{
	struct mapping_count *count = arg;
	struct test_run *t = count->t;
	bool in_text = va >= (uintptr_t)__text_start &&
		       va + size <= ALIGN_UP((uintptr_t)__text_end, PAGE_SIZE);

	count->leaves++;
	if (prot & PROT_EXEC)
		count->executable++;
	if ((prot & PROT_EXEC) && ((prot & PROT_WRITE) || !in_text))
		test_fail(t, __FILE__, __LINE__, "0x%lx + 0x%zx has protection %u", va, size, prot);
	return !test_failed(t);
}

TEST(arch_nothing_is_writable_and_executable, TEST_QUICK)
{
	struct mapping_count count = {.t = t};

	paging_walk(check_leaf, &count);
	EXPECT(count.executable > 0);
	EXPECT(count.leaves > count.executable);
}

static bool find_low_mapping(uintptr_t va, size_t size __unused, unsigned int prot __unused,
			     void *arg)
{
	if (va < DIRECT_MAP_BASE)
		*(uintptr_t *)arg = va;
	return false; /* the walk rises: the first leaf decides */
}

TEST(arch_address_0_and_the_identity_map_are_gone, TEST_QUICK)
{
	uintptr_t lowest = UINTPTR_MAX;

	expect_fault(t, read_byte, 0);
	expect_fault(t, read_byte, TRAMPOLINE_PHYS);
	expect_fault(t, read_byte, KERNEL_PHYS);
	expect_fault(t, read_byte, PERCPU_LINK_BASE);
	paging_walk(find_low_mapping, &lowest);
	EXPECT_EQ(lowest, UINTPTR_MAX);
}

/* ---- Guard pages ---- */

static void expect_guarded(struct test_run *t, uintptr_t base, size_t size)
{
	EXPECT_EQ(paging_lookup(base - 1, NULL), PHYS_NONE);
	for (uintptr_t va = base; va < base + size; va += PAGE_SIZE)
		EXPECT(paging_lookup(va, NULL) != PHYS_NONE);
}

TEST(arch_boot_stack_has_a_guard_page, TEST_QUICK)
{
	expect_guarded(t, (uintptr_t)boot_stack, KERNEL_STACK_SIZE);
	expect_fault(t, write_byte, (uintptr_t)boot_stack - 8);
	expect_fault(t, write_byte, (uintptr_t)boot_stack_guard);
}

TEST(arch_exception_stacks_have_guard_pages, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu)
		for (unsigned int ist = 1; ist <= IST_LAST; ist++) {
			EXPECT(traps_ist_stack(cpu, ist) != 0);
			expect_guarded(t, traps_ist_stack(cpu, ist), IST_STACK_SIZE);
		}
}

TEST(arch_every_vmalloc_range_has_unmapped_neighbours, TEST_QUICK)
{
	struct vm_range range = {.start = 0};
	unsigned int ranges = 0;

	for (; vm_range_next(range.start, &range); ranges++) {
		uintptr_t end = ALIGN_UP(range.start + range.size, PAGE_SIZE);

		EXPECT_EQ(paging_lookup(range.start - 1, NULL), PHYS_NONE);
		EXPECT_EQ(paging_lookup(end, NULL), PHYS_NONE);
	}
	EXPECT(ranges > 0);
}

struct stack_probe {
	struct test_run *t;
	uintptr_t base; /* of the thread's stack */
};

static void probe_own_stack(void *arg)
{
	struct stack_probe *probe = arg;
	struct test_run *t = probe->t;
	struct vm_range range;

	REQUIRE(vm_range_find((uintptr_t)__builtin_frame_address(0), &range));
	probe->base = range.start;
	EXPECT(range.size >= KERNEL_STACK_SIZE);
	expect_guarded(t, range.start, KERNEL_STACK_SIZE);
	expect_fault(t, write_byte, range.start - 8);
}

TEST(arch_thread_stacks_have_guard_pages_on_every_cpu, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct stack_probe probe = {.t = t};
		struct thread *thread;

		if (!test_takes(cpu))
			continue;
		thread = thread_create("stack probe", probe_own_stack, &probe, cpu);

		REQUIRE(thread != NULL);
		thread_join(thread);
		EXPECT(probe.base != 0);
	}
}

/* ---- Page tables ---- */

struct cpu_control {
	uint64_t cr0, cr3, cr4, efer;
};

static void read_control(void *arg)
{
	struct cpu_control *control = arg;

	control->cr0 = x86_read_cr0();
	control->cr3 = x86_read_cr3();
	control->cr4 = x86_read_cr4();
	control->efer = x86_read_msr(MSR_EFER);
}

/* What CPUID leaf 7 says the CPU has, as CR4 bits. */
static uint64_t guards_of_cpu(void)
{
	uint32_t regs[4];
	uint64_t bits = 0;

	x86_cpuid(0, 0, regs);
	if (regs[0] < 7)
		return 0;
	x86_cpuid(7, 0, regs);
	bits |= regs[1] >> 7 & 1 ? CR4_SMEP : 0;
	bits |= regs[1] >> 20 & 1 ? CR4_SMAP : 0;
	bits |= regs[2] >> 2 & 1 ? CR4_UMIP : 0;
	return bits;
}

TEST(arch_protection_is_on_on_every_cpu, TEST_QUICK)
{
	uint64_t guards = guards_of_cpu();
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct cpu_control control;

		smp_call(cpu, read_control, &control);
		EXPECT(control.cr0 & CR0_WP);
		EXPECT(control.efer & EFER_NXE);
		EXPECT(control.cr4 & CR4_PGE);
		EXPECT_EQ(control.cr4 & (CR4_SMEP | CR4_SMAP | CR4_UMIP), guards);
	}
}

TEST(arch_O28_vmalloc_top_level_entries_are_there_on_every_cpu, TEST_QUICK)
{
	phys_addr_t root = virt_to_phys(paging_root);
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		struct cpu_control control;

		smp_call(cpu, read_control, &control);
		EXPECT_EQ(control.cr3 & PTE_ADDRESS, root);
	}
	for (uintptr_t va = VMALLOC_START; va < VMALLOC_END; va += PAGING_SPAN(4))
		EXPECT(paging_root[paging_index(va, 4)] & PTE_PRESENT);
}

static void read_memory_types(void *types)
{
	*(uint64_t *)types = x86_read_msr(MSR_PAT);
}

/* A leaf with the bit PWT alone has the type in byte 1. */
TEST(arch_video_memory_combines_writes_on_every_cpu, TEST_QUICK)
{
	const uint64_t write_combining = 1;
	void *video = vm_map_device(0xa0000, PAGE_SIZE, PROT_WRITE_COMBINE, "test");
	unsigned int prot, cpu;

	EXPECT_EQ(paging_lookup((uintptr_t)video, &prot), 0xa0000);
	EXPECT_EQ(prot, PROT_WRITE | PROT_WRITE_COMBINE);
	for_each_online_cpu (cpu) {
		uint64_t types;

		smp_call(cpu, read_memory_types, &types);
		EXPECT_EQ(types >> 8 & 0xff, write_combining);
		EXPECT_EQ(types & 0xff, 6);	  /* write-back */
		EXPECT_EQ(types >> 24 & 0xff, 0); /* uncached */
	}
	paging_unmap((uintptr_t)video);
	vm_flush((uintptr_t)video, (uintptr_t)video + PAGE_SIZE);
	vm_range_free((uintptr_t)video);
}

static void expect_direct(struct test_run *t, phys_addr_t pa)
{
	unsigned int prot = PROT_EXEC;

	EXPECT_EQ(paging_lookup((uintptr_t)phys_to_virt(pa), &prot), pa);
	EXPECT((prot & PROT_EXEC) == 0);
	EXPECT((prot & PROT_NOCACHE) == 0);
}

TEST(arch_direct_map_covers_all_memory, TEST_QUICK)
{
	const size_t step = 2 << 20;

	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		const struct boot_region *region = &boot_info.regions[i];

		if (region->type != REGION_USABLE && region->type != REGION_ACPI)
			continue;
		for (phys_addr_t pa = region->start; pa < region->end; pa += step)
			expect_direct(t, pa);
		expect_direct(t, region->end - 1);
	}
}

/* A page of each side of a 1 GiB border: two tables of each lower level. */
static void map_across_border(struct test_run *t, uintptr_t border, struct page *const *pages)
{
	unsigned int prot = PROT_EXEC;

	EXPECT_EQ(vm_map_pages(border - PAGE_SIZE, pages, 2), 0);
	EXPECT_EQ(paging_lookup(border - 1, &prot), page_to_phys(pages[0]) + PAGE_SIZE - 1);
	EXPECT_EQ(prot, PROT_WRITE);
	EXPECT_EQ(paging_lookup(border, NULL), page_to_phys(pages[1]));
	EXPECT_EQ(paging_unmap(border), page_to_phys(pages[1]));
	EXPECT_EQ(paging_unmap(border), PHYS_NONE);
	EXPECT_EQ(paging_lookup(border, NULL), PHYS_NONE);
	EXPECT_EQ(paging_unmap(border - PAGE_SIZE), page_to_phys(pages[0]));
	vm_flush(border - PAGE_SIZE, border + PAGE_SIZE);
}

TEST(arch_page_tables_are_freed_when_empty, TEST_QUICK)
{
	const size_t gib = PAGING_SPAN(3);
	size_t before = page_count(PAGE_PGTABLE);
	uintptr_t start = vm_range_alloc(2 * gib, gib, "test");
	struct page *pages[] = {page_alloc(0, PAGE_TEST), page_alloc(0, PAGE_TEST)};

	REQUIRE(start != 0 && pages[0] != NULL && pages[1] != NULL);
	map_across_border(t, start + gib, pages);
	EXPECT_EQ(page_count(PAGE_PGTABLE), before);
	vm_range_free(start);
	page_free(pages[0]);
	page_free(pages[1]);
}

TEST(arch_mapping_without_memory_for_tables_changes_nothing, TEST_QUICK)
{
	const size_t gib = PAGING_SPAN(3);
	size_t before = page_count(PAGE_PGTABLE);
	uintptr_t start = vm_range_alloc(gib, gib, "test");
	struct page *page = page_alloc(0, PAGE_TEST);

	REQUIRE(start != 0 && page != NULL);
	for (unsigned long nth = 1; nth <= 2; nth++) {
		page_fail_nth(PAGE_PGTABLE, nth);
		EXPECT(paging_map(start, page_to_phys(page), PROT_WRITE) != 0);
		EXPECT(!page_fail_pending());
		EXPECT_EQ(page_count(PAGE_PGTABLE), before);
		EXPECT_EQ(paging_lookup(start, NULL), PHYS_NONE);
	}
	EXPECT_EQ(paging_map(start, page_to_phys(page), PROT_WRITE), 0);
	EXPECT_EQ(paging_unmap(start), page_to_phys(page));
	vm_flush(start, start + PAGE_SIZE);
	EXPECT_EQ(page_count(PAGE_PGTABLE), before);
	vm_range_free(start);
	page_free(page);
}

/* ---- Traps ---- */

static void do_nothing(void *arg __unused)
{
}

static void read_not_canonical(void *arg __unused)
{
	read_byte((void *)0x8000000000000000);
}

struct nested_probe {
	struct test_run *t;
	bool inner_returned;
};

static void probe_inside(void *arg)
{
	struct nested_probe *nested = arg;

	nested->inner_returned = trap_probe(read_byte, NULL, NULL);
	read_byte((void *)8);
}

TEST(arch_trap_probe_recovers_from_faults, TEST_QUICK)
{
	struct nested_probe nested = {.t = t, .inner_returned = true};
	uintptr_t addr = 42;

	EXPECT(trap_probe(do_nothing, NULL, &addr));
	EXPECT_EQ(addr, 42);
	EXPECT(!trap_probe(read_not_canonical, NULL, &addr));
	EXPECT_EQ(addr, 0);
	EXPECT(!trap_probe(probe_inside, &nested, &addr));
	EXPECT_EQ(addr, 8);
	EXPECT(!nested.inner_returned);
	EXPECT(!in_interrupt());
	EXPECT(irqs_enabled());
	EXPECT(preempt_enabled());
}

static void faulting_call(void *arg)
{
	uintptr_t *addr = arg;

	if (trap_probe(read_byte, (void *)16, addr))
		*addr = 0;
}

TEST(arch_trap_probe_works_in_calls_on_every_cpu, TEST_QUICK)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		uintptr_t addr = 0;

		smp_call(cpu, faulting_call, &addr);
		EXPECT_EQ(addr, 16);
	}
}

TEST(arch_faults_are_described_in_words, TEST_QUICK)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	unsigned int cpu;

	EXPECT(strcmp(fault_describe(8, here), "NULL pointer") == 0);
	for_each_possible_cpu (cpu) {
		EXPECT(strstr(fault_describe(__per_cpu_offset[cpu], here), "NULL per-CPU pointer"));
		EXPECT_EQ(paging_lookup(__per_cpu_offset[cpu], NULL), PHYS_NONE);
	}
	EXPECT(strstr(fault_describe(PERCPU_LINK_BASE, here), "per-CPU pointer used without"));
	EXPECT(strstr(fault_describe((uintptr_t)boot_stack - 8, here), "guard page"));
	EXPECT(strstr(fault_describe((uintptr_t)arch_exit, here), "kernel text"));
}

static size_t __noinline backtrace_here(uintptr_t *pcs, size_t max)
{
	size_t n = arch_backtrace(0, pcs, max);

	barrier(); /* no tail call: this function is to be in the trace */
	return n;
}

TEST(arch_backtrace_names_the_callers, TEST_QUICK)
{
	uintptr_t pcs[16], self = (uintptr_t)backtrace_here;
	size_t n = backtrace_here(pcs, ARRAY_SIZE(pcs));

	REQUIRE(n >= 3);
	EXPECT(pcs[0] > self && pcs[0] < self + 128);
	for (size_t i = 0; i < n; i++)
		EXPECT(pcs[i] >= (uintptr_t)__text_start && pcs[i] < (uintptr_t)__text_end);
	EXPECT_EQ(arch_backtrace(8, pcs, ARRAY_SIZE(pcs)), 0);
	EXPECT_EQ(backtrace_here(pcs, 1), 1);
}

/* ---- What the loader said ---- */

TEST(arch_memory_map_and_command_line_were_read, TEST_QUICK)
{
	uint64_t usable = 0;

	EXPECT(boot_info.nr_regions > 0 && boot_info.nr_regions <= BOOT_MAX_REGIONS);
	for (unsigned int i = 0; i < boot_info.nr_regions; i++) {
		EXPECT(boot_info.regions[i].end > boot_info.regions[i].start);
		if (boot_info.regions[i].type == REGION_USABLE)
			usable += boot_info.regions[i].end - boot_info.regions[i].start;
	}
	EXPECT(usable >= page_total() * PAGE_SIZE);
	EXPECT(strnlen(boot_info.cmdline, BOOT_CMDLINE_SIZE) < BOOT_CMDLINE_SIZE);
}
