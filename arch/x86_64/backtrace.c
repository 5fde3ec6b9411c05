// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walking frame pointers: each frame is the caller's rbp and, above it, the return address.
 * Everything is looked up in the page tables before it is read, because this runs when things are
 * broken. entry.S leaves such a frame for the interrupted code too, so a walk goes on through
 * traps, and there alone it may go down in address: to the interrupted stack.
 */
#include "arch/x86_64/arch.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/traps.h"
#include "boot/sections.h"

struct stack_frame {
	uintptr_t caller_fp;
	uintptr_t return_pc;
};

static bool frame_is_readable(uintptr_t fp)
{
	if (fp == 0 || fp % sizeof(uintptr_t) != 0)
		return false;
	return paging_lookup(fp, NULL) != PHYS_NONE &&
	       paging_lookup(fp + sizeof(uintptr_t), NULL) != PHYS_NONE;
}

static bool is_text(uintptr_t pc)
{
	return pc >= (uintptr_t)__text_start && pc < (uintptr_t)__text_end;
}

size_t arch_backtrace(uintptr_t fp, uintptr_t *pcs, size_t max)
{
	size_t n = 0;
	uintptr_t below = 0;	  /* frames must lie above this */
	bool interrupted = false; /* the frame at fp is the one that entry.S made */

	if (fp == 0)
		fp = (uintptr_t)__builtin_frame_address(0);
	while (n < max && fp > below && frame_is_readable(fp)) {
		const struct stack_frame *frame = (const struct stack_frame *)fp;

		if (!is_text(frame->return_pc))
			break;
		pcs[n++] = frame->return_pc;
		below = interrupted ? 0 : fp;
		interrupted = trap_is_entry_code(frame->return_pc);
		fp = frame->caller_fp;
	}
	return n;
}
