#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Types at a `make run` in a terminal (tmux) and writes what the screen showed as one animated SVG:
build/recording.svg, or the file that is named. `make recording`.

It shows completion, history, a map and `watch`. Each picture of the screen is a group of its own; those at which
the story stops carry its name (data-stop), for tests/runner/test_recording.py. How long a picture stays is written
here and not measured, so that a busy machine records the same.
"""
import html
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "runner"))
import terminal  # noqa: E402  pylint: disable=wrong-import-position

COLUMNS, ROWS = 100, 24
WIDTH, HEIGHT, MARGIN = 8, 17, 10  # of a cell and around the screen, in pixels
KEY_TIME, STOP_TIME, FRAME_TIME = 0.12, 1.8, 0.4  # seconds that a picture stays
WATCH_FRAMES = 40  # at most
INK, PAPER = "#d8dee9", "#1c2029"
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#56d4dd"}
RUN = re.compile(r"\x1b\[([0-9;]*)m|([^\x1b]+)|\x1b.")
WORDS = re.compile(r"\S+(?: \S+)*")
WATCHED = "repeat 3 replay pods"


class Film:
    """Pictures of a screen: (seconds it stays, name of the stop or "", rows with colours)."""

    def __init__(self, screen):
        self.screen = screen
        self.pictures = []

    def take(self, seconds, stop=""):
        self.pictures.append((seconds, stop, self.screen.rows(colours=True)))

    def type(self, text):
        """Types key by key, each shown."""
        for key in text:
            before = self.screen.rows()[-1]
            self.screen.keys("-l", key)
            wanted = (before if before.endswith(" ") or before != terminal.PROMPT.strip()
                      else terminal.PROMPT) + key
            self.screen.until(lambda rows, row=wanted: squeezed(rows[-1]) == squeezed(row), repr(wanted))
            self.take(KEY_TIME)

    def press(self, key, holds, stop, seconds=STOP_TIME):
        """Presses a key by tmux's name and waits for what it does."""
        self.screen.keys(key)
        self.screen.until(holds, stop)
        self.take(seconds, stop)

    def line(self, text, stop, *answers):
        """Types the rest of a line; its answer holds the words."""
        self.type(text)
        self.press("Enter", lambda rows: rows[-1] == terminal.PROMPT.strip() and
                   all(any(word in row for row in rows) for word in answers), stop)


def squeezed(row):
    """A row without its blanks: tmux does not tell those at the end."""
    return row.replace(" ", "")


def last(row):
    return lambda rows: rows[-1] == row


def is_watch(rows):
    return rows[0].startswith("up ") and f"s: {WATCHED} " in rows[0] and \
        any(row.startswith("chnk slot") for row in rows)


def play(film):
    """The story."""
    film.screen.keys("C-l")
    film.screen.until(lambda rows: rows == [terminal.PROMPT.strip()], "an empty screen")
    film.take(STOP_TIME / 2)
    film.type("allo")
    film.press("Tab", last("percpu> alloc"), "completed")
    film.line("1000 8", "alloc", "ptr=0x")
    film.type("ma")
    film.press("Tab", last("percpu> map"), "map")
    film.line("0", "bar", "a column: ")
    film.press("Up", last("percpu> map 0"), "recalled")
    film.press("Up", last("percpu> alloc 1000 8"), "recalled again")
    film.press("BSpace", last("percpu> alloc 1000"), "edited", KEY_TIME)
    film.line("64", "alloc edited", "align=64")
    film.type("test percpu_O18_odd")
    film.press("Tab", last("percpu> test percpu_O18_odd_sizes_at_length"), "test completed")
    film.press("C-u", last("percpu>"), "cleared", KEY_TIME)
    film.type("watch " + WATCHED)
    film.press("Enter", is_watch, "watch", FRAME_TIME)
    for _ in range(WATCH_FRAMES):
        title = film.screen.rows()[0]
        if "has ended" in title:
            break
        film.press("", lambda rows, old=title: is_watch(rows) and rows[0] != old, "watch", FRAME_TIME)
    film.press("q", last("percpu>"), "watch ended")
    film.line("check", "check", "ok chunks=")
    film.type("poweroff")
    film.press("Enter", last("ended 0"), "end", 0)
    film.pictures.pop()


# ---- SVG ------------------------------------------------------------------------------------------

def runs(row):
    """(column, text, colour, bold, inverse) of a row with colour sequences."""
    column, colour, bold, inverse = 0, INK, False, False
    for codes, text in RUN.findall(row):
        if text:
            yield column, text, colour, bold, inverse
            column += len(text)
            continue
        for code in (codes or "0").split(";"):
            if code in ("", "0"):
                colour, bold, inverse = INK, False, False
            bold = bold or code == "1"
            inverse = inverse or code == "7"
            colour = INK if code == "39" else COLOURS.get(code, colour)


def draw_run(row_number, column, text, colour, bold, inverse):
    x, y, width = MARGIN + column * WIDTH, MARGIN + row_number * HEIGHT, len(text) * WIDTH
    box = f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" fill="{colour}"/>' if inverse else ""
    ink = PAPER if inverse else colour
    look = (f' fill="{ink}"' if ink != INK else "") + (' font-weight="bold"' if bold else "")
    return f'{box}<text x="{x}" y="{y + 13}" textLength="{width}"{look}>{html.escape(text)}</text>'


def words(run):
    """A run in pieces without blanks at their ends or two in a row, which SVG would make one."""
    column, text, *look, inverse = run
    if inverse:
        return [run]
    return [(column + piece.start(), piece.group(), *look, inverse) for piece in WORDS.finditer(text)]


def draw_row(number, row):
    return "".join(draw_run(number, *piece) for run in runs(row) for piece in words(run))


def svg(pictures):
    """The whole film, over and over. A row that several pictures show is written once."""
    total = sum(seconds for seconds, _, _ in pictures)
    rows, rules, groups, at = {}, [], [], 0
    for number, (seconds, stop, shown) in enumerate(pictures):
        begin, at = at, at + seconds
        rules.append(f"@keyframes f{number}{{0%{{visibility:{'hidden' if begin else 'visible'}}}"
                     + (f"{begin / total:.4%}{{visibility:visible}}" if begin else "")
                     + f"{at / total:.4%}{{visibility:hidden}}}}#f{number}{{animation-name:f{number}}}")
        uses = "".join(f'<use href="#r{rows.setdefault((y, row), len(rows))}"/>'
                       for y, row in enumerate(shown) if row.strip())
        groups.append(f'<g id="f{number}"' + (f' data-stop="{stop}"' if stop else "") + f">{uses}</g>")
    defs = "".join(f'<g id="r{n}">{draw_row(y, row)}</g>' for (y, row), n in rows.items())
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + 2 * MARGIN
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" fill="{INK}" '
            'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">'
            f"<style>g[id^=f]{{visibility:hidden;animation:{total:.2f}s step-end infinite}}"
            f'{"".join(rules)}</style><rect width="{width}" height="{height}" rx="6" fill="{PAPER}"/>'
            f"<defs>{defs}</defs>\n" + "\n".join(groups) + "\n</svg>\n")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join("build", "recording.svg")
    with terminal.Screen(COLUMNS, ROWS) as screen:
        film = Film(screen)
        play(film)
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(film.pictures))
    print(path)


if __name__ == "__main__":
    main()
