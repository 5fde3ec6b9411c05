# SPDX-License-Identifier: GPL-2.0-only
"""The zones and the quarantine of percpu_debug: percpu/guard.h."""
from pcpu import cpus, lists, sources, target

RECORD = ("struct pcpu_guard", "node")
HEADER = "percpu/inspect.h"
GUARDS = "'percpu/guard.c'::guards"


class Guard:
    """What percpu_debug knows of one area. Offsets count from the caller's pointer."""

    def __init__(self, node):
        record = lists.container(node, *RECORD)
        record.fetch_lazy()
        self.pointer = target.number(record["ptr"])
        self.size, self.front, self.total = (int(record[name]) for name in ("size", "front", "total"))
        self.allocated_by = target.number(record["alloc_caller"])
        self.freed_by = target.number(record["free_caller"])

    @property
    def start(self):
        return self.pointer - self.front

    def zones(self):
        """(first, end, byte that fills it) of each stretch that nobody may have written."""
        bytes_ = sources.macros(HEADER)
        end = self.total - self.front
        if self.freed_by:
            return [(-self.front, end, bytes_["GUARD_FREED_BYTE"])]
        zone = bytes_["GUARD_ZONE_BYTE"]
        return [(-self.front, 0, zone), (self.size, end, zone)]

    def place(self, pointer):
        """Where a per-CPU pointer stands in the area."""
        offset = pointer - self.pointer
        if offset < 0:
            return "front-zone"
        if offset >= self.size:
            return "back-zone"
        return "freed" if self.freed_by else "object"

    def line(self, pointer):
        freed = target.site(self.freed_by) if self.freed_by else "nobody"
        return (f"guard={self.place(pointer)} ptr={self.pointer:#x} size={self.size} "
                f"byte={pointer - self.pointer:+d} "
                f"allocated_by={target.site(self.allocated_by)} "
                f"freed_by={freed}")

    def problem(self):
        """The first byte on some CPU that is not as it was filled; None if there is none."""
        for cpu in cpus.possible():
            for first, end, byte in self.zones():
                data = target.read(self.pointer + cpus.offset(cpu) + first & target.MASK, end - first)
                for offset, got in enumerate(data, first):
                    if got != byte:
                        return (f"write {self._what(offset)}: area {self.pointer:#x} of {self.size} "
                                f"bytes, CPU {cpu}, byte {offset:+d} is {got:#04x}, not {byte:#04x}")
        return None

    def _what(self, offset):
        if self.freed_by:
            return "after free"
        return "before an area" if offset < 0 else "past an area"


def is_on():
    return bool(target.variable("pcpu_guard_on"))


def at(pointer):
    """The record of the area that a per-CPU pointer points into; None if there is none."""
    if not is_on():
        return None
    node = lists.tree_last(target.address_of(GUARDS), lambda at: Guard(at).start <= pointer)
    guard = Guard(node) if node else None
    return guard if guard and pointer < guard.start + guard.total else None


def every():
    return [Guard(node) for node in lists.tree_nodes(target.address_of(GUARDS))] if is_on() else []
