# SPDX-License-Identifier: GPL-2.0-only
"""The allocator's invariants, recomputed from the stopped kernel's memory: `pcpu check`.

The words are those of percpu/check.c, so that both can be compared; the arithmetic is not.
"""
from pcpu import allocator, cpus, front, guards, lists, sources, target

PAGE = cpus.PAGE
SLACK = 3  # bytes at an area's end that need no memory: percpu/check.c


class Found(Exception):
    """The first thing that is wrong."""


def require(good, text):
    if not good:
        raise Found(text)


def run():
    """The answer, one line; target.Error if something is wrong."""
    note = allocator.under_way()
    try:
        chunks, areas = _check()
    except (Found, target.Error) as problem:
        if note:
            problem = f"{problem}; {note}: the change may be half made, let it finish and check again"
        raise target.Error(str(problem)) from None
    return f"ok chunks={chunks} areas={areas}" + (f" ({note})" if note else "")


class Totals:
    """What all chunks add up to."""

    def __init__(self):
        self.areas = self.live_bytes = self.populated = self.owned = self.in_tree = 0
        self.seen = set()  # page records: the first chunk's two parts share one
        self.tables = {}


def _check():
    chunks, totals = allocator.chunks(), Totals()
    for chunk in chunks:
        try:
            _chunk(chunk, totals)
        except Found as problem:
            raise Found(f"chunk {chunk.id}: {problem}") from None
    _tree(chunks)
    _counters(chunks, totals)
    idle = _front(chunks)
    for guard in guards.every():
        problem = guard.problem()
        require(problem is None, problem)
    return len(chunks), totals.areas - idle


def _chunk(chunk, totals):
    entries = chunk.entries()
    problem = chunk.books.problem(entries)
    require(problem is None, problem)
    want = _slot(chunk, chunk.books.rank())
    require(chunk.slot == want, f"slot {chunk.slot}, should be {want}")
    populated = chunk.populated()
    areas = _areas(chunk, populated, totals)
    require(chunk.nr_areas == areas, f"areas {chunk.nr_areas}, should be {areas}")
    totals.areas += areas
    _pages(chunk, populated, totals)


def _slot(chunk, rank):
    if chunk.reserved:
        return -1
    if rank == allocator.geometry("pcpu_unit_size"):
        return allocator.geometry("pcpu_nr_slots") - 1
    return max(rank.bit_length() - 3, 1) if rank else 0


def _areas(chunk, populated, totals):
    """How many areas are in use; each has memory under every byte that was asked for."""
    count = 0
    for offset, length, used in chunk.areas():
        if used and offset < chunk.start:
            totals.live_bytes += length - chunk.start
        elif used:
            count += 1
            totals.live_bytes += length
            end = offset + max(length, SLACK + 1) - SLACK
            for page in range(offset // PAGE, (end + PAGE - 1) // PAGE):
                require(page in populated, f"no memory under a live area in page {page}")
    return count


def _pages(chunk, populated, totals):
    require(chunk.nr_populated == len(populated),
            f"populated pages {chunk.nr_populated}, should be {len(populated)}")
    record = target.number(chunk.memory.address)
    if record in totals.seen:
        return
    totals.seen.add(record)
    totals.populated += len(populated)
    if not chunk.immutable:
        totals.owned += len(populated) * allocator.geometry("pcpu_nr_units")
    unit_pages = allocator.geometry("pcpu_unit_pages")
    for index, page in enumerate(chunk.pages()):
        unit, number = divmod(index, unit_pages)
        _page(chunk, unit, number, page, number in populated, totals.tables)


def _page(chunk, unit, number, page, marked, tables):
    """Array, bitmap and page tables say the same."""
    require(marked == (page != 0), f"populated on some CPUs only: page {number}")
    if page == 0 and chunk.immutable:
        return  # whoever mapped the range decides about the rest of it
    address = chunk.base + unit * allocator.geometry("pcpu_unit_size") + number * PAGE
    found = cpus.translate(address, tables)
    mapped = found[0] if found else None
    want = page - sources.layout("DIRECT_MAP_BASE") if page else None
    require(mapped == want, f"the page tables disagree on page {number}")


def _tree(chunks):
    """The tree by address is sound and holds the chunks of the slots, no others."""
    root = target.address_of("'percpu/chunk.c'::chunk_tree")
    problem = lists.tree_problem(root)
    require(problem is None, f"the tree of chunks: {problem}")
    nodes = [allocator.Chunk(lists.container(node, *allocator.TREE)) for node in lists.tree_nodes(root)]
    bases = [chunk.base for chunk in nodes]
    require(bases == sorted(set(bases)), "the tree of chunks is not in order of address")
    want = {chunk.address for chunk in chunks if not chunk.reserved}
    require({chunk.address for chunk in nodes} == want,
            f"chunks in the tree: {len(nodes)}, should be {len(want)}")


def _counters(chunks, totals):
    counters = target.variable("pcpu_counters")
    for what, got, want in (
            ("live_areas", counters["live_areas"], totals.areas),
            ("live_areas by allocs - frees", counters["allocs"] - counters["frees"] +
             allocator.geometry("pcpu_front_areas"), totals.areas),
            ("live_bytes", counters["live_bytes"], totals.live_bytes),
            ("populated_pages", counters["populated_pages"], totals.populated),
            ("chunks_made - chunks_freed", counters["chunks_made"] - counters["chunks_freed"],
             len(chunks)),
            ("pages_owned", counters["pages_owned"],
             totals.owned - allocator.geometry("pcpu_first_pages")),
            ("pages taken from the page allocator", _pages_taken(), counters["pages_owned"])):
        require(int(got) == int(want), f"{what}: {int(got)}, should be {int(want)}")


def _front(chunks):
    """How many areas are kept ready or are dead; the front's own books fit."""
    if not front.is_on():
        return 0
    census = front.Census(chunks, cpus.possible())
    require(census.problem is None, f"front: {census.problem}")
    return census.not_live


def _pages_taken():
    owner = int(target.variable("PAGE_PERCPU"))
    return target.variable("nr_owned", "mm/page.c")[owner]
