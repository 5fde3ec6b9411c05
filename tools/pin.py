# SPDX-License-Identifier: GPL-2.0-only
"""Keeps each virtual CPU of a QEMU on one of the host's processors, in turn: PIN=1.

Where a benchmark compares one CPU with several, the host's scheduler must not put two of them on one processor for a
while, or move them. QEMU names its threads if `-name …,debug-threads=on` asks for it.
"""
import glob
import os
import re
import threading
import time

FLAGS = ["-name", "percpu,debug-threads=on"]
NAME = re.compile(r"CPU (\d+)/")
TIMES, PAUSE = 200, 0.05  # it looks for them so often; seconds in between


def threads(pid):
    """{number of the virtual CPU: its thread}, as far as they have their names yet."""
    found = {}
    for folder in glob.glob(f"/proc/{pid}/task/*"):
        try:
            with open(os.path.join(folder, "comm"), encoding="utf-8") as file:
                match = NAME.match(file.read())
        except OSError:
            continue  # it has ended
        if match:
            found[int(match.group(1))] = int(os.path.basename(folder))
    return found


def pin(pid):
    """Pins them as they appear. What cannot be had is left: the run is as good without."""
    processors, done = sorted(os.sched_getaffinity(0)), set()
    for _ in range(TIMES):
        for number, thread in threads(pid).items():
            try:
                if thread not in done:
                    os.sched_setaffinity(thread, {processors[number % len(processors)]})
            except OSError:
                pass
            done.add(thread)
        time.sleep(PAUSE)


def in_background(pid):
    threading.Thread(target=pin, args=(pid,), daemon=True).start()
