#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every kind of benchmark at the prompt of an ordinary boot: it prints its lines, and leaves nothing behind.
Prints TAP."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import bench_lines  # noqa: E402
import taptest  # noqa: E402

# Kinds with the number of lines each prints, CPUs and all; growth takes too long without -icount's calm.
KINDS = {"burst": 20, "bulk": 9, "churn": 4, "mixed": 2, "replay": 3, "packing": 3, "cpus": 2, "thiscpu": None}


def boot(kinds, **variables):
    commands = "\n".join(f"bench {kind}" for kind in kinds) + "\nbench irqoff\nsync\ncheck\nmem\n"
    env = dict(os.environ, NAME="bench-kinds", TIMEOUT="280", SMP="2", **variables)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "TRACE", "GDB"):
        env.pop(name, None)
    done = subprocess.run([os.path.join(ROOT, "tools", "run.py")], input=commands, env=env, cwd=ROOT, text=True,
                          capture_output=True, check=False, timeout=300, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
    return done.stdout


def test_every_kind_prints_its_lines():
    text = boot(KINDS, CMDLINE="selftest=none replay=none percpu_engine=bitmap")
    lines = bench_lines.parse(text)
    for kind, count in KINDS.items():
        mine = [line for line in lines if line.fields["bench"] == kind]
        assert mine and (count is None or len(mine) == count), f"{kind}: {len(mine)} lines, not {count}\n{text}"
        assert all(line.fields.get("failed", "0") == "0" for line in mine), kind
    assert "error: " in text.split("bench=cpus")[-1], "bench irqoff is not refused by an ordinary kernel"
    assert "ok chunks=" in text, text[-1500:]


if __name__ == "__main__":
    sys.exit(taptest.main(globals()))
