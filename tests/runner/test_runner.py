#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How `make run` behaves: each way a boot can end has a status and a message of its own, the console
is a good pipe, nothing is left behind. Kernels are broken by the command line's key break=. Prints TAP.
"""
import glob
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time

from session import PROMPT, QUIET, ROOT, RUN, Session, environment, run

import pin
import taptest

FAST = "selftest=break_* replay=none"  # one test, no replay


def ended(done, status, message):
    """The run's status is this and its stderr has the message."""
    assert (done.returncode == 0) == (status == 0), \
        f"status: got {done.returncode}, want {status}; stderr: {done.stderr}; " \
        f"end of output: {done.stdout[-1500:]}"
    assert message in done.stderr, f"stderr: got {done.stderr!r}, want {message!r} in it"


def children(pid):
    """Pids of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def gone(pid, limit=5):
    for _ in range(limit * 20):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


# ---- Ends -----------------------------------------------------------------------------------------

def test_good_boot_succeeds():
    done = run(CMDLINE=FAST, NAME="runner-good")
    ended(done, 0, "")
    assert PROMPT.decode() in done.stdout, "no prompt in the output"
    with open(os.path.join(ROOT, "build", "runner-good.ktap"), encoding="ascii") as file:
        report = file.read()
    assert report.startswith("KTAP version 1") and "\nok 1 - break" in report, report
    assert "PANIC" not in done.stdout


def test_good_boot_without_monitor_succeeds():
    done = run(CMDLINE=FAST + " monitor=off")
    ended(done, 0, "")
    assert PROMPT.decode() not in done.stdout


def test_panic_fails_by_name():
    done = run(CMDLINE=FAST + " break=panic")
    ended(done, 1, "run: failed: the kernel panicked: asked for by break=panic")
    for word in ("break.c:", "backtrace", "break_on_request", "cr3=", "cpu1"):
        assert word in done.stdout, f"{word} is not in the panic's text: {done.stdout[-3000:]}"


def test_triple_fault_fails_by_name():
    ended(run(CMDLINE=FAST + " break=triple"), 1, "run: failed: the machine was reset: a triple fault")


def test_hang_fails_by_name():
    done = run(CMDLINE=FAST + " break=hang", TIMEOUT=20)
    ended(done, 1, "run: failed: time-out after 20 s, before the prompt; last line:")
    assert "hangs because of break=hang" in done.stderr, done.stderr


def test_failing_test_fails_by_name():
    ended(run(CMDLINE=FAST + " break=test"), 1,
          "run: failed: 1 tests failed: break_key_fails_a_test")


def test_failing_test_without_monitor_fails_by_name():
    ended(run(CMDLINE=FAST + " break=test monitor=off"), 1,
          "run: failed: 1 tests failed: break_key_fails_a_test")


def test_warning_fails():
    ended(run(CMDLINE=FAST + " break=warn"), 1, "run: failed: the kernel ended with 0x11")


def test_warning_is_a_panic_under_panic_on_warn():
    ended(run(CMDLINE=FAST + " break=warn panic_on_warn"), 1,
          "run: failed: the kernel panicked: panic_on_warn")


def test_pattern_without_a_test_fails():
    ended(run(CMDLINE="selftest=no_such_test replay=none"), 1, "run: failed:")


def test_reboot_command_fails():
    ended(run(b"reboot\n", CMDLINE=FAST), 1, "run: failed: the machine was reset")


def test_bad_qemu_option_fails_by_name():
    ended(run(QEMUEXTRA="-no-such-option"), 1, "run: failed: QEMU could not start (status 1)")


def test_missing_qemu_fails_by_name():
    ended(run(QEMU="qemu-of-nowhere"), 1, "run: failed: qemu-of-nowhere is not installed")


def test_missing_trace_fails_by_name():
    ended(run(TRACE="no/such/file"), 1, "run: failed: TRACE=no/such/file: there is no such file")


def test_malformed_trace_fails_with_its_line():
    with tempfile.NamedTemporaryFile(suffix=".trace") as file:
        file.write(b"# head\r\na 1 8 8 0 - f\r\nf 1 0 i\r\nf 1 0 i\r\n")
        file.flush()
        done = run(TRACE=file.name, CMDLINE="selftest=none")
    ended(done, 1, "the kernel ended with 0x11")
    assert "malformed trace, line 4: " in done.stdout, done.stdout
    assert "events=" not in done.stdout, done.stdout


def test_bad_timeout_fails_by_name():
    ended(run(TIMEOUT="soon"), 1, "run: failed: TIMEOUT=soon: want seconds")


def test_make_tools_missing_fail_by_name():
    done = subprocess.run(RUN, input=b"", capture_output=True, timeout=60, check=False,
                          env=environment(GRUB_MKRESCUE="grub-mkrescue-of-nowhere"))
    assert done.returncode == 1 and b"grub-mkrescue-of-nowhere" in done.stderr, done.stderr


def test_killed_qemu_fails_by_name():
    with Session(CMDLINE=QUIET) as session:
        session.until_prompt()
        os.kill(children(session.process.pid)[0], signal.SIGKILL)
        status, errors = session.finish()
        assert status == 1 and "QEMU was killed by signal 9 (SIGKILL)" in errors, (status, errors)


def test_dry_run_prints_the_line_and_boots_nothing():
    done = run(DRY=1, SMP=7, MEM="300M", QEMUEXTRA="-name 'two words'")
    ended(done, 0, "")
    for part in ("qemu-system-x86_64 ", "-smp 7", "-m 300M", "-accel tcg", "-cdrom build/run.iso",
                 "isa-debug-exit,iobase=0xf4", "-no-reboot", "-name 'two words'"):
        assert part in done.stdout, f"{part} is not in {done.stdout}"
    assert "-nographic" not in done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout


def test_pinned_cpus_keep_to_one_processor_each():
    processors = sorted(os.sched_getaffinity(0))
    with Session(SMP=3, PIN=1, CMDLINE=QUIET, NAME="runner-pin") as session:
        session.until_prompt()
        qemu, = [pid for pid in children(session.process.pid) if pin.threads(pid)]
        got = {number: os.sched_getaffinity(thread) for number, thread in pin.threads(qemu).items()}
        assert got == {number: {processors[number % len(processors)]} for number in range(3)}, got
    with Session(SMP=2, CMDLINE=QUIET, NAME="runner-free") as session:
        session.until_prompt()
        tasks = [os.sched_getaffinity(int(task)) for pid in children(session.process.pid)
                 for task in os.listdir(f"/proc/{pid}/task")]
        assert tasks and all(len(task) == len(processors) for task in tasks), tasks


def test_make_passes_its_variables_and_status():
    make = ["make", "-s", "run"]
    env = environment()
    done = subprocess.run([*make, "DRY=1", "CPUS=3", "MEM=256M", "UEFI=1"], cwd=ROOT, text=True,
                          capture_output=True, env=env, timeout=120, check=False)
    assert "-smp 3 -m 256M" in done.stdout and "OVMF" in done.stdout, done.stdout + done.stderr
    done = subprocess.run([*make, f"CMDLINE={FAST} break=panic", "TIMEOUT=60"], cwd=ROOT, text=True,
                          input="", capture_output=True, env=env, timeout=120, check=False)
    assert done.returncode != 0 and "asked for by break=panic" in done.stderr, done.stderr


def test_broken_kernels_fail_make_test():
    """The boots of `make test-kernel` with a broken kernel: the part fails, with the reason."""
    for what, message in (("panic", "the kernel panicked"), ("triple", "triple fault"),
                          ("test", "1 tests failed"), ("hang", "time-out")):
        done = subprocess.run(["make", "-s", "test-kernel", "BOOTS=smp2_embed_areamap", f"BREAK={what}"],
                              cwd=ROOT, text=True, capture_output=True, timeout=300, check=False,
                              env=environment(TIMEOUT=20 if what == "hang" else 120))
        last = done.stdout.strip().splitlines()[-1]
        assert done.returncode != 0 and last == "0 passed, 1 failed", (what, last, done.stdout)
        assert message in done.stdout, (what, done.stdout)


# ---- Verdicts that no real kernel gives -----------------------------------------------------------

def verdict(status, report, console="", prompt=True, cmdline=""):
    import machine
    options = machine.Options({"CMDLINE": cmdline})
    return machine.end_problem(options, status, report, console, prompt) or ""


def test_plan_must_be_complete():
    full = "KTAP version 1\n1..2\nok 1 - a\nok 2 - b\n"
    assert verdict(33, full) == ""
    assert "1 of 2 planned results" in verdict(33, full.replace("ok 2 - b\n", ""))
    assert "3 of 2 planned results" in verdict(33, full + "ok 3 - c\n")
    assert "without a plan" in verdict(33, full.replace("1..2\n", ""))
    assert "no test report" in verdict(33, "")
    assert verdict(33, "", cmdline="selftest=all selftest=none") == ""
    assert "1 tests failed" in verdict(33, full.replace("ok 2", "not ok 2"))
    assert verdict(33, full.replace("ok 2 - b", "ok 2 - b # SKIP no reason")) == ""
    assert "1 of 2" in verdict(33, full + full.replace("ok 2 - b\n", "")), "second report is cut"
    assert verdict(33, full.replace("\nok 1", "\n  1..1\n  not ok 1 - sub\nok 1")) == ""


def test_prompt_must_be_reached():
    full = "KTAP version 1\n1..1\nok 1 - a\n"
    assert "never showed its prompt" in verdict(33, full, prompt=False)
    assert verdict(33, full, prompt=False, cmdline="monitor=off") == ""


def test_statuses_have_messages_of_their_own():
    full = "KTAP version 1\n1..1\nok 1 - a\n"
    texts = [verdict(status, full, console) for status, console in
             ((0, ""), (1, ""), (35, ""), (35, "x] PANIC: it\n"), (-9, ""), (-11, ""), (7, ""))]
    assert all(texts) and len(set(texts)) == len(texts), texts


# ---- The console as a pipe ------------------------------------------------------------------------

def test_program_can_talk_with_the_prompt():
    with Session(CMDLINE=QUIET) as session:
        session.until_prompt()
        for size in (8, 16, 32):
            answer = session.command(f"alloc {size}")
            assert len(answer) == 1 and answer[0].startswith("ptr=0x"), answer
        session.process.stdin.close()
        session.process.stdin = None
        status, errors = session.finish()
        assert status == 0, errors


def test_input_before_the_prompt_is_kept():
    done = run(b"alloc 24", CMDLINE=FAST)  # in the pipe before QEMU starts, no newline at the end
    ended(done, 0, "")
    assert "ptr=0x" in done.stdout, done.stdout[-1000:]


def test_pasted_lines_are_all_served():
    count = 10000
    lines = "".join(f"peek 0 0x{0x30000000 + 4 * (i % 4):x} {1 + i % 3}\n" for i in range(count))
    done = run(lines.encode(), CMDLINE=QUIET, TIMEOUT=200, limit=240)
    ended(done, 0, "")
    got = sum(line.startswith("cpu=0 ptr=0x") or "percpu> cpu=0 ptr=0x" in line
              for line in done.stdout.splitlines())
    assert got == count, f"answers: got {got}, want {count}; {done.stdout[-500:]}"


def test_two_boots_side_by_side_and_only_its_own_is_stopped():
    with Session(CMDLINE=QUIET) as first, Session(CMDLINE=QUIET) as second:
        first.until_prompt()
        second.until_prompt()
        qemu = children(first.process.pid)[0]
        errors = first.stop()
        assert "ended by SIGTERM" in errors, errors
        assert gone(qemu), "the stopped runner's QEMU still runs"
        assert second.command("alloc 8"), "the other boot is dead"


def test_qemu_dies_with_a_killed_runner():
    with Session(CMDLINE=QUIET) as session:
        session.until_prompt()
        qemu = children(session.process.pid)[0]
        session.process.kill()
        session.process.wait()
        assert gone(qemu), "QEMU outlives its runner"
    run(CMDLINE=FAST + " monitor=off")
    left = glob.glob(os.path.join(ROOT, "build", f"boot.{session.process.pid}.*"))
    assert not left, f"the killed runner's folder is still there: {left}"


def test_closed_output_ends_it():
    with Session(CMDLINE=QUIET) as session:
        session.until_prompt()
        qemu = children(session.process.pid)[0]
        session.process.stdout.close()
        session.process.stdin.write(b"help\nhelp\n")
        assert gone(qemu), "QEMU still runs with nobody reading"
        session.process.stdout = None
        status, errors = session.finish()
        assert status == 1 and "nobody reads the output" in errors, (status, errors)


def test_slow_reader_loses_nothing():
    with Session(CMDLINE=QUIET) as session:
        session.until_prompt()
        session.process.stdin.write(b"help\n" * 300 + b"alloc 8\n")
        time.sleep(3)
        text = "".join(session.until_prompt() for _ in range(301))
        assert "ptr=0x" in text, text[-500:]


# ---- On a terminal --------------------------------------------------------------------------------

class TerminalRun:
    """tools/run.py on a pseudo-terminal."""

    def __init__(self, **variables):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(RUN, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env=environment(**variables),
                                        start_new_session=True)
        self.text = b""  # not yet looked at

    def until(self, wanted, limit=60):
        deadline = time.monotonic() + limit
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.text[-1000:]!r}"
            os.set_blocking(self.master, False)
            try:
                self.text += os.read(self.master, 65536)
            except BlockingIOError:
                time.sleep(0.02)
        self.text = self.text[self.text.index(wanted) + len(wanted):]

    def check_restored(self):
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was"

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


def on_terminal(steps, **variables):
    terminal = TerminalRun(**variables)
    try:
        steps(terminal)
    finally:
        terminal.close()


def test_terminal_is_raw_at_the_prompt_and_put_back_after_poweroff():
    def steps(terminal):
        terminal.until(PROMPT)
        assert not termios.tcgetattr(terminal.slave)[3] & (termios.ICANON | termios.ECHO)
        os.write(terminal.master, b"alloc 8\r")
        terminal.until(b"ptr=0x")
        terminal.until(PROMPT)
        os.write(terminal.master, b"poweroff\r")
        assert terminal.process.wait(30) == 0
        terminal.check_restored()
    on_terminal(steps, CMDLINE=QUIET)


def test_control_c_ends_it_and_puts_the_terminal_back():
    def steps(terminal):
        terminal.until(PROMPT)
        qemu = children(terminal.process.pid)[0]
        os.write(terminal.master, b"\x03")
        assert terminal.process.wait(30) == 1
        terminal.until(b"run: failed: interrupted")
        terminal.check_restored()
        assert gone(qemu)
    on_terminal(steps, CMDLINE=QUIET)


def test_terminal_is_put_back_after_panic_and_signal():
    def after_panic(terminal):
        terminal.until(b"panic> ")
        os.write(terminal.master, b"poweroff\r")
        terminal.until(b"the kernel panicked")
        assert terminal.process.wait(30) == 1
        terminal.check_restored()

    def after_signal(terminal):
        terminal.until(PROMPT)
        terminal.process.terminate()
        assert terminal.process.wait(30) == 1
        terminal.check_restored()

    def after_bad_option(terminal):
        assert terminal.process.wait(30) == 1
        terminal.check_restored()
    on_terminal(after_panic, CMDLINE=FAST + " break=panic")
    on_terminal(after_signal, CMDLINE=QUIET)
    on_terminal(after_bad_option, QEMUEXTRA="-no-such-option")


# ---- Adding up, setting up ------------------------------------------------------------------------

def add_up(script):
    """Runs testrun.py on a shell script; (status, last line, all)."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write(script)
    done = subprocess.run([os.path.join(ROOT, "tools", "testrun.py"), f"sh {file.name}"],
                          capture_output=True, text=True, timeout=60, check=False)
    os.unlink(file.name)
    return done.returncode, done.stdout.strip().splitlines()[-1], done.stdout


def test_results_are_added_up():
    report = "echo TAP version 13\necho 1..3\necho ok 1 - a\necho ok 2 - b '# SKIP x'\n"
    assert add_up(report + "echo ok 3 - c")[:2] == (0, "2 passed, 0 failed, 1 skipped")
    assert add_up(report + "echo '# why'\necho not ok 3 - c\nexit 1")[:2] == \
        (1, "1 passed, 1 failed, 1 skipped")
    assert "why" in add_up(report + "echo '# why'\necho not ok 3 - c\nexit 1")[2]
    assert add_up(report)[:2] == (1, "1 passed, 1 failed, 1 skipped"), "cut plan"
    assert add_up(report + "echo ok 3 - c\nexit 3")[:2] == (1, "2 passed, 1 failed, 1 skipped")
    assert add_up(report + "echo ok 3 - c\nkill -9 $$")[:2] == (1, "2 passed, 1 failed, 1 skipped")
    assert add_up("echo 1..2\necho not ok 1 '# SKIP x'\necho ok 2 - y")[:2] == \
        (0, "1 passed, 0 failed, 1 skipped"), "as cmocka writes it"
    assert add_up("echo 1..1\necho not ok 1 - x '# SKIP'")[:2] == (1, "0 passed, 1 failed")
    assert add_up("echo nothing")[:2] == (1, "0 passed, 1 failed")


def test_nothing_is_begun_after_a_program_that_hangs():
    with tempfile.TemporaryDirectory() as folder:
        for name, script in (("hangs", "kill -XCPU $$"), ("good", "echo 1..1; echo ok 1 - a")):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(script)
        done = subprocess.run([os.path.join(ROOT, "tools", "testrun.py"), "-j", "1", "sh good",
                               "sh hangs", "sh good", "sh good"], capture_output=True, text=True,
                              cwd=folder, timeout=60, check=False)
    assert done.returncode == 1
    assert "sh hangs: hangs: its CPU time is used up" in done.stdout, done.stdout
    assert done.stdout.endswith("not run, since sh hangs hangs: 2 programs\n1 passed, 1 failed\n")


def test_setup_says_that_nothing_is_missing():
    done = subprocess.run(["sh", os.path.join(ROOT, "tools", "setup.sh")], capture_output=True,
                          text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise taptest.Skip("packages are missing here")
    assert done.stdout == "setup: nothing is missing\n", done.stdout


def test_setup_elsewhere_prints_what_is_needed():
    with tempfile.TemporaryDirectory() as empty:
        for name in ("sh", "awk", "dirname", "sort"):  # what any Unix has
            os.symlink(shutil.which(name), os.path.join(empty, name))
        done = subprocess.run(["sh", os.path.join(ROOT, "tools", "setup.sh")], text=True, timeout=60,
                              env={"PATH": empty}, capture_output=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "not Debian" in done.stdout and "qemu-system-x86" in done.stdout, done.stdout


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
