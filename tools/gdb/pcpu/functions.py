# SPDX-License-Identifier: GPL-2.0-only
"""The functions $per_cpu and $this_cpu."""
import gdb

from pcpu import cpus, target


class PerCpu(gdb.Function):
    """$per_cpu("name", cpu): a CPU's copy of a per-CPU variable, which can be printed, taken apart and
assigned to. Without cpu: the copy of the selected thread's CPU. Instead of a name: a per-CPU pointer.
Example: print $per_cpu("run_queue", 1).nr_ready"""

    def __init__(self):
        super().__init__("per_cpu")

    @target.reported
    def invoke(self, what, cpu=None):
        cpu = cpus.this() if cpu is None else int(cpu)
        with target.kernel_memory():
            pointer = what if what.type.code == gdb.TYPE_CODE_PTR else cpus.pointer_to(_name(what))
            return cpus.copy(pointer, cpus.parse(cpu))


def _name(what):
    kind = what.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_ARRAY and what.type.target().sizeof == 1:
        return what.string()
    if what.address is not None and cpus.in_static_area(target.number(what.address)):
        return f"*({what.type} *){target.number(what.address):#x}"
    raise target.Error('$per_cpu: want a name in quotes, as in $per_cpu("cpu_number", 0), or a per-CPU '
                       "pointer")


class ThisCpu(gdb.Function):
    """$this_cpu(): the kernel's number of the CPU that the selected thread is.
Example: print $this_cpu()"""

    def __init__(self):
        super().__init__("this_cpu")

    @target.reported
    def invoke(self):
        target.threads()
        return cpus.this()


PerCpu()
ThisCpu()
