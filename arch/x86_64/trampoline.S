/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where application processors start: this code is copied to TRAMPOLINE_PHYS and entered there by the
 * start-up IPI, by any number of CPUs at the same time. They share no stack and no variable but the
 * ticket, whose number is the stack that a CPU gets. Real mode, protected mode, long mode on the
 * kernel's page tables, then C. Source: Intel SDM vol. 3 sections 9.4, 9.8.5, 9.9.
 */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/trampoline.h"

#define HERE(label) ((label) - trampoline_start + TRAMPOLINE_PHYS)
#define ARG(offset) (TRAMPOLINE_PHYS + (offset))

#define GDT_CODE_32 0x18
#define GDT_CODE_32_DESCRIPTOR 0x00cf9b000000ffff

	.section .rodata
	.balign 8
	.globl trampoline_start, trampoline_end
/*
 * Entry state: real mode, cs:ip = (TRAMPOLINE_PHYS >> 4):0, interrupts off, caches off (INIT).
 */
	.code16
trampoline_start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl HERE(trampoline_gdt_pointer)
	movl %cr0, %eax
	orl $CR0_PE, %eax
	movl %eax, %cr0
	/* From here on 32-bit protected mode, as soon as cs is loaded. */
	ljmpl $GDT_CODE_32, $HERE(trampoline_32)

	.code32
trampoline_32:
	movw $GDT_DATA, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $1, %esi
	lock xaddl %esi, ARG(TRAMPOLINE_TICKET)
	cmpl ARG(TRAMPOLINE_NR), %esi
	jae trampoline_stop

	movl $(CR4_PAE | CR4_PGE), %eax
	movl %eax, %cr4
	movl ARG(TRAMPOLINE_CR3), %eax
	movl %eax, %cr3
	movl $MSR_EFER, %ecx
	movl $(EFER_LME | EFER_NXE), %eax /* no-execute bits are in use in these page tables */
	xorl %edx, %edx
	wrmsr
	/* Paging on, and with it long mode; caches on. */
	movl $(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
	movl %eax, %cr0
	ljmpl $GDT_CODE, $HERE(trampoline_64)

trampoline_stop:
	cli
	hlt
	jmp trampoline_stop

	.code64
trampoline_64:
	movl %esi, %esi /* clears the upper half */
	movq ARG(TRAMPOLINE_STACKS), %rax
	movq (%rax, %rsi, 8), %rsp
	xorl %ebp, %ebp /* the end of backtraces */
	movq ARG(TRAMPOLINE_ENTRY), %rax
	call *%rax
	ud2

	.balign 8
trampoline_gdt:
	.quad 0
	.quad GDT_CODE_DESCRIPTOR
	.quad GDT_DATA_DESCRIPTOR
	.quad GDT_CODE_32_DESCRIPTOR
trampoline_gdt_pointer:
	.short trampoline_gdt_pointer - trampoline_gdt - 1
	.long HERE(trampoline_gdt)
trampoline_end:

	.section .note.GNU-stack, "", @progbits
