#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks' lines and tools/bench*.py. Prints TAP.

Two boots of one benchmark must give the same figures to the instruction. What the tools do with lines is
tested on lines made up here.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import bench  # noqa: E402
import bench_lines  # noqa: E402
import bench_plot  # noqa: E402
import taptest  # noqa: E402

KERNEL = os.path.join("build", "percpu.elf")
BURST = "bench=burst size=4 align=4 n=16384 order=fifo engine={} alloc={} free={} reclaim=7"
CHURN = "bench=churn size=64 live=1000 engine={} pair={} reclaim=7"
PACKING = "bench=packing name=pods events=43039 engine=x live_bytes=185672 pages={} limit=58 left={} left_limit=16"


def lines_of(*texts):
    return bench_lines.parse("\n".join(texts))


def test_a_bench_is_the_same_to_the_instruction_on_every_run():
    first, second = ([line.text for line in lines] for lines in bench.run(["replay"] * 2, KERNEL))
    assert first == second, f"{first}\n{second}"
    form = re.compile(r"bench=replay name=\w+ events=\d+ engine=\w+ event=\d+ failed=0 reclaim=\d+")
    assert [line.split()[1] for line in first] == ["name=pods", "name=netns", "name=nft"], first
    assert all(form.fullmatch(line) for line in first), first


def test_accessors_cost_one_instruction_each():
    (lines,) = bench.run(["thiscpu"], KERNEL)
    cost = {line.fields["op"]: line.figures["each"] for line in lines}
    one = [op for op in ("read", "write", "add", "sub", "inc", "dec", "and", "or") if cost[op] != 1]
    assert not one, f"more than one instruction: {one}: {cost}"
    assert 1 < cost["xchg"] <= 2 and 1 < cost["add_return"] <= 3 < cost["array_inc"], cost


def test_interrupts_are_off_no_longer_with_many_areas_and_chunks():
    lines = bench.boot("irqoff", bench.IRQOFF_KERNEL, "percpu_engine=bitmap")
    few, many = lines[:3], lines[3:]
    assert [line.fields["op"] for line in many] == ["alloc", "free", "reclaim"], [line.text for line in lines]
    assert int(many[0].fields["chunks"]) > 50 * int(few[0].fields["chunks"]), [line.text for line in lines]
    longer = [line.text for line in many if line.figures["ratio"] > 1.1]
    assert not longer, "\n".join(longer)


def test_lines_are_found_among_other_text():
    found = lines_of("[    0.1] cpu0 x: bench=no", "percpu> " + CHURN.format("areamap", 120) + "\r",
                     "error: bench: no", "bench=cut short", BURST.format("x", 1, 2))
    assert [line.fields["bench"] for line in found] == ["churn", "burst"], found
    assert found[0].figures == {"pair": 120.0} and found[1].figures == {"alloc": 1.0, "free": 2.0}


def test_goals_are_met_or_not():
    rows, met, goals = bench_lines.table(lines_of(
        BURST.format("x", 150, 51), CHURN.format("x", 181), PACKING.format(58, 17),
        "bench=cpus size=8 cpus=2 engine=x ratio=1.89 us=5", "bench=cpus size=8 cpus=4 engine=x ratio=3.5",
        "bench=growth size=8 live=1000000 engine=x pair=5 ratio=1.20"))
    text = "\n".join(rows)
    assert (met, goals) == (3, 7), text
    for row in (r"burst size=4 fifo +alloc +150  ≤ 150    met", r"burst size=4 fifo +free +51  ≤ 50     NOT MET",
                r"packing pods +left +17  ≤ 16     NOT MET", r"cpus .*cpus=2 +ratio +1.89  ≥ 1.9    NOT MET",
                r"growth .* ratio +1.2  ≤ 1.2    met"):
        assert re.search(row, text), f"{row} is not in\n{text}"


def test_two_runs_are_put_side_by_side():
    ours = lines_of(BURST.format("fast", 100, 50), CHURN.format("fast", 10))
    base = lines_of(BURST.format("areamap", 3000, 500), PACKING.format(1, 1))
    rows = [row.split() for row in bench_lines.side_by_side(ours, base)]
    assert rows == [["burst", "size=4", "fifo", "alloc", "3000", "100", "30.00"],
                    ["burst", "size=4", "fifo", "free", "500", "50", "10.00"],
                    ["churn", "size=64", "live=1000", "pair", "-", "10", "-"]], rows


def test_curves_are_drawn():
    lines = lines_of(CHURN.format("x", 100), CHURN.replace("1000", "10000").format("x", 300))
    idle = lines_of("bench=cpus size=8 cpus=1 locks=0.000 mutexes=0.000", "bench=cpus size=8 cpus=2 locks=0.000")
    with tempfile.TemporaryDirectory() as folder:
        made = bench_plot.draw(lines + idle, folder)
        assert [os.path.basename(path) for path in made] == ["live.svg", "locks.svg"], made
        with open(made[0], encoding="utf-8") as file:
            text = file.read()
    assert "<svg" in text and "churn 64 B" in text and "churn 8 B" not in text, text[:500]


def test_what_cannot_be_compared_is_refused():
    for variables, said in (({"BASE": ""}, "bench: which revision? make bench-compare BASE=rev"),
                            ({"BASE": "nosuchrevision"}, "bench: BASE=nosuchrevision: there is no such revision"),
                            ({"BASE": "HEAD", "NAME": "nonsense"}, "bench: NAME=nonsense: there is no such benchmark")):
        done = subprocess.run([os.path.join(ROOT, "tools", "bench.py"), "--compare"], text=True, check=False,
                              env=dict(os.environ, **variables), capture_output=True)
        assert done.returncode == 1 and said in done.stderr, (variables, done)


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
