# SPDX-License-Identifier: GPL-2.0-only
"""The lines that the kernel's `bench` prints, and what they are measured against.

A line is "bench=KIND", fields that say what was done, then figures, all of them "key=value". Lines of two
runs belong together when everything but the figures and the engine is the same.
"""
import re

FIGURES = ("alloc", "free", "each_alloc", "each_free", "pair", "event", "each", "longest", "pages", "left", "ratio", "pairs",
           "locks", "mutexes", "host")  # in the order in which they are shown
ASIDE = ("engine", "front", "reclaim", "failed", "limit", "left_limit", "live_bytes", "at",
         "chunks", "us")  # neither nor
LINE = re.compile(r"^(?:percpu> )?(bench=\w+(?: \w+=\S+)*)\s*$")


class Line:
    """One line: text, its fields in order, its figures as numbers."""

    def __init__(self, text):
        self.text = text
        self.fields = dict(word.split("=", 1) for word in text.split())
        self.figures = {key: float(self.fields[key]) for key in FIGURES if key in self.fields}

    def identity(self):
        """What was done, without how it went and by whom."""
        return tuple((key, value) for key, value in self.fields.items()
                     if key not in FIGURES and key not in ASIDE)

    def name(self):
        """The identity in short, for tables."""
        words = [value if key in ("bench", "order", "name", "op") else f"{key}={value}"
                 for key, value in self.identity() if key not in ("align", "events")
                 and (key != "n" or self.fields["bench"] == "bulk")]
        return " ".join(words)

    def matches(self, wanted):
        return all(self.fields.get(key) == value for key, value in wanted.items())


def parse(text):
    """The bench lines in a console's text."""
    found = (LINE.match(line) for line in text.replace("\r", "").splitlines())
    return [Line(match.group(1)) for match in found if match]


def _burst(size, alloc, free, order="fifo"):
    wanted = {"bench": "burst", "size": size, "order": order}
    return [(wanted, "alloc", alloc), (wanted, "free", free)]


# (fields of the line, figure, the most that it may be; negative: the least)
GOALS = [
    *_burst("4", 150, 50), *_burst("64", 200, 50), *_burst("256", 300, 60), *_burst("1024", 850, 100),
    *_burst("64", 200, 60, "random"),
    ({"bench": "churn", "size": "8", "live": "1000"}, "pair", 120),
    ({"bench": "churn", "size": "8", "live": "10000"}, "pair", 120),
    ({"bench": "churn", "size": "64", "live": "1000"}, "pair", 180),
    ({"bench": "churn", "size": "64", "live": "10000"}, "pair", 180),
    ({"bench": "mixed", "live": "1000"}, "pair", 250),
    ({"bench": "mixed", "live": "8000"}, "pair", 260),
    ({"bench": "replay", "name": "pods"}, "event", 85),
    ({"bench": "replay", "name": "netns"}, "event", 100),
    ({"bench": "replay", "name": "nft"}, "event", 100),
    ({"bench": "growth"}, "ratio", 1.2),
    ({"bench": "irqoff"}, "ratio", 1.2),
    ({"bench": "packing"}, "pages", "limit"),
    ({"bench": "packing"}, "left", "left_limit"),
    ({"bench": "cpus", "cpus": "2"}, "ratio", -1.9),
]


def goals_of(line):
    """(figure, bound, met) for each goal that a line has."""
    for wanted, figure, bound in GOALS:
        if not line.matches(wanted) or figure not in line.figures:
            continue
        bound = float(line.fields[bound]) if isinstance(bound, str) else bound
        got = line.figures[figure]
        yield figure, bound, got >= -bound if bound < 0 else got <= bound


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def table(lines):
    """Rows of text: what was done, figure, goal, whether it is met; and how many are."""
    rows, met, of = [], 0, 0
    for line in lines:
        goals = {figure: (bound, good) for figure, bound, good in goals_of(line)}
        for figure, value in line.figures.items():
            bound, good = goals.get(figure, (None, None))
            goal = "" if bound is None else ("≥ " if bound < 0 else "≤ ") + number(abs(bound))
            verdict = "" if bound is None else "met" if good else "NOT MET"
            rows.append(f"{line.name():<38} {figure:<8} {number(value):>9}  {goal:<8} {verdict}".rstrip())
            met, of = met + bool(good), of + (bound is not None)
    return rows, met, of


def side_by_side(ours, base):
    """Rows that put two runs' figures beside each other, with base ÷ ours: how much less it costs now."""
    before = {line.identity(): line for line in base}
    for line in ours:
        old = before.get(line.identity())
        for figure, value in line.figures.items():
            was = old.figures.get(figure) if old else None
            ratio = f"{was / value:9.2f}" if was is not None and value else f"{'-':>9}"
            yield (f"{line.name():<38} {figure:<8} {number(was) if was is not None else '-':>9} "
                   f"{number(value):>9} {ratio}")
