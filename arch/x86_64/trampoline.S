/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where application processors start. The code between trampoline_start and trampoline_end is copied to
 * TRAMPOLINE_PHYS, so every address in it is counted from there.
 * Source: Intel SDM vol. 3 sections 9.4.4 (start-up), 10.8.5 (into IA-32e mode).
 */
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/gdt.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/trampoline.h"

#define AT(symbol) (TRAMPOLINE_PHYS + (symbol) - trampoline_start)
#define PARAM(name) (TRAMPOLINE_PHYS + TRAMPOLINE_PARAMS + (name))
#define GDT_CODE32 0x18

	.section .rodata.trampoline, "a"
	.balign 16
	.globl trampoline_start, trampoline_end

/* Real mode, cs = TRAMPOLINE_PHYS / 16, ip = 0, interrupts off, no stack. */
	.code16
trampoline_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AT(gdt_pointer)
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0		/* protected mode */
	ljmpl	$GDT_CODE32, $AT(protected)

/* Protected mode without paging, no stack. */
	.code32
protected:
	movw	$GDT_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	PARAM(PARAMS_CR3), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	PARAM(PARAMS_EFER), %eax
	xorl	%edx, %edx
	wrmsr
	movl	%cr0, %eax
	orl	$(CR0_PG | CR0_WP | CR0_NE | CR0_MP), %eax
	movl	%eax, %cr0		/* IA-32e mode, on the kernel's page tables */
	ljmpl	$GDT_CODE, $AT(long_mode)

/* 64-bit mode, this page mapped at its own address. Calls entry(cpu), which does not return. */
	.code64
long_mode:
	movq	PARAM(PARAMS_STACK), %rsp
	movl	PARAM(PARAMS_CPU), %edi
	movq	PARAM(PARAMS_ENTRY), %rax
	xorl	%ebp, %ebp
	pushq	$0			/* the end of every backtrace */
	jmp	*%rax

	.balign 16
gdt:
	.quad	0
	.quad	GDT_CODE_DESCRIPTOR
	.quad	GDT_DATA_DESCRIPTOR
	.quad	0x00cf9b000000ffff	/* GDT_CODE32: flat 32-bit code */
gdt_pointer:
	.word	. - gdt - 1
	.long	AT(gdt)
trampoline_end:

	.section .note.GNU-stack, "", @progbits
