#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Makes a bootable ISO of the kernel, for BIOS and UEFI, by grub-mkrescue.

    mkiso.py [--cmdline TEXT] [--trace FILE] [--video MODE] KERNEL.elf OUT.iso

The tree is iso/ plus /boot/percpu.elf without debugging sections; the kernel's command line is
written into grub.cfg word by word, each in quotes, so that GRUB expands nothing. A trace becomes
the module /boot/trace, its file name the module's argument. A video mode is for GRUB's gfxpayload: text,
or WIDTHxHEIGHTxBITS; without one the kernel's own header says what it would like.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What GRUB needs to read a CD, find grub.cfg and boot; everything else only makes the ISO bigger.
MODULES = "iso9660 multiboot2 normal configfile boot part_gpt part_msdos search_fs_file all_video"


def quoted(word):
    return "'" + word.replace("'", "'\\''") + "'"


def grub_config(text, cmdline, trace, video):
    """grub.cfg with the command line, the module and the video mode put in."""
    out = []
    for line in text.splitlines():
        if line.strip().startswith("multiboot2 "):
            indent = line[:len(line) - len(line.lstrip())]
            line = " ".join([line, *map(quoted, cmdline.split())])
            if trace:
                line += f"\n{indent}module2 /boot/trace {quoted(os.path.basename(trace))}"
            if video:  # multiboot2 sets the one that the kernel's header wants
                line += f"\n{indent}set gfxpayload={quoted(video)}"
        out.append(line)
    return "\n".join(out) + "\n"


def make_iso(kernel, out, cmdline="", trace=None, video=None):
    """Makes out; raises OSError or CalledProcessError with what went wrong."""
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(out))) as work:
        tree = os.path.join(work, "iso")
        shutil.copytree(os.path.join(ROOT, "iso"), tree)
        boot = os.path.join(tree, "boot")
        subprocess.run([os.environ.get("STRIP", "strip"), "--strip-debug", "-o",
                        os.path.join(boot, "percpu.elf"), kernel], check=True)
        if trace:
            shutil.copyfile(trace, os.path.join(boot, "trace"))
        config = os.path.join(boot, "grub", "grub.cfg")
        with open(config, encoding="utf-8") as file:
            text = grub_config(file.read(), cmdline, trace, video)
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        ready = os.path.join(work, "out.iso")
        tool = os.environ.get("GRUB_MKRESCUE", "grub-mkrescue")
        subprocess.run([tool, "--install-modules=" + MODULES, "--fonts=", "--themes=", "--locales=",
                        "-o", ready, tree], check=True, capture_output=True, text=True)
        os.replace(ready, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cmdline", default="")
    parser.add_argument("--trace")
    parser.add_argument("--video")
    parser.add_argument("kernel")
    parser.add_argument("out")
    args = parser.parse_args()
    try:
        make_iso(args.kernel, args.out, args.cmdline, args.trace, args.video)
    except OSError as error:
        sys.exit(f"mkiso: {error}; `make setup` installs what is missing")
    except subprocess.CalledProcessError as error:
        sys.exit(f"mkiso: {error.cmd[0]} failed:\n{error.stderr or ''}")


if __name__ == "__main__":
    main()
