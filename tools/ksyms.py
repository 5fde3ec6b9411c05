#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes the kernel's symbol table: assembly source for section .ksyms out of a linked ELF.

    ksyms.py --empty OUT.S            a table without entries, for the first link
    ksyms.py [--nm NM] ELF OUT.S      the table of ELF
    ksyms.py [--nm NM] --check ELF TABLE.S
                                      exit 0 if TABLE.S is the very table of ELF

The table is part of what it describes, so the kernel is linked twice:

    1. ksyms.py --empty ksyms0.S             link all objects + ksyms0.o  -> stage1.elf
    2. ksyms.py stage1.elf ksyms1.S          link all objects + ksyms1.o  -> percpu.elf
    3. ksyms.py --check percpu.elf ksyms1.S  must say nothing and exit 0

linker.ld puts .ksyms last, so that its size moves nothing; what lies in or behind it has no entry.
Step 3 proves that nothing moved. The .S files are assembled with plain $(CC) -c.
"""
import argparse
import subprocess
import sys

BEHIND = {"ksym_count", "ksym_table", "ksym_names", "__ksyms_start", "__ksyms_end", "__image_end"}
KINDS = "tTwWdDbBrRvV"  # text, weak, data, bss, read-only; absolute and debugging symbols are left out


def read_symbols(nm, elf):
    """[(address, size or 0, kind, name)] of the ELF, one for each address, sorted."""
    out = subprocess.run([nm, "-S", "--defined-only", elf], check=True, capture_output=True,
                         text=True).stdout
    best = {}
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 4:
            address, size, kind, name = int(fields[0], 16), int(fields[1], 16), fields[2], fields[3]
        elif len(fields) == 3:
            address, size, kind, name = int(fields[0], 16), 0, fields[1], fields[2]
        else:
            continue
        if kind not in KINDS or name.startswith(".") or name in BEHIND:
            continue
        # Of several names for one address: a sized one, a global one, the first by name.
        rank = (size == 0, kind.islower(), name)
        if address not in best or rank < best[address][0]:
            best[address] = (rank, size, kind, name)
    return [(address, size, kind, name) for address, (_, size, kind, name) in sorted(best.items())]


def table_text(symbols):
    """The assembly source for a list of symbols."""
    entries, names, offset = [], [], 0
    for i, (address, size, _, name) in enumerate(symbols):
        if size == 0 and i + 1 < len(symbols):
            size = min(symbols[i + 1][0] - address, 0xffffffff)
        entries.append(f"\t.quad 0x{address:x}\n\t.long {offset}, {size}")
        names.append(f'\t.asciz "{name}"')
        offset += len(name) + 1
    return "\n".join([
        "/* Made by tools/ksyms.py: addresses, offsets of names, sizes. */",
        '\t.section .ksyms, "a"',
        "\t.balign 16",
        "\t.globl ksym_count, ksym_table, ksym_names",
        "ksym_count:", f"\t.quad {len(symbols)}", "\t.balign 16",
        "ksym_table:", *entries,
        "ksym_names:", *names, "\t.byte 0",
        '\t.section .note.GNU-stack, "", @progbits', ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--empty", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    if len(args.files) != (1 if args.empty else 2):
        parser.error("wrong number of files, see the head of this tool")
    text = table_text([] if args.empty else read_symbols(args.nm, args.files[0]))
    if args.check:
        with open(args.files[1], encoding="ascii") as file:
            if file.read() != text:
                sys.exit(f"ksyms: {args.files[1]} is not the table of {args.files[0]}: "
                         "addresses moved between the two links")
        return
    with open(args.files[-1], "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    main()
