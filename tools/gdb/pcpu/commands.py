# SPDX-License-Identifier: GPL-2.0-only
"""The commands `pcpu …`. A command's text is its help, which ends in an example."""
import gdb

from pcpu import allocator, check, cpus, target, why


class Pcpu(gdb.Command):
    """The per-CPU allocator of the stopped kernel.

The commands work wherever the kernel stands, read its memory and change nothing; before set-up they say
how far it is. Records are those of the kernel's own monitor. There are also the functions
$per_cpu("name", cpu) and $this_cpu(): `help function per_cpu`.
Example: pcpu cpus"""

    def __init__(self):
        super().__init__("pcpu", gdb.COMMAND_DATA, prefix=True)

    def invoke(self, argument, from_tty):
        gdb.execute("help pcpu", from_tty)


class Subcommand(gdb.Command):
    """What the commands share. run(words) yields lines; the names of the words are `usage`."""

    usage, least, most = "", 0, 0
    completes = gdb.COMPLETE_NONE

    def __init__(self, name):
        self.name = name
        super().__init__("pcpu " + name, gdb.COMMAND_DATA, self.completes)

    def words(self, argument):
        return gdb.string_to_argv(argument)

    @target.reported
    def invoke(self, argument, _from_tty):
        words = self.words(argument)
        if not self.least <= len(words) <= self.most:
            usage = f"pcpu {self.name} {self.usage}".rstrip()
            raise target.Error(f"{len(words)} words after pcpu {self.name}: usage: {usage}")
        try:
            target.threads()
            for line in self.run(words):
                print(line)
        except target.NotSetUp as state:
            print(state)  # not an error: the kernel is not there yet

    def run(self, words):
        raise NotImplementedError


class Cpus(Subcommand):
    """The CPUs, their units and what each does.
As the monitor's cpus, with gdb's thread, the kernel's thread and the place in the code added.
Usage: pcpu cpus
Example: pcpu cpus"""

    def run(self, words):
        with target.kernel_memory():
            yield from cpus.state_lines()
            if not cpus.units_exist():
                allocator.require_set_up()


class Chunks(Subcommand):
    """All chunks.
By slot from 0 up, front to back, then the reserved chunk: as the monitor's chunks.
Usage: pcpu chunks
Example: pcpu chunks"""

    def run(self, words):
        with target.kernel_memory():
            for chunk in allocator.chunks():
                yield chunk.line()


class Map(Subcommand):
    """The runs of chunk N, in use or free.
From offset 0 on: -n is n bytes in use, +n is n bytes free.
Usage: pcpu map N
Example: pcpu map 0"""

    usage, least, most = "N", 1, 1

    def run(self, words):
        with target.kernel_memory():
            allocator.require_set_up()
            chunk = allocator.chunk(_number(words[0], "a chunk's number: pcpu chunks lists them"))
            entries = " ".join(f"{entry:+d}" for entry in chunk.entries())
            yield f"map={chunk.id} {entries}"


def _number(word, want):
    try:
        return int(gdb.parse_and_eval(word))
    except gdb.error:
        raise target.Error(f"{word}: want {want}") from None


class Var(Subcommand):
    """Every CPU's copy of a per-CPU variable, or one CPU's.
NAME is a static variable, a part of one, or a per-CPU pointer with its type; blanks in it want quotes.
Usage: pcpu var NAME [CPU]
Example: pcpu var cpu_number
Example: pcpu var run_queue.nr_ready 1"""

    usage, least, most = "NAME [CPU]", 1, 2
    completes = gdb.COMPLETE_SYMBOL

    def run(self, words):
        with target.kernel_memory():
            known = cpus.known()
            if len(words) == 2:
                known = [cpus.parse(words[1])]
            pointer = cpus.pointer_to(words[0])
            if not cpus.units_exist():
                yield _copy_line(pointer, known[0])
                allocator.require_set_up()
            for cpu in known:
                yield _copy_line(pointer, cpu)


def _copy_line(pointer, cpu):
    value = cpus.copy(pointer, cpu)
    return f"cpu={cpu} addr={target.number(value.address):#x} value={value.format_string()}"


class Why(Subcommand):
    """What an address is.
The unit of a CPU, the chunk and the area there, free, kept ready on a CPU, or in use and by whom; a
static variable by name; a range of the vmalloc area; a page and its owner; code or data of the kernel; a
guard of percpu_debug; or nothing.
ADDR is any expression. The closest answer comes first.
Usage: pcpu why ADDR
Example: pcpu why &pcpu_slots
Example: pcpu why $per_cpu("cpu_number", 1)"""

    usage, least, most = "ADDR", 1, 1
    completes = gdb.COMPLETE_EXPRESSION

    def words(self, argument):
        return [argument] if argument else []

    def run(self, words):
        yield from why.explain(_address(words[0]))


def _address(expression):
    """The address that an expression means: of an lvalue of $per_cpu its place, else its value."""
    value = gdb.parse_and_eval(expression)
    if expression.lstrip().startswith("$per_cpu") and value.address is not None:
        return target.number(value.address)
    try:
        if value.type.strip_typedefs().code in (gdb.TYPE_CODE_FUNC, gdb.TYPE_CODE_ARRAY,
                                                gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
            return target.number(value.address)
        return target.number(value)
    except gdb.MemoryError:
        raise target.Error(f"{expression} cannot be read: for what is at its place, give &({expression})") \
            from None
    except gdb.error:
        raise target.Error(f"{expression} is no address: want a number or a pointer") from None


class Check(Subcommand):
    """Every invariant of every chunk, recomputed from memory.
Maps, hints, slots, the tree, pages, page tables, counters, what CPUs keep ready and the guards of
percpu_debug. In the middle of a change it says who makes it.
Usage: pcpu check
Example: pcpu check"""

    def run(self, words):
        with target.kernel_memory():
            allocator.require_set_up()
            yield check.run()


Pcpu()
Cpus("cpus")
Chunks("chunks")
Map("map")
Var("var")
Why("why")
Check("check")
