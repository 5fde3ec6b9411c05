#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make run-bochs`: the same ISO in another emulator, and what is said when that does not work. Prints TAP."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import tap  # noqa: E402
import taptest  # noqa: E402

RUN = os.path.join(ROOT, "tools", "run_bochs.py")
LIMIT, SLOWEST = 240, 280  # s, for a boot on a busy machine; then it is killed


def boot(stdin="", **variables):
    """A whole run: exit status, console, stderr."""
    env = session.environment(**dict({"SMP": 2, "MEM": "128M", "TIMEOUT": LIMIT,
                                      "CMDLINE": session.QUIET, "NAME": "bochs-test"}, **variables))
    done = subprocess.run([RUN], input=stdin.encode(), capture_output=True, env=env, cwd=ROOT,
                          timeout=SLOWEST, check=False)
    return (done.returncode, done.stdout.decode(errors="replace").replace("\r", ""),
            done.stderr.decode(errors="replace"))


def test_it_boots_tests_itself_answers_and_switches_off():
    status, console, errors = boot("alloc 8\ncpus\ncheck\npoweroff\n",
                                   CMDLINE="selftest=core_trylock* replay=none")
    assert status == 0 and errors == "", (status, console, errors)
    answers = console.split("percpu> ")[1:]
    assert len(answers) == 4, console
    assert answers[0].startswith("ptr=0x") and "\nptr=" not in answers[0], answers[0]
    assert [line.split(" unit=")[0] for line in answers[1].splitlines()] == \
        ["cpu=0 apic=0 state=online", "cpu=1 apic=1 state=online"], answers[1]
    assert answers[2] == "ok chunks=1 areas=1\n", answers[2]
    assert answers[3] == "the end: all good\n", answers[3]
    with open(os.path.join(ROOT, "build", "bochs-test.ktap"), encoding="utf-8") as file:
        report, = tap.parse(file.read())
    assert report.problem() is None and len(report.names("ok")) == 1, report.names("ok")


def test_a_panic_fails_it():
    status, console, errors = boot(CMDLINE="selftest=none replay=none break=panic")
    assert status == 1 and "PANIC: " in console and "the end: failed\n" in console, (status, console)
    assert errors.startswith("run: failed: the kernel panicked: "), errors


def test_a_time_limit_ends_it():
    status, _, errors = boot(TIMEOUT=1)
    assert status == 1 and errors.startswith("run: failed: time-out after 1 s, before the prompt"), errors


def test_what_is_missing_or_impossible_is_said():
    for variables, said in (
            ({"BOCHS": "bochs-of-nobody"}, "bochs-of-nobody is not installed: `make setup` installs Bochs, "
                                           "BOCHS=… names another one"),
            ({"UEFI": 1}, "UEFI=1 is for QEMU; `make run-bochs` cannot do that"),
            ({"QEMUEXTRA": "-s"}, "QEMUEXTRA=… is for QEMU; "),
            ({"SMP": "2,sockets=2"}, "SMP=2,sockets=2: Bochs wants a number of CPUs"),
            ({"MEM": "much"}, "MEM=much: want a size such as 512M or 1G"),
            ({"BOCHS": "false"}, "Bochs ended with status 1, the kernel without last words")):
        status, console, errors = boot(**variables)
        assert status == 1 and console == "" and errors.startswith("run: failed: " + said), \
            (variables, status, console, errors)


if __name__ == "__main__":
    taptest.main(globals())
