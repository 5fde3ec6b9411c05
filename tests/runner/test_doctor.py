#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What is said when a tool is missing or too old, or when the machine lacks something: `make doctor`, the
make targets, `make setup`, `make debug`. Tools are taken away by a PATH of our own. Prints TAP.
"""
import os
import subprocess
import tempfile
import unittest.mock

from session import ROOT, environment

import machine
import taptest

QEMU = "qemu-system-x86_64"
ROOT_USER, USER = {"id": "echo 0\n"}, {"id": "echo 1000\n"}
MEND = "doctor: this line mends it:\n    "


class Path:
    """All commands of ours but some, and fake ones; leaving it brings them back."""

    folder = None  # links to all commands, for all tests

    def __init__(self, without=(), fakes=None):
        if Path.folder is None:
            Path.folder = tempfile.TemporaryDirectory()
            for place in reversed(os.environ["PATH"].split(":")):
                self._link_all(place)
        self.hidden = {}  # link: where it pointed, None if there was none
        for name in without:
            self._hide(name)
        for name, script in (fakes or {}).items():
            self.fake(name, script)

    def _link_all(self, place):
        for name in os.listdir(place) if os.path.isdir(place) else ():
            link = os.path.join(self.folder.name, name)
            if os.path.lexists(link):
                os.unlink(link)
            os.symlink(os.path.join(place, name), link)

    def _hide(self, name):
        link = os.path.join(self.folder.name, name)
        there = os.path.lexists(link)
        if link not in self.hidden:
            self.hidden[link] = os.readlink(link) if there else None
        if there:
            os.unlink(link)
        return link

    def fake(self, name, script):
        path = self._hide(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    def run(self, *command, **variables):
        done = subprocess.run(command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, timeout=120,
                              capture_output=True, check=False,
                              env=environment(PATH=self.folder.name, **variables))
        return done.returncode, done.stdout + done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for link, target in self.hidden.items():
            if os.path.lexists(link):
                os.unlink(link)
            if target is not None:
                os.symlink(target, link)


def says(text, *wanted):
    for part in wanted:
        assert part in text, f"no {part!r} in:\n{text}"


def refuses(target, tool, package, others=()):
    """`make target` without the tool says so and begins nothing."""
    with Path(without=(tool, *others), fakes=ROOT_USER) as path:
        status, text = path.run("make", "-s", target)
    assert status != 0, f"make {target} without {tool} succeeds:\n{text}"
    says(text, f"doctor: make {target} needs {tool}, which is not installed (Debian: {package}",
         MEND + "apt-get install ")
    last = text.partition(MEND)[2].splitlines()[0]
    assert package in last.split(), f"{package} is not in {last!r}"
    assert "  CC " not in text and "Traceback" not in text, text


def test_targets_name_the_tool_they_lack():
    for target, tool, package in (
            ("run", "qemu-system-x86_64", "qemu-system-x86"), ("all", "xorriso", "xorriso"),
            ("all", "grub-mkrescue", "grub-common"), ("run", "mformat", "mtools"),
            ("debug", "gdb", "gdb"), ("gdb", "gdb", "gdb"), ("bench", "qemu-system-x86_64", "qemu-system-x86"),
            ("all", "ld", "binutils"), ("test-host", "gcc", "gcc"), ("test", "spin", "spin"),
            ("model", "spin", "spin"), ("test-spin", "spin", "spin"), ("fuzz", "clang", "clang"),
            ("coverage", "gcovr", "gcovr"), ("mutants", "git", "git"), ("soak", "objdump", "binutils"),
            ("format", "clang-format", "clang-format"), ("picture", "gcc", "gcc"),
            ("test-picture", "chromium-headless-shell", "chromium-headless-shell")):
        refuses(target, tool, package)


def test_lint_names_its_tools_and_checks_what_it_can():
    with Path(without=("clang-format", "cppcheck")) as path:
        status, text = path.run("make", "-s", "lint")
    says(text, "doctor: make lint needs clang-format,", "doctor: make lint needs cppcheck,", MEND,
         "lint: what these tools check is left out")
    assert status == 0, text


def test_a_target_without_need_of_the_tool_goes_on():
    with Path(without=("spin", "gdb", "clang")) as path:
        status, text = path.run("make", "-s", "run", "DRY=1")
    assert status == 0 and "doctor" not in text, text


def test_old_tools_are_named_with_both_versions():
    for version, good in (("4.2.1", False), ("5.1.99", False), ("5.2", True), ("5.10.0", True),
                          ("10.0.2", True)):
        says_so = f"echo 'QEMU emulator version {version} (Debian 1:{version})'\n"
        with Path(fakes={QEMU: says_so}) as path:
            status, text = path.run("sh", "tools/doctor.sh", "run")
        assert (status == 0) == good, f"version {version}: status {status}, {text}"
        if not good:
            says(text, f"doctor: make run needs qemu-system-x86_64, which is version {version}, want "
                 "5.2 or newer (Debian: qemu-system-x86; QEMU=… names another one)")


def test_a_tool_of_another_name_is_looked_for():
    with Path(fakes={"gdb-of-mine": "echo 'GNU gdb (GDB) 9.2'\n"}) as path:
        status, text = path.run("make", "-s", "debug", GDBTOOL="gdb-of-mine")
        assert status != 0, text
        says(text, "make debug needs gdb-of-mine, which is version 9.2, want 10 or newer")
        status, text = path.run("make", "-s", "all", "CROSS_COMPILE=no-such-")
        says(text, "make all needs no-such-gcc, which is not installed (Debian: gcc; CC=…")
        path.fake("qemu-mute", "exit 3\n")
        status, text = path.run("sh", "tools/doctor.sh", "run", QEMU="qemu-mute")
        says(text, "qemu-mute, which does not tell its version (qemu-mute --version)")


def test_doctor_lists_every_tool_and_fails_only_for_what_setup_brings():
    with Path(fakes=ROOT_USER) as path:
        status, text = path.run("make", "-s", "doctor")
        here = [row.split() for row in text.splitlines()[1:] if not row.startswith(("doctor:", " "))]
        assert len(here) > 20, text
        says(text, f" of {len(here)} tools are there", "/dev/kvm")
        missing = [row for row in here if row[0] != "ok"]
        assert not {row[1] for row in missing} & {"gcc", "ld", "gdb", "spin"}, text
    with Path(without=("clang", "gcovr"), fakes=ROOT_USER) as path:
        status, text = path.run("make", "-s", "doctor")
        assert status == 0, f"what only longer checks need fails it:\n{text}"
        says(text, "MISSING  clang ", "MISSING  gcovr ", "doctor: make fuzz needs clang,", MEND)
    with Path(without=("gdb", "spin"), fakes=dict(
            ROOT_USER, **{QEMU: "echo QEMU emulator version 2.8.0\n"})) as path:
        status, text = path.run("make", "-s", "doctor")
        assert status != 0, f"without gdb: status {status}\n{text}"
        says(text, "MISSING  gdb ", "OLD      qemu-system-x86_64 ", " 2.8.0 ")
        assert {"gdb", "qemu-system-x86", "spin"} <= set(text.partition(MEND)[2].splitlines()[0].split())


def test_the_line_that_mends_becomes_root():
    sudo = "exit 0\n"
    for fakes, begin in ((ROOT_USER, "apt-get install spin"),
                         (dict(USER, sudo=sudo), "sudo apt-get install spin"),
                         (USER, "su -c 'apt-get install spin'")):
        with Path(without=("spin", "sudo"), fakes=fakes) as path:
            text = path.run("sh", "tools/doctor.sh", "model")[1]
        says(text, MEND + begin + "\n")


def test_setup_installs_what_is_missing_and_says_when_it_cannot():
    lacks_spin = 'case "$*" in *spin) exit 1 ;; esac\nprintf installed\n'
    log = 'echo "$(basename "$0") $*"\n'
    with Path(without=("sudo",), fakes={**USER, "dpkg-query": "printf installed\n"}) as path:
        status, text = path.run("make", "-s", "setup")
        assert status == 0 and text == "setup: nothing is missing\n", (status, text)
        path.fake("dpkg-query", lacks_spin)
        path.fake("apt-get", log)
        status, text = path.run("make", "-s", "setup")
        assert status != 0 and "apt-get -q" not in text, (status, text)
        says(text, "setup: these packages are missing: spin\n", "there is no sudo",
             "    su -c 'apt-get install spin'\n")
        path.fake("id", "echo 0\n")
        status, text = path.run("make", "-s", "setup")
        assert status == 0, text
        says(text, "setup: installing: spin\n", "install --no-install-recommends spin\n")


def test_setup_and_doctor_agree_on_the_packages():
    with Path(without=("sudo",), fakes={**USER, "dpkg-query": "exit 1\n"}) as path:
        text = path.run("sh", "tools/setup.sh")[1]
    wanted = subprocess.run(
        ["sh", "tools/doctor.sh", "--packages"], cwd=ROOT, text=True, capture_output=True,
        check=True).stdout.split()
    assert {"gcc", "qemu-system-x86", "ovmf", "xorriso", "make"} <= set(wanted), wanted
    assert "clang" not in wanted, "setup installs what only the longer checks need"
    says(text, "these packages are missing: " + " ".join(wanted) + "\n")


# ---- What a machine may lack ------------------------------------------------------------------------

def test_debug_without_terminal_and_commands_says_so():
    with Path() as path:
        status, text = path.run("make", "-s", "debug")
    assert status != 0, text
    says(text, "debug: failed: standard input is no terminal and gives gdb no commands", "GDBFLAGS=")


def test_kvm_that_cannot_be_used_is_named():
    def message(device):
        try:
            machine.check_kvm(device)
        except machine.Failure as failure:
            return str(failure)
        return ""

    says(message("/no/kvm"), "ACCEL=kvm: there is no /no/kvm", "or use ACCEL=tcg")
    with unittest.mock.patch("os.access", return_value=False):
        says(message("/dev/null"), "ACCEL=kvm: /dev/null may not be opened", "adduser NAME kvm")
    assert message("/dev/null") == ""


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
