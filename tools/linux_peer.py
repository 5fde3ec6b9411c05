# SPDX-License-Identifier: GPL-2.0-only
"""Our benchmarks on Debian's Linux kernel: its packages, our module in it, one boot of it in QEMU.

Everything is kept under build/linux/: debs/ (the packages as they came), root/ (unpacked; nothing is installed),
module/, initramfs.cpio and console.log, the boot's console. The module is made of the benchmarks' own files in kernel/,
compiled for Linux with tools/linux_peer/; init loads it, and it ends QEMU as our kernel does.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import machine

ROOT = pathlib.Path(machine.ROOT)
FOLDER = ROOT / "build" / "linux"
DEBS, UNPACKED, MODULE = FOLDER / "debs", FOLDER / "root", FOLDER / "module"
PEER = ROOT / "tools" / "linux_peer"
META = "linux-image-cloud-amd64"
APT_LIMIT, BUILD_LIMIT, BOOT_LIMIT = 900, 900, 1800  # seconds
SHARED = ["bench_areas.c", "bench_burst.c", "bench_churn.c", "bench_replay.c", "trace.c", "trace_load.c"]
TRACES = ROOT / "tests" / "traces"
CMDLINE = "console=ttyS0 possible_cpus=4 panic=-1"
PACKAGES = ["linux-image-VERSION", "linux-headers-VERSION", "linux-headers-…-common", "linux-kbuild-…"]


def run(command, limit, what, **options):
    """A command's output. Fails with `what` and the last lines of what it said."""
    try:
        done = subprocess.run(command, timeout=limit, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, preexec_fn=machine.die_with_parent, check=False, **options)
    except FileNotFoundError:
        raise machine.Failure(f"{what}: {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise machine.Failure(f"{what}: {command[0]} took more than {limit} s") from None
    if done.returncode != 0:
        raise machine.Failure("\n".join([f"{what}:", *done.stdout.splitlines()[-15:]]))
    return done.stdout


# ---- Packages ----

def way_out():
    return (f"`apt-get update` as root gets Debian's lists; or lay into {DEBS.relative_to(ROOT)} what another "
            f"machine's `apt-get download` got: {', '.join(PACKAGES)}")


def apt(folder, *command):
    """What apt says, in English; what it downloads lands in the folder."""
    try:
        return run(command, APT_LIMIT, "apt can't have Debian's kernel", cwd=folder, env={**os.environ, "LC_ALL": "C"})
    except machine.Failure as failure:
        raise machine.Failure(f"{failure}\n{way_out()}") from None


def depends(package, pattern):
    """The first package that fits pattern among those that package depends on; None if none does."""
    found = re.search(rf"Depends: ({pattern})\n", apt(FOLDER, "apt-cache", "depends", package))
    return found and found[1]


def package_names(image):
    """The image and headers packages, from the name of an image package or of one that depends on it."""
    image = depends(image, r"linux-image-\d\S*") or image
    headers = image.replace("linux-image-", "linux-headers-")
    return [image, headers, *(name for name in (depends(headers, r"linux-headers-\S+-common"),
                                                depends(headers, r"linux-kbuild-\S+")) if name)]


def deb(pattern):
    """The package in debs/ whose name fits; None if there is none, the last in order if several do."""
    found = sorted(path for path in DEBS.glob("*.deb") if re.fullmatch(pattern, path.name.partition("_")[0]))
    return found[-1] if found else None


def packages_there():
    """The four packages, if debs/ holds them."""
    there = [deb(pattern) for pattern in (r"linux-image-\d.*", r"linux-headers-\d.*-amd64",
                                          r"linux-headers-\d.*-common", r"linux-kbuild-.*")]
    return there if all(there) else None


def download(image):
    """Puts the four packages into debs/, in place of those of another kernel."""
    fresh = FOLDER / "debs.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    print("bench-linux: downloading Debian's kernel and headers, 40 MB", flush=True)
    apt(fresh, "apt-get", "-q", "-o", "Acquire::Retries=3", "download", *package_names(image))
    shutil.rmtree(DEBS, ignore_errors=True)
    fresh.rename(DEBS)


def fetch(image):
    """The four packages' files, from debs/ or by apt-get."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    named = re.match(r"linux-image-\d", image)
    if not packages_there() or named and not deb(re.escape(image)):
        download(image)
    files = packages_there()
    if not files:
        raise machine.Failure(f"{DEBS.relative_to(ROOT)} lacks one of {', '.join(PACKAGES)}; {way_out()}")
    return files


def unpack(files):
    """Unpacks into root/, which is whole or not there."""
    fresh = FOLDER / "root.new"
    for old in (fresh, UNPACKED):
        shutil.rmtree(old, ignore_errors=True)
    for file in files:
        run(["dpkg-deb", "-x", str(file), str(fresh)], APT_LIMIT, f"cannot unpack {file.name}")
    fresh.rename(UNPACKED)


def version(file):
    """Of a package: 6.1.192-2."""
    return run(["dpkg-deb", "-f", str(file), "Version"], APT_LIMIT, f"cannot read {file.name}").strip()


# ---- The module and what it boots from ----

def sources():
    """The files that the module is made of: ours for Linux, and what our kernel has of benchmarks and traces."""
    return [PEER / "peer.c", *(ROOT / "kernel" / name for name in SHARED)]


def fingerprint():
    """Changes with anything that the result hangs on: sources, headers, traces, this file."""
    digest = hashlib.sha256()
    for path in [*sources(), *sorted(PEER.rglob("*")), *(ROOT / "kernel").glob("bench*.h"),
                 *sorted(TRACES.glob("*.trace")), pathlib.Path(__file__)]:
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:16]


def headers_folder():
    """Where the kernel's configured headers are; they name their other half by its installed place."""
    folder, = UNPACKED.glob("usr/src/linux-headers-*-amd64")
    makefile = folder / "Makefile"
    makefile.write_text(re.sub(r"^include (?=/usr/src/)", f"include {UNPACKED}", makefile.read_text(encoding="utf-8"),
                               flags=re.M), encoding="utf-8")
    return folder


def build_module(headers, folder):
    """Builds folder/percpu_peer.ko with the headers' own makefiles, on which no variable of ours may act."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in [PEER / "Kbuild", *sources()]:
        shutil.copy(file, folder)
    names = " ".join(file.name for file in sources())
    compiler = next((name for name in ("gcc-12", "gcc") if shutil.which(name)), "gcc")
    run(["make", "-C", str(headers), f"M={folder}", f"TREE={ROOT}", f"SOURCES={names}", f"CC={compiler}", "modules"],
        BUILD_LIMIT, "the module for Linux can't be built (Debian's kernel wants the package gcc-12)",
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    return folder / "percpu_peer.ko"


def build_init():
    target = FOLDER / "init"
    run([os.environ.get("HOSTCC", "gcc"), "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", str(target),
         str(PEER / "init.c")], BUILD_LIMIT, "cannot build Linux's init")
    return target


def archive(files):
    """An initramfs of {name: path}, a folder where the path is None: a cpio archive of the "newc" form (Linux,
    Documentation/driver-api/early-userspace/buffer-format.rst)."""
    def entry(name, data, mode):
        fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

    entries = [entry(name, path.read_bytes(), 0o100755) if path else entry(name, b"", 0o40755)
               for name, path in files.items()]
    return b"".join(entries) + entry("TRAILER!!!", b"", 0)


def build_initramfs(module):
    target = FOLDER / "initramfs.cpio"
    files = {"init": build_init(), "percpu_peer.ko": module, "traces": None}
    files.update({f"traces/{path.name}": path for path in sorted(TRACES.glob("*.trace"))})
    target.write_bytes(archive(files))
    return target


# ---- The boot ----

def memory():
    """For both kernels. With less than 1G Linux takes single pages in smaller batches, which costs it more."""
    return os.environ.get("MEM") or "1G"


def qemu_line(kernel, initramfs):
    """As `make bench` counts; besides, idle time passes at once and the clock is the guest's own, so that Linux's
    ticks come at the same instructions on every run."""
    return [os.environ.get("QEMU") or "qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "qemu64",
            "-icount", "shift=0,sleep=off", "-rtc", "base=2000-01-01,clock=vm", "-smp", "1,maxcpus=4",
            "-m", memory(), "-display", "none", "-no-reboot", "-nic", "none",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-serial", "stdio",
            "-kernel", str(kernel), "-initrd", str(initramfs), "-append", CMDLINE]


def boot(kernel, initramfs, limit):
    """Boots and returns the console's text, which stays in console.log; fails unless the module ended it well."""
    log = FOLDER / "console.log"
    with open(log, "wb") as console:
        try:
            status = subprocess.run(qemu_line(kernel, initramfs), timeout=limit, stdin=subprocess.DEVNULL,
                                    stdout=console, stderr=subprocess.STDOUT,
                                    preexec_fn=machine.die_with_parent, check=False).returncode
        except FileNotFoundError as error:
            raise machine.Failure(f"{error.filename} is not installed: `make setup` installs QEMU") from None
        except subprocess.TimeoutExpired:
            status = f"time-out after {limit:g} s (TIMEOUT= sets it)"
    text = log.read_text(encoding="utf-8", errors="replace")
    if status != machine.STATUS_GOOD:
        last = text.rstrip().rpartition("\n")[2].strip()
        raise machine.Failure(f"Linux did not end well: {status if isinstance(status, str) else f'status {status}'}; "
                              f"last line: {last!r}; all of it: {log.relative_to(ROOT)}")
    return text


def lines_of(console):
    """The module's lines in a console's text; fails if Linux refused a request, which it only logs."""
    refused = re.search(r"percpu: allocation failed.*", console)
    if refused:
        raise machine.Failure(f"Linux ran out of per-CPU memory: {refused[0].strip()!r}")
    return re.findall(r"bench=.*?(?=\r?$)", console, re.M)


def measure(image=META, limit=BOOT_LIMIT):
    """(version, the module's lines): fetches what is missing, builds and boots."""
    files = fetch(image)
    name = version(files[0])
    print(f"bench-linux: building the module for Linux {name}", flush=True)
    unpack(files)
    module = build_module(headers_folder(), MODULE)
    initramfs = build_initramfs(module)
    print(f"bench-linux: booting Linux {name}", flush=True)
    kernel, = UNPACKED.glob("boot/vmlinuz-*")
    return name, lines_of(boot(kernel, initramfs, limit))
