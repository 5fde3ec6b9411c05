#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Writes the ISO to a USB stick and reads it back: `make usb DEV=/dev/sdX` (CMDLINE, TRACE and VIDEO as for
`make run`).

Only a whole, removable disk that nothing uses is written, and only after its name was typed. Everything
about it comes from sysfs and /proc. For tests: USB_ROOT names a folder that stands for / there, and then
DEV may be an ordinary file, named like the disk.
"""
import errno
import fcntl
import glob
import os
import stat
import sys

import machine

SECTOR = 512  # the unit of sysfs, whatever the disk's own
BLOCK = 1 << 20
BLKFLSBUF = 0x1261  # ioctl: forget what is cached of a block device
TRY = "`lsblk -o NAME,RM,SIZE,MODEL` lists the disks; RM is 1 for removable ones"


class Disk:
    """A block device as sysfs describes it. Refuses what is not to be written."""

    def __init__(self, path, root):
        self.path, self.root = path, root
        self.name = os.path.basename(os.path.realpath(path))
        self.sys = os.path.join(root, "sys/class/block", self.name)
        self.parts = sorted(os.path.basename(os.path.dirname(part))
                            for part in glob.glob(os.path.join(self.sys, "*", "partition")))

    def read(self, name, where=""):
        try:
            with open(os.path.join(self.sys, where, name), encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return ""

    def size(self, part=""):
        return int(self.read("size", part) or 0) * SECTOR

    def describe(self):
        title = " ".join(filter(None, (self.read("device/vendor"), self.read("device/model"))))
        lines = [f"{self.path}: {title or 'a disk without a name'}, {human(self.size())}"]
        lines += [f"    {part}: {human(self.size(part))}" for part in self.parts]
        return "\n".join(lines if self.parts else lines + ["    no partitions"])

    def check(self, needed=0):
        """Raises Failure with the reason not to write so many bytes to it."""
        self._check_kind()
        if self.read("partition"):
            raise machine.Failure(f"DEV={self.path} is a partition; the ISO needs the whole disk: "
                                  + os.path.join(os.path.dirname(self.path), self._disk_of_part()))
        if self.read("removable") != "1":
            raise machine.Failure(f"DEV={self.path} is not removable (its sysfs says removable="
                                  f"{self.read('removable') or 'nothing'}), so it may be this "
                                  f"machine's own disk: {TRY}")
        if self.read("ro") == "1":
            raise machine.Failure(f"DEV={self.path} is write-protected: many sticks have a switch")
        for user in self._users():
            raise machine.Failure(f"DEV={self.path} is in use: {user}")
        if self.size() == 0:
            raise machine.Failure(f"DEV={self.path} has no bytes: is there a medium in it?")
        if self.size() < needed:
            raise machine.Failure(f"DEV={self.path} has {self.size()} bytes, the ISO needs {needed}")

    def _check_kind(self):
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise machine.Failure(f"DEV={self.path}: {error.strerror}: {TRY}") from error
        there = os.path.isdir(self.sys)
        if self.root == "/":
            there = there and stat.S_ISBLK(status.st_mode) and self.read("dev") == \
                f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        if not there:
            raise machine.Failure(f"DEV={self.path} is no block device: {TRY}")

    def _disk_of_part(self):
        return os.path.basename(os.path.dirname(os.path.realpath(self.sys)))

    def _users(self):
        """What uses the disk or a part of it, in words."""
        names = [self.name, *self.parts]
        for line in self._lines("proc/self/mounts"):
            source, where = line.split()[:2]
            if self._short(source) in names:
                yield f"{source} is mounted at {where}: `umount {where}` first"
        for line in self._lines("proc/swaps"):
            if self._short(line.split()[0]) in names:
                yield f"{line.split()[0]} is swap space: `swapoff {line.split()[0]}` first"
        for name in names:
            where = "" if name == self.name else name
            for holder in glob.glob(os.path.join(self.sys, where, "holders", "*")):
                yield f"{name} is part of {os.path.basename(holder)} (LVM, RAID or encryption)"

    def _lines(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8", errors="replace") as file:
            return [line for line in file if line.startswith("/dev/")]

    def _short(self, device):
        real = os.path.realpath(device) if self.root == "/" else device
        return os.path.basename(real)


def human(size):
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:g} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024


def confirm(disk):
    print(disk.describe())
    print(f"usb: all that is on it will be lost. Type {disk.name} to write to it: ", end="", flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print()
    if answer.strip() != disk.name:
        raise machine.Failure(f"not confirmed ({answer.strip()!r} is not {disk.name!r}): "
                              "nothing was written")


def blocks(file):
    while data := file.read(BLOCK):
        yield data


def open_disk(disk, flags):
    """O_EXCL: the kernel refuses a block device that is in use, whatever we overlooked."""
    try:
        return os.open(disk.path, flags | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise machine.Failure(f"DEV={disk.path} may not be written by this user: run it as root, "
                                  f"as in `sudo make usb DEV={disk.path}`") from error
        raise machine.Failure(f"DEV={disk.path}: {error.strerror}") from error


def write(disk, iso):
    with open(iso, "rb") as source, os.fdopen(open_disk(disk, os.O_WRONLY), "wb", 0) as target:
        for data in blocks(source):
            while data:
                data = data[target.write(data):]
        os.fsync(target.fileno())
        if stat.S_ISBLK(os.fstat(target.fileno()).st_mode):
            fcntl.ioctl(target.fileno(), BLKFLSBUF)  # or we would read back our own memory


def verify(disk, iso):
    with open(iso, "rb") as source, os.fdopen(open_disk(disk, os.O_RDONLY), "rb", 0) as target:
        done = 0
        for data in blocks(source):
            got = b""
            while len(got) < len(data) and (more := target.read(len(data) - len(got))):
                got += more
            if got != data:
                at = done + next((i for i, (a, b) in enumerate(zip(got, data)) if a != b), len(got))
                raise machine.Failure(f"DEV={disk.path} does not hold what was written: byte {at} "
                                      "reads differently. The stick is broken: take another one")
            done += len(data)
    return done


def main():
    path, root = os.environ.get("DEV", "").strip(), os.environ.get("USB_ROOT", "") or "/"
    path = path and os.path.abspath(path)
    os.chdir(machine.ROOT)
    try:
        if not path:
            raise machine.Failure(f"which stick? `make usb DEV=/dev/sdX`; {TRY}")
        disk = Disk(path, root)
        disk.check()
        iso = os.path.join(machine.BUILD, "usb.iso")
        machine.build_iso(machine.Options(), iso)
        disk.check(os.path.getsize(iso))
        confirm(disk)
        disk.check(os.path.getsize(iso))  # somebody may have thought about it for long
        write(disk, iso)
        done = verify(disk, iso)
    except machine.Failure as failure:
        why = str(failure)
    except OSError as error:
        why = f"DEV={path}: {error.strerror}"
    except KeyboardInterrupt:
        why = "interrupted"
    else:
        print(f"usb: {path}: {done} bytes written and read back: boot from it")
        return 0
    print(f"usb: failed: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
