# SPDX-License-Identifier: GPL-2.0-only
"""Who owns a physical page, and what the vmalloc area holds: mm/page.c, mm/kmalloc.c, mm/vm_range.c."""
from pcpu import cpus, lists, sources, target

PAGE = cpus.PAGE
NOT_HEAD = "PAGE_NOT_HEAD"


class Block:
    """A block of the page allocator, by its first page."""

    def __init__(self, number, head):
        self.number, self.head = number, head
        self.order = int(head["order"])
        self.owner = int(head["owner"])

    def name(self):
        return target.string(target.variable("owner_names", "mm/page.c")[self.owner])


def _page(number):
    head = target.variable("pages", "mm/page.c")[number]
    head.fetch_lazy()
    return head


def block_of(physical):
    """The block that a physical address lies in; None if the page allocator does not know it."""
    number = physical // PAGE
    if not int(target.variable("page_ready", "mm/page.c")):
        return None
    if number >= int(target.variable("nr_page_slots", "mm/page.c")):
        return None
    macros = sources.macros("mm/page.h")
    for order in range(macros["PAGE_MAX_ORDER"] + 1):
        first = number >> order << order
        block = Block(first, _page(first))
        if block.order != macros[NOT_HEAD] and number < first + (1 << block.order):
            return block
    return Block(number, _page(number))


def owner_fields(physical):
    """owner=… and, for the heap, which object: fields of a record."""
    block = block_of(physical)
    if block is None:
        ready = int(target.variable("page_ready", "mm/page.c"))
        return "owner=none" if ready else "owner=boot"
    names = target.variable("owner_names", "mm/page.c")
    if block.owner >= names.type.range()[1] + 1:
        return "owner=none"
    fields = f"owner={block.name()}"
    if block.order and block.order != sources.macros("mm/page.h")[NOT_HEAD]:
        fields += f" block={block.number * PAGE:#x} order={block.order}"
    return fields + (_heap_fields(block, physical) if block.name() == "heap" else "")


def _heap_fields(block, physical):
    shift = int(block.head["heap_shift"])
    if shift == 0:
        size = PAGE << block.order
        return f" object={address_of(block.number * PAGE):#x} size={size} state=used"
    index = physical % PAGE >> shift
    start = block.number * PAGE + (index << shift)
    if PAGE >> shift <= 64:
        word = int(block.head["heap_map"])
    else:
        word = target.read_number(address_of(block.number * PAGE) + index // 64 * 8)
    state = "used" if word >> index % 64 & 1 else "free"
    if PAGE >> shift > 64 and index << shift < PAGE >> shift >> 3:
        state = "bitmap"
    return f" object={address_of(start):#x} size={1 << shift} state={state}"


def address_of(physical):
    """A physical address in the direct map."""
    return physical + sources.layout("DIRECT_MAP_BASE")


# ---- The vmalloc area ----

class Range:
    """A live range of the vmalloc area."""

    def __init__(self, node):
        value = lists.container(node, "struct vm_node", "rb")["range"]
        value.fetch_lazy()
        self.start, self.size = int(value["start"]), int(value["size"])
        self.name = target.string(value["name"]).replace(" ", "_")

    @property
    def end(self):
        return self.start + self.size

    def fields(self):
        """As the monitor's `vm` has it."""
        return f"range={self.start:#x}-{self.end:#x} size={self.size} name={self.name}"


def range_below(address):
    """The live range with the highest start at or below an address; None if there is none."""
    root = target.address_of("'mm/vm_range.c'::tree")
    node = lists.tree_last(root, lambda at: Range(at).start <= address)
    return Range(node) if node else None
