#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The running kernel against the model: random requests through the monitor, under five boot
configurations. After each request slots, order, free bytes, hints, page counts and the maps that it
could touch are compared; every map every EVERY requests. Environment: OPERATIONS, SEED. Prints TAP.
"""
import os
import random
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import taptest  # noqa: E402
from model import Allocator, Chunk, PAGE  # noqa: E402
from monitor import Monitor, STATIC_START, fields  # noqa: E402

OPERATIONS = int(os.environ.get("OPERATIONS") or 1200)
SEED = int(os.environ.get("SEED") or 1)
EVERY = 40
LIVE_BYTES = 1 << 20  # of one unit; the machine has memory for more
ENGINE = "percpu_engine=areamap"  # the model places areas as it does

CONFIGURATIONS = {
    "embed": (4, ""),
    "page": (2, "percpu_alloc=page"),
    "embed_reserved": (3, "percpu_reserve=8K"),
    "page_reserved_unit": (4, "percpu_alloc=page percpu_reserve=8K percpu_unit=128K"),
    "embed_small_dyn_holes": (3, "percpu_unit=128K percpu_dyn=20K cpu_ids=0,2,5"),
}


def load(snapshot):
    """A model in the state that a freshly booted kernel shows."""
    pages_total = int(snapshot.chunks[0]["pages"].partition("/")[2])
    model = Allocator(pages_total * PAGE)
    first_pages = set()
    for record in snapshot.chunks:
        number, reserved = int(record["chunk"]), "reserved" in record["flags"].split(",")
        populated = int(record["pages"].partition("/")[0])
        first = "first" in record["flags"].split(",") or reserved
        pages = first_pages if first else set()
        pages.update(range(populated))
        chunk = Chunk(number, list(snapshot.maps[number]), pages, reserved)
        chunk.hint = int(record["hint"])
        model.next_number = max(model.next_number, number + 1)
        if reserved:
            model.reserved = chunk
        else:
            model.slots[int(record["slot"])].append(chunk)
    for chunk in model.chunks():
        assert chunk.reserved or model.slot_of(chunk) == model.where(chunk), \
            f"chunk {chunk.number} starts in slot {model.where(chunk)}, belongs in " \
            f"{model.slot_of(chunk)}: {snapshot.text()}"
    return model


def expected_record(model, chunk):
    """The fields of `chunks` that the contract fixes."""
    return {"chunk": str(chunk.number),
            "slot": "-" if chunk.reserved else str(model.where(chunk)),
            "span": str(chunk.span), "free": str(chunk.free_size), "hint": str(chunk.hint),
            "entries": str(len(chunk.map)), "pages": f"{len(chunk.pages)}/{model.unit_size // PAGE}"}


class Driver:
    """Does each request on both sides and compares."""

    def __init__(self, monitor, rng):
        self.monitor, self.rng = monitor, rng
        snapshot = monitor.snapshot()
        self.model = load(snapshot)
        self.base = {int(r["chunk"]): int(r["base"], 0) for r in snapshot.chunks}[0]
        self.live = {}  # ptr: (chunk number, offset, size)
        self.history = []

    def fail(self, what):
        raise AssertionError(f"seed {SEED}: {what}\nlast requests: " + " | ".join(self.history[-12:]))

    def compare_chunks(self, lines):
        got = [fields(line) for line in lines]
        want = [expected_record(self.model, chunk) for chunk in self.model.chunks()]
        trimmed = [{key: record.get(key) for key in want[0]} for record in got]
        if trimmed != want:
            self.fail("chunks:\n  got  " + "\n       ".join(map(str, trimmed))
                      + "\n  want " + "\n       ".join(map(str, want)))
        return {int(record["chunk"]): int(record["base"], 0) for record in got}

    def compare_map(self, line):
        head, *entries = line.split()
        chunk = self.model.chunk(int(head.partition("=")[2]))
        if [int(entry) for entry in entries] != chunk.map:
            self.fail(f"{head}:\n  got  {entries}\n  want {chunk.map}")

    def compare_all(self):
        self.compare_chunks(self.monitor.ask("chunks"))
        for chunk in self.model.chunks():
            chunk.check()
            self.compare_map(self.monitor.ask(f"map {chunk.number}")[0])
        answer = self.monitor.ask("check")
        if len(answer) != 1 or not answer[0].startswith("ok "):
            self.fail(f"check: {answer}")

    def allocate(self, size, align, reserved):
        command = f"alloc {size} {align}" + (" reserved" if reserved else "")
        self.history.append(command)
        found = self.model.allocate(size, align, reserved)
        touched = f"; map {found[0].number}" if found else ""
        lines = self.monitor.ask(f"{command}; chunks{touched}")
        if found is None:
            if not lines[0].startswith("error: "):
                self.fail(f"{command}: got {lines[0]!r}, want an error")
            self.compare_chunks(lines[1:])
            return
        chunk, offset = found
        bases = self.compare_chunks(lines[1:-1])
        pointer = (STATIC_START + bases[chunk.number] - self.base + offset) % (1 << 64)
        want = f"ptr={pointer:#x} chunk={chunk.number} offset={offset} size={size} align={align}"
        if fields(lines[0]) != fields(want):
            self.fail(f"{command}: got {lines[0]!r}, want {want!r}")
        self.compare_map(lines[-1])
        self.live[pointer] = (chunk.number, offset, size)

    def free(self, pointer):
        number, offset, _ = self.live.pop(pointer)
        self.history.append(f"free {pointer:#x} ({number}:{offset})")
        length = self.model.free(number, offset)
        if len(self.model.slots[-1]) >= 2:
            self.model.reclaim()
        lines = self.monitor.ask(f"free {pointer:#x}; sync; chunks")
        want = f"freed={pointer:#x} chunk={number} offset={offset} length={length}"
        if fields(lines[0]) != fields(want):
            self.fail(f"got {lines[0]!r}, want {want!r}")
        if fields(lines[1]).get("reclaimed") != str(self.model.reclaimed + self.reclaimed_before):
            self.fail(f"sync: got {lines[1]!r}, want reclaimed="
                      f"{self.model.reclaimed + self.reclaimed_before}")
        self.compare_chunks(lines[2:])
        if any(chunk.number == number for chunk in self.model.chunks()):
            self.compare_map(self.monitor.ask(f"map {number}")[0])

    def random_request(self):
        """Sizes and alignments as they occur, and as they should not."""
        kind = self.rng.random()
        if kind < 0.45:
            size = self.rng.choice((1, 2, 3, 4, 5, 7, 8, 12, 16, 20, 24, 32, 40, 64))
        elif kind < 0.75:
            size = self.rng.randint(1, 600)
        elif kind < 0.92:
            size = self.rng.randint(1, 9000)
        else:
            size = self.rng.choice((PAGE, 2 * PAGE, PAGE + 1, 32768, 65535, 65536,
                                    self.rng.randint(1, 65536)))
        align = 1 << self.rng.choice((0, 0, 1, 2, 2, 3, 3, 3, 4, 6, 9, 12))
        return size, align, self.rng.random() < 0.15

    def run(self, operations):
        self.reclaimed_before = int(fields(self.monitor.ask("sync")[0])["reclaimed"])
        growing = True
        for count in range(operations):
            used = sum(size for _, _, size in self.live.values())
            if self.rng.random() < 0.02 or used > LIVE_BYTES:
                growing = not growing and used < LIVE_BYTES
            if self.live and self.rng.random() < (0.3 if growing else 0.75):
                self.free(self.rng.choice(list(self.live)))
            else:
                self.allocate(*self.random_request())
            if count % EVERY == EVERY - 1:
                self.compare_all()
        for pointer in self.rng.sample(list(self.live), len(self.live)):
            self.free(pointer)
        self.compare_all()


def agrees(name):
    smp, cmdline = CONFIGURATIONS[name]
    cmdline = f"{session.QUIET} {ENGINE} {cmdline}"
    with session.Session(SMP=smp, CMDLINE=cmdline, NAME=f"model-{name}") as boot:
        driver = Driver(Monitor(boot), random.Random(f"{SEED} {name}"))
        driver.run(OPERATIONS)
        status, errors = boot.finish()
        assert status == 0, errors
        return f"{OPERATIONS} operations, {driver.model.next_number} chunks made"


if __name__ == "__main__":
    os.chdir(ROOT)
    chosen = sys.argv[1:] or CONFIGURATIONS
    sys.exit(0 if taptest.run_cases((f"model_agrees_{name}", lambda n=name: agrees(n))
                                    for name in chosen) else 1)
