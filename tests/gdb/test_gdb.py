#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""gdb attached to the kernel as a user would do it: symbols, a breakpoint, variables, CPUs. Prints TAP."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import taptest  # noqa: E402


def flags(*commands):
    """gdb's flags for a batch of commands."""
    return "-batch -nx " + " ".join(f"-ex '{command}'" for command in commands)


def make(target, *commands, **variables):
    """What gdb prints under `make debug` or `make gdb`."""
    done = subprocess.run(["make", "-s", target], cwd=ROOT, text=True, timeout=120, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env=session.environment(GDBFLAGS=flags(*commands), **variables))
    assert done.returncode == 0, f"make {target}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def need(text, *patterns):
    for pattern in patterns:
        assert re.search(pattern, text), f"no match for {pattern!r} in gdb's output:\n{text[-3000:]}"


def stubs():
    """Pids of QEMUs of this tree that serve gdb."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                line = file.read()
        except OSError:
            continue  # it has just ended
        if "chardev:gdb" in line and os.path.join(ROOT, "build", "boot.") in line:
            found.append(int(name))
    return found


def test_debug_starts_at_the_reset_vector_and_stops_in_kmain():
    text = make("debug", "print/x $pc", "hbreak kmain", "continue", "backtrace", "print/x magic")
    need(text, r"\$1 = 0xfff0", r"Breakpoint 1, kmain", r"main\.c", r"\$2 = 0x36d76289")


def test_debug_reads_variables_and_types_after_boot_info_is_parsed():
    text = make("debug", "hbreak percpu_init", "continue", "print boot_info.nr_regions > 0",
                "print boot_info.cmdline", "ptype struct boot_region",
                CMDLINE="selftest=none replay=none")
    need(text, r"Breakpoint 1, percpu_init", r"= 1\n", r"selftest=none replay=none",
         r"enum boot_region_type|unsigned int type")


def test_gdb_attaches_to_a_running_kernel():
    with session.Session(CMDLINE=session.QUIET, GDB=1, SMP=3) as boot:
        boot.until_prompt()
        text = make("gdb", "info threads", "print pcpu_unit_size", "print pcpu_base_addr != 0",
                    "info symbol kmain", "detach")
        need(text, r"3 +Thread", r"= 65536|= \d{5,}", r"= 1\n", r"kmain in section \.text")
        answer = boot.command("alloc 8")
        assert answer and answer[0].startswith("ptr="), f"the kernel does not go on: {answer}"
        status, errors = boot.finish()
        assert status == 0, errors


def test_debug_leaves_nothing_behind():
    make("debug", "print 1")
    assert not os.path.exists("build/gdb.sock"), "the stub's socket is still there"
    assert not stubs(), f"QEMU still serves gdb: pids {stubs()}"


def test_a_second_run_with_the_socket_is_refused_by_name():
    with session.Session(CMDLINE=session.QUIET, GDB=1, SMP=1) as first:
        first.until_prompt()
        second = session.run(CMDLINE=session.QUIET, GDB=1)
        assert second.returncode == 1, second.stdout
        need(second.stderr, r"GDB=1: build/gdb\.sock is in use by another run of this tree "
             rf"\(process {first.process.pid}\): end that one, or run without GDB=1")
        assert os.path.exists("build/gdb.sock"), "the first one's socket is gone"
        status, errors = first.finish()
        assert status == 0, errors
    status, errors = session.Session(CMDLINE=session.QUIET, GDB=1, SMP=1).finish()
    assert status == 0, f"the socket is not free again: {errors}"


def test_gdb_with_nothing_to_attach_to_says_so():
    done = subprocess.run(["make", "-s", "gdb"], cwd=ROOT, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=session.environment())
    assert done.returncode != 0, done.stdout
    need(done.stderr, r"gdb: failed: nobody listens at build/gdb\.sock: start `make run GDB=1`")


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
