# SPDX-License-Identifier: GPL-2.0-only
"""What an address is: `pcpu why`. Answers are records of key=value fields, the closest one first."""
import gdb

from pcpu import allocator, cpus, front, guards, pages, records, sources, target

NULL_REACH = 64 * 1024  # objects may be this large, so a NULL pointer's member may be this far away
LOW_END = 4 << 30  # firmware and boot tables map so much at its own address
CANONICAL_HOLE = range(1 << 47, (1 << 64) - (1 << 47))


def explain(address):
    """Lines that say what an address is, at any time of the kernel's life."""
    try:
        with target.kernel_memory():
            return _with_kernel(address)
    except target.NotSetUp as state:
        what = _static_answer(address)
        if address < LOW_END and not cpus.in_static_area(address):
            what = "is=low hint=firmware_and_loader_have_it"
        return [f"addr={address:#x} {what}", str(state)]


def _with_kernel(address):
    lines = _unit(address) or _percpu_pointer(address) or [_static_answer(address)]
    lines[0] = f"addr={address:#x} {lines[0]}"
    lines += [line for line in (_page(address, " is=unit " in lines[0]), _range(address)) if line]
    try:
        allocator.require_set_up()
    except target.NotSetUp as state:
        lines.append(str(state))
    return lines


# ---- Per-CPU addresses and pointers ----

def _set_up():
    try:
        allocator.require_set_up()
        return True
    except target.NotSetUp:
        return False


def _unit(address):
    """An address in some CPU's unit: None if it is none."""
    found = allocator.unit_at(address) if _set_up() else None
    if found is None:
        return None
    chunk, cpu, offset = found
    pointer = allocator.pointer_of(chunk.base + offset)
    return [f"is=unit cpu={cpu} chunk={chunk.id} offset={offset} ptr={pointer:#x}",
            *_area(chunk, offset, pointer)]


def _percpu_pointer(address):
    """A number that is a per-CPU pointer: None if it is none."""
    if not _set_up():
        return _static_pointer(address) if cpus.in_static_area(address) else None
    found = allocator.unit_at(allocator.address_of_pointer(address))
    if found is None or allocator.unit_of(found[1]) != 0:
        return None
    chunk, _, offset = found
    if address >= 1 << 47:
        return None  # a kernel address that only looks like one
    return [f"is=percpu-pointer chunk={chunk.id} offset={offset}", *_area(chunk, offset, address),
            *_copies(address)]


def _static_pointer(address):
    """Before set-up."""
    copies = _copies(address)[:1] if cpus.offset(0) else []
    return [f"is=percpu-pointer var={target.symbol(address) or '-'}", *copies]


def _copies(pointer):
    return [f"copy={(pointer + cpus.offset(cpu)) & target.MASK:#x} cpu={cpu}" for cpu in cpus.known()]


def _area(chunk, offset, pointer):
    """The area that an offset is in, and what percpu_debug knows of it."""
    if chunk.first and offset < allocator.geometry("pcpu_static_size"):
        name = target.symbol(pointer) or "-"
        yield f"area=static area_offset=0 area_length={allocator.geometry('pcpu_static_size')} var={name}"
        return
    area = chunk.area_at(offset)
    if area is None:
        yield f"area=none past={chunk.span}"
        return
    start, length, used = area
    state = "used" if used else "free"
    if used and start < chunk.start:
        state = "static"  # bytes given to the area before
    note, kept = "", front.state(chunk, start) if used else None
    if kept == "ready":
        state, note = kept, f" on_cpu={front.holder(pointer - offset + start, cpus.possible())}"
    elif kept == "dead":
        state, note = kept, " hint=freed_and_waits_for_a_sweep"
    yield f"area={state} area_offset={start} area_length={length} into={offset - start}{note}"
    record = records.line(pointer) if state == "used" else None
    if record:
        yield record
    guard = guards.at(pointer)
    if guard:
        yield guard.line(pointer)


# ---- Everything else ----

def _static_answer(address):
    """What the address map alone says."""
    if address in CANONICAL_HOLE:
        return "is=non-canonical hint=no_address_of_this_machine"
    if cpus.in_static_area(address):
        return f"is=percpu-pointer var={target.symbol(address) or '-'}"
    if target.address_of("__image_start") <= address < target.address_of("__image_end"):
        return _image(address)
    for name, start, end in _areas():
        if start <= address < end:
            return f"is={name} offset={address - start:#x}"
    null = _null_percpu(address)
    if null:
        return null
    if address < NULL_REACH:
        return f"is=null offset={address} hint=NULL_pointer"
    return "is=hole hint=nothing_is_ever_mapped_here"


def _areas():
    layout = sources.layout
    yield "vmalloc", layout("VMALLOC_START"), layout("VMALLOC_END")
    yield ("direct-map", layout("DIRECT_MAP_BASE"),
           layout("DIRECT_MAP_BASE") + layout("DIRECT_MAP_SIZE"))


SECTIONS = (("text", "__text_start", "__text_end"), ("rodata", "__rodata_start", "__rodata_end"),
            ("bss", "__bss_start", "__data_end"), ("data", "__data_start", "__data_end"),
            ("ksyms", "__ksyms_start", "__ksyms_end"))


def _image(address):
    """A place in the kernel image."""
    load = address - cpus.load_offset() & target.MASK
    if cpus.in_static_area(load):
        return f"is=percpu-load-image ptr={load:#x} var={target.symbol(load) or '-'}"
    for name, start, end in SECTIONS:
        if target.address_of(start) <= address < target.address_of(end):
            break
    else:
        return "is=image hint=padding_between_sections"
    fields = f"is={name} symbol={target.symbol(address) or '-'}"
    if name == "text":
        line = gdb.find_pc_line(address)
        if line.symtab:
            fields += f" at={line.symtab.filename}:{line.line}"
    return fields


def _null_percpu(address):
    try:
        known = cpus.known()
    except (target.NotSetUp, gdb.error):
        return None
    for cpu in known:
        away = (address - cpus.offset(cpu)) & target.MASK
        if cpus.offset(cpu) and away < NULL_REACH:
            return f"is=null-percpu cpu={cpu} offset={away} hint=NULL_per-CPU_pointer"
    return None


def _page(address, is_unit):
    """What is mapped there."""
    if address in CANONICAL_HOLE:
        return None
    if not cpus.own_tables():
        return "page=mapped hint=by_the_boot_tables" if address < LOW_END else None
    found = cpus.translate(address)
    if found is None:
        return "page=unmapped" if address >= 1 << 47 else None
    physical, protection = found
    backs = "" if is_unit else _backs(physical)
    return f"page=mapped phys={physical:#x} prot={protection} {pages.owner_fields(physical)}{backs}"


def _backs(physical):
    """Of which chunk a physical page is a page, for those who come by the direct map."""
    if not _set_up():
        return ""
    page = pages.address_of(physical // cpus.PAGE * cpus.PAGE)
    for chunk in allocator.chunks():
        array = chunk.pages()
        if page in array:
            unit, number = divmod(array.index(page), allocator.geometry("pcpu_unit_pages"))
            cpu = int(target.variable("pcpu_cpu_of")[unit])
            return f" backs_chunk={chunk.id} backs_cpu={cpu} backs_page={number}"
    return ""


def _range(address):
    """The range of the vmalloc area, or where between two it is."""
    if not sources.layout("VMALLOC_START") <= address < sources.layout("VMALLOC_END"):
        return None
    below = pages.range_below(address)
    if below is None:
        return "range=none"
    if address < below.end:
        return f"{below.fields()} into={address - below.start}"
    guard = " hint=unmapped_page_after_it" if address < below.end + cpus.PAGE else ""
    return f"range=none above={below.name} end={below.end:#x}{guard}"
