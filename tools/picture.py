#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes a page that shows what the allocator does with a trace, event by event: `make picture`.

build/picture/record replays the trace on percpu/ and writes down what happened; this packs it, with the
call sites that the trace names, into one page without anything from outside: build/picture/NAME.html.
tools/picture/ has the page's parts.

Options come from the environment, as `make run` has them: TRACE (default: the bundled pods), SMP, MEM, and
of CMDLINE percpu_alloc, percpu_unit, percpu_dyn, percpu_reserve, percpu_engine and possible_cpus.
"""
import base64
import html
import json
import os
import re
import subprocess
import sys

import machine

RECORD = os.path.join(machine.BUILD, "picture", "record")
SYMBOLS = os.path.join(machine.BUILD, "percpu.sym")
PARTS = os.path.join(machine.ROOT, "tools", "picture")
DEFAULT_TRACE = os.path.join("tests", "traces", "pods.trace")
SCALE = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
PAGE, MIN_UNIT = 4096, 65536

# What an event is, in the lowest two bits of its first number; what else changed, after it.
ALLOC, FREE, FAILED, NOT_FREED = range(4)
WITH_CHANGES, WITH_SLACK, CPU_SHIFT = 4, 8, 4
MADE, GONE, PAGES = range(3)


def size_of(text, what):
    """Bytes of a number that may end in K, M or G."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text, re.I)
    if not match:
        raise machine.Failure(f"{what}={text}: want a number, K, M or G after it")
    return int(match[1]) * SCALE[match[2].upper()]


def static_size():
    """Bytes of the kernel's static per-CPU area."""
    found = {}
    try:
        with open(SYMBOLS, encoding="ascii") as file:
            for line in file:
                address, _, name = line.split()
                found[name] = int(address, 16)
        return found["__per_cpu_end"] - found["__per_cpu_start"]
    except (OSError, KeyError) as error:
        raise machine.Failure(f"{error}: run `make picture`, which builds the kernel first") from error


def layout(options):
    """The arguments that make the first chunk that this kernel would make with these options."""
    def size(key, otherwise):
        text = options.key(key)
        return otherwise if text is None else size_of(text, key)

    alloc = options.key("percpu_alloc", "embed")
    if alloc not in ("embed", "page"):
        raise machine.Failure(f"percpu_alloc={alloc}: no such first-chunk allocator: use embed or page")
    if options.key("percpu_debug") is not None:
        raise machine.Failure("percpu_debug: red zones are not drawn; leave it out of CMDLINE")
    static, reserve, dyn = static_size(), size("percpu_reserve", 0), size("percpu_dyn", None)
    unit = size("percpu_unit", None)
    if unit is None and dyn is not None:
        unit = max(MIN_UNIT, -(-(static + reserve + dyn) // PAGE) * PAGE)
    memory = options.mem + ("M" if options.mem.isdigit() else "")
    words = [f"cpus={options.key('possible_cpus', options.smp)}", f"static={static}",
             f"reserve={reserve}", f"engine={options.key('percpu_engine', 'areamap')}",
             f"memory_pages={size_of(memory, 'MEM') // PAGE}"]
    words += [f"unit={unit}"] if unit is not None else []
    words += [f"dyn={dyn}"] if dyn is not None else []
    return words + (["page"] if alloc == "page" else [])


def record(trace, words):
    """The lines of build/picture/record."""
    if not os.path.exists(RECORD):
        raise machine.Failure(f"{os.path.relpath(RECORD)} is missing: run `make picture`")
    done = subprocess.run([RECORD, trace, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.strip() or f"record ended with status {done.returncode}"
        if "cannot be mapped" in why:
            why += ": a process may not have so many mappings here (vm.max_map_count); " \
                   "a smaller SMP needs fewer"
        raise machine.Failure(why)
    return done.stdout.splitlines()


class Requests:
    """What the trace says of its events, and the program does not: who asked for what, and where."""

    def __init__(self, trace, cpus):
        self.sites, self.kinds = {}, {}  # each with its number
        self.size_of, self.kind_of, self.cpu_of = [], [], []
        with open(trace, "rb") as file:
            for line in file.read().split(b"\n"):
                words = line.decode("ascii", "replace").split()
                if not words or line[:1] == b"#":
                    continue
                self.cpu_of.append(int(words[-3 if words[0] == "a" else -2]) % cpus)
                if words[0] == "a":
                    self._add_kind(words)

    def _add_kind(self, words):
        site = self.sites.setdefault(words[6], len(self.sites))
        kind = (int(words[2]), int(words[3]), words[5], site)
        self.size_of.append(kind[0])
        self.kind_of.append(self.kinds.setdefault(kind, len(self.kinds)))

    def cpu(self, event):
        """The CPU of an event; those that follow the trace are on its last one's."""
        return self.cpu_of[min(event, len(self.cpu_of) - 1)]


class Packer:
    """Numbers as bytes of seven bits, the lowest first."""

    def __init__(self):
        self.bytes = bytearray()

    def put(self, *numbers):
        for number in numbers:
            while number > 127:
                self.bytes.append(number & 127 | 128)
                number >>= 7
            self.bytes.append(number)

    def text(self):
        return base64.b64encode(self.bytes).decode()


def put_changes(out, lines):
    out.put(len(lines))
    for words in lines:
        numbers = [int(word) for word in words[1:4]]
        if words[0] == "c":
            flags = sum(1 << "fris".index(letter) for letter in words[4] if letter != "-")
            out.put(MADE, *numbers, flags)
        elif words[0] == "d":
            out.put(GONE, *numbers)
        else:
            out.put(PAGES, *numbers)


def put_event(out, words, cpu, requests, has_changes):
    """words: an event's line. Areas have the numbers of their allocations, from 0 up."""
    area = int(words[1])
    what = {"a": ALLOC, "f": FREE, "x": FAILED, "n": NOT_FREED}[words[0]]
    tag = what | has_changes * WITH_CHANGES | cpu << CPU_SHIFT
    if what in (FREE, NOT_FREED):
        out.put(tag, area)
        return
    kind = requests.kind_of[area]
    if what == FAILED:
        out.put(tag, kind)
        return
    chunk, offset, length, donated = (int(word) for word in words[2:])
    slack = length - requests.size_of[area]
    out.put(tag | (slack + donated > 0) * WITH_SLACK, kind, chunk, offset)
    if slack + donated > 0:
        out.put(slack, donated)


def pack(lines, requests):
    """(packed events, how many there are with those after the trace's end)."""
    groups, out = [[]], Packer()
    for words in map(str.split, lines):
        if words[0] in "afxn":
            groups.append([words])
        elif words[0] in "cpd":
            groups[-1].append(words)
    put_changes(out, groups[0])
    for number, group in enumerate(groups[1:]):
        put_event(out, group[0], requests.cpu(number), requests, len(group) > 1)
        if len(group) > 1:
            put_changes(out, group[1:])
    return out, len(groups) - 1


def part(name):
    with open(os.path.join(PARTS, name), encoding="utf-8") as file:
        return file.read()


def page(facts, events):
    """The page's text."""
    pieces = {"TITLE": html.escape(f"{facts['name']}: {facts['events']:,} per-CPU requests"),
              "STYLE": part("page.css"),
              "SCRIPT": "".join(part(name) for name in ("timeline.js", "words.js", "draw.js", "page.js")),
              "FACTS": json.dumps(facts, separators=(",", ":")).replace("<", "\\u003c"),
              "EVENTS": events}
    return re.sub(r"@([A-Z]+)@", lambda match: pieces[match[1]], part("page.html"))


def name_of(trace):
    """As the kernel names a boot module: the file's name without ".trace"."""
    name = os.path.basename(trace)
    return name[:-6] if name.endswith(".trace") and len(name) > 6 else name


def make_page(options):
    """Writes the page; its path and the program's last line."""
    trace = options.trace or DEFAULT_TRACE
    words = layout(options)
    lines = record(trace, words)
    end = dict(word.split("=") for word in lines[-1].split()[1:])
    given = dict(word.split("=") for word in words if "=" in word)
    requests = Requests(trace, int(given["cpus"]))
    events, steps = pack(lines, requests)
    facts = {"name": name_of(trace), "events": int(end["events"]), "steps": steps,
             "failed": int(end["failed"]),
             "cpus": int(given["cpus"]), "unit": int(end["unit"]), "engine": given["engine"],
             "alloc": options.key("percpu_alloc", "embed"), "static": int(given["static"]),
             "reserved": int(given["reserve"]), "sites": list(requests.sites),
             "kinds": list(requests.kinds)}
    path = os.path.join(machine.BUILD, "picture", name_of(trace) + ".html")
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(page(facts, events.text()))
    os.replace(path + ".new", path)
    return path, lines[-1]


def main():
    os.chdir(machine.ROOT)
    try:
        path, summary = make_page(machine.Options())
    except machine.Failure as failure:
        print(f"picture: {failure}", file=sys.stderr)
        return 1
    print(summary.replace("end", f"picture={name_of(path)[:-5]} bytes={os.path.getsize(path)}", 1))
    print(os.path.relpath(path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
