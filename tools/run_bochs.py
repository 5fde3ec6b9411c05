#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boots the kernel in Bochs, a second opinion on what a PC is: `make run-bochs`.

As `make run`: the console is on this terminal or on a pipe, the end is judged the same way. Options from
the environment: SMP MEM CMDLINE TRACE VIDEO TIMEOUT NAME KERNEL, and BOCHS, which names another Bochs.

Bochs wants terminals: for COM1, for its debugger, and one that it makes itself for the machine's screen. All are
pseudo-terminals; the last two are read and forgotten, since it waits for its readers. It knows no way out with
a status, so the kernel's last words count, and that it then switches the machine off. A second, to the kernel, is
fifty million instructions.
"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import threading
import tty

import machine
import run

INSTRUCTIONS = 50_000_000  # a second; what Bochs can do in real time on a machine that has other work
SCREEN = re.compile(rb'connected to screen "(/dev/pts/\d+)"')
BIOS, VGA_BIOS = "/usr/share/bochs/BIOS-bochs-latest", "/usr/share/bochs/VGABIOS-lgpl-latest"
LAST_WORDS = {b"the end: all good": machine.STATUS_GOOD, b"the end: failed": machine.STATUS_FAILED}
SWITCHED_OFF = "soft power off"  # what Bochs calls a panic of its own
CONFIG = """\
config_interface: textconfig
display_library: term
cpu: model=corei7_skylake_x, count={smp}, ips={ips}, reset_on_triple_fault=0
memory: guest={mem}, host={mem}
romimage: file={bios}
vgaromimage: file={vga_bios}
ata0-master: type=cdrom, path={iso}, status=inserted
ata1: enabled=0
boot: cdrom
com1: enabled=1, mode=term, dev={com1}
com2: enabled=1, mode=file, dev={report}
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""


def megabytes(text):
    match = re.fullmatch(r"(\d+)([MG]?)", text.upper())
    if not match:
        raise machine.Failure(f"MEM={text}: want a size such as 512M or 1G")
    return int(match.group(1)) * (1024 if match.group(2) == "G" else 1)


def raw_terminal():
    """A pseudo-terminal that changes no byte: our end and the other one."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, theirs


class Process(threading.Thread):
    """Bochs with pipes for its COM1, as subprocess.Popen has them. A thread carries the bytes."""

    def __init__(self, command, com1):
        super().__init__(daemon=True)
        self.com1, self.debugger = com1, raw_terminal()
        self.from_us, self.stdin = self._pipe()
        self.stdout, self.to_us = self._pipe()
        self.readers = {self.com1[0]: self._show, self.debugger[0]: self._listen,
                        self.from_us.fileno(): self._feed}
        self.screen = None
        self.said = self.tail = b""  # by the debugger, by COM1
        self.status = self.returncode = None  # what the last words mean; that, once the machine is off
        self.bochs = subprocess.Popen(command, stdin=self.debugger[1], stdout=self.debugger[1],
                                      stderr=self.debugger[1], start_new_session=True,
                                      preexec_fn=machine.die_with_parent,
                                      env=dict(os.environ, TERM="xterm"))
        self.start()

    @staticmethod
    def _pipe():
        ours, theirs = os.pipe()
        return os.fdopen(ours, "rb", 0), os.fdopen(theirs, "wb", 0)

    def run(self):
        while self.returncode is None:
            ready = select.select(list(self.readers), [], [], 0.05)[0]
            if not ready and self.bochs.poll() is not None:
                self.returncode = self.bochs.returncode if self.status is None else self.status
            for fd in ready:
                data = os.read(fd, 65536)
                if data:
                    self.readers[fd](data)
                else:
                    del self.readers[fd]
        self.kill()
        self.to_us.close()  # whoever reads sees the end

    def _feed(self, data):
        os.write(self.com1[0], data)

    def _show(self, data):
        if not self.tail:
            tty.setraw(self.com1[1])  # Bochs has made Ctrl-C a signal to itself
        self.to_us.write(data)
        self.tail = (self.tail + data)[-256:]
        for words, status in LAST_WORDS.items():
            if words + b"\n" in self.tail.replace(b"\r", b""):
                self.status = status
        if self.status == machine.STATUS_FAILED:
            self.returncode = self.status  # and does not switch the machine off

    def _listen(self, data):
        self.said = (self.said + data)[-65536:]
        found = SCREEN.search(self.said)
        if found and self.screen is None:
            self.screen = os.open(found.group(1), os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.screen)
            self.readers[self.screen] = lambda data: None

    def poll(self):
        return self.returncode

    def wait(self):
        self.join()
        return self.returncode

    def kill(self):
        if self.bochs.poll() is None:
            self.bochs.kill()
        self.bochs.wait()

    def close(self):
        for fd in (*self.com1, *self.debugger, self.screen):
            if fd is not None:
                os.close(fd)


class Bochs(machine.Machine):
    """A started Bochs."""

    def check(self):
        options = self.options
        if shutil.which(options.bochs) is None:
            raise machine.Failure(f"{options.bochs} is not installed: `make setup` installs Bochs, "
                                  "BOCHS=… names another one")
        for file in (BIOS, VGA_BIOS):
            if not os.path.exists(file):
                raise machine.Failure(f"Bochs needs {file}: `make setup` installs it")
        if not options.smp.isdigit() or int(options.smp) < 1:
            raise machine.Failure(f"SMP={options.smp}: Bochs wants a number of CPUs")
        for name, given in (("UEFI=1", options.uefi), ("GDB=1", options.gdb), ("DRY=1", options.dry),
                            ("QEMUEXTRA=…", options.extra)):
            if given:
                raise machine.Failure(f"{name} is for QEMU; `make run-bochs` cannot do that")

    def start(self, iso):
        config, commands = (os.path.join(self.folder, name) for name in ("bochsrc", "commands"))
        com1 = raw_terminal()
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(smp=self.options.smp, mem=megabytes(self.options.mem), iso=iso,
                                     ips=INSTRUCTIONS, bios=BIOS, vga_bios=VGA_BIOS,
                                     com1=os.ttyname(com1[1]), report=self.report, log=self._log()))
        with open(commands, "w", encoding="ascii") as file:
            file.write("c\n")  # Debian's Bochs begins in its own debugger
        self.process = Process([self.options.bochs, "-q", "-f", config, "-rc", commands], com1)

    def _log(self):
        return os.path.join(self.folder, "bochs.log")

    def _log_text(self):
        try:
            with open(self._log(), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def problem(self, console, prompt_seen):
        panic = re.findall(r"^\d+p(\[.*)", self._log_text(), re.M)
        if self.process.returncode == machine.STATUS_GOOD and SWITCHED_OFF not in "".join(panic):
            return "the kernel ended well, but Bochs before the machine was switched off"
        if self.process.returncode in LAST_WORDS.values():
            return super().problem(console, prompt_seen)
        return f"Bochs ended with status {self.process.returncode}, the kernel without last words" + \
               (f": {panic[-1].strip()}" if panic else "")

    def stop(self):
        super().stop()
        if self.process is not None:
            self.process.wait()
            self.process.close()


class Options(machine.Options):
    """Text mode, which Bochs is quick at, unless VIDEO says otherwise."""

    def __init__(self):
        super().__init__()
        self.bochs = os.environ.get("BOCHS", "").strip() or "bochs"
        self.video = self.video or "text"
        self.paced = True


if __name__ == "__main__":
    sys.exit(run.main(Options, Bochs))
