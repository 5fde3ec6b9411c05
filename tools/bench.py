#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Benchmarks of the allocator: `make bench`, `make bench NAME=churn`, `make bench-compare BASE=rev`.

    bench.py             prints the kernel's lines, a table against the goals, and draws build/bench/*.svg
    bench.py --compare   the same of this tree and of another revision, side by side

Counted benchmarks boot on one virtual CPU with -icount shift=0, so that the time-stamp counter counts
instructions: every figure is the same on every run. Each kind has a boot of its own, and does not depend on
what else was asked for. Those of wall-clock time (cpus) boot on SMP CPUs without it. Environment: NAME
(one benchmark), BASE, SMP, MEM, QEMU as for run.py. Each line is added to build/bench/history with the date
and the revision.
"""
import concurrent.futures
import datetime
import itertools
import os
import subprocess
import sys

import bench_lines
import bench_plot

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join("build", "bench")
LIMIT = 3600  # seconds for one boot
COUNTED = ["burst", "bulk", "churn", "mixed", "replay", "thiscpu", "growth", "packing", "irqoff"]
TIMED = ["cpus"]
KNOWN = COUNTED + TIMED
KERNEL = os.path.join("build", "percpu.elf")
IRQOFF_KERNEL = os.path.join("build", "irqoff", "percpu.elf")
CPUS = 8  # of a timed boot, if SMP does not say


class Failure(Exception):
    """A benchmark that gave no figures, with the reason."""


def variables(kind):
    """What `make run` would be given."""
    own = os.environ
    words = "selftest=none replay=none " + own.get("CMDLINE", "")
    if kind in TIMED:
        return {"SMP": own.get("BENCH_SMP") or str(CPUS), "PIN": "1", "CMDLINE": words,
                "QEMUEXTRA": "-cpu qemu64 " + own.get("QEMUEXTRA", "")}
    return {"SMP": "1", "ACCEL": "tcg,thread=single", "CMDLINE": "possible_cpus=4 " + words,
            "QEMUEXTRA": "-cpu qemu64 -icount shift=0 -nodefaults " + own.get("QEMUEXTRA", "")}


def boot(kind, kernel, words=""):
    """The lines of one benchmark, from a boot of that kernel; words: more for its command line."""
    env = dict(os.environ, KERNEL=os.path.abspath(kernel), NAME="bench-" + kind, TIMEOUT=str(LIMIT),
               **variables(kind))
    env["CMDLINE"] += " " + words
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "run.py")], env=env,
                          input=f"bench {kind}\n", capture_output=True, text=True, errors="replace",
                          check=False)
    lines = bench_lines.parse(done.stdout)
    if done.returncode != 0 or not lines:
        said = [line for line in done.stdout.splitlines() if "error:" in line]
        raise Failure(f"bench {kind}: " + (said[-1] if said else done.stderr.strip() or "no line came"))
    return lines


def kinds_asked():
    name = os.environ.get("NAME", "").strip()
    if name and name not in KNOWN:
        raise Failure(f"NAME={name}: there is no such benchmark: there are {' '.join(KNOWN)}")
    return [name] if name else KNOWN


def run(kinds, kernel):
    """The lines of some counted benchmarks, kind by kind. As many boots side by side as there are processors:
    what is counted does not depend on time."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda kind: boot(kind, IRQOFF_KERNEL if kind == "irqoff" else kernel), kinds)


def revision():
    """The commit, with a + when the tree has more than that; "?" outside of git."""
    def git(*words):
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    head = git("rev-parse", "--short=12", "HEAD")
    if head.returncode != 0:
        return "?"
    changed = git("status", "--porcelain", "--untracked-files=no").stdout.strip()
    return head.stdout.strip() + ("+" if changed else "")


def keep(lines):
    """Adds them to the history."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    with open(os.path.join(FOLDER, "history"), "a", encoding="utf-8") as file:
        file.writelines(f"{now} {revision()} {line.text}\n" for line in lines)


def measure():
    kinds, lines = kinds_asked(), []
    for got in itertools.chain(run([kind for kind in kinds if kind in COUNTED], KERNEL),
                               (boot(kind, KERNEL) for kind in kinds if kind in TIMED)):
        print("\n".join(line.text for line in got), flush=True)
        lines += got
    keep(lines)
    rows, met, goals = bench_lines.table(lines)
    print("", *rows, "", sep="\n")
    if "cpus" in kinds:
        print(f"cpus was timed on {os.cpu_count()} processors of the host, "
              f"with {os.getloadavg()[0]:.1f} processes busy there")
    for path in bench_plot.draw(lines, FOLDER):
        print(f"curves: {path}")
    print(f"{met} of {goals} goals met")


def build_base(base):
    """The kernel of another revision, built in a worktree of its own under build/."""
    found = subprocess.run(["git", "rev-parse", "--verify", "--short=12", base + "^{commit}"],
                           capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Failure(f"BASE={base}: there is no such revision")
    tree = os.path.join(FOLDER, "base-" + found.stdout.strip())
    if not os.path.isdir(tree):
        subprocess.run(["git", "worktree", "prune"], check=True)
        subprocess.run(["git", "worktree", "add", "-q", "--detach", tree, found.stdout.strip()],
                       check=True)
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "BASE",
                                                                           "NAME", "MAKELEVEL")}
    subprocess.run(["make", "-s", "-C", tree, f"-j{os.cpu_count()}", "build/percpu.elf"], env=clean,
                   check=True)
    return os.path.join(tree, "build", "percpu.elf")


def compare():
    base = os.environ.get("BASE", "").strip()
    if not base:
        raise Failure("which revision? make bench-compare BASE=rev")
    kinds = [kind for kind in kinds_asked() if kind in COUNTED and kind != "irqoff"]
    kernel = build_base(base)
    ours = [line for got in run(kinds, KERNEL) for line in got]
    theirs = []
    for kind in kinds:
        try:
            theirs += boot(kind, kernel)
        except Failure as failure:
            print(f"{base} has no such figures: {failure}")
    print(f"{'':<38} {'figure':<8} {base[:9]:>9} {'now':>9} {'then/now':>9}")
    print("\n".join(bench_lines.side_by_side(ours, theirs)))


def main():
    os.chdir(ROOT)
    os.makedirs(FOLDER, exist_ok=True)
    try:
        compare() if "--compare" in sys.argv else measure()
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
