/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the boot loader to kmain.
 *
 * GRUB loads the image at its physical addresses and jumps to _start in 32-bit protected mode with
 * paging off. This file checks that it was GRUB and that the CPU can do 64 bits, builds the boot
 * page tables, enters long mode and goes on in the higher half.
 *
 *   boot_pml4 --[0]-------------> boot_pdpt_low --[0..3]--> boot_pd: 4 GiB in 2 MiB pages
 *             --[direct map]---->      "
 *             --[511]-----------> boot_pdpt_high --[511]--> the first GiB of the same
 *
 * These tables are writable and executable everywhere; paging_init replaces them.
 * Source: Multiboot2 specification 2.0 sections 3.1, 3.2; Intel SDM vol. 3 section 9.8.5.
 */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/memlayout.h"

#define PHYS(symbol) ((symbol) - KERNEL_BASE)

#define MB2_HEADER_MAGIC 0xe85250d6
#define MB2_BOOT_MAGIC 0x36d76289
#define MB2_ARCH_I386 0
#define MB2_TAG_END 0
#define MB2_TAG_INFO_REQUEST 1
#define MB2_TAG_CONSOLE 4
#define MB2_TAG_FRAMEBUFFER 5
#define MB2_TAG_MODULE_ALIGN 6
#define MB2_OPTIONAL 1
#define MB2_INFO_CMDLINE 1
#define MB2_INFO_MODULE 3
#define MB2_INFO_MEMORY_MAP 6
#define MB2_INFO_FRAMEBUFFER 8
#define MB2_INFO_ACPI_OLD 14
#define MB2_INFO_ACPI_NEW 15

#define MB2_CONSOLE_EGA_TEXT (1 << 1) /* it may also be text, as without a graphics driver */
#define SCREEN_WIDTH 1024
#define SCREEN_HEIGHT 768
#define SCREEN_BITS 32

#define COM1 0x3f8
#define UART_LSR_THR_EMPTY (1 << 5)
#define DEBUG_EXIT_PORT 0xf4
#define DEBUG_EXIT_FAILED 0x11

#define CPUID_EXT_MAX 0x80000000
#define CPUID_EXT_FEATURES 0x80000001
#define CPUID_EDX_LONG_MODE (1 << 29)
#define EFLAGS_ID (1 << 21)

#define PTE_PRESENT (1 << 0)
#define PTE_WRITE (1 << 1)
#define PTE_LARGE (1 << 7)
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE)
#define PML4_SLOT(va) ((((va) >> 39) & 511) * 8)
#define PDPT_SLOT(va) ((((va) >> 30) & 511) * 8)
#define BOOT_NR_PDS 4 /* GiB that the boot tables reach */

	.section .multiboot, "a"
	.balign 8
mb2_header:
	.long MB2_HEADER_MAGIC
	.long MB2_ARCH_I386
	.long mb2_header_end - mb2_header
	.long -(MB2_HEADER_MAGIC + MB2_ARCH_I386 + (mb2_header_end - mb2_header))

	.balign 8
mb2_required: /* the loader must know how to hand these over, or not start us */
	.short MB2_TAG_INFO_REQUEST
	.short 0
	.long mb2_required_end - mb2_required
	.long MB2_INFO_CMDLINE
	.long MB2_INFO_MODULE
	.long MB2_INFO_MEMORY_MAP
mb2_required_end:

	.balign 8
mb2_wanted:
	.short MB2_TAG_INFO_REQUEST
	.short MB2_OPTIONAL
	.long mb2_wanted_end - mb2_wanted
	.long MB2_INFO_ACPI_OLD
	.long MB2_INFO_ACPI_NEW
	.long MB2_INFO_FRAMEBUFFER
mb2_wanted_end:

	.balign 8
	.short MB2_TAG_CONSOLE
	.short MB2_OPTIONAL
	.long 12
	.long MB2_CONSOLE_EGA_TEXT

	.balign 8
	.short MB2_TAG_FRAMEBUFFER /* or the nearest that the loader finds */
	.short MB2_OPTIONAL
	.long 20
	.long SCREEN_WIDTH
	.long SCREEN_HEIGHT
	.long SCREEN_BITS

	.balign 8
	.short MB2_TAG_MODULE_ALIGN
	.short 0
	.long 8

	.balign 8
	.short MB2_TAG_END
	.short 0
	.long 8
mb2_header_end:

/*
 * Entry state: 32-bit protected mode, flat segments, paging and interrupts off, A20 on, no stack.
 * eax: MB2_BOOT_MAGIC; ebx: physical address of the Multiboot2 information.
 */
	.section .text.boot, "ax"
	.code32
	.globl _start
_start:
	cli
	cld
	movl $PHYS(boot_stack_top), %esp
	movl %eax, %ebp
	movl $PHYS(message_magic), %esi
	cmpl $MB2_BOOT_MAGIC, %eax
	jne boot_refuse
	movl %ebx, boot_info_phys - KERNEL_BASE
	call boot_check_cpu
	call boot_make_tables
	jmp boot_enter_long_mode

/* Returns if the CPU has long mode; else ends with a message. Clobbers all but ebp, esp. */
boot_check_cpu:
	movl $PHYS(message_cpu), %esi
	pushfl
	popl %eax
	movl %eax, %ecx
	xorl $EFLAGS_ID, %eax
	pushl %eax
	popfl
	pushfl
	popl %eax
	cmpl %ecx, %eax
	je boot_refuse /* the bit can't be changed: a CPU without CPUID */
	movl $CPUID_EXT_MAX, %eax
	cpuid
	cmpl $CPUID_EXT_FEATURES, %eax
	jb boot_refuse
	movl $CPUID_EXT_FEATURES, %eax
	cpuid
	testl $CPUID_EDX_LONG_MODE, %edx
	jz boot_refuse
	ret

/* Fills the boot page tables (they are in .bss: zero). Clobbers eax, ecx, edi. */
boot_make_tables:
	movl $PHYS(boot_pdpt_low) + PTE_TABLE, %eax
	movl %eax, PHYS(boot_pml4) + PML4_SLOT(0)
	movl %eax, PHYS(boot_pml4) + PML4_SLOT(DIRECT_MAP_BASE)
	movl $PHYS(boot_pdpt_high) + PTE_TABLE, PHYS(boot_pml4) + PML4_SLOT(KERNEL_BASE)
	movl $PHYS(boot_pd) + PTE_TABLE, PHYS(boot_pdpt_high) + PDPT_SLOT(KERNEL_BASE)

	movl $PHYS(boot_pd) + PTE_TABLE, %eax
	movl $PHYS(boot_pdpt_low), %edi
	movl $BOOT_NR_PDS, %ecx
1:	movl %eax, (%edi)
	addl $4096, %eax
	addl $8, %edi
	loop 1b

	movl $(PTE_TABLE | PTE_LARGE), %eax
	movl $PHYS(boot_pd), %edi
	movl $(BOOT_NR_PDS * 512), %ecx
2:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 2b
	ret

/* Mode change: protected mode -> long mode (compatibility), then by the far jump to 64-bit code. */
boot_enter_long_mode:
	movl $CR4_PAE, %eax
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	rdmsr
	orl $EFER_LME, %eax
	wrmsr
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	lgdt boot_gdt_pointer - KERNEL_BASE
	ljmp $GDT_CODE, $PHYS(boot_low64)

/* Prints the text at esi on COM1, polled, and ends the machine with "failed". Does not return. */
boot_refuse:
	movl $PHYS(boot_uart_setup), %ebx
1:	movw (%ebx), %dx /* port, value pairs; port 0 ends them */
	testw %dx, %dx
	jz 2f
	movb 2(%ebx), %al
	outb %al, %dx
	addl $4, %ebx
	jmp 1b
2:	movb (%esi), %bl
	testb %bl, %bl
	jz 4f
	movl $0x100000, %ecx /* a port without a UART must not hang us */
	movw $(COM1 + 5), %dx
3:	inb %dx, %al
	testb $UART_LSR_THR_EMPTY, %al
	loopz 3b
	movb %bl, %al
	movw $COM1, %dx
	outb %al, %dx
	incl %esi
	jmp 2b
4:	movb $DEBUG_EXIT_FAILED, %al
	outb %al, $DEBUG_EXIT_PORT
5:	cli
	hlt
	jmp 5b

/* Entry state: 64-bit mode, still at the physical address, segments other than cs stale. */
	.code64
boot_low64:
	movabsq $boot_high64, %rax
	jmp *%rax

boot_high64:
	movl $GDT_DATA, %eax
	movl %eax, %ss
	movl %eax, %ds
	movl %eax, %es
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq $boot_stack_top, %rsp
	movl %ebp, %edi
	movl boot_info_phys(%rip), %esi
	xorl %ebp, %ebp /* where backtraces end */
	call kmain
6:	cli
	hlt
	jmp 6b

	.section .rodata.boot, "a"
	.balign 8
boot_gdt:
	.quad 0
	.quad GDT_CODE_DESCRIPTOR
	.quad GDT_DATA_DESCRIPTOR
boot_gdt_end:
boot_gdt_pointer:
	.short boot_gdt_end - boot_gdt - 1
	.quad PHYS(boot_gdt)

/* 115200 8N1, FIFOs on, no interrupts. */
boot_uart_setup:
	.short COM1 + 1, 0x00
	.short COM1 + 3, 0x80
	.short COM1 + 0, 0x01
	.short COM1 + 1, 0x00
	.short COM1 + 3, 0x03
	.short COM1 + 2, 0x07
	.short COM1 + 4, 0x03
	.short 0
message_magic:
	.ascii "boot: wrong magic in eax, want 0x36d76289: "
	.asciz "start this kernel by GRUB's multiboot2 command\r\n"
message_cpu:
	.ascii "boot: this CPU has no 64-bit long mode: "
	.asciz "use an x86-64 CPU (QEMU: without -cpu, or -cpu max)\r\n"

	.section .data.boot, "aw"
	.balign 4
boot_info_phys:
	.long 0

/* The tables and the boot CPU's stack. paging_init leaves the page below the stack unmapped. */
	.section .bss..page_aligned, "aw", @nobits
	.balign 4096
boot_pml4:
	.skip 4096
boot_pdpt_low:
	.skip 4096
boot_pdpt_high:
	.skip 4096
boot_pd:
	.skip 4096 * BOOT_NR_PDS
	.globl boot_stack_guard
boot_stack_guard:
	.skip 4096
	.globl boot_stack, boot_stack_top
boot_stack:
	.skip KERNEL_STACK_SIZE
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
