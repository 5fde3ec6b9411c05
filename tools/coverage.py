#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the tests with programs and kernels that count, and tells which lines ran: `make coverage`.

    coverage.py [--report]     --report: no runs, only the report of the last ones

The host tests count in .gcda files themselves. Each boot of the counting kernel sends its counters
through QEMU's debug console (arch/x86_64/coverage.c has the format) into a file; those of all boots are
added up into .gcda files. gcovr makes one page of both, build/coverage/index.html. Exit status 0 if the
figures are as they should be; a test that fails is said and counted all the same.
"""
import concurrent.futures
import glob
import json
import os
import shutil
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join("build", "coverage")
BOOTS, KERNEL, HOST = (os.path.join(OUT, name) for name in ("boots", "kernel", "host"))
# What boots: everything but the long rows of similar boots. BOOTS= picks those of test_boot.py.
RUNS = [("tests/boot/test_boot.py 1/1", "all_tests_embed_bitmap"),
        ("tests/boot/test_boot.py 1/1", "all_tests_page_areamap"),
        ("tests/boot/test_panics.py", ""), ("tests/boot/test_boot.py 1/2", "[dhmpu]*"),
        ("tests/boot/test_boot.py 2/2", "[dhmpu]*"), ("tests/model/test_bad_input.py", ""),
        ("tests/boot/test_refusals.py", ""), ("tests/runner/test_runner.py", ""),
        ("tests/runner/test_terminal.py", ""), ("tests/metal/test_screen.py", ""),
        ("tests/bench/test_bench_kinds.py", "")]
HOST_SIZES = {"HOST_OPS": "200000", "HOST_DEPTH": "3", "HOST_MEMO_DEPTH": "3"}
WANTED = {"percpu": (100.0, 95.0), "the rest": (90.0, 0.0)}  # per cent of lines, of branches


def run(command, **environment):
    """Runs a test program; what fails is shown."""
    print("  RUN     " + command, environment.get("BOOTS", ""), flush=True)
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **environment)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    done = subprocess.run(command.split(), env=env, text=True, capture_output=True, check=False,
                          errors="replace")
    lines = (done.stdout + done.stderr).splitlines()
    failed = [line for line in lines if line.startswith("not ok") or "FAILED" in line]
    if done.returncode != 0:
        print(f"          {command}: status {done.returncode}", *failed, sep="\n          ")


def run_all():
    for folder in (BOOTS, KERNEL + ".sum"):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(BOOTS)
    for path in glob.glob(os.path.join(OUT, "**", "*.gcda"), recursive=True):
        os.unlink(path)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        jobs = [pool.submit(run, command, COVERAGE_DIR=BOOTS, BOOTS=boots) for command, boots in RUNS]
        jobs += [pool.submit(run, program, **HOST_SIZES)
                 for program in sorted(glob.glob(os.path.join(HOST, "test_*")))
                 if os.access(program, os.X_OK) and "." not in os.path.basename(program)]
        for job in jobs:
            job.result()


def unpack(path, folder):
    """Writes a boot's .gcda files below folder; False if the boot ended without its counters."""
    with open(path, "rb") as file:
        data = file.read()
    at, target = 0, None
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8:at + 8 + length]
        if kind not in (b"FILE", b"DATA") or len(body) < length:
            break
        if kind == b"FILE":
            name = os.path.relpath(body.decode().rstrip("\0"), os.path.join(ROOT, KERNEL))
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            open(target, "wb").close()
        else:
            with open(target, "ab") as out:
                out.write(body)
        at += 8 + length
    return target is not None and at == len(data)


def add_up():
    """The counters of all boots, as .gcda files beside the kernel's object files."""
    total, added = KERNEL + ".sum", 0
    shutil.rmtree(total, ignore_errors=True)
    for path in sorted(glob.glob(os.path.join(BOOTS, "*.gcov"))):
        folder = path + ".d"
        shutil.rmtree(folder, ignore_errors=True)
        if not unpack(path, folder):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        added += 1
        if not os.path.exists(total):
            os.rename(folder, total)
            continue
        subprocess.run(["gcov-tool", "merge", "-o", total + ".new", total, folder], check=True,
                       stdout=subprocess.DEVNULL)
        shutil.rmtree(total)
        shutil.rmtree(folder)
        os.rename(total + ".new", total)
    shutil.copytree(total, KERNEL, dirs_exist_ok=True)
    return added


def gcovr(*arguments):
    subprocess.run(["gcovr", "--root", ROOT, *arguments], check=True)


def share(part, whole):
    return 100.0 if whole == 0 else 100.0 * part / whole


def figures(path):
    """Prints each folder's shares; whether they are as they should be."""
    with open(path, encoding="utf-8") as file:
        files = json.load(file)["files"]
    keys = ("line_covered", "line_total", "branch_covered", "branch_total")
    sums = {}
    for entry in files:
        folder = os.path.dirname(entry["filename"])
        for name in {folder, "percpu" if folder == "percpu" else "the rest"}:
            old = sums.get(name, (0, 0, 0, 0))
            sums[name] = tuple(a + entry[key] for a, key in zip(old, keys))
    good = True
    for name in sorted(sums, key=lambda n: (n in WANTED, n)):
        lines, nr_lines, branches, nr_branches = sums[name]
        text = f"{name:15} lines {share(lines, nr_lines):6.2f} % ({lines} of {nr_lines})   " \
               f"branches {share(branches, nr_branches):6.2f} % ({branches} of {nr_branches})"
        if name in WANTED:
            want_lines, want_branches = WANTED[name]
            enough = share(lines, nr_lines) >= want_lines \
                and share(branches, nr_branches) >= want_branches
            text += f"   wanted {want_lines:g} % of lines" + \
                (f", {want_branches:g} % of branches" if want_branches else "") + \
                (": good" if enough else ": too little")
            good = good and enough
        print(text)
    return good


def report():
    print(f"  ADD     the counters of {add_up()} boots", flush=True)
    skip = ["--exclude", "tests/", "--exclude", "arch/x86_64/coverage.c"]
    for folder in (HOST, KERNEL):
        gcovr(*skip, "--gcov-ignore-parse-errors", "--object-directory", folder,
              "--json", folder + ".json", folder)
    summary = os.path.join(OUT, "summary.json")
    gcovr("-a", HOST + ".json", "-a", KERNEL + ".json", "--html-details",
          os.path.join(OUT, "index.html"), "--json-summary", summary)
    return figures(summary)


def main():
    os.chdir(ROOT)
    if "--report" not in sys.argv[1:]:
        run_all()
    good = report()
    print(f"page: {os.path.join(OUT, 'index.html')}; what is left, and why: docs/coverage.md")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
