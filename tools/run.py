#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boots the kernel in QEMU with its console on this terminal, or on a pipe: `make run`.

Options come from the environment: SMP MEM CMDLINE TRACE ACCEL UEFI TIMEOUT QEMU QEMUEXTRA GDB STOPPED DRY
PIN and NAME (the report's name, build/NAME.ktap; default run). Exit status 0 only if the kernel ended with
"all good" and the whole test plan was seen; else 1 and one line on stderr that says why.

Nothing ever waits for one side only: input and output are read as they come and kept until the other
side takes them, so a program may paste everything before it reads anything. Input is held back until the
prompt shows, because firmware and boot would eat it. At the end of a pipe's input: poweroff. On a
terminal, Ctrl-C is the monitor's while somebody types or a command runs; it ends the run before the
prompt, at an empty prompt, and when the kernel has not answered the Ctrl-C before by ^C. The terminal is
put back in any case.
"""
import os
import re
import select
import shlex
import shutil
import signal
import sys
import termios
import time

import machine

PROMPTS = b"percpu> ", b"panic> "
FIRST_LINE = re.compile(rb"\[ *\d+\.\d+\] cpu")
AT_PROMPT = re.compile(rb"(percpu|panic)> (\x1b\[[0-9;]*m)*$")  # nothing typed yet
SIZE_TOLD = re.compile(rb"\x1b\[\d+;\d+R")  # by the terminal itself: nobody typed it
CTRL_C, CTRL_C_SHOWN = b"\x03", b"^C"
PIPE_TIMEOUT = 300
CHUNK = 4096  # a pipe that polls writable takes as much without blocking
# A QEMU that records drops what overruns the UART: a line that fits, then its answer; of a longer one
# so much at a time. Seconds to wait for the prompt, and between parts of a line.
UART_BYTES, UART_CHUNK = 16, 8
ANSWER_TIME, CHUNK_TIME = 5, 0.5
KEEP = 65536  # of the console, for the verdict


class Console:
    """Carries bytes between QEMU and our standard input and output until QEMU closes its side."""

    def __init__(self, process, options, terminal):
        self.to_guest = process.stdin.fileno()
        self.from_guest = process.stdout.fileno()
        os.set_blocking(self.to_guest, False)
        self.terminal = terminal
        self.guest_open = self.input_open = True
        self.input, self.output = bytearray(), bytearray()
        self.tail = bytearray()
        self.prompt_seen = False
        self.unanswered = False  # a Ctrl-C was passed on and not shown since
        self.typed = False  # something, since the last output
        self.last_input = b"\n"
        self.held = bytearray() if options.uefi else None  # what the firmware prints
        self.paced = options.paced
        self.next_feed = 0  # paced: not before, unless the prompt shows, or the echo of what was typed

    def text(self):
        return bytes(self.tail).decode(errors="replace")

    def end_line(self):
        """What is printed next begins a line of its own."""
        if self.tail[-1:] not in (b"", b"\n"):
            try:
                os.write(1, b"\n")
            except OSError:
                pass  # nobody reads it any more, which was said already

    def carry(self, deadline):
        """Returns None at QEMU's end, else why it stopped: "timeout", "interrupt", "output"."""
        while self.guest_open or self.output:
            wait = None if deadline is None else max(0, deadline - time.monotonic())
            if wait == 0:
                return "timeout"
            if self.next_feed:
                pause = max(0, self.next_feed - time.monotonic())
                wait = pause if wait is None else min(wait, pause)
            for fd, _ in self._poll(wait):
                stop = self._serve(fd)
                if stop:
                    return stop
        return None

    def _poll(self, wait):
        poll = select.poll()
        if self.guest_open:
            poll.register(self.from_guest, select.POLLIN)
            if self.input and self.prompt_seen and time.monotonic() >= self.next_feed:
                self.next_feed = 0
                poll.register(self.to_guest, select.POLLOUT)
        if self.input_open and self.guest_open:
            poll.register(0, select.POLLIN)
        if self.output:
            poll.register(1, select.POLLOUT)
        return poll.poll(None if wait is None else int(wait * 1000) + 1)

    def _serve(self, fd):
        if fd == self.from_guest:
            self._take_output(os.read(fd, 65536))
        elif fd == 0:
            return self._take_input()
        elif fd == 1:
            try:
                del self.output[:os.write(1, self.output[:CHUNK])]
            except OSError:
                return "output"
        elif fd == self.to_guest:
            self._feed()
        return None

    def _ends_here(self, data):
        """Whether input from a terminal asks us, not the monitor, to stop."""
        keys = SIZE_TOLD.sub(b"", data)
        first = not self.typed and keys.startswith(CTRL_C)
        self.typed = self.typed or bool(keys)
        if CTRL_C not in keys:
            return False
        if not self.prompt_seen or self.unanswered or keys.count(CTRL_C) > 1:
            return True
        self.unanswered = True
        return first and AT_PROMPT.search(self.tail[-64:]) is not None

    def _take_output(self, data):
        self.typed = False
        if not data:
            self.guest_open = False
            data = bytes(self.held or b"")
            self.held = None
        if self.held is not None:
            self.held += data
            start = FIRST_LINE.search(self.held)
            if start is None:
                return
            data, self.held = bytes(self.held[start.start():]), None
        self.next_feed = 0
        self.output += data
        self.tail += data
        if CTRL_C_SHOWN in self.tail[-len(data) - 1:]:
            self.unanswered = False
        news = self.tail[-len(data) - max(map(len, PROMPTS)):]
        self.prompt_seen = self.prompt_seen or any(prompt in news for prompt in PROMPTS)
        del self.tail[:-KEEP]

    def _take_input(self):
        try:
            data = os.read(0, 65536)
        except OSError:
            data = b""
        if self.terminal and self._ends_here(data):
            return "interrupt"
        if not data:
            self.input_open = False
            data = b"poweroff\n" if self.last_input == b"\n" else b"\npoweroff\n"
        self.input += data
        self.last_input = data[-1:]
        return None

    def _pace(self):
        """How much of the input goes out now; says when the next may."""
        line = self.input.find(b"\n") + 1 or len(self.input)
        size = line if line <= UART_BYTES else UART_CHUNK
        ended = self.input[size - 1:size] == b"\n"
        self.next_feed = time.monotonic() + (ANSWER_TIME if ended else CHUNK_TIME)
        return size

    def _feed(self):
        try:
            size = self._pace() if self.paced else CHUNK
            del self.input[:os.write(self.to_guest, self.input[:size])]
        except BlockingIOError:
            pass
        except OSError:  # QEMU is gone; its output tells the rest
            self.input.clear()


class Terminal:
    """Hands over each key as it is typed; puts the terminal back on leaving."""

    def __init__(self):
        self.is_terminal = os.isatty(0)
        self.saved = termios.tcgetattr(0) if self.is_terminal else None

    def __enter__(self):
        if self.is_terminal:
            mode = termios.tcgetattr(0)
            mode[0] &= ~termios.IXON
            mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(0, termios.TCSADRAIN, mode)
        return self

    def __exit__(self, *_):
        if self.is_terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)


def interrupted(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def boot(options, kind=machine.Machine):
    """Runs one boot on a machine of that kind. Returns None if all was good, else why not."""
    if os.isatty(0) and options.key("console") is None:
        options.cmdline += " console=tty"  # the monitor echoes and edits lines
    with Terminal() as terminal, kind(options) as guest:
        limit = options.timeout
        if limit is None and not terminal.is_terminal:
            limit = PIPE_TIMEOUT
        if options.stopped and options.gdb:
            print(f"run: stopped at the reset vector, {machine.gdb_socket()} waits for gdb",
                  file=sys.stderr, flush=True)
        console = Console(guest.process, options, terminal.is_terminal)
        why = console.carry(time.monotonic() + limit if limit else None)
        if why is None:
            guest.process.wait()
        console.end_line()
        keep_report(guest.report)
        if why == "timeout":
            state = "after the prompt" if console.prompt_seen else "before the prompt"
            last = console.text().rstrip().rpartition("\n")[2].strip()
            return f"time-out after {limit:g} s, {state}; last line: {last!r}"
        if why == "interrupt":
            return "interrupted"
        if why == "output":
            return "nobody reads the output any more"
        return guest.problem(console.text(), console.prompt_seen)


def keep_report(path):
    """Leaves COM2's report as build/NAME.ktap."""
    if os.path.exists(path):
        name = os.environ.get("NAME", "") or "run"
        ready = path + ".ready"
        shutil.copyfile(path, ready)
        os.replace(ready, os.path.join(machine.BUILD, name + ".ktap"))


def main(read_options=machine.Options, kind=machine.Machine):
    """Boots as the environment says; the exit status."""
    os.chdir(machine.ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupted)
    try:
        options = read_options()
        if options.dry and kind is machine.Machine:
            iso = os.path.join("build", "run.iso")
            machine.build_iso(options, iso)
            print(shlex.join(machine.qemu_line(options, iso, os.path.join("build", "run.ktap"))))
            return 0
        why = boot(options, kind)
    except machine.Failure as failure:
        why = str(failure)
    except KeyboardInterrupt as signal_name:
        why = f"ended by {signal_name}"
    if why:
        sys.stdout.flush()
        print(f"run: failed: {why}", file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
