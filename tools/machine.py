# SPDX-License-Identifier: GPL-2.0-only
"""One boot of the kernel in QEMU: its options, its command line, and what its end means.

A boot has a folder of its own under build/ while it runs (ISO, COM2's report), so that several may run
side by side. QEMU's standard input and output are COM1; its status tells how the guest ended:

    33  the guest wrote 0x10 to the debug-exit port: all good, if the whole test plan was seen
    35  it wrote 0x11: a test failed, it warned, or it panicked
     0  it was reset without being asked to: a triple fault
     1  QEMU did not like its options
"""
import ctypes
import fcntl
import glob
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

import mkiso
import pin
import tap

ROOT = mkiso.ROOT
BUILD = os.path.join(ROOT, "build")
OVMF = "/usr/share/ovmf/OVMF.fd"
STATUS_GOOD, STATUS_FAILED = 33, 35
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """A boot that could not be started, with the reason and the way out."""


class Options:
    """What the variables of `make run` say; the environment holds them."""

    def __init__(self, env=None):
        env = os.environ if env is None else env

        def get(name, otherwise=""):
            return env.get(name, "").strip() or otherwise

        self.smp = get("SMP", get("CPUS", "4"))
        self.mem = get("MEM", "512M")
        self.cmdline = get("CMDLINE")
        self.trace = get("TRACE")
        self.video = get("VIDEO")
        self.accel = get("ACCEL", "tcg")
        self.uefi = get("UEFI", "0") != "0"
        self.qemu = get("QEMU", "qemu-system-x86_64")
        self.kernel = get("KERNEL", os.path.join(BUILD, "percpu.elf"))
        self.coverage = "" if get("KERNEL") else os.environ.get("COVERAGE_DIR", "")
        if self.coverage:
            self.kernel = os.path.join(BUILD, "coverage", "kernel", "percpu.elf")
        self.extra = shlex.split(get("QEMUEXTRA"))
        self.gdb = get("GDB", "0") != "0"
        self.stopped = get("STOPPED", "0") != "0"
        self.dry = get("DRY", "0") != "0"
        self.pinned = get("PIN", "0") != "0"
        self.tape = None  # a recording that is made or replayed (tools/record.py)
        self.paced = False  # input goes in small pieces
        self.gdb_name = "gdb"  # of the socket
        self.timeout = self._seconds(get("TIMEOUT"))
        if self.trace and not os.path.isfile(self.trace):
            raise Failure(f"TRACE={self.trace}: there is no such file")

    @staticmethod
    def _seconds(text):
        """None: not given; 0: none wanted."""
        try:
            return float(text) if text else None
        except ValueError:
            raise Failure(f"TIMEOUT={text}: want seconds") from None

    def key(self, name, otherwise=None):
        """A key's value on the kernel's command line; the last one wins."""
        value = otherwise
        for word in self.cmdline.split():
            if word.partition("=")[0] == name:
                value = word.partition("=")[2]
        return value


def gdb_socket(name="gdb"):
    """Where QEMU's GDB stub listens under GDB=1; relative, because socket names must be short."""
    return os.path.relpath(os.path.join(BUILD, name + ".sock"))


def claim_gdb_socket(name):
    """A file whose lock says that the socket is ours; it goes with us, however we end."""
    path = os.path.join(BUILD, name + ".lock")
    claim = open(path, "a+", encoding="ascii")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        claim.seek(0)
        raise Failure(f"GDB=1: {gdb_socket(name)} is in use by another run of this tree (process "
                      f"{claim.read().strip()}): end that one, or run without GDB=1") from None
    claim.truncate(0)
    print(os.getpid(), file=claim, flush=True)
    return claim


def check_kvm(device="/dev/kvm"):
    """Whether ACCEL=kvm can be had, before QEMU says so in its own words."""
    if not os.path.exists(device):
        raise Failure(f"ACCEL=kvm: there is no {device}: load the module kvm_intel or kvm_amd, "
                      "turn virtualisation on in the firmware, or use ACCEL=tcg")
    if not os.access(device, os.R_OK | os.W_OK):
        raise Failure(f"ACCEL=kvm: {device} may not be opened by this user: join the group that owns "
                      "it (Debian: adduser NAME kvm), or use ACCEL=tcg")


def gdb_listener():
    """A socket that listens for gdb already, so that gdb may come before QEMU is ready."""
    path = gdb_socket()
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    return listener


def qemu_line(options, iso, report, gdb_fd=None):
    """The command that boots iso, keeps COM2 in the file report and serves gdb on a listening socket."""
    accel = options.accel
    if accel == "tcg":
        accel = "tcg,thread=multi"
    line = [options.qemu, "-accel", accel, "-cpu", "host" if accel.startswith("kvm") else "max",
            "-smp", options.smp, "-m", options.mem, "-display", "none", "-no-reboot", "-nic", "none",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
            "-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1",
            "-chardev", f"file,id=com2,path={report}", "-serial", "chardev:com2"]
    line += options.tape.flags() if options.tape else ["-cdrom", iso]
    if options.uefi:
        line += ["-bios", OVMF]
    if options.coverage:  # a folder; each boot's counters are a file in it
        name = os.path.basename(os.path.dirname(report)) + ".gcov"
        line += ["-debugcon", "file:" + os.path.join(options.coverage, name)]
    if options.gdb and gdb_fd is None:
        line += ["-gdb", f"unix:{gdb_socket(options.gdb_name)},server=on,wait=off"]
    elif options.gdb:
        line += ["-chardev", f"socket,id=gdb,fd={gdb_fd},server=on,wait=off", "-gdb", "chardev:gdb"]
    if options.stopped:
        line += ["-S"]
    if options.pinned:
        line += pin.FLAGS
    return line + options.extra


def die_with_parent():
    """For a child: to be killed when we are, however that comes."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """A started QEMU. Use as a context manager: leaving it stops QEMU and removes its folder."""

    def __init__(self, options):
        self.options = options
        self.check()
        os.makedirs(BUILD, exist_ok=True)
        remove_stale_folders()
        self.claim = claim_gdb_socket(options.gdb_name) if options.gdb else None
        self.folder = tempfile.mkdtemp(prefix=f"boot.{os.getpid()}.", dir=BUILD)
        self.report = os.path.join(self.folder, "report.ktap")
        self.process = None
        try:
            iso = os.path.join(self.folder, "percpu.iso")
            if not options.tape:
                build_iso(options, iso)
            self.start(iso)
        except BaseException:
            self.stop()
            raise

    def check(self):
        """Raises Failure with what is missing."""
        if shutil.which(self.options.qemu) is None:
            raise Failure(f"{self.options.qemu} is not installed: `make setup` installs QEMU, "
                          "QEMU=… names another one")
        if self.options.uefi and not os.path.exists(OVMF):
            raise Failure(f"UEFI=1 needs {OVMF}: `make setup` installs it")
        if self.options.accel.startswith("kvm"):
            check_kvm()

    def start(self, iso):
        """Sets self.process, as subprocess.Popen would be."""
        if self.options.gdb:
            self._unlink_socket()
        # What goes through a -chardev is recorded; gdb's words must not be.
        listener = gdb_listener() if self.options.gdb and not self.options.tape else None
        fds = [listener.fileno()] if listener else []
        self.process = subprocess.Popen(
            qemu_line(self.options, iso, self.report, *fds), stdin=subprocess.PIPE, bufsize=0,
            stdout=subprocess.PIPE, start_new_session=True, preexec_fn=die_with_parent,
            pass_fds=fds)
        if listener:
            listener.close()
        if self.options.pinned:
            pin.in_background(self.process.pid)

    def _unlink_socket(self):
        path = gdb_socket(self.options.gdb_name)
        if os.path.exists(path):
            os.unlink(path)

    def _end_tape(self):
        """Gives QEMU time to finish its log."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            pass

    def report_text(self):
        try:
            with open(self.report, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def problem(self, console, prompt_seen):
        """Why the boot, which has ended by itself, failed; None if all is good. console: text of COM1."""
        return end_problem(self.options, self.process.returncode, self.report_text(), console,
                           prompt_seen)

    def stop(self):
        """Stops QEMU if it still runs, and removes the folder."""
        if self.process is not None and self.process.poll() is None:
            if self.options.tape and self.options.tape.mode == "record":
                self._end_tape()
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.claim is not None:
            self._unlink_socket()
            self.claim.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def remove_stale_folders():
    """Removes the folders of runners that were killed before they could."""
    for folder in glob.glob(os.path.join(BUILD, "boot.*.*")):
        if not os.path.exists("/proc/" + os.path.basename(folder).split(".")[1]):
            shutil.rmtree(folder, ignore_errors=True)


def build_iso(options, iso):
    if not os.path.exists(options.kernel):
        name = os.path.relpath(options.kernel, ROOT)
        raise Failure(f"{name} is missing: run `make` first")
    try:
        mkiso.make_iso(options.kernel, iso, options.cmdline, options.trace, options.video)
    except OSError as error:
        raise Failure(f"cannot make the ISO: {error}; `make setup` installs the tools") from error
    except subprocess.CalledProcessError as error:
        raise Failure(f"cannot make the ISO: {error.cmd[0]}: {error.stderr}") from error


def failed_tests(reports):
    return [name for report in reports for name in report.names("not ok")]


def report_problem(options, reports):
    """What is wrong with the test report of a boot that ended well, or None."""
    failed = failed_tests(reports)
    if failed:
        return f"{len(failed)} tests failed, yet the kernel ended as if all were good: " \
               + ", ".join(failed[:5])
    if not reports and options.key("selftest") != "none":
        return "the test plan is incomplete: no test report came on COM2"
    for report in reports:
        if report.problem():
            return f"the test plan is incomplete: {report.problem()}"
    return None


def end_problem(options, status, report, console, prompt_seen):
    """Why a boot that ended by itself with this status failed; None if all is good.

    report: COM2's text; console: the last part of COM1's, as text.
    """
    reports = tap.parse(report)
    if status == STATUS_GOOD:
        if not prompt_seen and options.key("monitor", "on") == "on":
            return "the kernel ended well but never showed its prompt"
        return report_problem(options, reports)
    if status == STATUS_FAILED:
        panic = re.search(r"\bPANIC: (.*)", console)
        if panic:
            return f"the kernel panicked: {panic.group(1).strip()}"
        failed = failed_tests(reports)
        if failed:
            return f"{len(failed)} tests failed: " + ", ".join(failed[:5])
        return "the kernel ended with 0x11: something failed or warned (see above)"
    if status == 0:
        return "the machine was reset: a triple fault, or the monitor's reboot"
    if status == 1:
        return "QEMU could not start (status 1): a bad option? `make run DRY=1` shows its line"
    if status < 0:
        return f"QEMU was killed by signal {-status} ({signal.Signals(-status).name})"
    return f"QEMU ended with status {status}, which is neither 33 (good) nor 35 (failed)"
