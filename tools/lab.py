#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges an exercise of docs/labs/ in this tree: `make lab N=1`.

Builds the tree with the exercise's test.c into build/lab/ and boots it once for each line of the exercise's file
`check`: a kernel command line, but words that begin with - go to QEMU. Exit status 0 and "solved" only if all of it
is good. Changes nothing else.
"""
import glob
import os
import subprocess
import sys

import machine

FOLDER = os.path.join("build", "lab")
KERNEL = os.path.join(FOLDER, "percpu.elf")


def fail(why):
    print(f"lab: {why}", file=sys.stderr)
    sys.exit(1)


def find(number):
    """The exercise's folder."""
    found = glob.glob(f"docs/labs/{number}-*/") if number.isdigit() else []
    if not found:
        there = ", ".join(sorted(path.split("/")[2] for path in glob.glob("docs/labs/*/")))
        fail(f"N={number}: no such exercise: there are {there}; as in `make lab N=1`")
    return found[0]


def build(number):
    if os.path.exists(KERNEL):
        os.unlink(KERNEL)  # it may be of another exercise
    done = subprocess.run(["make", "-s", "-j2", f"B={FOLDER}", f"LAB={number}", KERNEL], check=False)
    if done.returncode != 0:
        fail(f"{number}: not yet: the tree does not build, see above")


def boot(number, cmdline):
    """Boots with a kernel command line; the results' lines."""
    extra = [word for word in cmdline.split() if word.startswith("-")]
    kernel = [word for word in cmdline.split() if word not in extra]
    words = {"KERNEL": KERNEL, "NAME": "lab", "CMDLINE": " ".join([*kernel, "replay=none", "monitor=off"]),
             "QEMUEXTRA": " ".join(extra), "SMP": "4", "TIMEOUT": os.environ.get("TIMEOUT") or "280"}
    done = subprocess.run([sys.executable, "tools/run.py"], env=dict(os.environ, **words), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          errors="replace", check=False)
    lines = done.stdout.replace("\r", "").splitlines()
    if done.returncode != 0:
        shown = [line for line in lines if line.startswith(("not ok", "#")) or "panic" in line or "warn" in line]
        fail("\n".join([*shown[-20:], done.stderr.strip(), f"lab: {number}: not yet: the boot with `{cmdline}` "
                        "went wrong"]))
    return [line for line in lines if line.startswith("ok ")]


def main():
    os.chdir(machine.ROOT)
    number = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = find(number)
    build(number)
    with open(folder + "check", encoding="utf-8") as file:
        cmdlines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    passed = sum(len(boot(number, cmdline)) for cmdline in cmdlines)
    if passed == 0:
        fail(f"{number}: not yet: no test ran")
    print(f"lab: {number}: solved: {passed} tests passed in {len(cmdlines)} boots")


if __name__ == "__main__":
    main()
