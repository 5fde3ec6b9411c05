# SPDX-License-Identifier: GPL-2.0-only
"""The allocator's chunks, copied out of the stopped kernel: percpu/percpu_internal.h, percpu/area.h."""
from pcpu import cpus, engines, front, lists, target

TREE = ("struct pcpu_chunk", "tree_node")


def geometry(name):
    return target.number(target.variable(name))


def require_set_up():
    """NotSetUp before there is a first chunk."""
    if geometry("pcpu_unit_size") and geometry("pcpu_slots") and \
            (geometry("pcpu_first_chunk") or geometry("pcpu_reserved_chunk")):
        return
    where = f"0x{target.address_of('__per_cpu_load'):x}"
    raise target.NotSetUp("not set up yet: the first chunk is not made, every CPU uses the load image "
                          f"at {where}; {target.BOOT_STEPS}")


class Chunk:
    """One chunk as it is now."""

    def __init__(self, value):
        value.fetch_lazy()
        space = value["space"]
        self.value, self.space = value, space
        self.address = target.number(value.address)
        self.id = int(value["id"])
        self.slot = int(value["slot"])
        self.base = target.number(value["base"])
        self.start = int(value["start"])
        self.nr_areas = int(value["nr_areas"])
        self.first, self.reserved, self.immutable = (
            bool(value[name]) for name in ("first", "reserved", "immutable"))
        self.span, self.free, self.hint = (int(space[name]) for name in ("span", "free_size", "hint"))
        self.books = engines.of(space)
        self.memory = value["memory"].dereference()
        self.memory.fetch_lazy()
        self.nr_populated = int(self.memory["nr_populated"])

    def entries(self):
        """Run after run: +n free, -n in use."""
        return self.books.runs()

    def areas(self):
        """(offset, length, in use) of each entry."""
        offset = 0
        for entry in self.entries():
            yield offset, abs(entry), entry < 0
            offset += abs(entry)

    def area_at(self, offset):
        """(offset, length, in use) of the entry that holds a byte; None if none does."""
        for area in self.areas():
            if area[0] <= offset < area[0] + area[1]:
                return area
        return None

    def populated(self):
        """Numbers of the pages that are marked as having memory on every CPU."""
        pages = geometry("pcpu_unit_pages")
        words = target.read_numbers(target.number(self.memory["populated"]), (pages + 63) // 64)
        return {page for page in range(pages) if words[page // 64] >> page % 64 & 1}

    def pages(self):
        """The page array: unit after unit, 0 where there is no memory."""
        count = geometry("pcpu_nr_units") * geometry("pcpu_unit_pages")
        return target.read_numbers(target.number(self.memory["pages"]), count)

    def flags(self):
        names = [name for name in ("first", "reserved", "immutable") if getattr(self, name)]
        return ",".join(names) or "-"

    def line(self):
        """The monitor's line."""
        slot = self.slot if self.slot >= 0 else "-"
        return (f"chunk={self.id} slot={slot} base={self.base:#x} span={self.span} free={self.free} "
                f"hint={self.hint} entries={self.books.nr_runs} map_room={self.books.room} "
                f"pages={self.nr_populated}/{geometry('pcpu_unit_pages')} flags={self.flags()}")


def slot_heads():
    base = geometry("pcpu_slots")
    return [base + 16 * slot for slot in range(geometry("pcpu_nr_slots"))]


def chunks():
    """By slot from 0 up, front to back, then the reserved chunk: the monitor's order."""
    require_set_up()
    found = [Chunk(value) for head in slot_heads()
             for value in lists.list_objects(head, "struct pcpu_chunk", "node")]
    reserved = target.variable("pcpu_reserved_chunk")
    if int(reserved):
        found.append(Chunk(reserved.dereference()))
    return found


def chunk(number):
    """The chunk of that number."""
    found = chunks()
    for one in found:
        if one.id == number:
            return one
    known = cpus.ranges(sorted(one.id for one in found))
    made = geometry("pcpu_counters.chunks_made")
    gone = ", it was given back" if 0 <= number < made else ""
    raise target.Error(f"no chunk {number}{gone}: chunks are {known}")


# ---- Addresses ----

def chunk_bytes():
    return geometry("pcpu_nr_units") * geometry("pcpu_unit_size")


def pointer_of(address):
    """The per-CPU pointer whose target is at an address of unit 0."""
    return (address - geometry("pcpu_base_addr") + target.address_of("__per_cpu_start")) & target.MASK


def address_of_pointer(pointer):
    """The inverse: the address in unit 0."""
    return (pointer - target.address_of("__per_cpu_start") + geometry("pcpu_base_addr")) & target.MASK


def unit_at(address):
    """(chunk, CPU, offset) of the unit that holds an address; None if none does. Of the first chunk's
    two parts, the one that manages the offset."""
    root = target.address_of("'percpu/chunk.c'::chunk_tree")
    node = lists.tree_last(root, lambda at: int(lists.container(at, *TREE)["base"]) & target.MASK
                           <= address)
    found = Chunk(lists.container(node, *TREE)) if node else None
    if found is None or address - found.base >= chunk_bytes():
        found = None
    reserved = target.variable("pcpu_reserved_chunk")
    if int(reserved):
        part = Chunk(reserved.dereference())
        if 0 <= address - part.base < chunk_bytes() and \
                (found is None or (address - part.base) % geometry("pcpu_unit_size") < part.span):
            found = part
    if found is None:
        return None
    unit, offset = divmod(address - found.base, geometry("pcpu_unit_size"))
    return found, int(target.variable("pcpu_cpu_of")[unit]), offset


def unit_of(cpu):
    return int(target.variable("pcpu_unit_of")[cpu])


# ---- Locks ----

def under_way():
    """Who is in the middle of changing what is read here; "" if nobody is."""
    notes = []
    lock = target.variable("area_lock", "percpu/port_kernel.c")
    mutex = target.variable("alloc_mutex", "percpu/port_kernel.c")
    if int(lock["locked"]):
        notes.append(f"cpu{int(lock['holder']) - 1} holds pcpu_lock")
    if bool(mutex["locked"]):
        owner = mutex["owner"]
        name = owner["name"].string(errors="replace") if int(owner) else "main"
        notes.append(f"thread {name} holds pcpu_alloc_mutex")
    if front.is_on():
        notes += [f"cpu{cpu} takes or puts a ready area" for cpu in front.in_hits(cpus.places())]
    return " and ".join(notes)
