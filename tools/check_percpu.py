#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Proves from the linked kernel that every per-CPU access is one instruction of an accessor.

    check_percpu.py [--objdump OBJDUMP] ELF

Each this_cpu_ accessor leaves its instruction's address in section .percpu_sites (8 bytes each, see
arch/x86_64/percpu.h). Every such instruction must access memory through %gs and have no LOCK prefix, and
no other instruction may access memory through %gs: that one would be a per-CPU pointer dereferenced
plainly. Prints what is wrong with the source line, exit status 1; or one line with the count.
"""
import argparse
import re
import struct
import subprocess
import sys

SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
LINE = re.compile(r"\s*([0-9a-f]+):\s+(\S.*)")


def section_bytes(path, wanted):
    """The contents of a section of a 64-bit little-endian ELF; b"" if there is none of that name."""
    with open(path, "rb") as file:
        image = file.read()
    if image[:6] != b"\x7fELF\x02\x01":
        sys.exit(f"check_percpu: {path} is not a 64-bit little-endian ELF file")
    table, = struct.unpack_from("<Q", image, 40)
    size, count, names = struct.unpack_from("<HHH", image, 58)
    headers = [SECTION_HEADER.unpack_from(image, table + i * size) for i in range(count)]
    strings = headers[names][4]
    for header in headers:
        start = strings + header[0]
        if image[start:image.index(b"\0", start)].decode() == wanted:
            return image[header[4]:header[4] + header[5]]
    return b""


def instructions(objdump, path):
    """{address: text} of all code."""
    out = subprocess.run([objdump, "-d", "--no-show-raw-insn", path], check=True, text=True,
                         capture_output=True).stdout
    return {int(match.group(1), 16): match.group(2).split("#")[0].strip()
            for match in map(LINE.match, out.splitlines()) if match}


def problems(code, sites):
    """(address, what is wrong) of each violation."""
    for site in sorted(sites):
        text = code.get(site)
        if text is None:
            yield site, "is on record as a this_cpu access, but no instruction starts there"
        elif "%gs:" not in text:
            yield site, f"is on record as a this_cpu access, but is not one: {text}"
        elif re.match(r"(lock|rep\w*)\b", text):
            yield site, f"is a this_cpu access with a prefix: {text}"
    for address, text in code.items():
        if "%gs:" in text and address not in sites:
            yield address, f"dereferences a per-CPU pointer without this_cpu_: {text}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("elf")
    args = parser.parse_args()
    raw = section_bytes(args.elf, ".percpu_sites")
    sites = set(struct.unpack(f"<{len(raw) // 8}Q", raw))
    bad = list(problems(instructions(args.objdump, args.elf), sites))
    for address, what in bad:
        where = subprocess.run(["addr2line", "-fe", args.elf, hex(address)], check=False, text=True,
                               capture_output=True).stdout.split()
        print(f"check_percpu: {address:#x} {' '.join(where)} {what}", file=sys.stderr)
    if bad:
        sys.exit(1)
    print(f"{len(sites)} this_cpu accesses, each one %gs instruction without LOCK; no other %gs access")


if __name__ == "__main__":
    main()
