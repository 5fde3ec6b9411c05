# SPDX-License-Identifier: GPL-2.0-only
"""Curves of bench lines as SVG, by gnuplot: build/bench/NAME.svg, each from a script NAME.gp beside it.

A picture is drawn when its lines were measured; points are joined in the order of their x.
"""
import os
import subprocess

HEAD = """set terminal svg size 720,440 font "sans,13" background "white"
set output "{output}"
set title "{title}"
set xlabel "{x}"
set ylabel "{y}"
set key outside right top
set grid
set yrange [0:{top}]
{extra}
"""


def _series(lines, key, figure, label, **wanted):
    """(label, points) of the lines that match, sorted by key."""
    points = {float(line.fields[key]): line.figures[figure] for line in lines
              if line.matches(wanted) and figure in line.figures}
    return label, sorted(points.items())


def _pictures(lines):
    """(name, title, x, y, settings, series) of all pictures."""
    logarithmic = "set logscale x {base}"
    yield ("burst", "burst: instructions a call", "bytes", "instructions", logarithmic.format(base=2),
           [_series(lines, "size", figure, f"{figure} {order}", bench="burst", order=order)
            for figure in ("alloc", "free") for order in ("fifo", "lifo", "stride", "random")])
    yield ("live", "a pair by live areas", "live areas", "instructions", logarithmic.format(base=10),
           [_series(lines, "live", "pair", "churn 8 B", bench="churn", size="8"),
            _series(lines, "live", "pair", "churn 64 B", bench="churn", size="64"),
            _series(lines, "live", "pair", "mixed", bench="mixed"),
            _series(lines, "live", "pair", "growth 8 B", bench="growth", size="8"),
            _series(lines, "live", "pair", "growth 64 B", bench="growth", size="64")])
    yield ("cpus", "work of n CPUs, of one: 1", "CPUs", "times", "",
           [_series(lines, "cpus", "ratio", "work", bench="cpus"),
            _series(lines, "cpus", "host", "only counting", bench="cpus")])
    yield ("locks", "shared locks taken an operation", "CPUs", "times", "",
           [_series(lines, "cpus", "locks", "pcpu_lock", bench="cpus"),
            _series(lines, "cpus", "mutexes", "pcpu_alloc_mutex", bench="cpus")])


def _script(output, title, x, y, extra, series):
    top = max(value for _, points in series for _, value in points) * 1.1 or 1
    text = HEAD.format(output=output, title=title, x=x, y=y, extra=extra, top=f"{top:g}")
    for index, (_, points) in enumerate(series):
        rows = "\n".join(f"{a:g} {b:g}" for a, b in points)
        text += f"$data{index} << END\n{rows}\nEND\n"
    curves = [f'$data{index} with linespoints title "{label}"' for index, (label, _) in enumerate(series)]
    return text + "plot " + ", \\\n     ".join(curves) + "\n"


def draw(lines, folder):
    """Draws what can be drawn; the paths of the pictures."""
    made = []
    for name, title, x, y, extra, series in _pictures(lines):
        series = [(label, points) for label, points in series if points]
        if not series:
            continue
        output, script = (os.path.join(folder, name + end) for end in (".svg", ".gp"))
        with open(script, "w", encoding="utf-8") as file:
            file.write(_script(output, title, x, y, extra, series))
        subprocess.run(["gnuplot", script], check=True)
        made.append(output)
    return made
