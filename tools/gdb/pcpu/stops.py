# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel stops in gdb by itself: in a panic, where it began, and, if asked to, at the kernel's
end. Otherwise QEMU would end, and with it what there is to see."""
import gdb

from pcpu import target


class StopSetting(gdb.Parameter):
    """Whether the kernel stops in gdb at some place."""

    def __init__(self, name, what, on):
        self.what = what
        self.set_doc = f"Set whether {what} stops in gdb."
        self.show_doc = f"Show whether {what} stops in gdb."
        super().__init__(name, gdb.COMMAND_BREAKPOINTS, gdb.PARAM_BOOLEAN)
        self.value = on

    def get_set_string(self):
        return ""

    def get_show_string(self, value):
        return f"Whether {self.what} stops in gdb: {value}."


class StopBreakpoint(gdb.Breakpoint):
    """Stops at a function if its setting says so. Internal: it takes no number and is in no list. QEMU's
    emulation keeps breakpoints beside the memory, so it may be set before the kernel is loaded."""

    def __init__(self, place, setting, say):
        super().__init__(place, gdb.BP_BREAKPOINT, internal=True)
        self.silent = True
        self.setting, self.say = setting, say

    def stop(self):
        if not gdb.parameter(self.setting):
            return False
        print(self.say())
        return True


def _argument(name):
    """An argument of the function that is entered."""
    try:
        return gdb.newest_frame().read_var(name)
    except (gdb.error, ValueError):
        return None


def _panic():
    """The panic's format: its arguments are still in registers."""
    text = _argument("fmt")
    text = "?" if text is None else target.string(text)
    return f"panic: {text} (backtrace shows from where; `set {PANIC} off` and continue ends it)"


def _end():
    return f"the kernel ends here with code {_argument('code')}; in a recording: reverse-continue goes back"


PANIC, END = "pcpu-stop-at-panic", "pcpu-stop-at-end"
PLACES = {"panic_at": (PANIC, _panic), "panic_trap": (PANIC, _panic), "arch_exit": (END, _end)}


def register():
    """Makes settings and breakpoints anew, even if sourced again."""
    StopSetting(PANIC, "a panic of the kernel", True)
    StopSetting(END, "the kernel's end", False)
    for point in gdb.breakpoints():
        if point.location in PLACES and not point.visible:
            point.delete()
    for place, how in PLACES.items():
        StopBreakpoint(place, *how)
