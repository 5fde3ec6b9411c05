#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""gdb attached to the kernel as a user would do it: symbols, breakpoints, variables, CPUs, and the commands
`pcpu …` at the reset vector, before and in set-up, at the prompt (against the monitor's own answers), inside
an allocation, with damage done and in a panic. Prints TAP.
"""
import contextlib
import json
import os
import re
import shlex
import subprocess
import sys

from gdbtest import ROOT, answers, each_alone, fields, flags, make, need, same, session
import taptest

EVERY_COMMAND = ("pcpu cpus", "pcpu chunks", "pcpu map 0", "pcpu var cpu_number", "pcpu why &cpu_number",
                 "pcpu check")


@contextlib.contextmanager
def prompt(cmdline="", **variables):
    """A kernel at its prompt that gdb can attach to."""
    with session.Session(CMDLINE=f"{session.QUIET} {cmdline}", GDB=1, **variables) as boot:
        boot.until_prompt()
        yield boot


def stubs():
    """Pids of QEMUs of this tree that serve gdb."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                line = file.read()
        except OSError:
            continue  # it has just ended
        if "chardev:gdb" in line and os.path.join(ROOT, "build", "boot.") in line:
            found.append(int(name))
    return found


def test_debug_starts_at_the_reset_vector_and_stops_in_kmain():
    text = make("debug", "print/x $pc", "hbreak kmain", "continue", "backtrace", "print/x magic")
    need(text, r"\$1 = 0xfff0", r"Breakpoint 1, kmain", r"main\.c", r"\$2 = 0x36d76289")


def test_debug_reads_variables_and_types_after_boot_info_is_parsed():
    text = make("debug", "hbreak percpu_init", "continue", "print boot_info.nr_regions > 0",
                "print boot_info.cmdline", "ptype struct boot_region",
                CMDLINE="selftest=none replay=none")
    need(text, r"Breakpoint 1, percpu_init", r"= 1\n", r"selftest=none replay=none",
         r"enum boot_region_type|unsigned int type")


def test_gdb_attaches_to_a_running_kernel():
    with session.Session(CMDLINE=session.QUIET, GDB=1, SMP=3) as boot:
        boot.until_prompt()
        text = make("gdb", "info threads", "print pcpu_unit_size", "print pcpu_base_addr != 0",
                    "info symbol kmain", "detach")
        need(text, r"3 +Thread", r"= 65536|= \d{5,}", r"= 1\n", r"kmain in section \.text")
        answer = boot.command("alloc 8")
        assert answer and answer[0].startswith("ptr="), f"the kernel does not go on: {answer}"
        status, errors = boot.finish()
        assert status == 0, errors


# ---- The commands, from the reset vector on ----

def test_commands_without_a_kernel_say_so():
    text = subprocess.run(["gdb", *shlex.split(flags("source tools/gdb/load.py", *EVERY_COMMAND,
                                                     "print $this_cpu()", 'print $per_cpu("x", 0)')),
                           "build/percpu.elf"], cwd=ROOT, text=True, timeout=60, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    same("lines", text.count("error: gdb is not connected to a kernel: use `make debug`"),
         len(EVERY_COMMAND) + 2)
    assert "Traceback" not in text and "Python Exception" not in text, text


def test_commands_before_set_up_say_how_far_the_kernel_is():
    at_reset = [*EVERY_COMMAND, "pcpu why 0x7c00", "print $this_cpu()", "pcpu why kmain"]
    early = [*EVERY_COMMAND, "pcpu var cpu_number 4", "print $this_cpu()", "pcpu why &pcpu_slots"]
    got = answers("debug", *at_reset, "hbreak kmain", "continue", *EVERY_COMMAND, "hbreak percpu_init",
                  "continue", *early, "finish", *EVERY_COMMAND, SMP=4)
    parts = iter(got)
    reset = [next(parts) for _ in at_reset]
    for text in reset:
        assert "not set up yet: no CPU is in the kernel" in text, text
    need(reset[-3], r"^addr=0x7c00 is=low ")
    need(reset[-1], r"^addr=0xffffffff\w+ is=text symbol=kmain\+0 at=kernel/main\.c:")
    next(parts), next(parts)
    for text in (next(parts) for _ in EVERY_COMMAND):
        assert "not set up yet: " in text, text
    next(parts), next(parts)
    before = dict(zip(early, parts))
    for command in EVERY_COMMAND:
        assert "not set up yet: the first chunk is not made" in before[command], before[command]
    need(before["pcpu cpus"], r"cpu=0 apic=0 state=online .* gdb=1 thread=- pc=percpu_init\+",
         r"cpu=3 apic=3 state=possible .* gdb=- thread=- pc=-")
    need(before["pcpu var cpu_number"], r"^cpu=0 addr=0xffffffffc\w+ value=0\n")
    same("no CPU 4", before["pcpu var cpu_number 4"], "error: no CPU 4: CPUs are 0-3")
    same("this CPU", before["print $this_cpu()"], "$1 = 0")
    need(before["pcpu why &pcpu_slots"], "is=bss symbol=pcpu_slots\\+0", "page=mapped .*owner=boot")
    next(parts)
    after = dict(zip(EVERY_COMMAND, parts))
    assert not any("not set up yet" in text for text in after.values()), after
    need(after["pcpu chunks"], r"^chunk=0 slot=13 .* flags=first,immutable$")
    need(after["pcpu map 0"], r"^map=0 -\d+ \+\d+$")
    same("check", after["pcpu check"], "ok chunks=1 areas=0")


def test_every_command_has_help_with_an_example():
    text = make("debug", "help pcpu", *(f"help {command.rsplit(' ', command.count(' ') - 1)[0]}"
                                        for command in EVERY_COMMAND),
                "help function per_cpu", "help function this_cpu")
    same("examples", len(re.findall(r"^Example: (?:pcpu|print) ", text, re.M)), 11)
    need(text, *(f"^pcpu {name} -- .*\\.$" .replace("^", "(?m)^") for name in
                 ("check", "chunks", "cpus", "map", "var", "why")))


# ---- At the prompt, against the monitor ----

def test_records_are_those_of_the_monitor():
    with prompt("percpu_alloc=page percpu_reserve=8K cpu_ids=0,2,5,6,9", SMP=4) as boot:
        for line in ("100 8", "5000 4096", "65000", "60000", "10 4", "24 8 reserved"):
            assert boot.command(f"alloc {line}")[0].startswith("ptr="), line
        monitor = {line: boot.command(line) for line in ("chunks", "check", "map 0", "map 1", "map 2",
                                                         "map 3", "cpus")}  # ready areas have been given back
        got = dict(zip(monitor, answers("gdb", *(f"pcpu {line}" for line in monitor))))
        refused = answers("gdb", "pcpu map 4", "pcpu map x", "pcpu map", "pcpu chunks 1",
                          "pcpu var cpu_number 1", "pcpu var nosuch", "pcpu var nr_cpu_ids",
                          'print $per_cpu("cpu_number", 1)', "pcpu why nosuch")
    same("threads of gdb", re.findall(r" gdb=(\S+)", got["cpus"]), ["1", "2", "3", "4", "-"])
    got["cpus"] = re.sub(r" gdb=\S+ thread=\S+ pc=\S+", "", got["cpus"])
    for line, text in got.items():
        same(line, text.split("\n"), monitor[line])
    same("refusals", refused, [
        "error: no chunk 4: chunks are 0-3",
        "error: x: want a chunk's number: pcpu chunks lists them",
        "error: 0 words after pcpu map: usage: pcpu map N",
        "error: 1 words after pcpu chunks: usage: pcpu chunks",
        "error: no CPU 1: CPUs are 0, 2, 5-6, 9",
        'error: nosuch: No symbol "nosuch" in current context: want the name of a per-CPU variable',
        "error: nr_cpu_ids is not per-CPU: want the name of a static per-CPU variable, or a per-CPU "
        "pointer with its type, as in (int *)0x30001000",
        "error: no CPU 1: CPUs are 0, 2, 5-6, 9",
        'error: No symbol "nosuch" in current context.'])


def test_copies_can_be_read_and_written():
    with prompt("cpu_ids=0,3,4", SMP=3) as boot:
        pointer = fields(boot.command("alloc 16 16")[0])["ptr"]
        boot.command(f"poke 3 {pointer} 7 1")
        got = answers("gdb", f"pcpu var '(short *){pointer}'", f"pcpu var '(short *){pointer}' 3",
                      f"print $per_cpu((short *){pointer}, 3)", f"print (short *){pointer}",
                      f"set var $per_cpu((short *){pointer}, 4) = 0x1234", "pcpu var cpu_number",
                      'print $per_cpu("cpu_number", 4)', "thread 2", "print $this_cpu()",
                      'print $per_cpu("cpu_number")', "print &cpu_number")
        peeked = boot.command(f"peek 4 {pointer} 2")
    same("values", re.findall(r"cpu=(\d) addr=\w+ value=(\d+)", got[0]), [("0", "0"), ("3", "263"),
                                                                         ("4", "0")])
    same("one value", got[1], got[0].split("\n")[1])
    same("function", got[2], "$1 = 263")
    same("pointer", got[3], f"$2 = {pointer} per-CPU = {{cpu0 = 0, cpu3 = 263, cpu4 = 0}}")
    same("written", peeked, [f"cpu=4 ptr={pointer} bytes=3412"])
    same("CPU numbers", re.findall(r"value=(\d)", got[5]), ["0", "3", "4"])
    same("static", got[6], "$3 = 4")
    same("this CPU", got[8:10], ["$4 = 3", "$5 = 3"])
    need(got[10], r"^\$6 = 0x3\w+ <cpu_number\+0> per-CPU = {cpu0 = 0, cpu3 = 3, cpu4 = 4}$")


def test_printers_show_chunks_lists_and_trees():
    with prompt(SMP=2) as boot:
        boot.command("alloc 65000")
        chunks = boot.command("chunks")
        slot = fields(chunks[0])["slot"]
        got = answers("gdb", "print *pcpu_first_chunk", f"print pcpu_slots[{slot}]", "print pcpu_slots[3]",
                      "print 'percpu/chunk.c'::chunk_tree", "print 'mm/vm_range.c'::tree",
                      "print/r pcpu_slots[3]")
        ranges = len(boot.command("vm"))
        order = boot.command("map 0")[0].removeprefix("map=0 ")
    first = next(line for line in chunks if "flags=first" in line)
    same("chunk", got[0], f"$1 = {first} = {{areas = {order.count('-') - 1}, map = {order}}}")
    need(got[1], r"^\$2 = 1 entry = {0xffff\w+}$")
    same("empty list", got[2], "$3 = 0 entries")
    need(got[3], r"^\$4 = 2 entries = {0xffff\w+( <dynamic_chunk>)?, 0xffff\w+( <dynamic_chunk>)?}$")
    need(got[4], rf"^\$5 = {ranges + 1} entries = ")
    need(got[5], r"^\$6 = {next = 0xffff\w+, prev = 0xffff\w+}$")


def why_cases(boot):
    """(expression, patterns its answer has) for addresses of all kinds; what they are is the monitor's
    word."""
    area = fields(boot.command("alloc 128 64")[0])  # as long with either engine
    freed = fields(boot.command("alloc 4000 8")[0])
    boot.command(f"free {freed['ptr']}")
    big = fields(boot.command("alloc 65000")[0])
    cpus = {one["cpu"]: one for one in map(fields, boot.command("cpus"))}
    base = {one["chunk"]: int(one["base"], 0) for one in map(fields, boot.command("chunks"))}
    ranges = {one["name"]: one for one in map(fields, boot.command("vm"))}
    unit = int(cpus["1"]["unit"], 0) - int(cpus["0"]["unit"], 0)
    place = base[area["chunk"]] + unit + int(area["offset"])
    used = rf"^area=used area_offset={area['offset']} area_length=128 into=\d+$"
    stack = ranges["cpu_stack"]["range"]
    who = fields(boot.command(f"who {place + 5:#x}")[0])
    known = " ".join(f"{key}={who[key]}" for key in ("site", "ptr", "size", "align", "inside"))
    yield hex(place + 5), [f"^{re.escape(known)} by_cpu={who['cpu']}$"]
    yield hex(place), [rf" is=unit cpu=1 chunk=0 offset={area['offset']} ptr={area['ptr']}$", used,
                       "^page=mapped phys=0x\\w+ prot=rw- owner=boot$"]
    yield area["ptr"], [rf" is=percpu-pointer chunk=0 offset={area['offset']}$", used,
                        rf"^copy={place:#x} cpu=1$"]
    yield area["ptr"] + " + 3", ["into=3$"]
    yield freed["ptr"], [r"^area=free area_offset=\d+ area_length=\d+ into=\d+$"]
    yield hex(base["1"] + 3 * unit), [
        r" is=unit cpu=3 chunk=1 offset=0 ptr=", "^area=used area_offset=0 area_length=65000 into=0$",
        "^page=mapped .*owner=percpu$", "^range=.* name=percpu_chunk into="]
    yield f"{big['ptr']} + 65532", [r"^area=free area_offset=65000 area_length=536 into=532$"]
    yield "&cpu_number", [r" is=percpu-pointer chunk=0 ", r"^area=static .* var=cpu_number\+0$"]
    yield '$per_cpu("run_queue", 2)', [r" is=unit cpu=2 chunk=0 ", r" var=run_queue\+0$"]
    yield "&'percpu/chunk.c'::chunk_tree", [r" is=bss symbol=chunk_tree\+0$", "^page=mapped .*prot=rw-"]
    yield "kmain", [r" is=text symbol=kmain\+0 at=kernel/main\.c:\d+$", "prot=r-x"]
    yield "&areamap_engine", [r" is=rodata symbol=areamap_engine\+0$", "prot=r-- "]
    yield "&__per_cpu_load", [r" is=percpu-load-image ptr=0x30000000 "]
    yield "'percpu/chunk.c'::chunk_tree.node->right", ["owner=heap object=0x\\w+ size=512 state=used"]
    yield stack.partition("-")[0] + " + 16", [f"^range={stack} size=16384 name=cpu_stack into=16$",
                                              "owner=vmalloc"]
    yield stack.partition("-")[2], ["^page=unmapped$",
                                    "^range=none above=cpu_stack .* hint=unmapped_page_after_it$"]
    yield ranges["lapic"]["range"].partition("-")[0], ["phys=0xfee00000 .*owner=none", "name=lapic into=0"]
    yield hex(0xffff888000000000 + base["1"] % 1), [" is=direct-map offset=0x0$", "owner=boot"]
    yield f"{cpus['2']['gs']} + 24", [" is=null-percpu cpu=2 offset=24 hint=NULL_per-CPU_pointer$"]
    yield "0", [" is=null offset=0 hint=NULL_pointer$"]
    yield "0x1234567890ab", [" is=hole "]
    yield "0x8000000000000000", [" is=non-canonical "]
    yield "-1", ["^addr=0xffffffffffffffff is="]


def test_why_knows_every_kind_of_address():
    with prompt(SMP=4) as boot:
        cases = list(why_cases(boot))
        got = answers("gdb", *(f"pcpu why {expression}" for expression, _ in cases))
        backs = answers("gdb", *(f"pcpu why {0xffff888000000000 + int(found, 0):#x}" for found in
                                 re.findall(r"phys=(0x\w+) .*owner=percpu$", got[5], re.M)))
    for (expression, patterns), text in zip(cases, got):
        for pattern in patterns:
            assert re.search(pattern, text, re.M), f"pcpu why {expression}: no {pattern!r} in\n{text}"
    need(backs[0], r"is=direct-map ", r"owner=percpu backs_chunk=1 backs_cpu=3 backs_page=0$")


# ---- Damage ----

DAMAGE = (("pcpu_first_chunk->space.free_size", "+ 8"), ("pcpu_first_chunk->space.map[1]", "- 4"),
          ("pcpu_first_chunk->space.hint", "- 1"), ("pcpu_first_chunk->nr_areas", "+ 1"),
          ("pcpu_first_chunk->slot", "- 1"), ("pcpu_first_chunk->memory->nr_populated", "- 1"),
          ("pcpu_counters.live_bytes", "+ 1"), ("pcpu_counters.pages_owned", "+ 1"),
          ("pcpu_first_chunk->memory->populated[0]", "& ~8ul"),
          ("pcpu_first_chunk->memory->pages[3]", "- 1"), ("pcpu_first_chunk->memory->pages[3]", "== 0"))

BOOKS = "((struct bitmap_books *)pcpu_first_chunk->space.books)"
BITMAP_DAMAGE = ((f"{BOOKS}->used[0]", "& ~2ul"), (f"{BOOKS}->start[0]", "& ~1ul"),
                 ("pcpu_first_chunk->space.free_size", "+ 4"),
                 ("'percpu/front_stock.c'::fronts[0]->limit_bytes", "+ 1"), ("pcpu_front_bytes", "+ 1"))

# Only where nothing was carved since the tree was computed: else nobody reads it before it is computed anew.
TREE_DAMAGE = ((f"{BOOKS}->nodes[1].longest[3]", "+ 1"), (f"{BOOKS}->nodes[1].suffix", "- 1"))


def damage(cases, cmdline, areas=1):
    """Each case alone is found, in the monitor's words; cases: what is changed, and how."""
    sound = f"ok chunks=1 areas={areas}"
    mend = "print 0"
    with prompt(cmdline, SMP=2) as boot:
        for _ in range(areas):
            boot.command("alloc 100")
        boot.command("check")
        for lvalue, change in cases:
            got = answers("gdb", mend, "pcpu check", f"print/d {lvalue}", f"set var {lvalue} = $ {change}",
                          "pcpu check")
            same(f"before {lvalue} {change}", got[1], sound)
            monitor = boot.command("check")
            assert monitor[0].startswith("error: check: "), f"{lvalue} {change}: {monitor}"
            same(f"{lvalue} {change}", [got[4]], [line.replace("check: ", "") for line in monitor])
            mend = f"set var {lvalue} = {got[2].partition(' = ')[2]}"
        same("mended", answers("gdb", mend, "pcpu check")[1], sound)


def test_check_finds_what_the_monitor_finds():
    damage(DAMAGE, "percpu_engine=areamap")


def test_check_finds_what_the_monitor_finds_in_bitmaps():
    damage(BITMAP_DAMAGE, "percpu_engine=bitmap")
    damage(TREE_DAMAGE, "percpu_engine=bitmap", areas=0)


def test_guards_are_explained_and_looked_at():
    with prompt("percpu_debug", SMP=2) as boot:
        area, freed = (fields(boot.command("alloc 20 8")[0])["ptr"] for _ in range(2))
        boot.command(f"free {freed}")
        clean = answers("gdb", *(f"pcpu why {where}" for where in (
            f"{area} - 1", area, f"{area} + 20", freed)), "pcpu check",
            f"set var $per_cpu((char *){area} + 21, 1) = 0")
        damaged = answers("gdb", "pcpu check", f"pcpu why {area}")
        monitor = boot.command("check")
    for text, place, byte in zip(clean, ("front-zone", "object", "back-zone", "freed"),
                                 ("-1", "+0", "+20", "+0")):
        need(text, rf"\nguard={place} ptr=\w+ size=20 byte=\{byte} allocated_by=run_alloc\+0x\w+ ")
    need(clean[0], "freed_by=nobody")
    need(clean[3], r"freed_by=run_free\+0x")
    same("clean", clean[4], "ok chunks=1 areas=2")
    need(damaged[0], rf"^error: write past an area: area {area} of 20 bytes, CPU 1, byte \+21 is 0x00, not "
         "0xbb$")
    assert monitor[0].replace("check: ", "").startswith(damaged[0]), (monitor, damaged)


# ---- The engine of bitmaps, with ready areas ----

def test_bitmaps_and_ready_areas_are_read():
    with prompt("percpu_engine=bitmap", SMP=1) as boot:
        live, *freed = (fields(boot.command("alloc 1024")[0])["ptr"] for _ in range(80))
        for pointer in freed:
            boot.command(f"free {pointer}")
        top = "'percpu/front_stock.c'::fronts[0]->top[58]"  # the class of 1024 bytes, whose stack has 64 places
        whys = answers("gdb", *(f"pcpu why {pointer} + 1" for pointer in (live, freed[0], freed[-1])),
                       "pcpu check", "pcpu cpus", f"set var {top} -= 1", "pcpu check", f"set var {top} += 1")
        boot.command("alloc 65000")
        monitor = {line: boot.command(line) for line in ("chunks", "map 0", "map 1", "check")}
        settled = answers("gdb", *(f"pcpu {line}" for line in monitor), f"pcpu why {freed[0]}")
        need(settled[-1], "\narea=free ")
        for line, text in zip(monitor, settled):
            same(line, text.split("\n"), monitor[line])
    need(whys[0], r"\narea=used area_offset=\d+ area_length=1024 into=1\nsite=run_alloc\+")
    need(whys[1], r"\narea=ready area_offset=\d+ area_length=1024 into=1 on_cpu=0\ncopy=")
    need(whys[2], r"\narea=dead area_offset=\d+ area_length=1024 into=1 hint=freed_and_waits_for_a_sweep\ncopy=")
    same("live areas", whys[3], "ok chunks=2 areas=1")
    need(whys[4], r"^cpu=0 .* ready=65536 gdb=1 ")
    same("one off its stack", whys[6], "error: front: areas that are idle and on no stack")


# ---- Inside an allocation, in a panic ----

def test_commands_work_inside_an_allocation():
    quiet = "selftest=none replay=nft percpu_engine=areamap"
    got = answers("debug", "hbreak pcpu_populate", "continue", "pcpu check", "pcpu map 0", "print first",
                  "thread apply all print $this_cpu()", "delete", "hbreak pcpu_chunk_relocate",
                  "continue", "pcpu check", "print $this_cpu()", "thread", "pcpu cpus", CMDLINE=quiet, SMP=4)
    need(got[1], "hit Breakpoint 1, pcpu_populate")
    need(got[2], r"^ok chunks=1 areas=\d+ \(thread replay holds pcpu_alloc_mutex\)$")
    need(got[3], r"^map=0 -\d+ -\d+ ")
    same("this CPU of every thread", sorted(re.findall(r" = (\d)$", got[5], re.M)), ["0", "1", "2", "3"])
    cpu = re.search(r"= (\d)", got[10]).group(1)
    need(got[9], rf"^(ok|error: chunk 0: ).*cpu{cpu} holds pcpu_lock")
    thread = re.search(r"Current thread is (\d)", got[11]).group(1)
    need(got[12], rf"cpu={cpu} .* gdb={thread} thread=replay pc=\S*relocate\+")


def test_areas_on_their_way_to_a_stack_are_no_error():
    sound = r"^ok chunks=1 areas=0 \(thread replay holds pcpu_alloc_mutex\)$"
    got = answers("debug", "hbreak pcpu_populate", "continue", "pcpu check", "print batch.nr",
                  "set var batch.offsets[1] += 4", "pcpu check", "set var batch.offsets[1] -= 4", "pcpu check",
                  CMDLINE="selftest=none replay=nft percpu_engine=bitmap", SMP=4)
    need(got[2], sound)
    need(got[3], r" = ([2-9]|\d\d+)$")
    need(got[5], r"^error: front: areas that are idle and on no stack; thread replay holds pcpu_alloc_mutex")
    need(got[7], sound)


def test_a_check_inside_a_hit_says_so():
    got = answers("debug", "hbreak pcpu_front_free", "continue",
                  "pcpu check", CMDLINE="selftest=none replay=nft percpu_engine=bitmap", SMP=1)
    need(got[2], r"^ok chunks=1 areas=\d+ \(.*cpu0 takes or puts a ready area\)$")


def test_a_panic_stops_in_gdb_and_can_be_looked_at():
    got = answers("debug", "continue", "backtrace 1", "hbreak arch_exit", "continue", "pcpu cpus",
                  "pcpu chunks", "pcpu check", "print code", CMDLINE="break=panic", SMP=4)
    need(got[0], r"^panic: asked for by break=panic \(backtrace")
    need(got[1], r"^#0 +panic_at ")
    assert got[4].count("pc=panic_nmi+") + got[4].count("pc=stop_here+") == 3, f"not three CPUs stopped by NMI: {got}"
    need(got[5], "^chunk=0 ")
    need(got[6], "^ok chunks=1 areas=")
    same("exit code", got[7], "$1 = 17")


def test_a_fault_stops_in_gdb_and_why_knows_its_address():
    got = answers("debug", "set pcpu-stop-at-panic off", "show pcpu-stop-at-panic",
                  "set pcpu-stop-at-panic on", "continue", "pcpu why $cr2", SMP=2,
                  CMDLINE="selftest=broken_uses_a_null_percpu_pointer_of_another_cpu replay=none")
    need(got[1], "Whether a panic of the kernel stops in gdb: off")
    need(got[3], r"^panic: page fault: ")
    need(got[4], r"is=null-percpu cpu=1 offset=0 hint=NULL_per-CPU_pointer\npage=unmapped$")


# ---- Editors ----

def as_mi(text):
    """A command of a launch configuration as gdb's machine interface takes it."""
    return text if text.startswith("-") else f'-interpreter-exec console "{text}"'


def test_launch_configuration_stops_in_the_kernel():
    with open(".vscode/launch.json", encoding="utf-8") as file:
        launch = json.load(file)["configurations"][0]
    with open(".vscode/tasks.json", encoding="utf-8") as file:
        task = next(task for task in json.load(file)["tasks"] if task["label"] == launch["preLaunchTask"])
    words = shlex.split(task["command"])
    ready = re.compile(task["problemMatcher"]["background"]["endsPattern"])
    steps = [*(command["text"] for command in launch["setupCommands"]),
             f"-target-select remote {launch['miDebuggerServerAddress']}", "-break-insert -h kmain",
             "-exec-continue", "pcpu why kmain", "-gdb-exit"]
    with subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, env=session.environment(CMDLINE=session.QUIET)) as run:
        try:
            line = run.stderr.readline()
            assert ready.match(line), f"{words} says {line!r}"
            text = subprocess.run([launch["miDebuggerPath"], "-nx", "--interpreter=mi",
                                   launch["program"].replace("${workspaceFolder}", ROOT)],
                                  input="\n".join(map(as_mi, steps)) + "\n", text=True, check=False,
                                  timeout=120, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
        finally:
            run.terminate()
    assert "^error" not in text, text
    need(text, r'\*stopped,reason="breakpoint-hit".*func="kmain"', r"is=text symbol=kmain\+0 at=kernel/main")


def test_compile_commands_are_where_editors_look():
    with open(".vscode/c_cpp_properties.json", encoding="utf-8") as file:
        place = json.load(file)["configurations"][0]["compileCommands"]
    same("place", place, "${workspaceFolder}/build/compile_commands.json")
    with open("build/compile_commands.json", encoding="utf-8") as file:
        commands = {entry["file"]: entry for entry in json.load(file)}
    entry = commands["percpu/alloc.c"]
    done = subprocess.run(shlex.split(entry["command"]) + ["-o", os.devnull], cwd=entry["directory"],
                          check=False, timeout=60)
    same("compiler's status", done.returncode, 0)


# ---- The end ----

def test_debug_leaves_nothing_behind():
    make("debug", "print 1")
    assert not os.path.exists("build/gdb.sock"), "the stub's socket is still there"
    assert not stubs(), f"QEMU still serves gdb: pids {stubs()}"


def test_a_second_run_with_the_socket_is_refused_by_name():
    with session.Session(CMDLINE=session.QUIET, GDB=1, SMP=1) as first:
        first.until_prompt()
        second = session.run(CMDLINE=session.QUIET, GDB=1)
        assert second.returncode == 1, second.stdout
        need(second.stderr, r"GDB=1: build/gdb\.sock is in use by another run of this tree "
             rf"\(process {first.process.pid}\): end that one, or run without GDB=1")
        assert os.path.exists("build/gdb.sock"), "the first one's socket is gone"
        status, errors = first.finish()
        assert status == 0, errors
    status, errors = session.Session(CMDLINE=session.QUIET, GDB=1, SMP=1).finish()
    assert status == 0, f"the socket is not free again: {errors}"


def test_gdb_with_nothing_to_attach_to_says_so():
    done = subprocess.run(["make", "-s", "gdb"], cwd=ROOT, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          env=session.environment())
    assert done.returncode != 0, done.stdout
    need(done.stderr, r"gdb: failed: nobody listens at build/gdb\.sock: start `make run GDB=1`")


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(each_alone(globals()))
