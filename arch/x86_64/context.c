// SPDX-License-Identifier: GPL-2.0-only
/* The first stack contents of a thread, as arch_context_switch in switch.S expects them. */
#include "arch/x86_64/arch.h"

/* In switch.S: calls what r12 holds with what r13 holds. */
void arch_thread_start(void);

/* What arch_context_switch pops; lowest address first. */
struct switch_frame {
	uintptr_t r15, r14, r13, r12, rbx, rbp, rip;
};

uintptr_t arch_thread_stack(uintptr_t top, void (*entry)(void *), void *arg)
{
	struct switch_frame *frame = (struct switch_frame *)ALIGN_DOWN(top, 16) - 1;

	*frame = (struct switch_frame){
		.r12 = (uintptr_t)entry,
		.r13 = (uintptr_t)arg,
		.rip = (uintptr_t)arch_thread_start,
	};
	return (uintptr_t)frame;
}
