#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks the Spin model percpu.pml: it holds, and each error it can plant (P_… there) is found.

    test_spin.py [--all]        --all: also with a second thread, 2.4 million states

Prints TAP. The verifier is made in build/spin/.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

MODEL = pathlib.Path(__file__).resolve().parent / "percpu.pml"
BUILD = pathlib.Path("build/spin").resolve()
WORST = "assertion violated|invalid end state|max search depth too small"


def build():
    """The verifier of the model."""
    BUILD.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("HOSTCC", "gcc")
    for command in (["spin", "-a", str(MODEL)],
                    [compiler, "-O0", "-w", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"]):
        subprocess.run(command, cwd=BUILD, check=True, stdout=subprocess.DEVNULL)


def verify(others, plant):
    """What the verifier finds: an error, or None with the number of states it looked at."""
    env = dict(os.environ, OTHERS=str(others), PLANT=str(plant))
    text = subprocess.run(["./pan", "-m100000", "-n", "-T", "-w22"], cwd=BUILD, env=env, text=True,
                          capture_output=True, timeout=800, check=False).stdout
    error = re.search(rf"^pan:1: (.*(?:{WORST}).*)", text, re.M)
    if error:
        return error.group(1), 0
    if "Search not completed" in text or "errors: 0" not in text:
        return "the search was not completed:\n" + text, 0
    return None, int(re.search(r"(\d+) states, stored", text).group(1))


def main():
    if not shutil.which("spin"):
        print("spin is missing: apt-get install spin (make setup does)")
        return 1
    plants = re.findall(r"^#define P_(\w+)\s+(\d+) +/\* (.*) \*/", MODEL.read_text(), re.M)
    holds = [(2, "an interrupt handler")]
    if "--all" in sys.argv:
        holds.append((1, "a second thread"))
    build()
    print(f"1..{len(holds) + len(plants)}")
    bad = number = 0
    for others, who in holds:
        error, states = verify(others, 0)
        number += 1
        print(f"# {error}" if error else f"# {states} states")
        print(f"{'not ok' if error else 'ok'} {number} - model_holds_beside_{who.replace(' ', '_')}")
        bad += error is not None
    for name, value, what in plants:
        error, _ = verify(2, int(value))
        number += 1
        print(f"# {what}: {error or 'not found'}")
        print(f"{'ok' if error else 'not ok'} {number} - {name}_planted_is_found")
        bad += error is None
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
