#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every command that README.md and docs/ show is run, and what it prints is compared. Prints TAP.

A block marked `console` is a session: lines that begin with `$ `, `percpu> ` or `(gdb) ` are typed, the others
are the answer. `$ make run …` boots, and the prompts that follow, in later blocks too, are of that boot until
the next; `$ make gdb` attaches to it until the block ends; `$ make debug …` is a boot of its own. Of these three
what is shown may be left out. A block marked `sh` is a script that must succeed.

Numbers of four digits and more and in hexadecimal differ from build to build: the one shown stands for the one
printed, the same for the same within a boot, also in what is typed. So do source lines, what follows a function's
`+`, and gdb's threads: any number will do.
`…` stands for anything in a line, and for any lines where it is alone.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tools", "tests/gdb")]
import gdbtest  # noqa: E402  pylint: disable=wrong-import-position
from gdbtest import session  # noqa: E402  pylint: disable=wrong-import-position
import taptest  # noqa: E402  pylint: disable=wrong-import-position

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.M | re.S)
TYPED = re.compile(r"^(\$|percpu>|\(gdb\)) (.*)")
NUMBER = r"0x[0-9a-f]+|(?<=, line )\d+|(?<![\w.])\d{4,}(?![\w.])|(?<=\.[chS]:)\d+|(?<=\w\+)\d{2,}|(?<=Thread )[\d.]+"
TRACKED = r"0x[0-9a-f]+|\d{4,}"  # of these, what stands for one value
LINE_OF_SOURCE = re.compile(r"^\d+\t.*\n?", re.M)

# What is not run here, with the reason: (document, script's line), (document, first line of a session), or
# (document, None) for all its scripts.
EXCUSED = {
    ("README.md", "make setup run"): "installs packages, which needs root",
    ("README.md", "make setup test"): "is the test run that this is a part of",
    ("README.md", "make usb DEV=/dev/sdX"): "writes on a device, as root",
    ("README.md", "make picture TRACE=tests/traces/pods.trace"): "run by tests/picture/test_picture.py",
    ("docs/debugging.md", "$ printf 'alloc 100 8\\nmap 0\\n' | make record "
                          "CMDLINE='percpu_engine=areamap selftest=none replay=nft'"):
        "run, and its answers compared, by tests/gdb/test_record.py",
    ("docs/porting.md", None): "run, and its output compared, by tests/compile/test_port.py",
}
EXCUSED.update({(str(path.relative_to(ROOT)), None): "the same patches and `make lab` run in tests/docs/test_labs.py"
                for path in (ROOT / "docs/labs").rglob("README.md")})


def name_of(path):
    return str(path.relative_to(ROOT))


def blocks(path):
    """(kind, text) of a document's fenced pieces."""
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def excused(path, command):
    return (name_of(path), None) in EXCUSED or (name_of(path), command.split("#")[0].strip()) in EXCUSED


def scripts(path):
    """The scripts to run, without the lines that are excused."""
    for kind, text in blocks(path):
        lines = [line for line in text.splitlines() if kind == "sh" and not excused(path, line)]
        if lines:
            yield "\n".join(lines)


def steps(text):
    """[prompt, what is typed, answer] of a session's text."""
    found = []
    for line in text.splitlines():
        typed = TYPED.match(line)
        if typed:
            found.append([typed[1], typed[2], ""])
        else:
            assert found, f"a session begins with what is typed, not {line!r}"
            found[-1][2] += line + "\n"
    return found


class Shown:
    """Compares what is shown with what is printed, and keeps which number stands for which."""

    def __init__(self):
        self.stands_for = {}

    def typed(self, command):
        return re.sub(NUMBER, lambda found: self.stands_for.get(found[0], found[0]), command)

    def _line(self, line):
        """(pattern, numbers that its groups are) for a line."""
        pattern, numbers = "", []
        for index, part in enumerate(re.split(rf"({NUMBER}|…)", line)):
            if part == "…":
                pattern += ".*"
            elif index % 2 == 0:
                pattern += re.escape(part)
            elif re.fullmatch(TRACKED, part):
                pattern += f"({self.stands_for.get(part, TRACKED)})"
                numbers.append(part)
            else:
                pattern += r"[\d.]+"
        return pattern, numbers

    def compare(self, command, shown, printed):
        """Fails with both texts if what a command printed is not what is shown."""
        shown, printed = (LINE_OF_SOURCE.sub("", text).strip() for text in (shown, printed))
        pattern, numbers = "", []
        for line in shown.splitlines():
            text, found = (r"(?:.*\n)*?", []) if line == "…" else self._line(line)
            pattern += text + ("" if line == "…" else r"[ \t]*\n")
            numbers += found
        match = re.fullmatch(pattern, printed + "\n" if printed else "")
        assert match, f"{command}: the document shows\n{shown}\nprinted is\n{printed}"
        for number, value in zip(numbers, match.groups()):
            was = self.stands_for.setdefault(number, value)
            assert was == value, f"{command}: {number} stood for {was}, now for {value}, in\n{printed}"


class Reader:
    """Follows a document from block to block, with the kernel that it has booted."""

    def __init__(self):
        self.boot, self.shown, self.count = None, Shown(), 0

    def end(self):
        if self.boot:
            status, errors = self.boot.finish()
            self.boot = None
            assert status == 0, f"the boot did not end well: {errors}"

    def start(self, command, shown):
        self.end()
        self.shown = Shown()
        self.boot = session.Session(**gdbtest.variables_of(command.removeprefix("make run")))
        text = self.boot.until_prompt()
        if shown:
            self.shown.compare(command, shown, text)

    def ask(self, line, shown):
        assert self.boot, f"percpu> {line}: no `$ make run` before it"
        if line == "poweroff":
            return self.end()
        return self.shown.compare(line, shown, "\n".join(self.boot.command(self.shown.typed(line))))

    def debug(self, command, session_steps):
        """A block's part under gdb: the line that starts it and what is typed in gdb."""
        _, target, *variables = command.split(" ", 2)
        seen = Shown() if target == "debug" else self.shown
        typed = [seen.typed(line) for _, line, _ in session_steps]
        printed = gdbtest.answers(target, *typed, **gdbtest.variables_of(" ".join(variables)))
        for (_, line, shown), answer in zip(session_steps, printed):
            seen.compare(line, shown, answer)

    def block(self, text):
        todo = steps(text)
        while todo:
            prompt, line, shown = todo.pop(0)
            self.count += 1
            if prompt == "percpu>":
                self.ask(line, shown)
            elif line.startswith("make run"):
                self.start(line, shown)
            elif prompt == "$" and line.startswith(("make debug", "make gdb")):
                under = []
                while todo and todo[0][0] == "(gdb)":
                    under.append(todo.pop(0))
                self.count += len(under)
                self.debug(line, under)
            else:
                assert prompt == "$", f"(gdb) {line}: no `$ make debug` or `$ make gdb` before it in its block"
                self.shown.compare(line, shown, shell(line))


def shell(script):
    """What a script prints; boots in it go straight to the prompt."""
    done = subprocess.run(["sh", "-ec", script], cwd=ROOT, text=True, timeout=280, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=session.environment(CMDLINE=session.QUIET))
    assert done.returncode == 0, f"status {done.returncode} of\n{script}\nwhich printed\n{done.stdout[-2000:]}"
    return done.stdout


def run_document(path):
    reader = Reader()
    try:
        for kind, text in blocks(path):
            if kind == "console" and not excused(path, text.partition("\n")[0]):
                reader.block(text)
        reader.end()
    finally:
        if reader.boot:
            reader.boot.stop()
    for script in scripts(path):
        reader.count += 1
        shell(script)
    return f"{reader.count} commands"


def test_every_shown_command_is_marked():
    wrong = [f"{name_of(path)}: {line!r}" for path in DOCUMENTS for kind, text in blocks(path)
             if kind not in ("console", "sh") for line in text.splitlines()
             if TYPED.match(line) or line.startswith("make ")]
    assert not wrong, "shown in a block that is neither `console` nor `sh`:\n" + "\n".join(wrong)


def test_every_excuse_is_needed():
    shown = {(name_of(path), line.split("#")[0].strip()) for path in DOCUMENTS for kind, text in blocks(path)
             if kind in ("sh", "console") for line in text.splitlines()}
    shown |= {(document, None) for document, _ in shown}
    assert not EXCUSED.keys() - shown, f"nobody shows {sorted(EXCUSED.keys() - shown, key=str)}"
    return f"{len(EXCUSED)} skipped, run elsewhere or by no test"


def test_every_target_named_exists():
    targets = set(re.findall(r"^([a-z][\w-]*)\b[^=\n]*:", (ROOT / "Makefile").read_text(), re.M))
    parts = re.search(r"^PARTS := ([^#\n]*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    targets |= {f"test-{part}" for part in parts}
    wrong = [f"{name_of(path)}: make {word}" for path in DOCUMENTS
             for line in re.findall(r"`make ([^`]*)`", BLOCK.sub("", path.read_text(encoding="utf-8")))
             for word in line.split("'")[0].split() if re.fullmatch(r"[a-z][a-z-]*", word) and word not in targets]
    assert not wrong, "no such target: " + "; ".join(wrong)


def test_the_comparison_can_fail():
    shown = Shown()
    shown.compare("alloc", "ptr=0x10 offset=5760 cpu=1\n…\nend", "ptr=0x99 offset=7000 cpu=1\nmore\nand more\nend")
    assert shown.typed("free 0x10; free 5760") == "free 0x99; free 7000"
    for line, printed in (("cpu=1", "cpu=2"), ("ptr=0x10", "ptr=0x98"), ("a …", "b c"), ("", "warning"),
                          ("ok", ""), ("map -16 +59760", "map -24 +59760")):
        try:
            shown.compare("case", line, printed)
        except AssertionError:
            continue
        raise AssertionError(f"{printed!r} passed for {line!r}")


def case(path):
    def test():
        kinds = {kind for kind, _ in blocks(path)}
        if not kinds & {"console", "sh"}:
            return "no commands"
        if "console" not in kinds and not list(scripts(path)):
            raise taptest.Skip(EXCUSED[name_of(path), None])
        with gdbtest.alone() if "(gdb) " in path.read_text(encoding="utf-8") else contextlib.nullcontext():
            return run_document(path)
    return test


for document in DOCUMENTS:
    globals()["test_document_" + re.sub(r"\W", "_", name_of(document).removesuffix(".md"))] = case(document)


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
