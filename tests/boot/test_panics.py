#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel says when it goes wrong: each test of tests/kernel/test_broken*.c, and each command line that no
first chunk can be made by, ends its boot with status 0x11 and the words of deaths.py, and the panic has all
that INTERFACES section 4 asks for; and what several CPUs print at once comes out in whole lines. Prints TAP.

    test_panics.py [PART/PARTS]     only every PARTS-th boot; PANICS=GLOB in the environment picks by name
"""
import fnmatch
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import deaths  # noqa: E402  pylint: disable=wrong-import-order
import machine  # noqa: E402
import taptest  # noqa: E402

LOG_LINE = re.compile(r"\[ *\d+\.\d{6}\] cpu\d+ [a-z0-9_]+: .*")
TRACE_LINE = re.compile(r"cpu\d+ panic:   #\d+ 0x[0-9a-f]{16} \S+\+0x[0-9a-f]+/0x[0-9a-f]+$", re.M)

THREE_CPUS = {"panics_on_every_cpu", "holds_a_lock_for_ever"}
SANITIZED = {"broken_overflows_an_int"}  # of which an ordinary kernel sees nothing
FAILURES = {
    "broken_leaks_heap": "leak: heap bytes: got ",
    "broken_leaks_page": "leak: pages of test: got 1, want 0",
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


def pattern(template, test):
    """A regular expression for a line of deaths.py."""
    symbol = r"\+0x[0-9a-f]+/0x[0-9a-f]+"
    here = re.escape(test) + r"(?:\.\w+)*" + symbol
    words = {"<caller>": rf", called by 0x[0-9a-f]+ \({here}\)", "<here>": here, "<addr>": "0x[0-9a-f]+",
             "<sym>": r"[\w.]+" + symbol, "<n>": r"\d+", "<reg>": r"r\w\w?",
             "<bytes>": "( [0-9a-f]{2}){16} <[0-9a-f]{2}>( [0-9a-f]{2}){15}"}
    parts = re.split("(<[a-z]+>)", template)
    return "".join(words.get(part) or re.escape(part) for part in parts)


def check_head(text, status, template, test=""):
    """The panic's first line is the template's, whole; it is said again at the end."""
    assert status == 35, f"status: got {status}, want 35; console: {text[-1500:]}"
    heads = [line.split(" PANIC: ", 1)[1] for line in text.splitlines() if " PANIC: " in line]
    want = pattern(template, test)
    assert len(heads) == 1 and re.fullmatch(want, heads[0]), f"got {heads}, want one like {template!r}"
    assert f"end of panic: {heads[0]}\n" in text, f"the end does not say it again: {text[-2500:]}"


def check_panic(name, template, cpus):
    text, status = boot("broken_" + name, cpus)
    check_head(text, status, template, "broken_" + name.split()[0])
    for part in (" rip=0x", " at ", "backtrace of cpu"):
        assert part in text, f"no {part!r} in: {text[-2500:]}"
    assert len(TRACE_LINE.findall(text)) >= cpus, f"no symbolised backtrace in: {text[-2500:]}"
    said = re.findall(r"^\[ *[0-9.]+\] cpu\d+ \w+: (.*)$", text, re.M)
    for line in deaths.LINES.get(name.split()[0], []):
        want = re.compile(pattern(line, "broken_" + name.split()[0]))
        assert any(map(want.fullmatch, said)), f"no line {line!r} in {said}"
    hints = {line for line in said if line.startswith("hint: ")}
    wanted = sum(line.startswith("hint: ") for line in deaths.LINES.get(name.split()[0], []))
    assert len(hints) == wanted, f"got {hints}, want {wanted}"
    others = set(re.findall(r"panic: cpu(\d) was in thread ", text))
    assert len(others) == cpus - 1, f"backtraces of other CPUs: got those of {others}, want {cpus - 1}"


def check_first_chunk(cmdline, template):
    text, status = boot("none " + cmdline, 1)
    check_head(text, status, template)
    assert "backtrace of cpu0" in text, text[-2500:]


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
    for name, template in deaths.tests():
        cpus = 3 if name in THREE_CPUS else 2
        yield re.sub(r"\W+", "_", name), lambda args=(name, template, cpus): check_panic(*args)
    for name, words in FAILURES.items():
        yield name, lambda name=name, words=words: check_failure(name, words)
    for cmdline, template in deaths.COMMAND_LINE.items():
        name = "first_chunk_refuses_" + re.sub(r"\W+", "_", cmdline)
        yield name, lambda args=(cmdline, template): check_first_chunk(*args)
    yield "bad_values_are_ignored", lambda: check_ignored(
        "cpu_ids=0,x percpu_unit=big", "cpu_ids=0,x: want ids from 0 to ")
    yield "lines_of_four_cpus_are_whole", check_whole_lines


def main():
    part, parts = map(int, (sys.argv[1] if len(sys.argv) > 1 else "1/1").split("/"))
    names = os.environ.get("PANICS") or "*"
    chosen = [case for case in cases() if fnmatch.fnmatch(case[0], names)]
    sys.exit(0 if taptest.run_cases(chosen[part - 1::parts]) else 1)


if __name__ == "__main__":
    main()
