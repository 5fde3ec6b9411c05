# SPDX-License-Identifier: GPL-2.0-only
"""What the tests with gdb share: batches of commands, the answer to each, documents' sessions."""
import contextlib
import fcntl
import functools
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402

LIMIT = 300  # seconds; the whole group of processes ends then
MARK = "@@@"
MODES = {"debug": [], "gdb": ["--attach"], "rewind": ["--rewind"]}


def flags(*commands):
    """gdb's flags for a batch of commands."""
    return "-batch -nx " + " ".join(f"-ex {shlex.quote(command)}" for command in commands)


def make(target, *commands, **variables):
    """What gdb prints under `make debug`, `make gdb` or `make rewind`."""
    return _run(["make", "-s", target], commands, variables)


def _run(line, commands, variables):
    done = subprocess.run(["timeout", "-k", "5", str(LIMIT), *line], cwd=ROOT, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=session.environment(GDBFLAGS=flags(*commands), **variables))
    for trace in ("Traceback", "Python Exception"):
        assert trace not in done.stdout, f"gdb shows a Python error:\n{done.stdout}"
    assert done.returncode == 0, f"{line}: status {done.returncode}\n{done.stdout}"
    return done.stdout


def answers(target, *commands, **variables):
    """What gdb prints for each command: a list of texts. target: what `make TARGET` runs, without make,
    which takes its time. Under "gdb" the last command is followed by `detach`."""
    marked = [part for command in commands for part in (f"echo {MARK}\\n", command)]
    if target == "gdb":
        marked += [f"echo {MARK}\\n", "detach"]
    text = _run(["/usr/bin/python3", "tools/debug.py", *MODES[target]], [*marked, f"echo {MARK}\\n"],
                variables)
    return [part.strip() for part in text.split(MARK + "\n")[1:len(commands) + 1]]


@contextlib.contextmanager
def alone():
    """The tree has one socket for gdb: programs of tests that use it wait here for each other."""
    with open(os.path.join(ROOT, "build", "gdb-tests.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def each_alone(module):
    """A module's names, its tests as those that wait until no other program uses the socket."""
    def wait_first(test):
        @functools.wraps(test)
        def run():
            with alone():
                return test()
        return run
    return {name: wait_first(value) if name.startswith("test_") else value for name, value in module.items()}


def fields(line):
    """A record's fields."""
    return dict(word.split("=", 1) for word in line.split(" ") if "=" in word)


def need(text, *patterns):
    for pattern in patterns:
        assert re.search(pattern, text), f"no match for {pattern!r} in gdb's output:\n{text[-3000:]}"


def same(what, got, want):
    assert got == want, f"{what}: gdb says\n{got}\nwant\n{want}"


def masked(text):
    """Without what may differ from build to build: numbers and lines of source."""
    return re.sub(r"\b(0x[0-9a-f]+|\d+)\b", "N", re.sub(r"^\d+\t.*", "", text, flags=re.M))


def variables_of(text):
    """A=1 B='2 3' as a dictionary."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def run_documented(target):
    """Runs the sessions of docs/debugging.md that begin with `make TARGET`; how many there are."""
    with open(os.path.join(ROOT, "docs", "debugging.md"), encoding="utf-8") as file:
        blocks = re.findall(rf"^\$ make {target}(.*)\n\(gdb\) ((?:.|\n)*?)\n```", file.read(), re.M)
    for variables, text in blocks:
        steps = [step.partition("\n")[::2] for step in text.split("\n(gdb) ")]
        got = answers(target, *(command for command, _ in steps), **variables_of(variables))
        for (command, shown), answer in zip(steps, got):
            same(command, masked(answer), masked(shown))
    return len(blocks)
