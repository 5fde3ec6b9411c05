#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make recording`: the film shows completion, history and watch, and README's is still what a run shows.
Prints TAP.
"""
import functools
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

from session import ROOT, environment

import taptest

SVG = "{http://www.w3.org/2000/svg}"
SHOWN = os.path.join(ROOT, "docs", "terminal.svg")
MASKED = re.compile(r"0x[0-9a-f]+|\d+")


class Film:
    """A recording: its pictures in order as (stop, rows), a row being what is written from left to right."""

    def __init__(self, path):
        root = xml.parse(path).getroot()
        rows = {row.get("id"): self.row(row) for row in root.find(SVG + "defs")}
        self.pictures = [(group.get("data-stop", ""), [rows[use.get("href")[1:]] for use in group])
                         for group in root.findall(SVG + "g")]
        self.style = root.find(SVG + "style").text

    @staticmethod
    def row(group):
        pieces = [(int(text.get("x")), text.text) for text in group if text.tag == SVG + "text"]
        return " ".join(text for _, text in sorted(pieces))

    def at(self, stop):
        """The rows of the pictures at a stop."""
        found = [rows for name, rows in self.pictures if name == stop]
        assert found, f"no picture is called {stop!r}: {sorted({name for name, _ in self.pictures})}"
        return found

    def before(self, stop):
        """The last row of the picture before the first one at that stop."""
        names = [name for name, _ in self.pictures]
        return self.pictures[names.index(stop) - 1][1][-1]


@functools.cache
def fresh():
    path = os.path.join(ROOT, "build", "test-recording.svg")
    subprocess.run([os.path.join(ROOT, "tools", "recording.py"), path], cwd=ROOT, check=True, timeout=280,
                   env=environment(), stdout=subprocess.DEVNULL)
    return Film(path)


def films():
    return ("a fresh one", fresh()), ("docs/terminal.svg", Film(SHOWN))


def test_it_shows_completion():
    for name, film in films():
        for stop, typed, completed in (("completed", "allo", "alloc"), ("map", "ma", "map"),
                                       ("test completed", "test percpu_O18_odd",
                                        "test percpu_O18_odd_sizes_at_length")):
            assert film.before(stop) == "percpu> " + typed, (name, stop, film.before(stop))
            assert film.at(stop)[0][-1] == "percpu> " + completed, (name, stop, film.at(stop))


def test_it_shows_history():
    for name, film in films():
        assert film.before("recalled") == "percpu>", (name, film.before("recalled"))
        assert film.at("recalled")[0][-1] == "percpu> map 0", name
        assert film.at("recalled again")[0][-1] == "percpu> alloc 1000 8", name
        edited = film.at("alloc edited")[0]
        assert edited[-3] == "percpu> alloc 1000 64" and edited[-2].endswith("size=1000 align=64"), (name, edited)


def test_it_shows_watch_at_work():
    for name, film in films():
        frames = film.at("watch")
        titles = [rows[0] for rows in frames]
        assert len(set(titles)) == len(titles) >= 3, (name, titles)
        for rows in frames:
            assert [row.split()[:2] for row in rows[2:6]] == [[str(cpu), "online"] for cpu in range(4)], (name, rows)
        totals = {rows[6] for rows in frames}
        bars = {row for rows in frames for row in rows if re.search(r"[#+-]{40}", row)}
        assert len(totals) >= 3 and len(bars) >= 3, f"{name}: nothing moves: {totals}"
        assert film.at("watch ended")[0][-1] == "percpu>", name


def test_each_picture_has_its_time():
    for name, film in films():
        times = [float(percent) for percent in re.findall(r"([\d.]+)%\{visibility:hidden", film.style)]
        ends = [time for time in times if time > 0]
        assert len(ends) == len(film.pictures) and ends == sorted(ends) and ends[-1] == 100, name


def test_readme_shows_what_a_run_shows():
    def masked(film, stop):
        return [MASKED.sub("N", row) for row in film.at(stop)[0]]

    shown = Film(SHOWN)
    for stop in ("completed", "alloc", "map", "bar", "recalled", "recalled again", "alloc edited", "test completed"):
        assert masked(shown, stop) == masked(fresh(), stop), \
            f"docs/terminal.svg, {stop}: make recording, and put build/recording.svg in its place"
    headings = [[row for row in film.at("watch")[0] if row.startswith(("cpu ", "chnk "))]
                for film in (shown, fresh())]
    assert headings[0] == headings[1] and len(headings[0]) == 2, headings


if __name__ == "__main__":
    taptest.main(globals())
