# SPDX-License-Identifier: GPL-2.0-only
"""A panic stops in gdb where it began: otherwise QEMU would end, and with it what there is to see."""
import gdb

from pcpu import target

PLACES = ("panic_at", "panic_trap")
SETTING = "pcpu-stop-at-panic"


class StopAtPanic(gdb.Parameter):
    """Whether a panic of the kernel stops in gdb, before anything is printed or ended."""

    set_doc = "Set whether a panic of the kernel stops in gdb."
    show_doc = "Show whether a panic of the kernel stops in gdb."

    def __init__(self):
        super().__init__(SETTING, gdb.COMMAND_BREAKPOINTS, gdb.PARAM_BOOLEAN)
        self.value = True

    def get_set_string(self):
        return ""

    def get_show_string(self, value):
        return f"A panic of the kernel stops in gdb: {value}."


class PanicBreakpoint(gdb.Breakpoint):
    """At the first line of a panic. Internal: it takes no number and is in no list. QEMU's emulation keeps
    breakpoints beside the memory, so it may be set before the kernel is loaded."""

    def __init__(self, place):
        super().__init__(place, gdb.BP_BREAKPOINT, internal=True)
        self.silent = True

    def stop(self):
        if not gdb.parameter(SETTING):
            return False
        print(f"panic: {_text()} (backtrace shows from where; `set {SETTING} off` and continue ends it)")
        return True


def _text():
    """The panic's format: its arguments are still in registers."""
    try:
        return target.string(gdb.newest_frame().read_var("fmt"))
    except (gdb.error, ValueError):
        return "?"


def register():
    """Sets the breakpoints; once, even if sourced again."""
    StopAtPanic()
    old = [point for point in gdb.breakpoints() if point.location in PLACES and not point.visible]
    for point in old:
        point.delete()
    for place in PLACES:
        PanicBreakpoint(place)
