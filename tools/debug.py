#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""gdb on the kernel, with the project's commands (tools/gdb/).

debug.py           boots it stopped at the reset vector and attaches: `make debug`. Options are those of
                   `make run`; the console goes to build/debug.console (watch it with tail -f). QEMU
                   ends with gdb.
debug.py --attach  attaches to a running `make run GDB=1`: `make gdb`.

GDBFLAGS adds flags of gdb. gdb reads its commands from a terminal or from a pipe. The user's own gdb
files are neither needed nor changed.
"""
import os
import shlex
import stat
import subprocess
import sys
import threading

import machine


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


def run_gdb(*commands):
    """gdb on the socket of the stub; its exit status."""
    line = [os.environ.get("GDBTOOL", "gdb"), "-q", "-ex", "source tools/gdb/load.py"]
    for command in (*commands, f"target remote {machine.gdb_socket()}"):
        line += ["-ex", command]
    return subprocess.call(line + shlex.split(os.environ.get("GDBFLAGS", ""))
                           + [os.path.join("build", "percpu.elf")])


def attach():
    if not os.path.exists(machine.gdb_socket()):
        raise machine.Failure(f"nobody listens at {machine.gdb_socket()}: start `make run GDB=1` in "
                              "another terminal first")
    return run_gdb()


def debug(options):
    check_input()
    with machine.Machine(options) as guest:
        console = os.path.join("build", "debug.console")
        threading.Thread(target=keep_console, args=(guest.process.stdout, console),
                         daemon=True).start()
        print(f"debug: QEMU is stopped at the reset vector; its console goes to {console}",
              flush=True)
        return run_gdb("set confirm off")


def main():
    os.chdir(machine.ROOT)
    name = "gdb" if sys.argv[1:] == ["--attach"] else "debug"
    try:
        if name == "gdb":
            return attach()
        os.environ.update(GDB="1", STOPPED="1")
        return debug(machine.Options())
    except (machine.Failure, FileNotFoundError) as failure:
        print(f"{name}: failed: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
