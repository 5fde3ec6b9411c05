#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""gdb on the kernel, with the project's commands (tools/gdb/).

debug.py           boots it stopped at the reset vector and attaches: `make debug`. Options are those of
                   `make run`; the console goes to build/debug.console (watch it with tail -f). QEMU
                   ends with gdb.
debug.py --attach  attaches to a running `make run GDB=1`: `make gdb`.
debug.py --rewind  replays what `make record` recorded, with steps backwards: `make rewind`. Stands at
                   kmain first, where it keeps a snapshot to step back from.

GDBFLAGS adds flags of gdb. gdb reads its commands from a terminal or from a pipe. The user's own gdb
files are neither needed nor changed.
"""
import os
import shlex
import stat
import subprocess
import sys
import threading
import time

import machine
import record

KERNEL = os.path.join("build", "percpu.elf")
SOCKET_LIMIT = 60  # seconds
STUB_LIMIT = 60  # seconds for an answer of QEMU; gdb would give up after 2, too few on a busy machine


def keep_console(stream, path):
    """Writes all of QEMU's output to a file, as it comes."""
    with open(path, "wb", buffering=0) as file:
        while data := os.read(stream.fileno(), 65536):
            file.write(data)


def check_input():
    """gdb without commands to read would end at once and say nothing."""
    try:
        mode = os.fstat(0).st_mode
        silent = stat.S_ISCHR(mode) and not os.isatty(0)  # /dev/null and the like
    except OSError:
        silent = True  # closed
    if silent and not os.environ.get("GDBFLAGS", "").strip():
        raise machine.Failure(
            "standard input is no terminal and gives gdb no commands: start it from a terminal, pipe "
            "commands in, or set GDBFLAGS, as in GDBFLAGS=\"-batch -ex 'info registers'\"")


def run_gdb(kernel, socket, before=(), after=()):
    """gdb on the socket of the stub, with commands before and after it is connected; its status."""
    commands = ["source tools/gdb/load.py", f"set remotetimeout {STUB_LIMIT}", *before,
                f"target remote {socket}", *after]
    line = [os.environ.get("GDBTOOL", "gdb"), "-q"]
    for command in commands:
        line += ["-ex", command]
    return subprocess.call(line + shlex.split(os.environ.get("GDBFLAGS", "")) + [kernel])


def attach():
    if not os.path.exists(machine.gdb_socket()):
        raise machine.Failure(f"nobody listens at {machine.gdb_socket()}: start `make run GDB=1` in "
                              "another terminal first")
    return run_gdb(KERNEL, machine.gdb_socket())


def start(options, console):
    """The stopped machine; what it prints goes to the file console."""
    guest = machine.Machine(options)
    threading.Thread(target=keep_console, args=(guest.process.stdout, console), daemon=True).start()
    return guest


def debug():
    check_input()
    console = os.path.join("build", "debug.console")
    with start(machine.Options(), console):
        print(f"debug: QEMU is stopped at the reset vector; its console goes to {console}",
              flush=True)
        return run_gdb(KERNEL, machine.gdb_socket(), before=["set confirm off"])


def wait_for(guest, socket):
    """QEMU opens the socket itself here."""
    deadline = time.monotonic() + SOCKET_LIMIT
    while not os.path.exists(socket):
        if guest.process.poll() is not None or time.monotonic() > deadline:
            raise machine.Failure("QEMU does not take the recording (see above): `make record` again")
        time.sleep(0.05)


def rewind():
    check_input()
    tape, options = record.Tape("replay"), machine.Options()
    if not tape.exists():
        raise machine.Failure("nothing is recorded: `make record` first")
    tape.apply(options)
    console = os.path.join("build", "rewind.console")
    with start(options, console) as guest:
        socket = machine.gdb_socket(options.gdb_name)
        wait_for(guest, socket)
        print(f"rewind: goes to kmain; the console goes to {console}", flush=True)
        return run_gdb(tape.kernel, socket, before=["set confirm off", "set pcpu-stop-at-end on"],
                       after=["thbreak kmain", "continue", "monitor savevm kmain"])


def main():
    os.chdir(machine.ROOT)
    name, what = MODES[tuple(sys.argv[1:])]
    if what is not attach:
        os.environ.update(GDB="1", STOPPED="1")
    try:
        return what()
    except (machine.Failure, FileNotFoundError) as failure:
        print(f"{name}: failed: {failure}", file=sys.stderr)
        return 1


MODES = {(): ("debug", debug), ("--attach",): ("gdb", attach), ("--rewind",): ("rewind", rewind)}

if __name__ == "__main__":
    sys.exit(main())
