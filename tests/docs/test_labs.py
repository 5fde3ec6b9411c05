#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each exercise of docs/labs/ in a copy of the tree: its start alone is refused, the start with
its solution is accepted. Prints TAP.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/runner")]
import session  # noqa: E402  pylint: disable=wrong-import-position
import taptest  # noqa: E402  pylint: disable=wrong-import-position

COPY = ROOT / "build" / "labs-test"
FOLDERS = sorted((ROOT / "docs/labs").glob("[0-9]*-*/"))
LIMIT = 600


def patched_files(folder):
    return {name for path in folder.glob("*.patch")
            for name in re.findall(r"^\+\+\+ b/(.*)$", path.read_text(encoding="utf-8"), re.M)}


def make_copy():
    """The tree without build/; of an earlier copy only what was built in build/lab stays."""
    COPY.mkdir(parents=True, exist_ok=True)
    for path in COPY.iterdir():
        if path.name != "build":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in ROOT.iterdir():
        if path.name in ("build", ".git"):
            continue
        if path.is_dir():
            shutil.copytree(path, COPY / path.name)
        else:
            shutil.copy2(path, COPY / path.name)
    for folder in FOLDERS:  # what was built of these files may be of another exercise
        for name in patched_files(folder):
            if (COPY / name).exists():
                os.utime(COPY / name)


def patch(name, folder, *options):
    done = subprocess.run(["patch", "-p1", "-s", "-f", *options, "-i", str(folder / name)], cwd=COPY, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{folder.name}/{name} does not fit the tree: {done.stdout}"


def judge(folder):
    number = folder.name.split("-")[0]
    done = subprocess.run(["make", "-s", "lab", f"N={number}"], cwd=COPY, text=True, timeout=LIMIT, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=session.environment())
    return done.returncode, done.stdout


def refused(what, folder):
    status, text = judge(folder)
    assert status != 0 and "not yet" in text and "solved" not in text, f"{what}: status {status}\n{text[-2000:]}"
    return text


def case(folder):
    def test():
        make_copy()
        patch("start.patch", folder)
        text = refused("the start", folder)
        assert "does not build" not in text, f"the start should build:\n{text[-2000:]}"
        patch("solution.patch", folder)
        status, text = judge(folder)
        assert status == 0 and "solved" in text, f"start and solution: status {status}\n{text[-2000:]}"
        return text.strip().splitlines()[-1]
    return test


def test_every_exercise_is_complete():
    numbers = [int(folder.name.split("-")[0]) for folder in FOLDERS]
    assert numbers == list(range(1, len(FOLDERS) + 1)), numbers
    for folder in FOLDERS:
        missing = {"README.md", "check", "start.patch", "solution.patch", "test.c"} - set(os.listdir(folder))
        assert not missing, f"{folder.name} lacks {sorted(missing)}"


def test_every_start_fits_the_tree_and_every_solution_its_start():
    for folder in FOLDERS:
        with tempfile.TemporaryDirectory() as tree:
            for name in patched_files(folder):
                if (ROOT / name).exists():
                    (pathlib.Path(tree) / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, pathlib.Path(tree) / name)
            for name in ("start.patch", "solution.patch"):
                done = subprocess.run(["git", "apply", str(folder / name)], cwd=tree, capture_output=True, text=True,
                                      timeout=60, check=False)
                assert done.returncode == 0, f"{folder.name}/{name} does not fit the tree: {done.stderr}"


def test_a_number_that_is_none_is_refused():
    for number in ("", "0", "99", "x", "../1"):
        done = subprocess.run(["make", "-s", "lab", f"N={number}"], cwd=ROOT, capture_output=True, text=True,
                              timeout=60, check=False, env=session.environment())
        assert done.returncode != 0 and "no such exercise: there are 1-counter, " in done.stderr, done.stderr


for lab in FOLDERS:
    globals()["test_lab_" + lab.name] = case(lab)


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
