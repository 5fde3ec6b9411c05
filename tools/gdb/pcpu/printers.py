# SPDX-License-Identifier: GPL-2.0-only
"""Pretty printers: chunks, lists, red-black trees, and per-CPU pointers with every CPU's copy.

`print/r` shows the raw structure.
"""
import gdb
import gdb.printing

from pcpu import allocator, cpus, lists, target

# What hangs in the lists and trees that have a name.
LISTS = {"'percpu/guard.c'::quarantine": ("struct pcpu_guard", "fifo"),
         "'percpu/guard.c'::dead": ("struct pcpu_guard", "fifo")}
TREES = {"'percpu/chunk.c'::chunk_tree": allocator.TREE,
         "'percpu/guard.c'::guards": ("struct pcpu_guard", "node"),
         "'mm/vm_range.c'::tree": ("struct vm_node", "rb")}
READ_PROBLEMS = (target.Error, target.NotSetUp, gdb.error)


class ChunkPrinter:
    """struct pcpu_chunk: what the monitor says of it, and its map."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            return allocator.Chunk(self.value).line()
        except READ_PROBLEMS as problem:
            return f"unreadable chunk: {problem}"

    def children(self):
        try:
            entries = allocator.Chunk(self.value).entries()
        except READ_PROBLEMS:
            return
        yield "areas", self.value["nr_areas"]
        yield "map", " ".join(f"{entry:+d}" for entry in entries)


class MemberPrinter:
    """A list or a tree: how many, and a pointer to each."""

    def __init__(self, value, find, kinds):
        self.problem, self.nodes, self.kind = None, [], None
        try:
            with target.kernel_memory():
                address = target.number(value.address)
                self.nodes = find(address)
                self.kind = kinds(address)
        except (*READ_PROBLEMS, TypeError) as problem:
            self.problem = problem

    def to_string(self):
        if self.problem:
            return f"unreadable: {self.problem}"
        return f"{len(self.nodes)} {'entry' if len(self.nodes) == 1 else 'entries'}"

    def children(self):
        for index, node in enumerate(self.nodes):
            if self.kind:
                yield f"[{index}]", lists.container(node, *self.kind).address
            else:
                yield f"[{index}]", gdb.Value(node).cast(gdb.lookup_type("void").pointer())

    def display_hint(self):
        return "array"


def _named(table):
    def kind(address):
        return next((what for name, what in table.items() if target.address_of(name) == address), None)
    return kind


def _list_kind(address):
    if address in allocator.slot_heads():
        return ("struct pcpu_chunk", "node")
    return _named(LISTS)(address)


class PointerPrinter:
    """A per-CPU pointer: its number, the variable's name, and each CPU's copy."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        address = target.number(self.value)
        name = target.symbol(address)
        return f"{address:#x}" + (f" <{name}>" if name else "") + " per-CPU"

    def children(self):
        try:
            with target.kernel_memory():
                if not cpus.units_exist():
                    return
                for cpu in cpus.known():
                    yield f"cpu{cpu}", cpus.copy(self.value, cpu)
        except READ_PROBLEMS:
            return


def _percpu_pointer(value):
    """A printer for pointers that are per-CPU: below the kernel's half nothing else points."""
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_PTR or kind.target().strip_typedefs().code == gdb.TYPE_CODE_FUNC:
        return None
    try:
        address = target.number(value)
        if not target.address_of("__per_cpu_start") <= address < 1 << 47 or kind.target().sizeof == 0:
            return None
        with target.kernel_memory():
            if cpus.in_static_area(address) or _is_area(address):
                return PointerPrinter(value)
    except READ_PROBLEMS:
        pass
    return None


def _is_area(pointer):
    allocator.require_set_up()
    found = allocator.unit_at(allocator.address_of_pointer(pointer))
    area = found and found[0].area_at(found[2])
    return bool(area and area[2])


class Printers(gdb.printing.PrettyPrinter):
    """All of them, chosen by type."""

    def __init__(self):
        super().__init__("percpu")

    def __call__(self, value):
        tag = value.type.strip_typedefs().tag
        if tag == "pcpu_chunk":
            return ChunkPrinter(value)
        if tag == "list_node":
            return MemberPrinter(value, lists.list_nodes, _list_kind)
        if tag == "rb_root":
            return MemberPrinter(value, lists.tree_nodes, _named(TREES))
        return _percpu_pointer(value)


def register():
    gdb.printing.register_pretty_printer(None, Printers(), replace=True)
