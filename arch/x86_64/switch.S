/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switching stacks, and running code that may fault. A context that is not running is six saved
 * registers and a return address on its stack, lowest first: r15 r14 r13 r12 rbx rbp rip.
 */

	.macro SAVE_CALLEE
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	.endm

	.macro RESTORE_CALLEE
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	.endm

	.text
/*
 * void arch_context_switch(uintptr_t *old_sp, uintptr_t new_sp)
 * Entry state: 64-bit, interrupts off. Goes on where new_sp's context called this, or in
 * arch_thread_start on a new stack.
 */
	.globl arch_context_switch
	.type arch_context_switch, @function
arch_context_switch:
	SAVE_CALLEE
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	RESTORE_CALLEE
	ret
	.size arch_context_switch, . - arch_context_switch

/*
 * The first code of a new thread: arch_thread_stack left entry in r12 and its argument in r13.
 * Entry state: interrupts off, rsp 16-byte aligned, rbp 0. The entry function does not return.
 */
	.globl arch_thread_start
	.type arch_thread_start, @function
arch_thread_start:
	movq %r13, %rdi
	call *%r12
	ud2
	.size arch_thread_start, . - arch_thread_start

/*
 * bool trap_probe_run(uintptr_t *resume_sp, void (*fn)(void *), void *arg)
 * Stores in *resume_sp the stack to recover with, calls fn(arg), returns true. A fault in fn makes
 * the trap code go on at trap_probe_resume with that stack: returns false to the same caller.
 */
	.globl trap_probe_run
	.type trap_probe_run, @function
trap_probe_run:
	SAVE_CALLEE
	leaq 40(%rsp), %rbp /* a frame like any other, for backtraces */
	subq $8, %rsp /* the call below wants rsp a multiple of 16 */
	movq %rsp, (%rdi)
	movq %rdx, %rdi
	call *%rsi
	movl $1, %eax
	jmp 1f
	.globl trap_probe_resume
trap_probe_resume:
	xorl %eax, %eax
1:	addq $8, %rsp
	RESTORE_CALLEE
	ret
	.size trap_probe_run, . - trap_probe_run

	.section .note.GNU-stack, "", @progbits
