/* SPDX-License-Identifier: GPL-2.0-only */
/* The bundled traces, as they stand in tests/traces/. Data only; kernel/trace_store.c names them. */

.macro trace name
	.global trace_\name, trace_\name\()_end
	.type trace_\name, @object
trace_\name:
	.incbin "tests/traces/\name\().trace"
trace_\name\()_end:
	.size trace_\name, . - trace_\name
.endm

	.section .rodata.traces, "a", @progbits
	trace pods
	trace netns
	trace nft

	.section .note.GNU-stack, "", @progbits
