#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""percpu/ reaches everything outside itself through percpu/port.h: proved from its include lines
and from what its object files want of the linker. This kernel's own port is not part of it. Prints
TAP.
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import taptest  # noqa: E402

GLUE = {"percpu/port_kernel.c", "percpu/port_kernel.h", "percpu/setup_kernel.c"}
PORT = "percpu/port.h"
MACHINE = "percpu/port_arch.h"  # a port brings its own
# What a port defines besides the hooks, and the plain C that comes along.
PORT_DATA = {"preempt_count", "cpu_possible_mask", "nr_cpu_ids", "__per_cpu_start", "__per_cpu_offset"}
PLAIN_C = {"memcpy", "memmove", "memset", "memcmp", "strcmp"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def includes(path):
    """The names that a file includes, each with its < or "."""
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"][^>"\n]*)', read(path), re.M)


def core():
    """The files of percpu/ that are the allocator."""
    paths = glob.glob(os.path.join(ROOT, "percpu/*.[chS]"))
    files = {os.path.relpath(path, ROOT) for path in paths}
    assert GLUE < files and PORT in files, sorted(files)
    return sorted(files - GLUE)


def test_only_the_port_header_includes_from_outside():
    wrong = [f"{path} includes {name[1:]}" for path in core() if path not in (PORT, MACHINE)
             for name in includes(path) if name[0] != '"' or name[1:] not in core()]
    assert not wrong, "\n".join(wrong)


def test_no_other_way_to_include():
    """Every line that includes is one that the tests here read: no macro for a name, no #import."""
    wrong = [f"{path}: {line.strip()}" for path in core() for line in read(path).splitlines()
             if re.match(r"\s*#\s*(?!include\s*[<\"])(include|import|embed)", line)
             or re.search(r"\bincbin\b|\b_Pragma\b|__has_include", line)]
    assert not wrong, "\n".join(wrong)


def test_every_file_sees_the_port():
    for path in core():
        seen, todo = set(), [path]
        while todo:
            name = todo.pop()
            if name not in seen and name in core():
                seen.add(name)
                todo += [include[1:] for include in includes(name)]
        assert PORT in seen or path == MACHINE, f"{path} does not include {PORT}"


def test_headers_of_the_port_need_nothing_else():
    """They include each other and the compiler's; the machine's half is the port's own."""
    named = [name[1:] for name in includes(PORT) if name[0] == '"' and name[1:] != MACHINE]
    freestanding = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "sys/types.h"}
    wrong = [f"{path} includes {name[1:]}" for path in named + ["kernel/rbtree.c"]
             for name in includes(path)
             if name[1:] not in (freestanding if name[0] == "<" else named)]
    assert not wrong, "\n".join(wrong)
    assert all(name.startswith("kernel/") for name in named), named


def hooks():
    code = re.sub(r"/\*.*?\*/", "", read(PORT), flags=re.S)
    return set(re.findall(r"\b(port_\w+)\(", code))


def symbols(option):
    objects = [f"{ROOT}/build/obj/{path}.o" for path in core() if path.endswith(".c")]
    done = subprocess.run(["nm", option, *objects], check=True, capture_output=True, text=True)
    return {line.split()[-1] for line in done.stdout.splitlines() if line and line[-1] != ":"}


def test_the_linker_is_asked_for_the_ports_names_only():
    wanted = symbols("-u") - symbols("--defined-only")
    trees = {name for name in wanted if name.startswith("rb_")}
    stray = wanted - hooks() - PORT_DATA - PLAIN_C - trees
    assert not stray, f"not in {PORT}: {sorted(stray)}"


def test_every_hook_is_called():
    idle = hooks() - symbols("-u")
    assert not idle, f"hooks that percpu/ never calls: {sorted(idle)}"
    return f"{len(hooks())} hooks"


def blocks(kind):
    """The fenced pieces of docs/porting.md of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", read("docs/porting.md"), re.M | re.S)


def test_porting_code_is_the_minimal_ports():
    paths = ["port_minimal.c", "percpu/port_arch.h"]
    port = "\n".join(read("tests/port_minimal/" + path) for path in paths)
    pieces = blocks("c")
    strange = [piece for piece in pieces if piece not in port]
    assert pieces and not strange, "not in tests/port_minimal:\n" + "\n".join(strange)
    return f"{len(pieces)} pieces"


def test_porting_commands_work():
    done = subprocess.run(["sh", "-ec", "".join(blocks("sh"))], cwd=ROOT, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    listed = {line[:-1] for line in lines if line.startswith("port_")}
    assert listed == hooks(), f"the list of hooks differs by {sorted(listed ^ hooks())}"
    ran = "\n".join(line for line in lines if re.match(r"(ok|not ok|1\.\.)", line))
    assert [ran + "\n"] == blocks("text"), f"the program printed\n{ran}"


if __name__ == "__main__":
    taptest.main(globals())
