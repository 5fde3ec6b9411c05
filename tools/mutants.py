#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plants defects one by one and looks whether the tests catch them.

    mutants.py [-j JOBS] [NAME...]         the patches of tests/mutants/, or those whose name has NAME
    mutants.py --random N [--seed S]       N defects made at random in percpu/
    mutants.py --random N --files 'GLOB …'  in those of its files
    mutants.py --make …                    each by `make test-host` alone, as whoever made it would look

Each defect gets a copy of the tree in build/mutants/; what it changes is compiled anew and the host
tests that link it run, quickest first, until one fails. A test that hangs, crashes or reports counts.
A patch whose head says `kernel: SELFTEST [CPUS]` boots a kernel with that self-test instead. With --make
they are planted one after the other in one tree that is built already, and the time until a failure is
seen is told as well: of the clock, and of all processors, which does not grow with a machine's load.

Prints `caught NAME by TEST`, `MISSED NAME`, and as the last line `N of M caught`. Exit status 0 only
if all were caught, each patch applied and built, and the tree without any passes the same tests.
"""
import argparse
import concurrent.futures
import functools
import os
import pathlib
import re
import resource
import select
import shlex
import shutil
import statistics
import subprocess
import sys
import threading
import time

import mutate

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "mutants"
PATCHES = ROOT / "tests" / "mutants"
HOST_CC = shlex.split(os.environ.get("HOST_CC", "gcc -std=gnu11 -O1 -g -fno-sanitize-recover=all -I."))
# A planted defect may leave something unused; what is no C any more is none.
HOST_CC += ["-Wno-error", "-Werror=int-conversion", "-Werror=incompatible-pointer-types"]
MAKE_TEST_HOST = ["make", "test-host", "HOSTCFLAGS=" + " ".join(HOST_CC[1:])]
HOST_CC += ["-fsanitize=address,undefined"]
BUILD_LIMIT, KERNEL_LIMIT = 600, 240  # seconds
SLACK = 25  # a test hangs when it takes so many seconds more than five times what it should


class Broken(Exception):
    """A defect that cannot be tried: it does not apply or does not build."""


def head(text, word):
    """What the lines `/* word: … */` at the top of a host test say."""
    return " ".join(re.findall(rf"^/\* {word}: (.*) \*/$", text, re.M)).split()


@functools.cache
def link_groups():
    """The files of each @GROUP that a head may link; the Makefile has them."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    done = subprocess.run(["make", "-s", "link-groups"], cwd=ROOT, env=env, check=True, text=True,
                          capture_output=True)
    return {words[0]: words[1:] for words in map(str.split, done.stdout.splitlines())}


class HostTest:
    """One program of tests/host/ and how long it takes."""

    def __init__(self, source):
        text = source.read_text()
        self.source, self.name = str(source.relative_to(ROOT)), source.stem
        self.links = [file for name in head(text, "links")
                      for file in (link_groups()[name] if name[0] == "@" else [name])]
        self.flags = head(text, "flags")
        self.seconds = 0.0


class Tree:
    """A copy of the files that can be compiled, and the objects made from them."""

    def __init__(self, name, base=None):
        self.top, self.objects, self.base = WORK / name, WORK / (name + ".obj"), base
        for place in (self.top, self.objects):
            shutil.rmtree(place, ignore_errors=True)
        if base:  # not the project itself, where someone may be at work
            shutil.copytree(base.top, self.top)
            return
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                                check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            if (ROOT / line).is_file() and not line.startswith(("tests/mutants/", "docs/")):
                (self.top / line).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / line, self.top / line)

    def remove(self):
        shutil.rmtree(self.top, ignore_errors=True)
        shutil.rmtree(self.objects, ignore_errors=True)

    def includes(self, source):
        """The files that an object was made from, by the untouched tree."""
        depends = (WORK / "base.obj" / (source + ".d")).read_text()
        return {str(pathlib.PurePath(word)) for word in depends.split()[1:] if word != "\\"}

    def compile(self, source, flags):
        target = self.objects / (source + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = [f for f in flags if not f.startswith("-Wl,")]
        call([*HOST_CC, *flags, "-MMD", "-MF", target.with_suffix(".d"), "-MT", "o", "-c", "-o",
              target, source], self.top, BUILD_LIMIT)
        return target

    def build(self, test, changed):
        """Links a test from this tree's objects where a file changed, else from the base's."""
        parts = []
        for source in [test.source, *test.links]:
            made = self.objects / (source + ".o")
            if self.base and not made.exists() and not self.includes(source) & changed:
                made = self.base.objects / (source + ".o")
            parts.append(made if made.exists() else self.compile(source, test.flags))
        program = self.objects / test.name
        call([*HOST_CC, *test.flags, "-o", program, *parts, "-lcmocka", "-lpthread"], self.top,
             BUILD_LIMIT)
        return program


def call(command, where, limit):
    try:
        done = subprocess.run([str(c) for c in command], cwd=where, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=limit, check=False)
    except subprocess.TimeoutExpired as error:
        raise Broken(f"{command[0]} takes too long") from error
    if done.returncode != 0:
        errors = [l for l in done.stdout.splitlines() if "error" in l] or [done.stdout[-300:]]
        raise Broken(errors[0])


def first_failure(command, where, limit):
    """Runs a test program until it reports a failure. Its name or what else went wrong; or None."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    run = subprocess.Popen([str(c) for c in command], cwd=where, env=env, start_new_session=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    end, rest = time.monotonic() + limit, b""
    try:
        while True:
            ready, _, _ = select.select([run.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                return "(hangs)"
            data = os.read(run.stdout.fileno(), 65536)
            rest += data
            failed = re.search(rb"^not ok (?:\d+ )?(?:- )?(\w+)[^\n]*\n", rest, re.M)
            if failed:
                return failed.group(1).decode()
            if not data:
                break
            rest = rest[-100000:]
        return None if run.wait() == 0 else f"(exit status {run.returncode})"
    finally:
        try:
            os.killpg(run.pid, 9)
        except ProcessLookupError:
            pass
        run.wait()


def by_host(tree, tests, changed):
    """The first host test that catches what is in the tree; None if none does."""
    concerned = [t for t in tests
                 if any(tree.includes(s) & changed for s in [t.source, *t.links])]
    for test in concerned:
        program = tree.build(test, changed)
        failed = first_failure([program], tree.top, 5 * test.seconds + SLACK)
        if failed:
            return f"{test.name}: {failed}"
    if not concerned:
        raise Broken("no host test links what it changes")
    return None


def by_kernel(tree, selftest, cpus):
    for made in ("obj", "flags"):  # what the project has compiled already stays good
        source, target = ROOT / "build" / made, tree.top / "build" / made
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy2(source, target)
    call(["make", "-j2", "build/percpu.elf"], tree.top, BUILD_LIMIT)
    command = ["make", "run", f"SMP={cpus}", f"TIMEOUT={KERNEL_LIMIT}",
               f"CMDLINE=selftest={selftest} replay=none"]
    failed = first_failure(command, tree.top, KERNEL_LIMIT + 60)
    return f"kernel: {failed if failed[0] != '(' else selftest}" if failed else None


def by_make(tree):
    """The first line of `make test-host` that tells of a failure, and when; None if there is none."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    start = time.monotonic()
    run = subprocess.Popen(MAKE_TEST_HOST, cwd=tree.top, env=env, start_new_session=True, text=True,
                           errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    program = ""
    try:
        for line in run.stdout:
            if re.search(r" error: |\*\*\* No rule", line):
                raise Broken(line.strip())
            if line.startswith("  not ok"):
                return f"{program}: {line[11:].strip()}", time.monotonic() - start
            program = line.partition(":")[0].rpartition("/")[2]
        return None if run.wait() == 0 else ("(exit status)", time.monotonic() - start)
    finally:
        try:
            os.killpg(run.pid, 15)
        except ProcessLookupError:
            pass
        run.stdout.read()
        run.wait()


class Patch:
    """A file of tests/mutants/."""

    def __init__(self, path):
        self.path, self.name, self.text = path, path.stem, path.read_text()
        self.kernel = re.search(r"^kernel: (\S+)(?: (\d+))?$", self.text, re.M)

    def files(self):
        return set(re.findall(r"^\+\+\+ b/(\S+)", self.text, re.M))

    def plant(self, tree):
        # The copy is inside the project's own folder, which is not what the patch is for.
        env = dict(os.environ, GIT_CEILING_DIRECTORIES=str(WORK))
        done = subprocess.run(["git", "apply", str(self.path)], cwd=tree.top, env=env, text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise Broken(done.stderr.strip().splitlines()[0])
        return self.files()


class Random:
    """A defect made up by tools/mutate.py."""

    kernel = None

    def __init__(self, change, number):
        self.change, self.name = change, f"random-{number} {change}"

    def files(self):
        return {self.change.file}

    def plant(self, tree):
        self.change.apply(tree.top)
        return self.files()


def try_defect(defect, number, base, tests):
    """One line of the report, and whether the defect was caught."""
    tree = Tree(f"tree-{number}", base)
    try:
        changed = defect.plant(tree)
        if defect.kernel:
            found = by_kernel(tree, defect.kernel.group(1), defect.kernel.group(2) or "2")
        else:
            found = by_host(tree, tests, changed)
        return (f"caught {defect.name} by {found}", True) if found else \
            (f"MISSED {defect.name}", False)
    except Broken as error:
        return f"MISSED {defect.name}: {error}", None
    finally:
        tree.remove()


def cpu_seconds():
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def all_by_make(defects):
    """Plants all of them, one by one, before `make test-host`. How many were tried; the times of the caught."""
    base = Tree("base")
    failed = by_make(base)
    if failed:
        sys.exit(f"mutants: the tree without a defect fails: {failed[0]}")
    tried, clock, cpu = 0, [], []
    for defect in defects:
        saved = {}
        try:
            saved = {file: (base.top / file).read_text() for file in defect.files()}
            defect.plant(base)
            before = cpu_seconds()
            found = by_make(base)
            tried += 1
            if found:
                clock.append(found[1])
                cpu.append(cpu_seconds() - before)
                print(f"caught {defect.name} by {found[0]} after {clock[-1]:.0f} s, {cpu[-1]:.0f} of CPU",
                      flush=True)
            else:
                print(f"MISSED {defect.name}", flush=True)
        except Broken as error:
            print(f"# no program: {defect.name}: {error}", flush=True)
        finally:
            for file, text in saved.items():
                (base.top / file).write_text(text)
    for name, times in (("the clock", clock), ("CPU time", cpu)):
        print(f"# seconds of {name} to the first failure: median {statistics.median(times or [0]):.0f}, "
              f"most {max(times or [0]):.0f}")
    return tried, len(clock)


def untouched(tests, jobs):
    """Builds and runs every test on the tree as it is; the tests, quickest first."""
    base = Tree("base")

    def measure(test):
        program = base.build(test, set())
        start = time.monotonic()
        failed = first_failure([program], base.top, 900)
        test.seconds = time.monotonic() - start
        return f"{test.name}: {failed}" if failed else None

    wanted = sorted({(s, tuple(f for f in t.flags if not f.startswith("-Wl,")))
                     for t in tests for s in [t.source, *t.links]})
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda w: base.compile(*w), wanted))
        failures = [f for f in pool.map(measure, tests) if f]
    if failures:
        sys.exit("mutants: the tree without a defect fails: " + ", ".join(failures))
    tests.sort(key=lambda t: t.seconds)
    return base


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", type=int, default=2)
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", default="*")
    parser.add_argument("--make", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    if args.random:
        changes = mutate.pick(ROOT, args.random, args.seed, args.files.split())
        defects = [Random(change, i) for i, change in enumerate(changes)]
    else:
        defects = [Patch(p) for p in sorted(PATCHES.glob("*.patch"))
                   if not args.names or any(n in p.name for n in args.names)]
    if args.make:
        tried, caught = all_by_make(defects)
        print(f"{caught} of {tried} caught")
        return 0 if caught == tried else 1
    tests = [HostTest(p) for p in sorted((ROOT / "tests/host").glob("test_*.c"))]
    tests = [t for t in tests if any(l.startswith(("percpu/", "mm/")) for l in t.links)]
    base = untouched(tests, args.j)
    lock, caught, tried = threading.Lock(), 0, 0
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        jobs = [pool.submit(try_defect, d, i, base, tests) for i, d in enumerate(defects)]
        for job in concurrent.futures.as_completed(jobs):
            line, verdict = job.result()
            with lock:
                if not (args.random and verdict is None):  # not a program: not a defect
                    tried += 1
                    caught += bool(verdict)
                    print(line, flush=True)
    base.remove()
    print(f"{caught} of {tried} caught")
    return 0 if caught == tried and tried > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
