#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Boots that cannot go well: the kernel says why on the serial port and ends with 0x11. Prints TAP.

gdb makes them go wrong: it stops the machine on its way into the kernel and changes what GRUB left there.
"""
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import machine  # noqa: E402
import taptest  # noqa: E402

AT_ENTRY = "hbreak *((long)&_start - 0xffffffffc0000000)\ncontinue\n"  # 32-bit code, before paging
AT_KMAIN = "hbreak kmain\ncontinue\nset $info = 0xffff888000000000 + $rsi\n"
FIND_TAG = """set $tag = $info + 8
while *(unsigned int *)$tag != {}
set $tag = $tag + ((*(unsigned int *)($tag + 4) + 7) & ~7)
end
"""
MEMORY_MAP, UNKNOWN = 6, 77


def gdb(socket, script, folder):
    """Runs the script on the stopped machine; it ends when the machine does."""
    path = os.path.join(folder, "script.gdb")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"target remote {socket}\n{script}delete\ncontinue\n")
    subprocess.run(["gdb", "-batch", "-nx", "-x", path, machine.Options().kernel],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=90, check=False)


def boot(script="", extra=""):
    """What came on the serial port, and the status that QEMU ended with."""
    env = {"SMP": "1", "MEM": "128M", "CMDLINE": "selftest=none replay=none monitor=off"}
    os.makedirs(machine.BUILD, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="boot.", dir=machine.BUILD) as folder:
        socket = os.path.relpath(os.path.join(folder, "gdb.sock"))
        if script:
            env["STOPPED"] = "1"
            extra += f" -gdb unix:{socket},server=on,wait=off"
        with machine.Machine(machine.Options(dict(env, QEMUEXTRA=extra))) as started:
            if script:
                wait_for(socket)
                gdb(socket, script, folder)
            text, _ = started.process.communicate(timeout=90)
            return text.decode(errors="replace"), started.process.returncode


def wait_for(path):
    """QEMU makes its socket a moment after it started."""
    deadline = time.monotonic() + 20
    while not os.path.exists(path):
        assert time.monotonic() < deadline, "QEMU opened no GDB socket within 20 s"
        time.sleep(0.05)


def refused(words, **how):
    text, status = boot(**how)
    assert words in text, f"no {words!r} on the serial port:\n{text[-2000:]}"
    assert status == machine.STATUS_FAILED, f"status {status}, want {machine.STATUS_FAILED}"


def test_an_untouched_boot_ends_well():
    text, status = boot(script=AT_ENTRY)
    assert status == machine.STATUS_GOOD, f"status {status}:\n{text[-2000:]}"


def test_wrong_magic():
    refused("wrong magic", script=AT_ENTRY + "set $rax = 0x2badb002\n")


def test_wrong_magic_in_kmain():
    refused("wrong magic", script=AT_KMAIN + "set $rdi = 0\n")


def test_no_memory_map_tag():
    refused("no memory map tag", script=AT_KMAIN + FIND_TAG.format(MEMORY_MAP)
            + f"set *(unsigned int *)$tag = {UNKNOWN}\n")


def test_a_tag_that_runs_past_the_end():
    refused("tag runs past the end", script=AT_KMAIN + FIND_TAG.format(MEMORY_MAP)
            + "set *(unsigned int *)($tag + 4) = 0x7fffffff\n")


def test_a_total_size_that_cuts_the_tags():
    refused("Multiboot2 information", script=AT_KMAIN + "set *(unsigned int *)$info = 24\n")


def test_a_total_size_past_all_sense():
    refused("total size past 16 MiB", script=AT_KMAIN + "set *(unsigned int *)$info = 0xffffffff\n")


def test_a_cpu_without_long_mode():
    refused("no 64-bit long mode", extra="-cpu qemu32")


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
