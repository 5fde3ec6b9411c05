# SPDX-License-Identifier: GPL-2.0-only
"""Numbers that only the C headers know: macros leave nothing in the debug information."""
import functools
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DEFINE = re.compile(r"^#define\s+(\w+)\s+\(?(0[xX][0-9a-fA-F]+|\d+)u?l?(?:\s*<<\s*(\d+))?\)?(?=\s|$)",
                    re.M)


@functools.lru_cache(None)
def macros(header):
    """name → value of a header's macros that are a number, or a number shifted by one."""
    with open(os.path.join(ROOT, header), encoding="utf-8") as file:
        found = DEFINE.findall(file.read())
    return {name: int(value, 0) << int(shift or 0) for name, value, shift in found}


def layout(name):
    """A number of the address map."""
    return macros("arch/x86_64/memlayout.h")[name]
