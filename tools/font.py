#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The screen's font: from the picture of each glyph in kernel/font.txt to a table in C.

    font.py FONT.txt OUT.c

The text is bands of eight glyphs, from blank (0x20) to 0x7f, which stands for all that is no printable
character: a line that names them, then one line for each row of pixels, `#` set and `.` not, a blank
between glyphs. No two glyphs may look the same, so that a picture of the screen can be read back.
"""
import sys

WIDTH, HEIGHT, BAND = 8, 16, 8
FIRST, LAST = 0x20, 0x7f
NAMES = {" ": "space", "\x7f": "other"}


class FontError(Exception):
    """What is wrong with the text, with its line."""


def check(good, line, what):
    if not good:
        raise FontError(f"line {line}: {what}")


def read(text):
    """{character: tuple of HEIGHT bytes, the highest bit leftmost}, in order."""
    lines = ["" if line.startswith("//") else line for line in text.splitlines()]
    glyphs, at = {}, 0
    for begin in range(FIRST, LAST + 1, BAND):
        band = [chr(code) for code in range(begin, begin + BAND)]
        while at < len(lines) and not lines[at].strip():
            at += 1
        names = [NAMES.get(c, c) for c in band]
        check(at < len(lines) and lines[at].split() == names, at + 1,
              "want the line that names " + " ".join(names))
        rows = []
        for y in range(at + 1, at + 1 + HEIGHT):
            row = lines[y].split() if y < len(lines) else []
            check(len(row) == BAND and all(len(r) == WIDTH and not r.strip("#.") for r in row),
                  y + 1, f"want {BAND} times {WIDTH} pixels # or .")
            rows.append([int(r.replace("#", "1").replace(".", "0"), 2) for r in row])
        glyphs.update({c: tuple(row[i] for row in rows) for i, c in enumerate(band)})
        at += 1 + HEIGHT
    seen = {}
    for char, glyph in glyphs.items():
        check(glyph not in seen, 1, f"{char!r} looks like {seen.get(glyph)!r}")
        seen[glyph] = char
    return glyphs


def main():
    source, out = sys.argv[1:]
    with open(source, encoding="ascii") as file:
        try:
            glyphs = read(file.read())
        except FontError as error:
            sys.exit(f"{source}: {error}")
    with open(out, "w", encoding="ascii") as file:
        print(f"/* Made by tools/font.py from {source}. */\n#include \"kernel/font.h\"\n\n"
              "const uint8_t font_glyphs[FONT_GLYPHS][FONT_HEIGHT] = {", file=file)
        for glyph in glyphs.values():
            print("\t{" + ", ".join(f"0x{row:02x}" for row in glyph) + "},", file=file)
        print("};", file=file)


if __name__ == "__main__":
    main()
