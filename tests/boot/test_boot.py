#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boots the kernel in many configurations: `make test-kernel`. Prints TAP, one line for each boot.

    test_boot.py [PART/PARTS]     only every PARTS-th boot, so that several run side by side

A boot passes if the runner says so (all self-tests of its plan passed, all good at the end) and every
replay it was asked for is clean. Environment: BOOTS=GLOB picks boots by name, BREAK=WHAT adds break=WHAT
to each command line (to see them fail).
"""
import fnmatch
import itertools
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import tap  # noqa: E402
import taptest  # noqa: E402

EVENTS = {"netns": 10549, "nft": 4800, "pods": 43039}
CLEAN = "failed=0 corrupt=0 leaked_pages=0"
ENGINES = ("bitmap", "areamap")
ALL_REPLAYS = "replay netns\nreplay nft\nreplay pods\ncheck\n"


class Boot:
    """One configuration. stdin "": the kernel ends by itself, without its monitor."""

    def __init__(self, name, cmdline="", smp=4, stdin="", replays=(), **variables):
        self.name, self.stdin, self.replays = name, stdin, replays
        words = [cmdline]
        if "replay=" not in cmdline:
            words.append("replay=none")
        if not stdin:
            words.append("monitor=off")
        if os.environ.get("BREAK"):
            words.append("break=" + os.environ["BREAK"])
        self.variables = dict(variables, SMP=smp, CMDLINE=" ".join(filter(None, words)),
                              NAME="boot-" + name)
        self.variables.setdefault("TIMEOUT", os.environ.get("TIMEOUT") or 150)


def matrix(other_half=False):
    """CPUs, first-chunk allocator, reserved size, unit size: every combination, with one of the engines such that
    each meets every combination of any three; the other half is with the other."""
    axes = ((1, 2, 3, 4, 7, 16), ("embed", "page"), ("", "8K"), ("", "128K"))
    for places in itertools.product(*(range(len(axis)) for axis in axes)):
        smp, alloc, reserve, unit = (axis[place] for axis, place in zip(axes, places))
        engine = ENGINES[(sum(places) + other_half) % 2]
        name, cmdline = f"smp{smp}_{alloc}", f"percpu_alloc={alloc} percpu_engine={engine}"
        if reserve:
            name, cmdline = name + "_r" + reserve, f"{cmdline} percpu_reserve={reserve}"
        if unit:
            name, cmdline = name + "_u" + unit, f"{cmdline} percpu_unit={unit}"
        yield Boot(("soak_" if other_half else "") + f"{name}_{engine}", cmdline, smp)


def of_each_engine():
    """What is long and must hold with either."""
    paged, all_three = "percpu_alloc=page percpu_reserve=8K", ("netns", "nft", "pods")
    for engine in ENGINES:
        word = f"percpu_engine={engine}"
        yield Boot(f"all_tests_embed_{engine}", f"selftest=all panic_on_warn {word}", TIMEOUT=400)
        yield Boot(f"all_tests_page_{engine}", f"selftest=all panic_on_warn {paged} {word}", TIMEOUT=400)
        for smp in (1, 3, 4, 7):
            yield Boot(f"replay_smp{smp}_{engine}", f"selftest=none {word}", smp, ALL_REPLAYS, all_three, TIMEOUT=280)
        yield Boot(f"replay_page_{engine}", f"selftest=none {paged} {word}", 4, ALL_REPLAYS, all_three, TIMEOUT=280)
        yield Boot(f"percpu_debug_{engine}", f"percpu_debug panic_on_warn replay=pods {word}", 4, "check\n", ("pods",),
                   TIMEOUT=280)
        yield Boot(f"percpu_debug_page_{engine}", f"percpu_debug panic_on_warn {paged} {word}", 3,
                   "replay nft\nreplay netns\ncheck\n", ("nft", "netns"), TIMEOUT=280)
        yield Boot(f"percpu_debug_smp1_{engine}", f"percpu_debug percpu_unit=128K {word}", 1)


def others():
    """What the matrix does not vary."""
    yield Boot("bitmap_without_front", "percpu_engine=bitmap percpu_front=off")
    yield Boot("areamap_with_front", "percpu_engine=areamap percpu_front=on")
    yield Boot("replay_module", "selftest=none replay=", 4, "stats\n", ("nft",),
               TRACE="tests/traces/nft.trace")
    yield Boot("smp48", "", 48)
    yield Boot("default_boot", "replay=pods", 4, "check\nmem\n", ("pods",))
    yield Boot("uefi", "replay=nft", 4, "check\n", ("nft",), UEFI=1)
    yield Boot("maxcpus2_of_4", "maxcpus=2")
    yield Boot("maxcpus1_of_4", "maxcpus=1 percpu_alloc=page")
    yield Boot("possible6_of_4", "possible_cpus=6")
    yield Boot("possible9_of_3_page", "possible_cpus=9 percpu_alloc=page", 3)
    yield Boot("possible2_of_4", "possible_cpus=2")
    yield Boot("holes_in_cpu_ids", "cpu_ids=0,2,5", 3)
    yield Boot("holes_in_cpu_ids_page", "cpu_ids=0,2,5 percpu_alloc=page", 3)
    yield Boot("dyn_20K", "percpu_dyn=20K percpu_alloc=embed percpu_engine=areamap")
    yield Boot("dyn_100K_page", "percpu_dyn=100K percpu_alloc=page")
    yield Boot("mem_128M", "", 2, MEM="128M")
    yield Boot("mem_5G", "", 2, MEM="5G")
    yield Boot("traps_on_undefined_behaviour", KERNEL="build/ubsan/percpu.elf")
    yield Boot("machine_q35", "", 4, QEMUEXTRA="-machine q35")
    yield Boot("cpu_without_smap_smep_umip", "", 2, QEMUEXTRA="-cpu qemu64")


def soak():
    """Too long for every day: only by name (BOOTS=soak_*)."""
    yield from matrix(other_half=True)
    for alloc in ("embed", "page"):
        yield Boot(f"soak_{alloc}", f"selftest=percpu_soak_ten_million_operations percpu_alloc={alloc}", 8,
                   TIMEOUT=3600)
    for trace in EVENTS:
        yield Boot(f"soak_steps_of_{trace}", f"selftest=percpu_soak_steps_of_{trace}", 4, TIMEOUT=3600)


def check_replays(boot, output):
    for name in boot.replays:
        line = re.search(rf"replay=\S*{name}\S* events=.*", output)
        assert line, f"no report of the replay of {name}"
        assert f"events={EVENTS[name]} " in line.group(0) and CLEAN in line.group(0), line.group(0)


def failures(boot):
    """The failed tests of a boot's report, each with what it printed."""
    lines = []
    for report in boot_reports(boot):
        for verdict, name, comments in report.results:
            if verdict == "not ok":
                lines += [f"not ok - {name}", *("    " + line for line in comments)]
    return "\n".join(lines)


def boot_reports(boot):
    path = os.path.join(ROOT, "build", boot.variables["NAME"] + ".ktap")
    if not os.path.exists(path):
        return []
    with open(path, errors="replace", encoding="ascii") as file:
        return tap.parse(file.read())


def run_boot(boot):
    """Runs one boot; what to add to its name. Raises AssertionError with the end of its output."""
    done = session.run(boot.stdin.encode(), limit=int(boot.variables["TIMEOUT"]) + 450, **boot.variables)
    command = " ".join(f"{key}='{value}'" for key, value in boot.variables.items())
    tail = f"\nmake run {command}\n" + "\n".join(done.stdout.splitlines()[-40:])
    assert done.returncode == 0, "\n".join([done.stderr.strip(), failures(boot)]) + tail
    try:
        check_replays(boot, done.stdout)
    except AssertionError as error:
        raise AssertionError(str(error) + tail) from None
    reports = boot_reports(boot)
    counts = [sum(len(report.names(what)) for report in reports) for what in ("ok", "skip")]
    return f"{counts[0]} tests, {counts[1]} skipped"


def main():
    os.chdir(ROOT)
    part, parts = map(int, (sys.argv[1] if len(sys.argv) > 1 else "1/1").split("/"))
    pattern = os.environ.get("BOOTS") or "*"
    known = [*of_each_engine(), *others(), *matrix(), *(soak() if pattern.startswith("soak_") else [])]
    boots = [boot for boot in known if fnmatch.fnmatch(boot.name, pattern)]
    if not boots:
        sys.exit(f"test_boot: no boot is named like BOOTS={pattern}")
    cases = [(boot.name, lambda b=boot: run_boot(b)) for boot in boots[part - 1::parts]]
    sys.exit(0 if taptest.run_cases(cases) else 1)


if __name__ == "__main__":
    main()
