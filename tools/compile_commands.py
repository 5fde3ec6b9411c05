#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Prints compile_commands.json: compile_commands.py 'COMPILER FLAGS' FILE..."""
import json
import os
import sys


def main():
    command, files = sys.argv[1], sys.argv[2:]
    json.dump([{"directory": os.getcwd(), "file": name, "command": f"{command} -c {name}"}
               for name in files], sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
