# SPDX-License-Identifier: GPL-2.0-only
"""The machine that gdb is attached to. A thread of gdb is a virtual CPU of QEMU.

Memory is read through the page tables of the selected virtual CPU. One that has not been started yet
has none, so kernel memory is read through one that has: `with kernel_memory():`.
"""
import contextlib
import functools

import gdb

MASK = (1 << 64) - 1
CR0_PAGING, EFER_LONG_MODE = 1 << 31, 1 << 10
NOT_CONNECTED = "gdb is not connected to a kernel: use `make debug`, or `make run GDB=1` and `make gdb`"
BOOT_STEPS = "`hbreak percpu_init`, `continue` and `finish` take it there"


class Error(Exception):
    """What a command cannot do: the thing, its value, the way out."""


class NotSetUp(Exception):
    """The kernel has not come far enough; the text says how far it is."""


def reported(function):
    """Turns what may go wrong into one line of gdb's, without a traceback."""
    @functools.wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except (NotSetUp, Error) as problem:
            raise gdb.GdbError(f"error: {problem}") from None
        except gdb.MemoryError as problem:
            raise gdb.GdbError(f"error: {problem}: `pcpu why` says what it is") from None
        except gdb.error as problem:
            raise gdb.GdbError(f"error: {problem}") from None
        except gdb.GdbError:
            raise
        except Exception as problem:  # pylint: disable=broad-except
            raise gdb.GdbError(f"error: the kernel's data is not as expected: "
                               f"{type(problem).__name__}: {problem}") from None
    return call


# ---- Threads and registers ----

def threads():
    """gdb's threads by number; an Error if there are none or they run."""
    found = sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num)
    if not found or gdb.selected_thread() is None:
        raise Error(NOT_CONNECTED)
    if any(thread.is_running() for thread in found):
        raise Error("the kernel runs: stop it first (Ctrl-C, or `interrupt`)")
    return found


@contextlib.contextmanager
def selected():
    """Puts thread and frame back as they were."""
    thread, frame = gdb.selected_thread(), gdb.selected_frame()
    try:
        yield
    finally:
        thread.switch()
        if frame.is_valid():
            frame.select()


def register(name):
    """A register of the selected thread, whatever frame is selected."""
    value = gdb.newest_frame().read_register(name)
    return int(value.cast(gdb.lookup_type("unsigned long"))) & MASK


def _in_kernel():
    """Whether the selected thread's page tables map the kernel."""
    if not register("cr0") & CR0_PAGING or not register("efer") & EFER_LONG_MODE:
        return False
    start = address_of("__image_start")
    try:
        return read(start, 4) == bytes.fromhex("d65052e8")  # the Multiboot2 header's magic
    except gdb.MemoryError:
        return False


@contextlib.contextmanager
def kernel_memory():
    """Inside, kernel memory can be read. NotSetUp if no virtual CPU is in the kernel."""
    candidates = threads()
    with selected():
        if not _in_kernel():
            for thread in candidates:
                thread.switch()
                if _in_kernel():
                    break
            else:
                raise NotSetUp("not set up yet: no CPU is in the kernel; `hbreak kmain` and "
                               "`continue` take it there")
        yield


# ---- Memory ----

def read(address, size):
    """Bytes at an address; gdb.MemoryError if some cannot be read."""
    return bytes(gdb.selected_inferior().read_memory(address, size))


def read_number(address, size=8):
    return int.from_bytes(read(address, size), "little")


def read_numbers(address, count, size=8, signed=False):
    """An array of equal numbers, read in one go."""
    data = read(address, count * size) if count else b""
    return [int.from_bytes(data[i:i + size], "little", signed=signed)
            for i in range(0, len(data), size)]


# ---- Symbols ----

def address_of(name):
    return int(gdb.parse_and_eval(f"&{name}")) & MASK


def variable(name, file=None):
    """A variable of the kernel; file: the source it is static in."""
    value = gdb.parse_and_eval(f"'{file}'::{name}" if file else name)
    value.fetch_lazy()
    return value


def number(value):
    """An integer or a pointer of the kernel, without sign."""
    return int(value) & MASK


def string(pointer):
    return pointer.string(errors="replace") if int(pointer) else "-"


def symbol(address):
    """name+offset of the symbol that holds an address; None if none does."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    if text.startswith("No symbol"):
        return None
    name, plus, offset = text.partition(" in section")[0].partition(" + ")
    return f"{name}+{offset if plus else 0}"


def site(caller):
    """A return address as the monitor names it, by the function that the call is in."""
    text = symbol(caller - 1)
    if text is None:
        return hex(caller)
    name, _, offset = text.rpartition("+")
    return f"{name}+{int(offset) + 1:#x}"
