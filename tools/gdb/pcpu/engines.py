# SPDX-License-Identifier: GPL-2.0-only
"""The books of a chunk's engine, read and checked: percpu/area.h. Runs are +n free, -n in use.

The words of what is wrong are those of the engines' own checks.
"""
import re

import gdb

from pcpu import target

LEAST = 4  # fewer free bytes in a row, and a chunk counts as full


class AreaMap:
    """percpu/areamap.c: the runs stand in an array."""

    def __init__(self, space):
        self.space = space
        self.nr_runs, self.room, self.free, self.hint = (
            int(space[name]) for name in ("nr_entries", "map_room", "free_size", "hint"))

    def runs(self):
        return target.read_numbers(target.number(self.space["map"]), self.nr_runs, 4, signed=True)

    def rank(self):
        return 0 if self.hint < LEAST or self.free < LEAST else self.free

    def problem(self, runs):
        if 0 in runs:
            return "an area map entry is zero"
        if any(left > 0 and right > 0 for left, right in zip(runs, runs[1:])):
            return "two free entries stand side by side"
        return _sums(self.space, runs, "entries") or \
            ("more entries than the map has room for" if len(runs) > self.room else None) or \
            ("the scan memo does not fit the map" if not self._memo_fits(runs) else None)

    def _memo_fits(self, runs):
        """Nothing before the memo's place could serve what the memo says."""
        memo = self.space["memo"]
        size, align, index, offset, biggest = (
            int(memo[name]) for name in ("size", "align", "index", "offset", "biggest"))
        if index == 0:
            return True
        before, at, good = runs[:index], 0, index <= len(runs)
        for run in before:
            good = good and not (run > 0 and run >= -at % align + size)
            at += abs(run)
        return good and at == offset and max([0, *before]) == biggest


class Bitmap:
    """percpu/bitmap.c: a bit in `used` and one in `start` for each granule, and a tree of what is free."""

    GRANULE, LEAF = 4, 1024

    def __init__(self, space):
        self.space, self.span = space, int(space["span"])
        self.books = space["books"].cast(gdb.lookup_type("struct bitmap_books").pointer()).dereference()
        self.granules = self.room = int(self.books["granules"])
        self._marks = None

    def marks(self):
        """A digit for each granule: 0 free, 1 inside an area, 3 its start, 2 a start that is in no area."""
        if self._marks is None:
            used, start = (self._bits(name, self.granules) for name in ("used", "start"))
            self._marks = "".join(str(int(u) + 2 * int(s)) for u, s in zip(used, start))
        return self._marks

    def _bits(self, name, count):
        data = target.read(target.number(self.books[name]), (count + 63) // 64 * 8)
        return f"{int.from_bytes(data, 'little'):0{8 * len(data)}b}"[::-1][:count]

    def runs(self):
        found = [(match.end() - match.start()) * self.GRANULE * (1 if match[0][0] in "02" else -1)
                 for match in re.finditer("[02]+|[13]1*", self.marks())]
        odd = self.span % self.GRANULE
        if found:
            found[-1] += odd if found[-1] > 0 else -odd
        return found

    @property
    def nr_runs(self):
        return len(self.runs())

    def rank(self):
        return min(int(self.space["hint"]), int(self.space["free_size"]))

    def problem(self, runs):
        if "2" in self.marks():
            return "an area starts in free granules"
        if re.search("^1|01", self.marks()):
            return "granules in use that belong to no area"
        return _sums(self.space, runs, "runs") or self._tree_problem()

    def _tree_problem(self):
        leaves, nodes = int(self.books["leaves"]), self.books["nodes"]
        if "1" in self._bits("dirty", 2 * leaves):
            return None  # nobody reads it before it is computed anew
        words = nodes.dereference().type.sizeof // 4  # length, prefix, suffix, then a longest run each
        array = target.read_numbers(target.number(nodes), 2 * leaves * words, 4)
        free = [match.span() for match in re.finditer("0+", self.marks())]
        for node in range(1, 2 * leaves):
            have = array[node * words + 1:(node + 1) * words]
            below = leaves >> node.bit_length() - 1
            first = (node * below - leaves) * self.LEAF
            want = self._node(free, first, min(first + below * self.LEAF, self.granules), words - 3)
            if have[2:] != want[2:]:
                return "a node of the tree has another longest run"
            if have[:2] != want[:2]:
                return "a node of the tree has other ends"
        return None

    @staticmethod
    def _node(free, first, end, orders):
        """What a node says of the granules from first to end: its two ends, then a longest run each order."""
        inside = [(max(a, first), min(b, end)) for a, b in free if a < end and b > first]
        prefix = inside[0][1] - first if inside and inside[0][0] == first else 0
        suffix = end - inside[-1][0] if inside and inside[-1][1] == end else 0
        return [prefix, suffix, *(max((b - a - -a % (1 << order) for a, b in [(0, 0), *inside]))
                                  for order in range(orders))]


def _sums(space, runs, what):
    free = [run for run in runs if run > 0]
    if sum(map(abs, runs)) != int(space["span"]):
        return f"the {what} do not add up to the span"
    if sum(free) != int(space["free_size"]):
        return f"free_size is not the sum of the free {what}"
    return "the hint is below the longest free run" if int(space["hint"]) < max(free, default=0) else None


ENGINES = {"areamap": AreaMap, "bitmap": Bitmap}


def of(space):
    """The books of a space."""
    name = target.string(space["engine"]["name"])
    if name not in ENGINES:
        raise target.Error(f"the engine is {name}: only books of {' and '.join(ENGINES)} can be read here")
    return ENGINES[name](space)
