# SPDX-License-Identifier: GPL-2.0-only
"""Small random defects in C text, as a person would make them: a changed bound or constant, a negated
or dropped condition, swapped arguments or statements, the wrong list end, a skipped step, a lock that
is not taken.

Every place of percpu/ where one of the rules below applies is a candidate; comments, strings and
declarations are left alone.
"""
import random
import re

# What is found, and what it may become.
RULES = (
    (r" <= ", (" < ", " - 1 <= ")),
    (r" >= ", (" > ", " + 1 >= ")),
    (r" < (?!=)", (" <= ", " >= ", " + 1 < ")),
    (r" > (?!=)", (" >= ", " <= ", " - 1 > ")),
    (r" == ", (" != ",)),
    (r" != ", (" == ",)),
    (r" \+ ", (" - ",)),
    (r" - ", (" + ",)),
    (r"(?<=[\w)\]]) \* ", (" + ", " / ")),
    (r" / ", (" * ",)),
    (r" % ", (" / ",)),
    (r" \+= ", (" -= ", " = ")),
    (r" -= ", (" += ", " = ")),
    (r" \|= ", (" = ", " &= ")),
    (r"\+\+", ("--",)),
    (r"--", ("++",)),
    (r" && ", (" || ",)),
    (r" \|\| ", (" && ",)),
    (r" && [^&|()]+(?=[;)]|$)", ("",)),  # the second condition is dropped
    (r"(?<=\()[^&|()]+ (&&|\|\|) ", ("",)),  # the first
    (r"\bmax\(", ("min(",)),
    (r"\bmin\(", ("max(",)),
    (r"\bALIGN_UP\((.+?), \w+\)", (r"\1",)),
    (r"\bPFN_UP\((.+?)\)", (r"(\1) / PAGE_SIZE",)),
    (r"\btrue\b", ("false",)),
    (r"\bfalse\b", ("true",)),
    (r"(?<![\w.])(\d+)(?![\w.])", ("N+1", "N-1")),
    (r"\bif \(!", ("if (",)),
    (r"\b(if|while) \((.+)\)( \{)?$", (r"\1 (!(\2))\3",)),
    (r"\bif \((.+)\)( \{)?$", (r"if (true)\2", r"if (false)\2")),
    (r"([^=?]+) \? ([^:?]+) : ([^;,()]+)", (r"\1 ? \3 : \2",)),
    (r"\b(?!max|min)(\w+)\(((?:[^(),]+, )*)([^(),]+), ([^(),]+)((?:, [^(),]+)*)\)",
     (r"\1(\2\4, \3\5)",)),  # two arguments change places
    (r"\blist_add_back\b", ("list_add_front",)),
    (r"\blist_add_front\b", ("list_add_back",)),
    (r"->next\b", ("->prev",)),
    (r"->left\b", ("->right",)),
    (r"->right\b", ("->left",)),
    (r"\bcontinue;", ("break;", ";")),
    (r"\bbreak;", ("continue;", ";")),
    (r"\breturn;", (";",)),
    (r"= port_lock\(\)", ("= 0",)),
)
STATEMENT = re.compile(r"\t+(?!return|goto|break|continue|else|struct|static|const|case|default|"
                       r"size_t |void |int |bool |unsigned |irqflags_t |char |uint\w+ )"
                       r"[a-z*(+-][^{}]*;$")
DEFINE = re.compile(r"(#define \w+\s+\(?)(\d+)(.*)$")


class Change:
    """One candidate: what lines become. lines: {number: text}; old, new: what the report says."""

    def __init__(self, file, lines, old, new):
        self.file, self.lines = file, lines
        self.number, self.old, self.new = min(lines), old, new

    def __str__(self):
        return f"{self.file}:{self.number + 1}: {self.old.strip()} -> {self.new.strip()!r}"

    def apply(self, top):
        path = top / self.file
        lines = path.read_text().splitlines(keepends=True)
        for number, text in self.lines.items():
            lines[number] = text + "\n"
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


def statements(lines):
    """(numbers, text) of each simple statement, over as many lines as it takes."""
    lines = dict(lines)
    for number, line in lines.items():
        before = lines.get(number - 1, "")
        if before and before[-1] not in ";{}:" and not re.search(r"\)$|else$|do$", before):
            continue  # goes on a statement
        numbers, text = [number], line
        while text[-1] not in ";{}:" and numbers[-1] + 1 in lines:
            numbers.append(numbers[-1] + 1)
            text += "\n" + lines[numbers[-1]]
        if STATEMENT.match(text):
            yield numbers, text


def one_line(file, number, line, new):
    return Change(file, {number: new}, line, new)


def by_rules(file, number, line):
    for pattern, replacements in RULES:
        for match in re.finditer(pattern, line):
            for new in replacements:
                if new in ("N+1", "N-1"):
                    new = str(int(match.group(1)) + int(new[1:]))
                    if new == "-1":
                        continue
                else:
                    new = match.expand(new)
                changed = line[:match.start()] + new + line[match.end():]
                if changed != line:
                    yield one_line(file, number, line, changed)


def skipped(file, numbers, text):
    lines = {number: "" for number in numbers}
    lines[numbers[0]] = "\t;"
    return Change(file, lines, text, ";")


def order_matters(text, text2):
    """Whether one of two statements may see what the other does: both call, or one reads the other's."""
    targets = [re.match(r"\s*([\w>.\[\]*-]+?)(?:\+\+|--| [-+|]?= )", t) for t in (text, text2)]
    if not targets[0] or not targets[1]:
        return "(" in text and "(" in text2
    names = [t.group(1) for t in targets]
    return names[0] in text2 or names[1] in text


def swapped(file, first, second):
    """Two statements that follow each other, at the same depth."""
    (numbers, text), (numbers2, text2) = first, second
    depth = [re.match(r"\t+", t).group() for t in (text, text2)]
    if numbers[-1] + 1 != numbers2[0] or depth[0] != depth[1] or not order_matters(text, text2):
        return []
    lines = dict(zip(numbers + numbers2, (text2 + "\n" + text).split("\n")))
    return [Change(file, lines, text, f"after {text2.strip()}")]


def unlocked(file, lines):
    """A function's lock and what releases it, both left out."""
    for number, line in lines:
        if "port_mutex_lock();" in line or "= port_lock();" in line:
            what = "port_mutex_unlock();" if "mutex" in line else "port_unlock(flags);"
            for other, text in lines:
                if other > number and text.strip() == what:
                    new = line.replace("port_mutex_lock()", "").replace("port_lock()", "0")
                    yield Change(file, {number: new, other: "\t;"}, line, "no lock")
                    break


def candidates(file, text):
    lines = list(code_lines(text))
    for number, line in lines:
        yield from by_rules(file, number, line)
    for number, line in enumerate(text.splitlines()):
        match = DEFINE.match(line)
        if match:
            for value in (int(match.group(2)) + 1, int(match.group(2)) - 1):
                yield one_line(file, number, line, f"{match.group(1)}{value}{match.group(3)}")
    found = list(statements(lines))
    for numbers, statement in found:
        yield skipped(file, numbers, statement)
    for first, second in zip(found, found[1:]):
        yield from swapped(file, first, second)
    yield from unlocked(file, lines)


def pick(root, count, seed, globs=("*",)):
    """count candidates in the files of percpu/ that the globs name, spread over them by their size."""
    found = []
    for path in sorted((root / "percpu").glob("*.c")):
        if not any(path.match(glob) for glob in globs):
            continue
        found += candidates(f"percpu/{path.name}", path.read_text())
    return random.Random(seed).sample(found, min(count, len(found)))
