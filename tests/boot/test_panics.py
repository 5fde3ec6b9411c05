#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel says when a thread goes wrong: each test of tests/kernel/test_broken.c ends its boot
with status 0x11 and the words below, the panic with all that INTERFACES section 4 asks for; and what
several CPUs print at once comes out in whole lines. And what the first chunk says to a command line
that it cannot be made by. Prints TAP.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import machine  # noqa: E402
import taptest  # noqa: E402

LOG_LINE = re.compile(r"\[ *\d+\.\d{6}\] cpu\d+ [a-z0-9_]+: .*")
TRACE_LINE = re.compile(r"cpu\d+ panic:   #\d+ 0x[0-9a-f]{16} \S+\+0x[0-9a-f]+/0x[0-9a-f]+$", re.M)

PANICS = {
    "broken_reads_null": "page fault: read of 0x0",
    "broken_writes_text": "page fault: write of 0xffffffffc",
    "broken_overflows_its_stack": "stack overflow",
    "broken_wipes_its_stack_canary": "has written past the end of its stack",
    "broken_takes_a_lock_twice": "spin_lock of 'broken outer' (class 0): this CPU holds it already",
    "broken_takes_locks_in_the_wrong_order": "that is held: 'broken inner'",
    "broken_releases_a_free_lock": "spin_unlock of 'broken outer': nobody holds it",
    "broken_takes_a_mutex_twice": "mutex_lock of 'broken mutex': thread 'main' owns it already",
    "broken_sleeps_with_a_lock": "or a spinlock is held",
    "broken_holds_a_lock_for_ever": "spin_lock of 'broken outer'",
    "broken_uses_a_null_percpu_pointer": "NULL per-CPU pointer: no page mapped there",
    "broken_uses_a_null_percpu_pointer_of_another_cpu": "NULL per-CPU pointer: no page mapped there",
    "broken_uses_a_percpu_pointer_as_an_ordinary_one":
        "per-CPU pointer used without this_cpu_ or per_cpu_ptr",
    "broken_frees_a_static_variable panic_on_warn": "panic_on_warn: percpu: free_percpu: ",
    "broken_overflows_an_int": "undefined behaviour: the compiler's trap at broken_overflows_an_int",
    "broken_panics_on_every_cpu": "every CPU at once",
}
SANITIZED = {"broken_overflows_an_int"}  # of which an ordinary kernel sees nothing
FAILURES = {
    "broken_leaks_heap": "leak: heap bytes: got ",
    "broken_leaks_page": "leak: pages of test: got 1, want 0",
}


SETUP = "pcpu_setup_first_chunk: "
FIRST_CHUNK = {
    "percpu_unit=5000": SETUP + "unit_size: not a multiple of the page size (static ",
    "percpu_unit=32K": SETUP + "unit_size: below PCPU_MIN_UNIT_SIZE (static ",
    "percpu_unit=64K percpu_reserve=60K": SETUP + "unit_size: too small for static and reserved area",
    "percpu_unit=64K percpu_reserve=8K percpu_dyn=60K":
        SETUP + "unit_size: too small for static, reserved and dynamic area (static ",
    "percpu_alloc=page percpu_unit=5000": SETUP + "unit_size: not a multiple of the page size",
    "percpu_alloc=page percpu_reserve=3000M":
        SETUP + "unit_size: more than an area map entry can hold",
    "percpu_alloc=page percpu_unit=1024M": "a NULL per-CPU pointer would reach mapped memory: make",
    "percpu_alloc=page percpu_unit=1024M possible_cpus=511": "bytes of memory for the first chunk's",
    "percpu_unit=512M": "percpu_alloc=embed: no memory in one piece below 0x30000000 for 1 units",
    "percpu_alloc=foo": "percpu_alloc=foo: no such first-chunk allocator: use embed or page",
    "percpu_engine=foo": "percpu_engine=foo: no such engine: use areamap",
}


def boot(selection, cpus):
    """The console's text and QEMU's status."""
    env = {"SMP": str(cpus), "MEM": "256M",
           "CMDLINE": f"selftest={selection} replay=none monitor=off"}
    if selection in SANITIZED:
        env["KERNEL"] = os.path.join(ROOT, "build", "ubsan", "percpu.elf")
    with machine.Machine(machine.Options(env)) as started:
        text, _ = started.process.communicate(timeout=100)
        return text.decode(errors="replace").replace("\r", ""), started.process.returncode


def check_panic(name, words):
    text, status = boot(name, 3)
    assert status == 35, f"status: got {status}, want 35; console: {text[-1500:]}"
    heads = [line for line in text.splitlines() if " PANIC: " in line]
    assert len(heads) == 1 and words in heads[0], f"got {heads}, want one with {words!r}"
    for part in (" rip=0x", " at ", "backtrace of cpu", "end of panic: "):
        assert part in text, f"no {part!r} in: {text[-2500:]}"
    assert len(TRACE_LINE.findall(text)) >= 3, f"no symbolised backtrace in: {text[-2500:]}"
    others = set(re.findall(r"panic: cpu(\d) was in thread ", text))
    assert len(others) == 2, f"backtraces of other CPUs: got those of {others}, want 2 CPUs"


def check_first_chunk(cmdline, words):
    text, status = boot("none " + cmdline, 1)
    assert status == 35, f"status: got {status}, want 35; console: {text[-1500:]}"
    heads = [line for line in text.splitlines() if " PANIC: " in line]
    assert len(heads) == 1 and words in heads[0], f"got {heads}, want one with {words!r}"
    assert "end of panic: " in text and "backtrace of cpu0" in text, text[-2500:]


def check_ignored(cmdline, words):
    """A value that is not one: said, and the boot goes on without it."""
    text, status = boot("none " + cmdline, 1)
    assert status == 33, f"status: got {status}, want 33; console: {text[-1500:]}"
    assert words in text, f"no {words!r} in: {text[-2500:]}"


def check_failure(name, words):
    text, status = boot(name, 2)
    assert status == 35, f"status: got {status}, want 35; console: {text[-1500:]}"
    assert words in text and f"not ok 1 - {name}" in text, text[-1500:]


def check_whole_lines():
    text, status = boot("base_log_lines_*", 4)
    assert status == 33, f"status: got {status}, want 33; console: {text[-1500:]}"
    lines = text[text.index("1..1\n") + 5:text.index("ok 1 - ")].splitlines()
    printed = [line for line in lines if re.search(
        r"line \d of cpu\d: 0123456789 abcdefghijklmnopqrstuvwxyz end$", line)]
    broken = [line for line in lines if not LOG_LINE.fullmatch(line) or line.count("] cpu") != 1]
    assert len(printed) == 32, f"whole lines: got {len(printed)}, want 32"
    assert not broken, f"lines that are not whole: {broken}"
    return f"{len(lines)} lines"


def cases():
    for name, words in PANICS.items():
        yield name.split()[0], lambda name=name, words=words: check_panic(name, words)
    for name, words in FAILURES.items():
        yield name, lambda name=name, words=words: check_failure(name, words)
    for cmdline, words in FIRST_CHUNK.items():
        name = "first_chunk_refuses_" + re.sub(r"\W+", "_", cmdline)
        yield name, lambda line=cmdline, words=words: check_first_chunk(line, words)
    yield "bad_values_are_ignored", lambda: check_ignored(
        "cpu_ids=0,x percpu_unit=big", "cpu_ids=0,x: want ids from 0 to ")
    yield "lines_of_four_cpus_are_whole", check_whole_lines


if __name__ == "__main__":
    sys.exit(0 if taptest.run_cases(cases()) else 1)
