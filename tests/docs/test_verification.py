#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""docs/verification.md names tests and mutants that exist, and every mutant of a known defect."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/boot")]
import deaths  # noqa: E402  pylint: disable=wrong-import-position
import taptest  # noqa: E402  pylint: disable=wrong-import-position

ROW = re.compile(r"^\| ([UOX]\d+) \|(.*)\|(.*)\|(.*)\|$", re.M)
NAME = re.compile(r"`([\w-]+)`")


def rows():
    """(id, kernel tests, host tests, mutant) as the table's cells say."""
    return ROW.findall((ROOT / "docs/verification.md").read_text())


def names_in(pattern, folder):
    text = "".join(p.read_text() for p in sorted((ROOT / folder).glob("*.c")))
    return set(re.findall(pattern, text))


def mutants():
    return {p.stem for p in (ROOT / "tests/mutants").glob("*.patch")}


def check_column(column, existing):
    wrong = []
    for row in rows():
        cell = row[column].strip()
        names = NAME.findall(cell) if not cell.startswith("none: ") else []
        if not names and not re.match(r"none: \w", cell):
            wrong.append(f"{row[0]}: neither a name nor a reason: {cell!r}")
        wrong += [f"{row[0]}: there is no {name}" for name in names if name not in existing]
    assert not wrong, "; ".join(wrong)


def test_every_kernel_test_exists():
    check_column(1, names_in(r"\bTEST\((\w+)", "tests/kernel"))


def test_every_host_test_exists():
    check_column(2, names_in(r"cmocka_unit_test\(\s*(\w+)\)", "tests/host"))


def test_every_mutant_exists():
    check_column(3, mutants())


def test_every_mutant_of_a_defect_is_in_the_table():
    named = {name for row in rows() for name in NAME.findall(row[3])}
    missing = {name for name in mutants() if re.match(r"[UO]\d", name)} - named
    assert not missing, f"not in the table: {sorted(missing)}"


def test_at_least_fifty_mutants_with_one_line_each():
    found = sorted((ROOT / "tests/mutants").glob("*.patch"))
    assert len(found) >= 50, f"{len(found)} mutants"
    for path in found:
        first = path.read_text().splitlines()[0]
        assert 10 < len(first) < 120, f"{path.name} begins with {first!r}"


def test_every_death_is_in_the_table_and_has_a_test():
    table = (ROOT / "docs/verification.md").read_text().partition("## Deaths")[2].partition("\n## ")[0]
    cells = [line.split("|")[2] for line in table.splitlines() if line.count("|") == 3]
    named = {name for cell in cells if not cell.startswith(" none: ") for name in re.findall("`([^`]+)`", cell)}
    made = {name.split()[0] for name, _ in deaths.tests()}
    assert named == made | set(deaths.COMMAND_LINE), sorted(named ^ (made | set(deaths.COMMAND_LINE)))
    tests = names_in(r"\bTEST\(broken_(\w+)", "tests/kernel")
    tests |= names_in(r"\bBROKEN(?:_CALL|_INPUT)?\((\w+),", "tests/kernel")
    tests |= {"setup_" + name for name in names_in(r"\bBROKEN_SETUP\((\w+),", "tests/kernel")}
    assert not made - tests, f"no tests: {sorted(made - tests)}"
    silent = {"leaks_heap", "leaks_page", "hangs", "hangs_with_interrupts_off", "setup_", "what", "setup_how"}
    assert not tests - made - silent, f"no words in deaths.py: {sorted(tests - made - silent)}"


def hunks(patch):
    """(file, text that the hunk expects there) of each hunk."""
    path, old = None, None
    for line in patch.splitlines()[1:] + ["@@"]:
        if line.startswith(("@@", "--- ")) and old:
            yield path, "\n".join(old)
        if line.startswith("--- "):
            path, old = line[6:], None
        elif line.startswith("@@"):
            old = []
        elif old is not None and line[:1] in (" ", "-"):
            old.append(line[1:])


def test_every_mutant_still_applies():
    stale = [patch.name for patch in sorted((ROOT / "tests/mutants").glob("*.patch"))
             for path, old in hunks(patch.read_text())
             if f"\n{old}\n" not in f"\n{(ROOT / path).read_text()}\n"]
    assert not stale, f"these patches do not fit the tree any more: {stale}"


if __name__ == "__main__":
    taptest.main(globals())
