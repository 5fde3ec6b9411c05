# SPDX-License-Identifier: GPL-2.0-only
"""The allocator as its contract describes it, in plain Python: areas, chunks, slots, pages, reclaim.

Written from the contract alone (area map engine, chunks and slots, populate and reclaim), with lists and
loops and no thought of speed, so that it can disagree with the kernel. A map is a list of signed
lengths from offset 0: +n is n free bytes, -n is n bytes in use.
"""

PAGE = 4096
LEAST = 4  # shorter remainders stay with a neighbour; shorter runs are not worth searching for


def fls(number):
    """Position of the highest set bit, counted from 1."""
    return number.bit_length()


def slot_of_size(size):
    return max(fls(size) - 5 + 2, 1)


class Chunk:
    """A chunk's books. pages: the set of populated page numbers, shared by the two first chunks."""

    def __init__(self, number, entries, pages, reserved=False):
        self.number = number
        self.map = entries
        self.pages = pages
        self.reserved = reserved
        self.hint = max([entry for entry in entries if entry > 0], default=0)

    @property
    def free_size(self):
        return sum(entry for entry in self.map if entry > 0)

    @property
    def span(self):
        return sum(map(abs, self.map))

    def allocate(self, size, align):
        """The area's offset, or None; the hint follows either way."""
        offset = biggest = 0
        for index, entry in enumerate(self.map):
            if entry > 0:
                head = -offset % align
                if entry >= head + size:
                    was_last = index == len(self.map) - 1
                    start, biggest = self._carve(index, offset, head, size, biggest)
                    self.hint = biggest if was_last else max(self.hint, biggest)
                    return start
                biggest = max(biggest, entry)
            offset += abs(entry)
        self.hint = biggest
        return None

    def _carve(self, index, offset, head, size, biggest):
        """Cuts the area out of a free entry; (its offset, longest free run seen)."""
        if head > 0 and (head < LEAST or self.map[index - 1] > 0):
            before = self.map[index - 1]
            self.map[index - 1] = before + head if before > 0 else before - head
            self.map[index] -= head
            offset += head
            head = 0
        tail = self.map[index] - head - size
        if tail < LEAST:
            size += tail
            tail = 0
        pieces = [piece for piece in (head, -size, tail) if piece]
        self.map[index:index + 1] = pieces
        return offset + head, max(biggest, head, tail)

    def entry_at(self, offset):
        """Index of the entry that starts at an offset, or None."""
        start = 0
        for index, entry in enumerate(self.map):
            if start == offset:
                return index
            start += abs(entry)
        return None

    def release(self, offset):
        """Frees the area that starts at an offset; its length."""
        index = self.entry_at(offset)
        length = -self.map[index]
        assert length > 0, "the model was asked to free what is free"
        joined = length
        self.map[index] = joined
        if index > 0 and self.map[index - 1] > 0:
            joined += self.map[index - 1]
            self.map[index - 1:index + 1] = [joined]
            index -= 1
        if index + 1 < len(self.map) and self.map[index + 1] > 0:
            joined += self.map[index + 1]
            self.map[index:index + 2] = [joined]
        self.hint = max(self.hint, joined)
        return length

    def check(self):
        """The invariants that need no kernel."""
        runs = [entry for entry in self.map if entry > 0]
        assert 0 not in self.map, f"zero entry in {self.map}"
        assert self.hint >= max(runs, default=0), f"hint {self.hint} below the longest of {runs}"
        for left, right in zip(self.map, self.map[1:]):
            assert left < 0 or right < 0, f"two free neighbours in {self.map}"


class Allocator:
    """All chunks. slots: lists of chunks, front first."""

    def __init__(self, unit_size):
        self.unit_size = unit_size
        self.nr_slots = slot_of_size(unit_size) + 2
        self.slots = [[] for _ in range(self.nr_slots)]
        self.reserved = None
        self.next_number = 0
        self.reclaimed = 0

    # ---- Slots ----

    def slot_of(self, chunk):
        if chunk.free_size < LEAST or chunk.hint < LEAST:
            return 0
        return self._size_slot(chunk.free_size)

    def _size_slot(self, size):
        return self.nr_slots - 1 if size == self.unit_size else slot_of_size(size)

    def where(self, chunk):
        """The slot a chunk is in now."""
        return next(i for i, slot in enumerate(self.slots) if chunk in slot)

    def settle(self, chunk):
        """Puts a chunk where it belongs after a change."""
        if chunk.reserved:
            return
        old, new = self.where(chunk), self.slot_of(chunk)
        if new == old:
            return
        self.slots[old].remove(chunk)
        if new > old:
            self.slots[new].insert(0, chunk)
        else:
            self.slots[new].append(chunk)

    def chunks(self):
        """In the order of the monitor's command: by slot, front to back, then the reserved one."""
        listed = [chunk for slot in self.slots for chunk in slot]
        return listed + ([self.reserved] if self.reserved else [])

    def chunk(self, number):
        return next(chunk for chunk in self.chunks() if chunk.number == number)

    # ---- Requests ----

    def allocate(self, size, align, reserved=False):
        """(chunk, offset), or None."""
        if reserved and self.reserved:
            return self._allocate_reserved(size, align)
        found = self._search(size, align)
        if found is None:
            self._make_chunk()
            found = self._search(size, align)
        if found is not None:
            self._populate(*found, size)
        return found

    def _allocate_reserved(self, size, align):
        if self.reserved.hint < size:
            return None
        offset = self.reserved.allocate(size, align)
        if offset is None:
            return None
        self._populate(self.reserved, offset, size)
        return self.reserved, offset

    def _search(self, size, align):
        for slot in self.slots[self._size_slot(size):]:
            for chunk in list(slot):
                if chunk.hint < size:
                    continue
                offset = chunk.allocate(size, align)
                self.settle(chunk)
                if offset is not None:
                    return chunk, offset
        return None

    def _make_chunk(self):
        chunk = Chunk(self.next_number, [self.unit_size], set())
        self.next_number += 1
        self.slots[-1].insert(0, chunk)

    @staticmethod
    def _populate(chunk, offset, size):
        chunk.pages.update(range(offset // PAGE, (offset + size - 1) // PAGE + 1))

    def free(self, number, offset):
        """The area's length. Reclaim is a matter of its own."""
        chunk = self.chunk(number)
        length = chunk.release(offset)
        self.settle(chunk)
        return length

    def reclaim(self):
        """What the worker does once it has been woken: two or more chunks are wholly free."""
        surplus = self.slots[-1][1:]
        self.slots[-1] = self.slots[-1][:1]
        self.reclaimed += len(surplus)
