# SPDX-License-Identifier: GPL-2.0-only
"""A machine as a person meets it: a monitor to look at, keys to press, no serial port unless wanted.

What the monitor shows comes from QEMU as a picture and is read back with the project's own font, so that a
wrong pixel is a wrong character.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import font  # noqa: E402
import machine  # noqa: E402

TEXT_MEMORY, TEXT_COLUMNS, TEXT_ROWS = 0xb8000, 80, 25
KEYS = {" ": "spc", "-": "minus", "=": "equal", "[": "bracket_left",
        "]": "bracket_right", ";": "semicolon", "'": "apostrophe", "`": "grave_accent",
        "\\": "backslash", ",": "comma", ".": "dot", "/": "slash"}
SHIFTED = dict(zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./"))
PROMPT = "percpu> "
WRONG = "\ufffd"  # a cell that no glyph fits


def glyphs():
    """Each glyph as FONT_HEIGHT rows of bytes 0 and 1, also inverse: (character, inverse)."""
    with open(os.path.join(ROOT, "kernel", "font.txt"), encoding="ascii") as file:
        drawn = font.read(file.read())
    table = {}
    for char, rows in drawn.items():
        bits = bytes(row >> (7 - x) & 1 for row in rows for x in range(font.WIDTH))
        table[bits] = (char, False)
        table[bytes(1 - bit for bit in bits)] = (char, True)
    return table


class Picture:
    """A screendump: its text, where cells are inverse (row, column) as the cursor is, and its colours."""

    glyphs = glyphs()

    def __init__(self, path):
        with open(path, "rb") as file:
            kind, size, depth, self.pixels = file.read().split(b"\n", 3)
        assert (kind, depth) == (b"P6", b"255"), (kind, depth)
        self.width, self.height = map(int, size.split())
        self.inverse = []
        self.lines = [self._row(row) for row in range(self.height // font.HEIGHT)]

    def _line(self, y):
        return self.pixels[y * self.width * 3:(y + 1) * self.width * 3]

    def _row(self, row):
        lit = bytes(1) + b"\1" * 255
        lines = []
        for y in range(row * font.HEIGHT, (row + 1) * font.HEIGHT):
            line = self._line(y)
            channels = (int.from_bytes(line[i::3].translate(lit), "big") for i in range(3))
            lines.append((next(channels) | next(channels) | next(channels)).to_bytes(self.width, "big"))
        text = ""
        for column in range(self.width // font.WIDTH):
            x = column * font.WIDTH
            cell = b"".join(line[x:x + font.WIDTH] for line in lines)
            char, inverse = self.glyphs.get(cell, (WRONG, False))
            if inverse:
                self.inverse.append((row, column))
            text += char
        return text.rstrip()

    def colours(self, row):
        """The colours (r, g, b) in a row, black left out."""
        line = b"".join(self._line(y) for y in range(row * font.HEIGHT, (row + 1) * font.HEIGHT))
        return set(zip(line[::3], line[1::3], line[2::3])) - {(0, 0, 0)}

    def text(self):
        return "\n".join(self.lines).rstrip()


class Box:
    """A started QEMU with a monitor and a keyboard. Leaving it ends QEMU."""

    def __init__(self, serial=False, usb=False, extra="", **variables):
        env = dict({"SMP": "2", "MEM": "256M"}, **variables)
        os.makedirs(machine.BUILD, exist_ok=True)
        self.folder = tempfile.TemporaryDirectory(prefix="metal.", dir=machine.BUILD)
        options = machine.Options(dict(env, QEMUEXTRA=extra))
        iso = self._path("percpu.iso")
        machine.build_iso(options, iso)
        self.console = self._path("console")
        line = self._without(machine.qemu_line(options, iso, self._path("report")), "isa-debug-exit")
        if usb:
            line = self._from_usb(line, iso)
        if serial:
            line[line.index("stdio,id=com1,signal=off")] = f"file,id=com1,path={self.console}"
        else:
            line = self._without(line, "chardev", "com1", "com2") + ["-serial", "none"]
        control = os.path.relpath(self._path("qmp"))
        line += ["-no-shutdown", "-qmp", f"unix:{control},server=on,wait=off"]
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        try:
            self._connect(control)
        except BaseException:
            self.__exit__()
            raise

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    @staticmethod
    def _without(line, *words):
        """Without the options, each with its value, whose values have one of the words."""
        out = line[:1]
        for i in range(1, len(line)):
            pair = line[i:i + 2] if line[i].startswith("-") else line[i - 1:i + 1]
            if not (len(pair) == 2 and any(word in pair[1] for word in words)):
                out.append(line[i])
        return out

    @staticmethod
    def _from_usb(line, iso):
        at = line.index("-cdrom")
        return line[:at] + ["-device", "qemu-xhci", "-drive",
                            f"if=none,id=stick,format=raw,readonly=on,file={iso}", "-device",
                            "usb-storage,drive=stick"] + line[at + 2:]

    def _connect(self, path):
        deadline = time.monotonic() + 20
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(path) != 0:
            assert self.process.poll() is None, self.process.stdout.read().decode(errors="replace")
            assert time.monotonic() < deadline, "QEMU opened no control socket within 20 s"
            time.sleep(0.05)
        self.stream = self.socket.makefile("rw", encoding="ascii")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        print(json.dumps({"execute": command, "arguments": arguments}), file=self.stream, flush=True)
        while True:
            answer = json.loads(self.stream.readline())
            assert "error" not in answer, (command, arguments, answer)
            if "return" in answer:
                return answer["return"]

    def look(self):
        path = self._path("picture.ppm")
        self.ask("screendump", filename=path)
        return Picture(path)

    def text_memory(self):
        """What the VGA's text memory holds, as lines."""
        path = self._path("memory")
        self.ask("pmemsave", val=TEXT_MEMORY, size=2 * TEXT_COLUMNS * TEXT_ROWS, filename=path)
        with open(path, "rb") as file:
            characters = file.read()[::2].decode("latin-1")
        return [characters[i:i + TEXT_COLUMNS].rstrip() for i in range(0, len(characters), TEXT_COLUMNS)]

    def until(self, wanted, lines=None, limit=100):
        """Looks again and again until wanted(lines) is true; the lines. lines: how to get them."""
        lines = lines or (lambda: self.look().lines)
        deadline = time.monotonic() + limit
        while True:
            seen = lines()
            if wanted(seen):
                return seen
            assert time.monotonic() < deadline, "the screen still shows:\n" + "\n".join(seen).rstrip()
            time.sleep(0.2)

    def type(self, text, lines=None):
        """Types behind the prompt, and waits for the echo of a few keys before it goes on: a keyboard's
        queue is short."""
        for at in range(0, len(text), 4):
            for char in text[at:at + 4]:
                key = SHIFTED.get(char, char.lower())
                shift = ["shift"] if char in SHIFTED or char.isupper() else []
                self.press(*shift, KEYS.get(key, key))
            typed = text[:at + 4].rstrip()
            self.until(lambda seen: "".join(seen).rpartition(PROMPT)[2].rstrip() == typed, lines)

    def press(self, *keys):
        """Presses keys together; returns when they are up again."""
        names = [{"type": "qcode", "data": key} for key in keys]
        self.ask("send-key", keys=names, **{"hold-time": 10})
        time.sleep(0.03)

    def serial_text(self):
        with open(self.console, encoding="ascii", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()
