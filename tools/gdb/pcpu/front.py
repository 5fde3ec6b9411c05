# SPDX-License-Identifier: GPL-2.0-only
"""The areas that CPUs keep ready: percpu/front.h. To the engine they are in use, a tag says what they are."""
import re

from pcpu import sources, target

HEADERS = ("percpu/front.h", "percpu/front_internal.h")
HITS = ("__alloc_percpu", "free_percpu", "pcpu_front_alloc", "pcpu_front_free")  # lock nothing


def constant(name):
    return next(found[name] for found in map(sources.macros, HEADERS) if name in found)


def is_on():
    return bool(target.variable("pcpu_front_on"))


def size_of(kind):
    """Bytes of the areas of a class."""
    return int(target.variable("pcpu_front_sizes")[kind])


def tags(chunk):
    """A byte for each granule of a unit, then one for each block, where areas may be dead; empty: none."""
    address = target.number(chunk.value["tags"])
    unit = int(target.variable("pcpu_unit_size"))
    marks = unit // constant("FRONT_BLOCK")
    return target.read(address, unit // constant("FRONT_GRANULE") + marks) if address else b""


def state(chunk, offset):
    """What the area that starts at an offset is to the front: live, ready, dead; None: nothing."""
    at, rest = divmod(offset, constant("FRONT_GRANULE"))
    address = target.number(chunk.value["tags"])
    tag = target.read_number(address + at, 1) if address and not rest else 0
    return _state(tag)


def _state(tag):
    if tag in (0, constant("TAG_DEAD")):
        return "dead" if tag else None
    return "live" if tag & constant("TAG_LIVE") else "ready"


def stacks(cpu):
    """(class, pointers of the ready areas, limit) for each of a CPU's stacks."""
    front = target.variable("fronts", "percpu/front_stock.c")[cpu].dereference()
    front.fetch_lazy()
    place = front["areas"].type.target().sizeof
    for kind in range(1, constant("FRONT_NR_CLASSES")):
        bottom, top, limit = (target.number(front[name][kind]) for name in ("bottom", "top", "limit"))
        words = target.read_numbers(bottom, max(top - bottom, 0) // place * 2)
        yield kind, words[::2], (limit - bottom) // place


def holder(pointer, cpus):
    """The CPU that keeps an area ready; "-": none, it is on its way."""
    return next((cpu for cpu in cpus for _, ready, _ in stacks(cpu) if pointer in ready), "-")


def ready_bytes(cpu):
    return sum(len(ready) * size_of(kind) for kind, ready, _ in stacks(cpu)) if is_on() else 0


def in_hits(pcs):
    """CPUs of {cpu: symbol+offset} that are in the middle of a hit."""
    return [cpu for cpu, place in pcs.items() if place and place.rpartition("+")[0] in HITS]


def _on_their_way(areas):
    """Whether areas, (chunk's number, offset, class) each, were carved by the request that holds the mutex, which
    puts them on a stack once they have pages."""
    if not bool(target.variable("alloc_mutex", "percpu/port_kernel.c")["locked"]):
        return False
    batch = target.variable("batch", "percpu/alloc.c")
    carved = {int(batch["offsets"][n]) for n in range(int(batch["nr"]))}
    return len({chunk for chunk, _, _ in areas}) == 1 and \
        all(offset in carved and kind == int(batch["class"]) for _, offset, kind in areas)


class Census:
    """What tags, stacks and counters say; `problem` is the first thing that does not fit."""

    def __init__(self, chunks, cpus):
        self.problem = None
        self.live = self.dead = self.bytes = 0
        self.idle = {}  # pointer: (chunk's number, offset, class)
        self.pointer_to_address = target.number(target.variable("pcpu_front_to_addr"))
        for chunk in chunks:
            self._tags(chunk)
        self._stacks(cpus)
        self._counters(cpus)

    def _need(self, good, text):
        self.problem = self.problem or (None if good else text)

    def _tags(self, chunk):
        read = tags(chunk)
        granule, block = constant("FRONT_GRANULE"), constant("FRONT_BLOCK")
        lengths = {offset: length for offset, length, used in chunk.areas() if used} if any(read) else {}
        count = int(target.variable("pcpu_unit_size")) // granule
        for match in re.finditer(b"[^\0]", read[:count]):
            at, tag = match.start(), match[0][0]
            length = lengths.get(at * granule)
            self._need(length is not None, "a tag where no area starts")
            self.bytes += length or 0
            kind = _state(tag)
            self.live += kind == "live"
            if kind == "ready":
                pointer = (chunk.base + at * granule - self.pointer_to_address) & target.MASK
                self.idle[pointer] = chunk.id, at * granule, tag
            if kind == "dead":
                self.dead += length or 0
                self._need(read[count + at * granule // block], "a dead area in a block without a mark")
            else:
                self._need(length == size_of(tag & ~constant("TAG_LIVE")),
                           "an area of another length than its class")

    def _stacks(self, cpus):
        ready = []
        for cpu in cpus:
            limits = 0
            for kind, pointers, limit in stacks(cpu):
                self._need(len(pointers) <= limit, "a stack above its limit")
                ready += pointers
                limits += limit * size_of(kind)
            self._need(limits == int(target.variable("fronts", "percpu/front_stock.c")[cpu]["limit_bytes"]),
                       "limits of a CPU that do not add up")
        lost = {self.idle[pointer] for pointer in self.idle.keys() - set(ready)}
        self._need(len(ready) == len(self.idle) - len(lost) and (not lost or _on_their_way(lost)),
                   "areas that are idle and on no stack")

    def _counters(self, cpus):
        fronts = target.variable("fronts", "percpu/front_stock.c")
        kinds = range(constant("FRONT_NR_CLASSES"))
        live = sum(int(fronts[cpu]["allocs"][kind]) - int(fronts[cpu]["frees"][kind])
                   for cpu in cpus for kind in kinds)
        dead = sum(int(fronts[cpu]["dead_bytes"]) for cpu in cpus) - \
            int(target.variable("swept_bytes", "percpu/front_sweep.c"))
        self._need(dead == self.dead, "bytes that are dead and not counted")
        self._need(live == self.live, "areas that are live and not counted")
        self._need(int(target.variable("pcpu_front_bytes")) == self.bytes,
                   "bytes that are carved and not counted")
        self.not_live = int(target.variable("pcpu_front_areas")) - live
