/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where exceptions and interrupts arrive: one stub a vector, which makes the stack look the same
 * for all of them, then common code that completes struct trap_frame and calls trap_dispatch. There
 * is no user mode, so GS always is the kernel's. Source: Intel SDM vol. 3 section 6.14.
 */
#include "arch/x86_64/traps.h"

/* The vectors whose exceptions push an error code: 8, 10-14, 17, 21, 29, 30. */
#define VECTORS_WITH_ERROR 0x60227d00

	.text
/*
 * void trap_dispatch(struct trap_frame *frame)
 * Entry state: interrupts off; on the stack, 16-byte aligned before it: ss rsp rflags cs rip error
 * vector. The two words pushed above the frame form a stack frame of the interrupted code.
 */
	.globl trap_entry_start, trap_entry_end
trap_entry_start:
trap_common:
	pushq %rax
	pushq %rbx
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	cld
	movq %rsp, %rdi
	pushq TRAP_FRAME_RIP(%rdi)
	pushq %rbp
	movq %rsp, %rbp
	call trap_dispatch
	addq $16, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rbx
	popq %rax
	addq $16, %rsp /* vector and error */
	iretq
trap_entry_end:

	.macro TRAP_STUB vector
	.balign 16
trap_stub_\vector:
	.if \vector >= 32
	pushq $0
	.elseif ((VECTORS_WITH_ERROR >> \vector) & 1) == 0
	pushq $0
	.endif
	pushq $\vector
	jmp trap_common
	.endm

	.altmacro
	.set vector, 0
	.rept 256
	TRAP_STUB %vector
	.set vector, vector + 1
	.endr

/* void *const trap_stubs[256] */
	.section .rodata
	.balign 8
	.globl trap_stubs
trap_stubs:
	.macro TRAP_STUB_ADDRESS vector
	.quad trap_stub_\vector
	.endm
	.set vector, 0
	.rept 256
	TRAP_STUB_ADDRESS %vector
	.set vector, vector + 1
	.endr

	.section .note.GNU-stack, "", @progbits
