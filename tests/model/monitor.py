# SPDX-License-Identifier: GPL-2.0-only
"""The monitor's records, read back: chunks, maps, answers, errors."""
import re

STATIC_START = 0x30000000  # where the static per-CPU area is linked: __per_cpu_start


def is_log(line):
    return re.match(r"\[ *\d+\.\d+\] ", line) is not None


def fields(line):
    """{key: value} of a record; values as text."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


class Snapshot:
    """What `chunks` and one `map` for each chunk say."""

    def __init__(self, chunk_lines, map_lines):
        self.chunks = [fields(line) for line in chunk_lines]
        self.maps = {}
        for line in map_lines:
            head, *entries = line.split()
            self.maps[int(head.partition("=")[2])] = [int(entry) for entry in entries]

    def text(self):
        return "\n".join([*map(str, self.chunks), *map(str, sorted(self.maps.items()))])


class Monitor:
    """A session at the prompt."""

    def __init__(self, session):
        self.session = session
        session.until_prompt()

    def ask(self, line):
        """The records that a line of commands prints, without log lines."""
        return [line.strip() for line in self.session.command(line) if not is_log(line)]

    def snapshot(self):
        lines = self.ask("chunks")
        numbers = [fields(line)["chunk"] for line in lines]
        return Snapshot(lines, self.ask("; ".join(f"map {number}" for number in numbers)))
