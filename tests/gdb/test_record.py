#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make record` and `make rewind`: a recorded run is gone through forwards and backwards in gdb. Prints TAP."""
import contextlib
import os
import re
import subprocess

from gdbtest import LIMIT, ROOT, answers, need, run_documented, same, session, variables_of
import taptest

LOG = os.path.join("build", "record", "log")


def record(cmdline, stdin=b""):
    """Records a run; (status, console, stderr)."""
    done = subprocess.run(["timeout", "-k", "5", str(LIMIT), "make", "-s", "record"], cwd=ROOT, input=stdin,
                          env=session.environment(CMDLINE=cmdline, TIMEOUT=LIMIT - 20), check=False,
                          capture_output=True)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def rewind_fails(wanted):
    done = subprocess.run(["timeout", "-k", "5", str(LIMIT), "make", "-s", "rewind"], cwd=ROOT, text=True,
                          env=session.environment(GDBFLAGS="-batch -nx"), check=False, capture_output=True,
                          stdin=subprocess.DEVNULL)
    assert done.returncode != 0, done.stdout
    need(done.stderr, "rewind: failed: " + wanted)


@contextlib.contextmanager
def log_with(content):
    """The log as something else; None: without it."""
    os.rename(LOG, LOG + ".kept")
    try:
        if content is not None:
            with open(LOG, "wb") as file:
                file.write(content)
        yield
    finally:
        os.rename(LOG + ".kept", LOG)


def test_documented_run_with_input_is_recorded():
    with open("docs/debugging.md", encoding="utf-8") as file:
        stdin, variables = re.search(r"^\$ printf '(.*)' \| make record (.*)$", file.read(), re.M).groups()
    status, console, errors = record(variables_of(variables)["CMDLINE"],
                                     stdin.replace("\\n", "\n").encode())
    assert status == 0, f"status {status}: {errors}\n{console}"
    need(console, "ptr=0x3", r"map=0 -\d+ -100 ")
    need(errors, "record: `make rewind` goes through it, backwards too")
    assert os.path.getsize(LOG) > 10000, os.path.getsize(LOG)


def test_documented_session_runs_as_shown():
    same("sessions", run_documented("rewind"), 1)


def test_time_goes_backwards_over_breakpoints_and_single_steps():
    steps = ("hbreak pcpu_populate", "continue", "pcpu map 0", "continue", "pcpu map 0", "print $pc",
             "reverse-continue", "pcpu map 0", "print $pc", "pcpu check", "reverse-stepi", "print $pc",
             "stepi", "print $pc", "continue", "pcpu map 0")
    got = answers("rewind", *steps)
    first, second = got[2], got[4]
    need(first, r"^map=0 -\d+ -16 \+\d+$")
    need(second, r"^map=0 -\d+ -16 -16 \+\d+$")
    same("the state one allocation ago", got[7], first)
    need(got[9], r"^ok chunks=1 areas=1 ")
    places = [re.search(r"<(.*?)>", got[index]).group(1) for index in (5, 8, 11, 13)]
    assert places[0] == places[1] == places[3] == "pcpu_populate", places
    assert places[2].startswith("serve+"), places
    same("forwards again", got[15], second)


def test_time_goes_backwards_from_the_end_to_who_changed_a_value():
    got = answers("rewind", "continue", "pcpu check", "watch pcpu_first_chunk->nr_areas",
                  "reverse-continue", "print pcpu_counters.allocs", "backtrace", "delete",
                  "hbreak free_percpu", "reverse-continue", "print pcpu_counters.frees")
    need(got[0], r"the kernel ends here with code 16; in a recording: reverse-continue goes back$")
    need(got[1], r"^ok chunks=1 areas=1$")
    need(got[4], r"^\$1 = 240[01]$")  # counted after the chunk's, or before: the compiler's choice
    need(got[5], "run_alloc ")
    same("frees before the last one", got[9], "$2 = 2399")


def test_a_lost_or_broken_recording_is_named():
    with log_with(None):
        rewind_fails("nothing is recorded: `make record` first")
    with log_with(b"\0" * 4096):
        rewind_fails("QEMU does not take the recording")


def test_a_recorded_panic_can_be_gone_back_from():
    status, _, errors = record("selftest=broken_frees_a_static_variable panic_on_warn replay=none")
    assert status != 0 and "the kernel panicked: panic_on_warn: " in errors, errors
    need(errors, "record: `make rewind` goes through it")
    got = answers("rewind", "continue", "hbreak free_percpu", "reverse-continue", "pcpu why ptr")
    need(got[0], "^panic: panic_on_warn")
    need(got[2], "Breakpoint 2, free_percpu ")
    need(got[3], "^addr=0x3\\w+ is=percpu-pointer .*\narea=static ")


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
