# SPDX-License-Identifier: GPL-2.0-only
"""gdb's view of the kernel. From the ground up:

    target      the machine that gdb is attached to: threads, registers, memory, symbols
    sources     numbers that only the C headers know
    cpus        CPUs, their copies of a per-CPU variable, page tables
    lists       linked lists and red-black trees of the kernel
    engines     which bytes of a chunk are in use
    front       areas that CPUs keep ready
    allocator   chunks, their maps and pages
    records     who allocated what
    guards      the zones of percpu_debug
    pages       who owns a page, what the vmalloc area holds
    why         what an address is
    check       the allocator's invariants, looked at from outside
    commands, functions, printers, stops    what the user sees

Nothing here writes to the machine, and nothing is called in it: every answer is read from its memory.
"""
