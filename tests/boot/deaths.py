# SPDX-License-Identifier: GPL-2.0-only
"""What each death says: the whole line after "PANIC: ", with these words for what varies:

    <addr>    an address, 0x…
    <n>       a number
    <sym>     a place in the code, name+0x…/0x…
    <here>    a place in the test's own function
    <bytes>   those of code, the instruction's first in <>
    <reg>     a register
    <caller>  ", called by 0x… (<here>)"

Keys are test names, without their "broken_", and further words of the command line; the tests are in
tests/kernel/test_broken*.c. docs/verification.md says which promise each of them keeps.
"""

SETUP = "pcpu_setup_first_chunk: "

# ---- The per-CPU allocator ----

SET_UP = {
    "setup_without_static_area":
        "static_size: is 0: give the bytes of the static area "
        "(static 0, reserved 0, dyn -1, unit -1, pages 0, base 0x0)",
    "setup_with_part_of_a_page":
        "unit_size: not a multiple of the page size: round it up "
        "(static 5000, reserved 0, dyn -1, unit 66536, pages 0, base 0x0)",
    "setup_with_a_small_unit":
        "unit_size: below PCPU_MIN_UNIT_SIZE, 64 KiB: make it larger "
        "(static 5000, reserved 0, dyn -1, unit 61440, pages 0, base 0x0)",
    "setup_with_a_unit_past_an_int":
        "unit_size: more than an area map entry can hold: make it smaller "
        "(static 5000, reserved 0, dyn -1, unit 2147483648, pages 0, base 0x0)",
    "setup_without_room_for_reserved":
        "unit_size: too small for static and reserved area: make it larger "
        "(static 5000, reserved 60537, dyn -1, unit 65536, pages 0, base 0x0)",
    "setup_without_room_for_dyn":
        "unit_size: too small for static, reserved and dynamic area: make it larger "
        "(static 5000, reserved 8192, dyn 60000, unit 65536, pages 0, base 0x0)",
    "setup_with_dyn_alone":
        "dyn_size: given without a unit_size: give both or neither "
        "(static 5000, reserved 0, dyn 8192, unit -1, pages 0, base 0x0)",
    "setup_with_base_and_populate":
        "base_addr: given together with populate_pte: give one of them "
        "(static 5000, reserved 0, dyn -1, unit 65536, pages 0, base <addr>)",
    "setup_with_base_alone":
        "base_addr: needs a unit_size: give both "
        "(static 5000, reserved 0, dyn -1, unit -1, pages 0, base <addr>)",
    "setup_with_base_inside_a_page":
        "base_addr: not page-aligned: give the start of a page "
        "(static 5000, reserved 0, dyn -1, unit 65536, pages 0, base <addr>)",
    "setup_with_counts_that_differ":
        "get_page: page counts differ between CPUs: give each as many "
        "(static 5000, reserved 0, dyn 60536, unit 65536, pages 3, base 0x0)",
    "setup_without_pages_for_static":
        "get_page: pages do not cover the static area: give more "
        "(static 5000, reserved 0, dyn 60536, unit 65536, pages 1, base 0x0)",
    "setup_without_pages_for_immutable":
        "get_page: pages of an immutable chunk do not cover it: give more "
        "(static 5000, reserved 0, dyn 60536, unit 65536, pages 15, base <addr>)",
    "setup_without_cpus":
        "possible CPUs: none, or ids at or past nr_cpu_ids "
        "(static 5000, reserved 0, dyn 60536, unit 65536, pages 0, base 0x0)",
    "setup_with_a_cpu_past_the_last_id":
        "possible CPUs: none, or ids at or past nr_cpu_ids "
        "(static 5000, reserved 0, dyn 60536, unit 65536, pages 0, base 0x0)",
}

# What the command line may ask for and cannot get: no test, the boot itself ends.
COMMAND_LINE = {
    "percpu_unit=5000":
        SETUP + "unit_size: not a multiple of the page size: round it up "
        "(static <n>, reserved 0, dyn -1, unit 5000, pages 0, base <addr>)",
    "percpu_unit=32K":
        SETUP + "unit_size: below PCPU_MIN_UNIT_SIZE, 64 KiB: make it larger "
        "(static <n>, reserved 0, dyn -1, unit 32768, pages 0, base <addr>)",
    "percpu_unit=64K percpu_reserve=60K":
        SETUP + "unit_size: too small for static and reserved area: make it larger "
        "(static <n>, reserved 61440, dyn -1, unit 65536, pages 0, base <addr>)",
    "percpu_unit=64K percpu_reserve=8K percpu_dyn=60K":
        SETUP + "unit_size: too small for static, reserved and dynamic area: make it larger "
        "(static <n>, reserved 8192, dyn 61440, unit 65536, pages 0, base <addr>)",
    "percpu_alloc=page percpu_unit=5000":
        SETUP + "unit_size: not a multiple of the page size: round it up "
        "(static <n>, reserved 0, dyn -1, unit 5000, pages 0, base 0x0)",
    "percpu_alloc=page percpu_reserve=3000M":
        SETUP + "unit_size: more than an area map entry can hold: make it smaller "
        "(static <n>, reserved 3145728000, dyn -1, unit <n>, pages 0, base 0x0)",
    "percpu_alloc=page percpu_unit=1024M":
        "percpu first chunk: 1073741824 bytes at <addr> end more than 0x30000000 above the vmalloc area's "
        "start, where a NULL per-CPU pointer would reach mapped memory: make units smaller",
    "percpu_alloc=page percpu_unit=1024M possible_cpus=511":
        "percpu: no <n> bytes of memory for the first chunk's books: give more memory",
    "percpu_unit=512M":
        "percpu_alloc=embed: no memory in one piece below 0x30000000 for 1 units of 536870912 bytes: "
        "use percpu_alloc=page or smaller units",
    "percpu_alloc=foo": "percpu_alloc=foo: no such first-chunk allocator: use embed or page",
    "percpu_engine=foo": "percpu_engine=foo: no such engine: use bitmap or areamap",
}

LOCKS = {
    "relocates_without_the_lock": "pcpu_chunk_relocate: pcpu_lock is not held",
    "inserts_without_the_lock": "pcpu_chunk_insert: pcpu_lock is not held",
    "looks_for_a_chunk_without_the_lock": "pcpu_chunk_below: pcpu_lock is not held",
    "counts_chunks_without_the_lock": "pcpu_tree_count: pcpu_lock is not held",
    "looks_for_surplus_without_the_lock": "pcpu_chunks_surplus: pcpu_lock is not held",
    "walks_chunks_without_the_lock": "pcpu_for_each_chunk: pcpu_lock is not held",
    "checks_guards_without_the_lock": "pcpu_guard_check: pcpu_lock is not held",
    "frees_a_guard_without_the_lock": "pcpu_guard_free: pcpu_lock is not held",
    "releases_a_guard_without_the_lock": "pcpu_guard_release: pcpu_lock is not held",
    "unlinks_without_the_lock": "pcpu_chunk_unlink_surplus: pcpu_lock is not held",
    "unlinks_without_the_mutex": "pcpu_chunk_unlink_surplus: pcpu_alloc_mutex is not held",
    "takes_heap_without_the_mutex":
        "8 bytes of heap with mutex free and spinlock free; it needs held and free",
    "takes_heap_under_the_lock":
        "8 bytes of heap with mutex held and spinlock held; it needs held and free",
    "gives_heap_without_the_mutex":
        "24 bytes of heap with mutex free and spinlock free; it needs held and free",
    "gives_heap_under_the_lock":
        "24 bytes of heap with mutex held and spinlock held; it needs held and free",
    "populates_without_the_mutex":
        "pages change with mutex free and spinlock free; it needs held and free",
    "populates_under_the_lock":
        "pages change with mutex held and spinlock held; it needs held and free",
    "destroys_the_first_chunk": "chunk 0 must not be destroyed: it is the first chunk",
    "destroys_a_chunk_with_areas": "chunk <n> must not be destroyed: it holds areas",
    "checks_with_interrupts_off": "mutex_lock of 'pcpu_alloc_mutex': this context may not sleep",
    "checks_inside_an_allocation": "mutex_lock of 'pcpu_alloc_mutex': thread 'main' owns it already",
    "frees_under_the_heaps_lock percpu_front=off":
        "spin_lock of 'pcpu_lock' (class 10): the lock order puts it outside a lock that is held: "
        "'broken heap' (class 30)",
    "frees_under_the_heaps_lock percpu_front=on":  # whose hit takes no lock, but is recorded
        "spin_lock of 'records' (class 15): the lock order puts it outside a lock that is held: "
        "'broken heap' (class 30)",
    "wakes_reclaim_under_the_lock": "port_reclaim_schedule: assertion failed: !port_lock_held()",
}

LEGAL = "size is 1 to 65536, align a power of two up to 4096<caller>"
BAD_INPUT = {
    "asks_for_no_bytes": "alloc_percpu: illegal size 0 or align 8: " + LEGAL,
    "asks_for_too_many_bytes": "alloc_reserved_percpu: illegal size 65537 or align 8: " + LEGAL,
    "asks_for_an_align_of_three": "alloc_percpu: illegal size 8 or align 3: " + LEGAL,
    "asks_with_interrupts_off":
        "alloc_percpu: size 64 align 8: allocation from a context that must not sleep<caller>",
    "asks_inside_an_allocation":
        "alloc_percpu: size 64 align 8: allocation entered again from inside an allocation<caller>",
    "frees_a_static_variable":
        "free_percpu: <addr> is in the static area, at offset <n> of its <n> bytes in chunk 0<caller>",
    "frees_the_inside":
        "free_percpu: <addr> is inside an area: the one of 128 bytes at offset <n> of chunk 0<caller>",
    "frees_past_the_last_chunk":
        "free_percpu: <addr> is in the gap past the last chunk, chunk 0<caller>",
    "frees_in_another_unit":
        "free_percpu: <addr> is in CPU 1's unit of chunk 0, at offset 0: not a per-CPU pointer<caller>",
    "frees_an_ordinary_pointer":
        "free_percpu: <addr> is an ordinary pointer or none, not a per-CPU pointer<caller>",
    "frees_twice":
        "free_percpu: <addr> is already free: in the free <n> bytes at offset <n> of chunk 0<caller>",
}

OWNERS = "allocated by <here>, freed by <here><caller>"
DAMAGE = {
    "frees_twice": "free_percpu: double free: <addr> is already free: area of 100 bytes, " + OWNERS,
    "frees_the_inside":
        "free_percpu: <addr> is inside an area: byte +40 of <addr>, 128 bytes, allocated by <here>, "
        "not freed yet<caller>",
    "writes_past_an_area":
        "write past an area: area <addr> of 100 bytes, CPU 1, byte +100 is 0x07, not 0xbb; " + OWNERS,
    "writes_before_an_area":
        "write before an area: area <addr> of 100 bytes, CPU 1, byte -1 is 0x07, not 0xbb; " + OWNERS,
    "writes_after_a_free":
        "write after free: area <addr> of 100 bytes, CPU 1, byte +5 is 0x07, not 0x6b; " + OWNERS,
}

NULL_POINTERS = {
    "uses_a_null_percpu_pointer":
        "page fault: read of <addr> at <here>: NULL per-CPU pointer: no page mapped there",
    "uses_a_null_percpu_pointer_of_another_cpu":
        "page fault: write of <addr> at <here>: NULL per-CPU pointer: no page mapped there",
    "uses_a_percpu_pointer_as_an_ordinary_one":
        "page fault: write of <addr> at <here>: per-CPU pointer used without this_cpu_ or per_cpu_ptr: "
        "no page mapped there",
}

# ---- The rest of the kernel ----

MEMORY = {
    "frees_a_page_twice": "page_free: page <addr> is free already",
    "frees_a_page_inside_a_block":
        "page_free: page <addr> is inside a block of 2^2 pages at <addr>, owned by test",
    "frees_a_page_of_the_image": "page_free: page <addr> was taken before page_init and stays taken",
    "frees_what_is_no_page": "page_free: <addr> is not a struct page",
    "sets_pages_up_twice": "page_init: called twice",
    "writes_to_a_free_page": "page_alloc: free page <addr> was written to: 0x1234 at <addr>",
    "frees_heap_twice": "kfree: <addr>, an object of 64 bytes, is free already",
    "frees_the_inside_of_heap": "kfree: <addr> is inside an object of 64 bytes, not its start",
    "frees_the_inside_of_much_heap": "kfree: <addr> is inside a block of 16384 bytes, not its start",
    "frees_a_variable": "kfree: <addr> does not lie in memory: kmalloc never returned it",
    "frees_what_is_no_memory": "kfree: 0x8 does not lie in memory: kmalloc never returned it",
    "frees_the_inside_of_vmalloc": "vfree: <addr> is not the start of a live range",
    "frees_addresses_that_are_mapped": "vm_range_free: <addr> of broken is still mapped",
    "frees_addresses_of_nobody": "vm_range_free: <addr> is not the start of a live range",
    "aligns_addresses_to_three": "vm_range_alloc: broken: align 3 is no power of two",
    "maps_a_device_without_addresses": "vm_map_device: broken: no 8192 bytes of addresses",
    "registers_addresses_late": "vm_area_register_early: broken comes after vmalloc_init",
    "maps_a_page_twice": "paging_map: <addr> is mapped to <addr> already",
    "maps_code_to_write_to": "paging: a mapping both writable and executable was asked for",
    "maps_outside_the_vmalloc_area": "paging_map: 0x1000 is not a page address in the vmalloc area",
    "maps_part_of_a_page": "paging_map: 0x5008 is not the physical address of a page",
    "uses_early_memory_late":
        "early_alloc_phys: called after page_init; use mm/page.h or mm/kmalloc.h",
}

CONTEXTS = {
    "takes_a_lock_twice": "spin_lock of 'broken outer' (class 0): this CPU holds it already",
    "takes_locks_in_the_wrong_order":
        "spin_lock of 'broken outer' (class 0): the lock order puts it outside a lock that is held: "
        "'broken inner' (class 60)",
    "releases_a_free_lock": "spin_unlock of 'broken outer': nobody holds it",
    "releases_the_lock_of_another_cpu":
        "spin_unlock of 'broken lock': another CPU holds it (holder: CPU 0)",
    "holds_a_lock_for_ever": "spin_lock of 'broken outer': CPU <n> has held it for over 10 s",
    "takes_a_mutex_twice": "mutex_lock of 'broken mutex': thread 'main' owns it already",
    "releases_a_mutex_of_nobody": "mutex_unlock of 'broken mutex': thread 'main' does not own it",
    "sleeps_with_a_lock":
        "thread_sleep_ms: interrupts or preemption are off, or a spinlock is held",
    "waits_with_interrupts_off": "wait: this context may not sleep",
    "waits_for_itself": "thread_join: thread 'main' waits for itself",
    "starts_a_thread_under_a_lock": "thread_create of 'broken': a spinlock is held",
    "ends_with_interrupts_off": "thread_exit of 'main': its context may not sleep",
    "moves_to_a_cpu_that_is_off": "thread_pin: CPU 511 is not online",
    "calls_a_cpu_that_is_off": "smp_call of <sym>: CPU 511 is not online",
    "calls_a_cpu_under_a_lock": "smp_call of <sym>: a spinlock of class 30 is held",
    "flushes_its_own_work": "work_flush: called by the worker, which would wait for itself",
    "handles_an_exception_as_interrupt": "irq_set_handler: vector 14 is not one of 32 to 255",
    "handles_an_interrupt_twice": "irq_set_handler: vector 64 already has the handler <sym>",
    "ends_warnings_that_did_not_begin": "warn_expect_end: no warn_expect_begin is open",
    "expects_warnings_too_deep": "warn_expect_begin: nested more than 8 deep",
    "panics_on_every_cpu": "every CPU at once, this is cpu<n>",
}

EXCEPTIONS = {
    "reads_null": "page fault: read of 0x0 at <here>: NULL pointer: no page mapped there",
    "writes_text":
        "page fault: write of <addr> at <here>: kernel text: a page whose protection forbids it",
    "runs_data":
        "page fault: execute of <addr> at <sym>: kernel data: a page whose protection forbids it",
    "reads_a_noncanonical_address":
        "general protection fault at <here>: an address that is not canonical, or a privileged "
        "register written with a bad value",
    "divides_by_zero": "divide error (vector 0, error 0x0) at <here>",
    "runs_into_a_trap": "undefined behaviour: the compiler's trap at <here>",
    "overflows_an_int": "undefined behaviour: the compiler's trap at <here>",
    "overflows_its_stack":
        "double fault at <sym>: last page fault at <addr>: guard page of a stack: stack overflow",
    "wipes_its_stack_canary":
        "thread 'scribbler' has written past the end of its stack of 16384 bytes",
}

GENERAL = ("general protection fault at <here>: an address that is not canonical, or a privileged register "
           "written with a bad value")
HINTED = {
    "uses_freed_heap": GENERAL,
    "uses_a_freed_page": GENERAL,
    "uses_a_freed_area percpu_debug": GENERAL,
    "uses_an_area_as_an_ordinary_one":
        "page fault: write of <addr> at <here>: wild pointer: no page mapped there",
    "passes_the_end_of_an_area":
        "page fault: write of <addr> at <here>: vmalloc area: no page mapped there",
    "reads_past_a_range": "page fault: read of <addr> at <here>: vmalloc area: no page mapped there",
    "calls_nothing": "page fault: execute of 0x0 at 0x0: NULL pointer: no page mapped there",
    "panics_owning_a_mutex": "with a mutex",
    "breaks_the_list_of_chunks": "the list of chunks is broken",
}

READ, WRITE = "error=0x0: present=0 write=0 ", "error=0x2: present=0 write=1 "
NO_BITS = "user=0 reserved=0 instruction=0"
NULL_ITSELF = "hint: a pointer was NULL: 0x0 is the member's offset in what it should point to"
NULL_HINT = ("hint: a per-CPU pointer was NULL: check what alloc_percpu returned; it is NULL without memory "
             "and, after a warning, for a bad request")
NUMBER_HINT = ("hint: <addr> is a per-CPU pointer, no address: use this_cpu_ptr or per_cpu_ptr(ptr, cpu), or "
               "the this_cpu_ operations")
FILLING = "hint: <reg>=<addr> is the filling of "
TEXT_HINT = ("hint: <sym> is read-only: the pointer is wrong, or what it points to must not be const")

# Further lines of a report, by the name of the test.
LINES = {
    "reads_null": [
        READ + NO_BITS, "code:<bytes>", "cr2=0x0 is in the user half, where nothing is ever mapped; not mapped",
        NULL_ITSELF],
    "writes_text": [
        "error=0x3: present=1 write=1 " + NO_BITS, "code:<bytes>",
        "cr2=<addr> is in kernel text, <sym>; mapped for reading and executing", TEXT_HINT],
    "runs_data": [
        "error=0x11: present=1 write=0 user=0 reserved=0 instruction=1", "code:<bytes>",
        "cr2=<addr> is in kernel data, <sym>; mapped for reading and writing"],
    "calls_nothing": [
        "error=0x10: present=0 write=0 user=0 reserved=0 instruction=1",
        "code:" + " --" * 16 + " <-->" + " --" * 15, NULL_ITSELF],
    "overflows_its_stack": [
        "code:<bytes>", "cr2=<addr> is in the guard page of the stack 'too deep'; not mapped",
        "hint: the stack 'too deep' of 16384 bytes is used up: look in the backtrace for a recursion or "
        "large local variables"],
    "uses_a_null_percpu_pointer": [
        READ + NO_BITS, "cr2=<addr> is CPU <n>'s copy of a NULL per-CPU pointer, plus 0; not mapped", NULL_HINT],
    "uses_a_null_percpu_pointer_of_another_cpu": [
        WRITE + NO_BITS, "cr2=<addr> is CPU 1's copy of a NULL per-CPU pointer, plus 0; not mapped", NULL_HINT],
    "uses_a_percpu_pointer_as_an_ordinary_one": [NUMBER_HINT],
    "uses_an_area_as_an_ordinary_one": [NUMBER_HINT, "last <n> of <n> allocator operations:"],
    "passes_the_end_of_an_area": [
        "cr2=<addr> is in CPU 0's unit of chunk 1, page 15 (without memory): <addr> is already free: in the "
        "free <n> bytes at offset 60000 of chunk 1; not mapped",
        "hint: page 15 of chunk 1 has no memory, as no live area needs it: the area was freed, or its end was "
        "passed; look at the last operations"],
    "reads_past_a_range": [
        "cr2=<addr> is in the gap behind the vmalloc range 'broken buffer' of 4096 bytes; not mapped"],
    "uses_freed_heap": [FILLING + "freed heap memory: it was used after kfree"],
    "uses_a_freed_page": [FILLING + "a free page: it was used after page_free"],
    "uses_a_freed_area": [FILLING + "a freed per-CPU area (percpu_debug): it was used after free_percpu"],
    "panics_owning_a_mutex": [
        "thread main of cpu0 owns mutex 'broken mutex', 1 wait",
        "  <n>.<n> cpu0 alloc ptr=<addr> size=40 align=8 by <here>", "  <n>.<n> cpu0 free ptr=<addr> by <here>"],
    "takes_a_lock_twice": ["cpu<n> holds lock 'broken outer' (class 0) at <sym>"],
    "holds_a_lock_for_ever": ["cpu<n> holds lock 'broken outer' (class 0) at <sym>"],
}


def tests():
    """(test name and words of the command line, what it says) of each test."""
    warned = "panic_on_warn: percpu: "
    yield from ((name, SETUP + text) for name, text in SET_UP.items())
    yield from ((f"{name} panic_on_warn", warned + text) for name, text in BAD_INPUT.items())
    yield from ((f"{name} panic_on_warn percpu_debug", warned + text) for name, text in DAMAGE.items())
    for table in (LOCKS, NULL_POINTERS, MEMORY, CONTEXTS, EXCEPTIONS, HINTED):
        yield from table.items()
