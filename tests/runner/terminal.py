# SPDX-License-Identifier: GPL-2.0-only
"""The monitor on a terminal, seen from both sides: the bytes it sends (Terminal, by pexpect), and what
stands on the screen of a real terminal emulator (Screen, by tmux)."""
import os
import shlex
import subprocess
import tempfile
import time

import pexpect

from session import QUIET, ROOT, RUN, environment

PROMPT = "percpu> "
COUNTS = "COVERAGE_DIR" in os.environ  # such a kernel tells what ran as it powers off
LIMIT = 120  # s, for whatever is waited for: the machine may be busy


class Terminal:
    """tools/run.py on a pseudo-terminal that answers nothing by itself."""

    def __init__(self, **variables):
        variables.setdefault("CMDLINE", QUIET)
        variables.setdefault("TIMEOUT", 280)
        self.child = pexpect.spawn(RUN[0], env=environment(**variables), cwd=ROOT, timeout=LIMIT,
                                   dimensions=(24, 80), encoding="ascii", codec_errors="replace")
        self.child.delaybeforesend = None

    def until(self, text):
        """What came before text; the rest stays for later."""
        self.child.expect_exact(text)
        return self.child.before

    def type(self, keys):
        self.child.send(keys)

    def ask(self, line):
        """The answer to a line, without colours and the echo."""
        self.type(line + "\r")
        self.until("\r\n")
        return self.until(PROMPT)

    def status(self):
        """Exit status, once it has ended."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus

    def __enter__(self):
        self.until(PROMPT)
        return self

    def __exit__(self, kind, *_):
        if kind is None and COUNTS and self.child.isalive():
            self.child.send("\x03\rpoweroff\r")
            self.child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=60)
        self.child.close(force=True)


class Screen:
    """tools/run.py in a window of tmux, with a tmux server of its own."""

    def __init__(self, columns=80, rows=24, **variables):
        variables.setdefault("CMDLINE", QUIET)
        variables.setdefault("TIMEOUT", 280)
        self.folder = tempfile.TemporaryDirectory()
        self.tmux = ["tmux", "-f", "/dev/null", "-S", os.path.join(self.folder.name, "tmux")]
        command = f"cd {shlex.quote(ROOT)}; {shlex.quote(RUN[0])}; echo ended $?; sleep 1000"
        subprocess.run([*self.tmux, "new-session", "-d", "-x", str(columns), "-y", str(rows),
                        command], env=environment(**variables), check=True, timeout=LIMIT)

    def _ask(self, *words):
        return subprocess.run([*self.tmux, *words], check=True, timeout=LIMIT, text=True,
                              capture_output=True).stdout

    def keys(self, *names):
        """Keys by tmux's names: Tab, Up, C-c; anything else is typed."""
        self._ask("send-keys", *names)

    def rows(self, colours=False):
        text = self._ask("capture-pane", "-p", *(["-e"] if colours else []))
        return text.rstrip("\n").split("\n")

    def cursor(self):
        x, y = self._ask("display-message", "-p", "#{cursor_x} #{cursor_y}").split()
        return int(x), int(y)

    def resize(self, columns, rows):
        self._ask("resize-window", "-x", str(columns), "-y", str(rows))

    def until(self, holds, what):
        """Waits until holds(rows) is true; what: for the message. Returns the rows."""
        deadline = time.monotonic() + LIMIT
        while True:
            rows = self.rows()
            if holds(rows):
                return rows
            assert time.monotonic() < deadline, \
                f"the screen never showed {what}; it shows:\n" + "\n".join(rows)
            time.sleep(0.05)

    def until_row(self, row, last=True):
        """Waits until that is the screen's last row (or any)."""
        return self.until(lambda rows: rows[-1] == row if last else row in rows, repr(row))

    def __enter__(self):
        self.until(lambda rows: rows[-1].startswith(PROMPT.strip()), "the prompt")
        return self

    def __exit__(self, kind, *_):
        if kind is None and COUNTS:
            self.keys("C-c", "Enter", "poweroff", "Enter")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not any("ended" in row for row in self.rows()):
                time.sleep(0.2)
        subprocess.run([*self.tmux, "kill-server"], check=False, capture_output=True,
                       timeout=LIMIT)
        self.folder.cleanup()
