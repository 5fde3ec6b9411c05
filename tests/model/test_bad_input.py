#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bad input at the monitor: each kind gives exactly one `error:` line, changes nothing, and is not held
against the kernel at poweroff. Prints TAP.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import taptest  # noqa: E402
from monitor import Monitor, STATIC_START, fields  # noqa: E402

CONFIGURATIONS = {"embed": "", "page_reserved": "percpu_alloc=page percpu_reserve=8K"}


class Target:
    """A kernel with a few live areas around which pointers can be wrong."""

    def __init__(self, monitor):
        self.monitor = monitor
        self.areas = [self.allocate("alloc 64 64"), self.allocate("alloc 24"),
                      self.allocate("alloc 65536"), self.allocate("alloc 8000 4096")]
        self.freed = self.allocate("alloc 40")
        monitor.ask(f"free {self.freed:#x}")
        monitor.ask("sync")
        records = [fields(line) for line in monitor.ask("chunks")]
        self.numbers = [int(record["chunk"]) for record in records]
        bases = sorted(int(record["base"], 0) for record in records)
        self.unit = int(records[0]["pages"].partition("/")[2]) * 4096
        first = next(int(r["base"], 0) for r in records if r["chunk"] == "0")
        cpus = [fields(line) for line in monitor.ask("cpus")]
        units = [int(cpu["unit"], 0) for cpu in cpus]
        self.step = units[1] - units[0]
        self.past = STATIC_START + bases[-1] - first + self.unit * (len(units) + 4)
        self.shift = first - STATIC_START

    def allocate(self, command):
        return int(fields(self.monitor.ask(command)[0])["ptr"], 0)


def kinds(target):
    """{name: line} of what must be refused."""
    live, small, big, paged = target.areas
    mask = (1 << 64) - 1
    yield "alloc_without_size", "alloc"
    yield "alloc_size_0", "alloc 0"
    yield "alloc_size_above_limit", "alloc 65537"
    yield "alloc_size_2_to_32", "alloc 4294967296"
    yield "alloc_size_past_64_bits", "alloc 18446744073709551616"
    yield "alloc_size_all_ones", f"alloc {mask:#x}"
    yield "alloc_negative_size", "alloc -8"
    yield "alloc_size_word", "alloc eight"
    yield "alloc_size_with_rubbish", "alloc 8x"
    yield "alloc_empty_hexadecimal", "alloc 0x"
    yield "alloc_align_0", "alloc 8 0"
    yield "alloc_align_3", "alloc 8 3"
    yield "alloc_align_12", "alloc 8 12"
    yield "alloc_align_above_page", "alloc 8 8192"
    yield "alloc_align_all_ones", f"alloc 8 {mask}"
    yield "alloc_align_word", "alloc 8 page"
    yield "alloc_unknown_flag", "alloc 8 8 rubbish"
    yield "alloc_too_many_words", "alloc 8 8 reserved more"
    yield "alloc_reserved_size_0", "alloc 0 4 reserved"
    yield "alloc_reserved_bad_align", "alloc 8 24 reserved"
    yield "free_without_pointer", "free"
    yield "free_word", "free me"
    yield "free_two_pointers", f"free {live:#x} {small:#x}"
    yield "free_twice", f"free {target.freed:#x}"
    yield "free_inside_area", f"free {live + 8:#x}"
    yield "free_last_byte_of_area", f"free {live + 63:#x}"
    yield "free_inside_large_area", f"free {big + 4096:#x}"
    yield "free_inside_paged_area", f"free {paged + 4097:#x}"
    yield "free_first_static_byte", f"free {STATIC_START:#x}"
    yield "free_static_variable", f"free {STATIC_START + 64:#x}"
    yield "free_odd_static_byte", f"free {STATIC_START + 1:#x}"
    yield "free_before_static_area", f"free {STATIC_START - 8:#x}"
    yield "free_other_cpus_copy", f"free {(live + target.step) & mask:#x}"
    yield "free_other_cpus_static_copy", f"free {(STATIC_START + target.step) & mask:#x}"
    yield "free_past_last_chunk", f"free {target.past & mask:#x}"
    yield "free_ordinary_address_of_copy", f"free {(live + target.shift) & mask:#x}"
    yield "free_kernel_text", "free 0xffffffffc0200000"
    yield "free_direct_map", "free 0xffff888000100000"
    yield "free_vmalloc_start", "free 0xffffd00000000000"
    yield "free_small_number", "free 1"
    yield "free_all_ones", f"free {mask:#x}"
    yield "free_non_canonical", "free 0x8000000000000000"
    yield "free_past_64_bits", "free 0x10000000000000000"
    yield "peek_without_words", "peek"
    yield "peek_unknown_cpu", f"peek 99 {live:#x}"
    yield "peek_huge_cpu", f"peek {mask} {live:#x}"
    yield "peek_null", "peek 0 0"
    yield "peek_wild", "peek 0 0x123456789abc"
    yield "peek_past_last_chunk", f"peek 0 {target.past & mask:#x} 8"
    yield "peek_length_0", f"peek 0 {live:#x} 0"
    yield "peek_length_huge", f"peek 0 {live:#x} {mask}"
    yield "peek_word", f"peek zero {live:#x}"
    yield "poke_without_bytes", f"poke 0 {live:#x}"
    yield "poke_byte_256", f"poke 0 {live:#x} 256"
    yield "poke_byte_word", f"poke 0 {live:#x} x"
    yield "poke_unknown_cpu", f"poke 99 {live:#x} 1"
    yield "poke_null", "poke 0 0 1"
    yield "poke_wild", "poke 0 0xffffffffc0200000 1"
    yield "poke_past_last_chunk", f"poke 0 {target.past & mask:#x} 1"
    yield "map_without_number", "map"
    yield "map_unknown", "map 4242"
    yield "map_word", "map first"
    yield "map_negative", "map -1"
    yield "map_number_past_64_bits", "map 18446744073709551616"
    yield "map_two_numbers", "map 0 0"
    yield "chunks_with_word", "chunks all"
    yield "sync_with_word", "sync now"
    yield "check_with_word", "check it"
    yield "poweroff_with_word", "poweroff never"
    yield "replay_unknown", "replay no_such_trace"
    yield "help_unknown", "help no_such_command"
    yield "unknown_command", "frobnicate"
    yield "unknown_command_with_words", "allocate 8 8"
    yield "command_in_capitals", "ALLOC 8"
    yield "overlong_line", "alloc " + "8" * 5000
    yield "overlong_line_of_words", "free " + "0x30000000 " * 800
    yield "control_characters", "alloc\x01 8"
    yield "bytes_above_ascii", "allo\u00e7 8"


def refused(target, line):
    before = target.monitor.snapshot().text()
    answer = target.monitor.ask(line)
    assert len(answer) == 1 and answer[0].startswith("error: "), \
        f"{line[:80]!r}: got {answer[:4]!r}, want one error: line"
    assert len(answer[0]) > len("error: ") + 5, f"{line[:80]!r}: the message says nothing: {answer}"
    after = target.monitor.snapshot().text()
    assert before == after, f"{line[:80]!r} changed the allocator:\n{before}\n---\n{after}"


def check_intact(target):
    """The areas live on and can be freed."""
    for area in target.areas:
        answer = target.monitor.ask(f"free {area:#x}")
        assert len(answer) == 1 and answer[0].startswith("freed="), answer
    answer = target.monitor.ask("check")
    assert answer[0].startswith("ok "), answer


def ends_well(boot):
    status, errors = boot.finish()
    assert status == 0, errors


def run_configuration(name, cmdline):
    """One boot; True if all its cases passed."""
    with session.Session(CMDLINE=f"{session.QUIET} {cmdline}", NAME=f"bad-{name}") as boot:
        target = Target(Monitor(boot))
        cases = [(f"{name}_{kind}", lambda l=line: refused(target, l))
                 for kind, line in kinds(target)]
        cases.append((f"{name}_nothing_is_harmed", lambda: check_intact(target)))
        cases.append((f"{name}_ends_well", lambda: ends_well(boot)))
        return taptest.run_cases(cases)


def main():
    os.chdir(ROOT)
    results = [run_configuration(name, cmdline) for name, cmdline in CONFIGURATIONS.items()]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
