#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make usb`: what it refuses, what it asks, what it writes. The disk is a file, and a folder of our own says
about it what sysfs and /proc would. Prints TAP.
"""
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import session  # noqa: E402
import taptest  # noqa: E402
import usb  # noqa: E402

MIB = 1 << 20


class Stick:
    """A removable disk of 32 MiB with two partitions; changed by tests before they write to it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.disk = self.path("dev/sdz")
        self.put("dev/sdz", b"old" * (32 * MIB // 3 + 1), 32 * MIB)
        self.tell(removable=1, ro=0, size=32 * MIB // 512, **{
            "device/vendor": "ACME    ", "device/model": "Stick 3000", "sdz1/partition": 1,
            "sdz1/size": 40960, "sdz2/partition": 2, "sdz2/size": 10240})
        os.makedirs(self.path("sys/class/block"))
        for name in ("sdz", "sdz/sdz1"):
            os.symlink(self.path("sys/block/" + name),
                       self.path("sys/class/block/" + os.path.basename(name)))
        self.put("proc/self/mounts", "/dev/vda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n")
        self.put("proc/swaps", "Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2\n")

    def path(self, name):
        return os.path.join(self.root, name)

    def put(self, name, data, size=None):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write((data if isinstance(data, bytes) else data.encode())[:size])

    def tell(self, **facts):
        for name, value in facts.items():
            self.put("sys/block/sdz/" + name, f"{value}\n")

    def content(self):
        with open(self.disk, "rb") as file:
            return file.read()

    def make(self, answer="sdz\n", dev=None, **variables):
        env = session.environment(USB_ROOT=self.root, **variables)
        done = subprocess.run(["make", "-s", "usb", f"DEV={self.disk if dev is None else dev}"],
                              cwd=ROOT, text=True, input=answer, capture_output=True, check=False,
                              env=env, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def refused(self, *words, **how):
        """It fails with these words and writes nothing; what it printed before."""
        before = self.content()
        status, out, errors = self.make(**how)
        assert status != 0, f"it succeeds: {out}"
        for word in words:
            assert word in errors, f"no {word!r} in:\n{errors}"
        assert "Traceback" not in errors, errors
        assert self.content() == before, "the disk was written to"
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()


def test_a_confirmed_stick_holds_the_iso_and_nothing_behind_it_changed():
    with Stick() as stick:
        old = stick.content()
        status, out, errors = stick.make(CMDLINE="selftest=none seed=4711")
        assert status == 0, errors
        for words in ("ACME Stick 3000, 32.0 MiB", "sdz1: 20.0 MiB", "sdz2: 5.0 MiB",
                      "all that is on it will be lost. Type sdz to write to it: ",
                      "bytes written and read back: boot from it"):
            assert words in out, f"no {words!r} in {out}"
        with open(os.path.join(ROOT, "build", "usb.iso"), "rb") as file:
            iso = file.read()
        assert stick.content() == iso + old[len(iso):]
        assert b"'seed=4711'" in iso, "the command line is not in the ISO"
        assert f"sdz: {len(iso)} bytes" in out, out


def test_only_its_name_confirms():
    with Stick() as stick:
        for answer in ("", "\n", "yes\n", "y\n", "sdz1\n", "SDZ\n", "/dev/sdz\n"):
            out = stick.refused(f"not confirmed ({answer.strip()!r} is not 'sdz')", answer=answer)
            assert "ACME" in out, out


def test_no_device_is_no_guess():
    with Stick() as stick:
        stick.refused("which stick? `make usb DEV=/dev/sdX`", "lsblk", dev="")


def test_what_is_not_there_or_no_block_device():
    with Stick() as stick:
        stick.refused("/dev/sdq: No such file or directory", "lsblk", dev=stick.path("dev/sdq"))
        stick.put("dev/file", "x")
        stick.refused("dev/file is no block device", dev=stick.path("dev/file"))
        stick.refused("is no block device", dev=stick.path("dev"))


def test_ordinary_files_are_refused_without_the_test_hook():
    with Stick() as stick:
        stick.root = ""
        stick.refused("dev/sdz is no block device")


def test_fixed_disks():
    with Stick() as stick:
        stick.tell(removable=0)
        stick.refused("dev/sdz is not removable (its sysfs says removable=0)", "own disk")
        os.unlink(stick.path("sys/block/sdz/removable"))
        stick.refused("is not removable (its sysfs says removable=nothing)")


def test_partitions():
    with Stick() as stick:
        stick.put("dev/sdz1", "x")
        stick.refused("dev/sdz1 is a partition", "the whole disk: " + stick.disk,
                      dev=stick.path("dev/sdz1"), answer="sdz1\n")


def test_disks_in_use():
    with Stick() as stick:
        for mounts in ("/dev/sdz2 /mnt/stick vfat rw 0 0\n", "/dev/sdz /mnt/stick vfat rw 0 0\n"):
            stick.put("proc/self/mounts", mounts)
            stick.refused("is in use: /dev/sdz", "is mounted at /mnt/stick: `umount /mnt/stick` first")
        stick.put("proc/self/mounts", "/dev/sdza1 /mnt ext4 rw 0 0\n")
        stick.put("proc/swaps", "Filename\n/dev/sdz1 partition 1 0 -2\n")
        stick.refused("/dev/sdz1 is swap space: `swapoff /dev/sdz1` first")
        stick.put("proc/swaps", "Filename\n")
        stick.put("sys/block/sdz/sdz2/holders/dm-3", "")
        stick.refused("sdz2 is part of dm-3")
        os.unlink(stick.path("sys/block/sdz/sdz2/holders/dm-3"))
        status, _, errors = stick.make()
        assert status == 0, f"another disk's mount keeps it from being written: {errors}"


def test_disks_that_are_too_small_empty_or_write_protected():
    with Stick() as stick:
        stick.tell(size=2048)
        stick.refused(f"has {MIB} bytes, the ISO needs ")
        stick.tell(size=0)
        stick.refused("has no bytes: is there a medium in it?")
        stick.tell(size=65536, ro=1)
        stick.refused("is write-protected")


def test_a_stick_that_forgets_is_found_out():
    with Stick() as stick:
        iso = stick.path("iso")
        stick.put("iso", bytes(range(256)) * 8192)
        disk = usb.Disk(stick.disk, stick.root)
        usb.write(disk, iso)
        assert usb.verify(disk, iso) == 2 * MIB
        for at in (0, MIB - 1, 2 * MIB - 1):
            with open(stick.disk, "r+b") as file:
                file.seek(at)
                file.write(b"\x7e")
            found_out(disk, iso, at)
            usb.write(disk, iso)
        os.truncate(stick.disk, MIB + 5)
        found_out(disk, iso, MIB + 5)


def found_out(disk, iso, at):
    try:
        usb.verify(disk, iso)
    except usb.machine.Failure as failure:
        assert f"does not hold what was written: byte {at} " in str(failure), failure
    else:
        raise AssertionError(f"a wrong byte {at} is not seen")


def test_another_user_is_told_to_be_root():
    with Stick() as stick:
        os.chmod(stick.root, 0o755)
        os.chmod(stick.disk, 0o444)
        code = ("import os, sys; sys.path.insert(0, 'tools'); import usb; os.setuid(65534)\n"
                "disk = usb.Disk(sys.argv[1], sys.argv[2])\n"
                "try: usb.open_disk(disk, os.O_WRONLY)\n"
                "except usb.machine.Failure as failure: print(failure)\n")
        if os.getuid() != 0:
            raise taptest.Skip("only root can become another user")
        done = subprocess.run(["/usr/bin/python3", "-c", code, stick.disk, stick.root], cwd=ROOT,
                              text=True, capture_output=True, check=False)
        assert "may not be written by this user: run it as root, as in `sudo make usb DEV=" \
            in done.stdout, done.stdout + done.stderr


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
