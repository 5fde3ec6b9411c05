# SPDX-License-Identifier: GPL-2.0-only
"""CPUs, and where each has its copy of a per-CPU variable; the page tables that all share."""
import gdb

from pcpu import front, sources, target

APIC_NONE = 0xffffffff
PAGING = "arch/x86_64/paging_internal.h"
PAGE = 4096


# ---- CPUs ----

def _ids(mask):
    words = target.variable(mask)["bits"]
    limit = int(target.variable("nr_cpu_ids"))
    return [cpu for cpu in range(limit) if int(words[cpu // 64]) >> cpu % 64 & 1]


def possible():
    return _ids("cpu_possible_mask")


def online():
    return _ids("cpu_online_mask")


def offset(cpu):
    """What to add to a per-CPU pointer for that CPU's copy; 0 before the first line of C."""
    return target.read_number(target.address_of("__per_cpu_offset") + 8 * cpu)


def units_exist():
    """Whether each CPU has a copy of its own, not all of them the load image."""
    return any(offset(cpu) != load_offset() for cpu in possible())


def load_offset():
    return (target.address_of("__per_cpu_load") - target.address_of("__per_cpu_start")) & target.MASK


def known():
    """The CPUs that have a copy: the possible ones; before they are counted, the boot CPU."""
    if offset(0) == 0 and not possible():
        raise target.NotSetUp("not set up yet: per-CPU variables work after arch_percpu_early_init, the "
                              "first line of kmain")
    return possible() or [0]


def parse(text):
    """A CPU number that the user gave."""
    try:
        cpu = int(gdb.parse_and_eval(str(text)))
    except gdb.error:
        raise target.Error(f"{text} is no CPU: CPUs are {ranges(known())}") from None
    if cpu not in known():
        raise target.Error(f"no CPU {cpu}: CPUs are {ranges(known())}")
    return cpu


def ranges(numbers):
    """0-3, 5"""
    parts = []
    for value in numbers:
        if parts and parts[-1][1] == value - 1:
            parts[-1][1] = value
        else:
            parts.append([value, value])
    return ", ".join(f"{first}-{last}" if first != last else str(first) for first, last in parts)


def gdb_threads():
    """CPU → gdb's thread, for those whose GS base is a CPU's."""
    by_offset = {offset(cpu): cpu for cpu in reversed(known())}
    found = {}
    with target.selected():
        for thread in target.threads():
            thread.switch()
            base = target.register("gs_base")
            if base and base in by_offset:
                found[by_offset[base]] = thread
    return found


def this():
    """The CPU of the selected thread."""
    number = gdb.selected_thread().num
    base = target.register("gs_base")
    with target.kernel_memory():
        for cpu in known():
            if base and offset(cpu) == base:
                return cpu
    raise target.Error(f"thread {number} is no CPU of the kernel yet: its GS base {base:#x} belongs to "
                       "none; `pcpu cpus` says which threads are")


def state_lines():
    """The monitor's `cpus`, with gdb's thread, the kernel's thread and the place in the code added."""
    running = gdb_threads()
    apic_ids = target.variable("apic_ids", "arch/x86_64/cpus.c")
    up = online()
    start = target.address_of("__per_cpu_start")
    for cpu in known():
        apic = int(apic_ids[cpu])
        base = offset(cpu)
        state = "online" if cpu in up else "possible"
        yield (f"cpu={cpu} apic={'-' if apic == APIC_NONE else apic} state={state} "
               f"unit={start + base & target.MASK:#x} gs={base:#x} "
               f"ready={front.ready_bytes(cpu)} " + _where(running.get(cpu), cpu))


def _where(thread, cpu):
    if thread is None:
        return "gdb=- thread=- pc=-"
    return f"gdb={thread.num} thread={thread_name(cpu)} pc={_place(thread)}"


def _place(thread):
    with target.selected():
        thread.switch()
        pc = target.register("rip")
    return target.symbol(pc) or hex(pc)


def places():
    """Where each running CPU is in the code: symbol+offset by CPU."""
    return {cpu: _place(thread) for cpu, thread in gdb_threads().items()}


def thread_name(cpu):
    """The kernel's thread that runs on a CPU; "-" before there are threads."""
    pointer = copy(gdb.parse_and_eval("&'kernel/sched.c'::current_thread"), cpu)
    return pointer["name"].string(errors="replace").replace(" ", "_") if int(pointer) else "-"


# ---- Per-CPU variables ----

def copy(pointer, cpu):
    """A CPU's copy of what a per-CPU pointer points to: an lvalue."""
    address = (int(pointer) + offset(cpu)) & target.MASK
    value = gdb.Value(address).cast(pointer.type).dereference()
    value.fetch_lazy()
    return value


def in_static_area(address):
    return target.address_of("__per_cpu_start") <= address < target.address_of("__per_cpu_end")


def pointer_to(expression):
    """The per-CPU pointer that an expression stands for: a static variable or part of one, or a
    pointer. Never reads a per-CPU variable at its link address, where nothing is."""
    try:
        pointer = gdb.parse_and_eval(f"&({expression})")
        if in_static_area(target.number(pointer)):
            return pointer
    except gdb.error:
        pass  # it has no address, and may be a pointer itself
    try:
        value = gdb.parse_and_eval(expression)
        kind = value.type.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_PTR and kind.target().sizeof > 0:
            return value
    except gdb.error as problem:
        reason = str(problem).rstrip(".")
        raise target.Error(f"{expression}: {reason}: want the name of a per-CPU variable") from None
    raise target.Error(f"{expression} is not per-CPU: want the name of a static per-CPU variable, or a "
                       "per-CPU pointer with its type, as in (int *)0x30001000")


# ---- Page tables ----

def translate(address, tables=None):
    """(physical address, protection such as rw-) behind a kernel address by the kernel's own page
    tables; None if nothing is mapped there. tables: a dictionary that keeps what was read."""
    root = int(target.variable("paging_root"))
    tables = {} if tables is None else tables
    bits = sources.macros(PAGING)
    physical = (root & target.MASK) - sources.layout("DIRECT_MAP_BASE")
    writable, executable = True, True
    for level in (4, 3, 2, 1):
        entry = _table(physical, tables)[address >> 12 + 9 * (level - 1) & 511]
        if not entry & bits["PTE_PRESENT"]:
            return None
        writable = writable and bool(entry & bits["PTE_WRITE"])
        executable = executable and not entry & bits["PTE_NO_EXECUTE"]
        physical = entry & bits["PTE_ADDRESS"]
        if level == 1 or entry & bits["PTE_LARGE"] and level < 4:
            span = (1 << 12 + 9 * (level - 1)) - 1
            return (physical & ~span | address & span,
                    "r" + ("w" if writable else "-") + ("x" if executable else "-"))
    return None


def _table(physical, tables):
    if physical not in tables:
        tables[physical] = target.read_numbers(physical + sources.layout("DIRECT_MAP_BASE"), 512)
    return tables[physical]


def own_tables():
    """Whether the kernel runs on page tables of its own, not on those of the boot code."""
    return int(target.variable("paging_root")) != 0
