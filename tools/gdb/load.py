# SPDX-License-Identifier: GPL-2.0-only
"""Gives gdb the project's commands, functions and printers: `source tools/gdb/load.py`.

`make debug` and `make gdb` do that; so does the launch configuration of .vscode. `help pcpu` lists what
there is, docs/debugging.md shows it. Needs gdb 10 or later with Python.
"""
import os
import sys

sys.dont_write_bytecode = True  # everything made lands in build/
sys.path.insert(0, os.path.dirname(os.path.abspath(os.path.expanduser(__file__))))
for name in [name for name in sys.modules if name.partition(".")[0] == "pcpu"]:
    del sys.modules[name]  # sourced again: take the files as they are now
import pcpu.commands  # noqa: E402,F401 pylint: disable=wrong-import-position
import pcpu.functions  # noqa: E402,F401 pylint: disable=wrong-import-position
import pcpu.printers  # noqa: E402 pylint: disable=wrong-import-position
import pcpu.stops  # noqa: E402 pylint: disable=wrong-import-position

pcpu.printers.register()
pcpu.stops.register()
