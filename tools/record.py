#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Records a run so that it can be gone through again, backwards too: `make record`, then `make rewind`.

As `make run`, with one CPU, under QEMU's record/replay: whatever comes from outside (input, clocks, the
disk) is written to a log, and a replay takes it from there, so that each instruction does what it did.
The recording is build/record/: the log, the ISO, the kernel with its symbols, and a disk that holds
nothing but snapshots of the machine, from which gdb's steps backwards set out (tools/debug.py --rewind).
Source: QEMU's documentation, "Record/replay"; docs/interop/qcow2.txt for the empty disk.
"""
import json
import os
import shutil
import signal
import struct
import sys

import machine
import run

MEM = "128M"  # if MEM= gives none: every snapshot holds it
CLUSTER_BITS = 16
DISK_SIZE = 1 << 20  # of its contents, which nobody reads
TABLE_CLUSTERS = 4  # header, refcount table, refcounts, first-level table


class Tape:
    """A recording. mode: "record" or "replay"."""

    def __init__(self, mode):
        self.mode = mode
        folder = os.path.join("build", "record")
        self.log, self.disk, self.iso, self.kernel, self.settings = (
            os.path.join(folder, name) for name in ("log", "disk.qcow2", "percpu.iso", "percpu.elf",
                                                    "settings.json"))

    def begin(self, options):
        """Makes what a new recording needs; the one before is gone."""
        shutil.rmtree(os.path.dirname(self.log), ignore_errors=True)
        os.makedirs(os.path.dirname(self.log))
        machine.build_iso(options, self.iso)
        shutil.copyfile(options.kernel, self.kernel)
        with open(self.disk, "wb") as file:
            file.write(empty_qcow2())
        with open(self.settings, "w", encoding="utf-8") as file:
            json.dump({"mem": options.mem, "uefi": options.uefi}, file)

    def apply(self, options):
        """Makes options boot from the tape."""
        options.smp, options.accel, options.tape = "1", "tcg,thread=single", self
        options.paced = True
        options.gdb_name = "rewind"
        if self.mode == "replay":
            with open(self.settings, encoding="utf-8") as file:
                options.__dict__.update(json.load(file))

    def exists(self):
        return os.path.exists(self.log) and os.path.exists(self.settings)

    def flags(self):
        """QEMU's. Without the vapic, resetting the machine for a snapshot deadlocks in QEMU 7.2: the reset
        waits for the virtual CPU, which waits for the lock that the replay's main loop holds."""
        at_end = ["-no-shutdown"] if self.mode == "replay" else []  # stops in gdb there
        return [*at_end, "-drive", f"file={self.disk},if=none,id=snapshots",
                "-drive", f"file={self.iso},if=none,id=iso,media=cdrom,format=raw,readonly=on",
                "-drive", "driver=blkreplay,if=none,id=cd,image=iso,readonly=on",
                "-device", "ide-cd,drive=cd", "-global", "apic.vapic=off",
                "-icount", f"shift=auto,rr={self.mode},rrfile={self.log},rrsnapshot=start"]


def empty_qcow2():
    """A qcow2 image that holds nothing: four clusters of tables."""
    cluster = 1 << CLUSTER_BITS
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, CLUSTER_BITS, DISK_SIZE, 0, 1,
                         3 * cluster, cluster, 1, 0, 0)
    table = struct.pack(">Q", 2 * cluster)
    counts = struct.pack(">H", 1) * TABLE_CLUSTERS
    return b"".join(part.ljust(cluster, b"\0") for part in (header, table, counts, b""))


def record():
    options = machine.Options(dict(os.environ, SMP="1", MEM=os.environ.get("MEM") or MEM))
    tape = Tape("record")
    tape.begin(options)
    tape.apply(options)
    why = run.boot(options)
    if os.path.getsize(tape.log) == 0:
        return why or "QEMU wrote no log"
    print("record: `make rewind` goes through it, backwards too", file=sys.stderr)
    return why


def main():
    os.chdir(machine.ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, run.interrupted)
    try:
        why = record()
    except (machine.Failure, OSError) as failure:
        why = str(failure)
    except KeyboardInterrupt as signal_name:
        why = f"ended by {signal_name}"
    if why:
        print(f"record: failed: {why}", file=sys.stderr)
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
