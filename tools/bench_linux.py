#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Our allocator beside Linux's, the same loops on both: `make bench-linux`.

Boots the benchmarks as `make bench` does, and on Debian's Linux kernel as tools/linux_peer.py describes; prints both
columns, their ratio, and the goals. What Linux printed is kept in build/bench/linux.txt and used again as long as the
sources are the same. Environment: FORCE=1 measures Linux anew, LINUX=PACKAGE names another kernel image,
TIMEOUT=seconds limits its boot; MEM=1G and QEMU=… are for both. Exit status 1, and one line that says why, if a
figure is missing; goals that are not met are only told.
"""
import os
import re
import signal
import sys

import bench
import bench_lines
import linux_peer
import machine

SAVED = linux_peer.ROOT / "build" / "bench" / "linux.txt"
KINDS = ["burst", "churn", "mixed", "replay"]  # what Linux has too


# ---- The table ----

def rows(ours, linux):
    """A row of text for each figure of Linux's lines, with ours, Linux's ÷ ours and the goal."""
    known = {line.identity(): line for line in ours}
    for line in linux:
        mine = known[line.identity()]
        goals = {figure: (bound, met) for figure, bound, met in bench_lines.goals_of(mine)}
        for figure, theirs in line.figures.items():
            value = mine.figures[figure]
            goal = "≤ {:<5} {}".format(bench_lines.number(goals[figure][0]), "met" if goals[figure][1] else "NOT MET") \
                if figure in goals else ""
            yield (f"{line.name():<38} {figure:<6} {bench_lines.number(value):>7} {bench_lines.number(theirs):>7} "
                   f"{theirs / max(value, 1):>6.2f}  {goal}").rstrip()


def missing(ours, linux):
    """The figures that one of two runs has and the other lacks, by name."""
    def figures(lines):
        return {(line.identity(), figure): f"{line.name()} {figure}" for line in lines for figure in line.figures}

    mine, theirs = figures(ours), figures(linux)
    return [f"{name} (percpu)" for key, name in theirs.items() if key not in mine] + \
           [f"{name} (Linux)" for key, name in mine.items() if key not in theirs]


def table(ours, linux, version):
    """The text; fails if the two runs have not the same figures, or none."""
    lacking = missing(ours, linux)
    if lacking or not linux:
        raise machine.Failure("these figures did not come: " + (", ".join(lacking) or "all"))
    verdicts = [met for line in ours for _, _, met in bench_lines.goals_of(line)]
    engines = ", ".join(dict.fromkeys(line.fields["engine"] for line in ours))
    return "\n".join([f"Instructions: percpu ({engines}), Linux {version}, and Linux ÷ percpu",
                      f"{'':<38} {'figure':<6} {'percpu':>7} {'Linux':>7} {'ratio':>6}  goal", *rows(ours, linux), "",
                      f"{sum(verdicts)} of {len(verdicts)} goals met"])


# ---- Linux's lines, measured or kept ----

def heading(image, version):
    """The first line of what is kept: it must be the same for it to be used again."""
    return f"# Linux {version} from {image}, MEM={linux_peer.memory()}, sources {linux_peer.fingerprint()}"


def saved(image):
    """(version, text) of what is kept, if it is of the same sources and kernel; else None."""
    text = SAVED.read_text(encoding="utf-8") if SAVED.exists() else ""
    version = re.match(r"# Linux (\S+) ", text)
    if not version or text.partition("\n")[0] != heading(image, version[1]):
        return None
    return version[1], text


def linux_column():
    """(version, text), kept from before or measured and kept."""
    image = os.environ.get("LINUX") or linux_peer.META
    kept = None if os.environ.get("FORCE", "0") != "0" else saved(image)
    if kept:
        print(f"bench-linux: Linux {kept[0]} as measured before ({SAVED.relative_to(linux_peer.ROOT)}; FORCE=1 "
              "measures it anew)", flush=True)
        return kept
    version, lines = linux_peer.measure(image, machine.Options().timeout or linux_peer.BOOT_LIMIT)
    text = "\n".join([heading(image, version), *lines, ""])
    SAVED.parent.mkdir(parents=True, exist_ok=True)
    SAVED.write_text(text, encoding="utf-8")
    return version, text


def our_column():
    print("bench-linux: booting percpu", flush=True)
    os.environ["MEM"] = linux_peer.memory()
    return [line for lines in bench.run(KINDS, os.path.join("build", "percpu.elf")) for line in lines]


def main():
    os.chdir(linux_peer.ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench-linux: failed: ended by SIGTERM"))
    try:
        version, text = linux_column()
        print("\n" + table(our_column(), bench_lines.parse(text), version))
    except (machine.Failure, bench.Failure) as failure:
        sys.exit(f"bench-linux: failed: {failure}")
    except KeyboardInterrupt:
        sys.exit("bench-linux: failed: interrupted")


if __name__ == "__main__":
    main()
