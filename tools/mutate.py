# SPDX-License-Identifier: GPL-2.0-only
"""Small random defects in C text: a changed bound, a swapped order, a skipped step.

Every place of percpu/ where one of the rules below applies is a candidate; comments, strings and
preprocessor lines are left alone.
"""
import random
import re

# What is found, and what it may become.
RULES = (
    (r" <= ", (" < ",)),
    (r" >= ", (" > ",)),
    (r" < (?!=)", (" <= ", " >= ")),
    (r" > (?!=)", (" >= ", " <= ")),
    (r" == ", (" != ",)),
    (r" != ", (" == ",)),
    (r" \+ ", (" - ",)),
    (r" - ", (" + ",)),
    (r" \+= ", (" -= ", " = ")),
    (r" -= ", (" += ",)),
    (r" && ", (" || ",)),
    (r" \|\| ", (" && ",)),
    (r"\bmax\(", ("min(",)),
    (r"\btrue\b", ("false",)),
    (r"\bfalse\b", ("true",)),
    (r"(?<=[ (\[])0(?=[;,) \]])", ("1",)),
    (r"(?<=[ (\[])1(?=[;,) \]])", ("0", "2")),
    (r"\bif \(!", ("if (",)),
    (r"\blist_add_back\b", ("list_add_front",)),
    (r"\blist_add_front\b", ("list_add_back",)),
    (r"\bcontinue;", ("break;",)),
)
STATEMENT = re.compile(r"^\t+(?!return|goto|break|continue|else|struct|static|const|case|default)"
                       r"[a-z*(][^{}]*;$")
# Only the kernel builds these; and nothing is lost if the checker is slower or says it otherwise.
SKIPPED_FILES = ("port_kernel.c", "setup_kernel.c")


class Change:
    """One candidate: a line, what it becomes, and what comes after it if two are swapped."""

    def __init__(self, file, number, old, new):
        self.file, self.number, self.old, self.new = file, number, old, new

    def __str__(self):
        return f"{self.file}:{self.number + 1}: {self.old.strip()} -> {self.new.strip()!r}"

    def apply(self, top):
        path = top / self.file
        lines = path.read_text().splitlines(keepends=True)
        lines[self.number] = self.new
        path.write_text("".join(lines))


def code_lines(text):
    """(number, line) of every line that is code inside a function."""
    in_comment = in_body = False
    for number, line in enumerate(text.splitlines()):
        if in_comment or line.lstrip().startswith("/*"):
            in_comment = "*/" not in line
            continue
        if line.startswith("{"):
            in_body = True
        elif line.startswith("}"):
            in_body = False
        if in_body and line.startswith("\t") and '"' not in line:
            yield number, line.split("/*")[0].rstrip()


def candidates(file, text):
    for number, line in code_lines(text):
        for pattern, replacements in RULES:
            for match in re.finditer(pattern, line):
                for new in replacements:
                    yield Change(file, number, line,
                                 line[:match.start()] + new + line[match.end():] + "\n")
        if STATEMENT.match(line) and "=" not in line.split("(")[0].replace("==", "")[:2]:
            yield Change(file, number, line, "\t;\n")


def pick(root, count, seed):
    """count candidates, spread over the files by their size."""
    found = []
    for path in sorted((root / "percpu").glob("*.c")):
        if path.name not in SKIPPED_FILES:
            found += candidates(f"percpu/{path.name}", path.read_text())
    return random.Random(seed).sample(found, min(count, len(found)))
