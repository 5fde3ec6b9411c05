#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`make bench-linux`, as far as it needs no download: the table, what is kept, the module's source, the initramfs, and
what is said when something is missing. Prints TAP.
"""
import contextlib
import os
import pathlib
import sys
import tempfile
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools")]
import bench_lines  # noqa: E402  pylint: disable=wrong-import-position
import bench_linux  # noqa: E402  pylint: disable=wrong-import-position
import linux_peer  # noqa: E402  pylint: disable=wrong-import-position
import machine  # noqa: E402  pylint: disable=wrong-import-position
import taptest  # noqa: E402  pylint: disable=wrong-import-position

CONSOLE = """[    1.55] percpu_peer: loading out-of-tree module taints kernel.\r
[    1.61] bench=burst size=64 align=8 n=16384 order=fifo engine=linux alloc=2520 free=576 reclaim=453483\r
[    1.63] bench=churn size=8 live=1000 engine=linux pair=1969 reclaim=381\r
[    1.67] bench=replay name=pods events=43039 engine=linux event=1129 failed=0 reclaim=381"""
OURS = """bench=burst size=64 align=8 n=16384 order=fifo engine=areamap alloc=200 free=51 reclaim=7
bench=churn size=8 live=1000 engine=areamap pair=100 reclaim=9
bench=replay name=pods events=43039 engine=areamap event=80 failed=0 reclaim=8"""
TABLE = """Instructions: percpu (areamap), Linux 6.1.192-2, and Linux ÷ percpu
                                       figure  percpu   Linux  ratio  goal
burst size=64 fifo                     alloc      200    2520  12.60  ≤ 200   met
burst size=64 fifo                     free        51     576  11.29  ≤ 50    NOT MET
churn size=8 live=1000                 pair       100    1969  19.69  ≤ 120   met
replay pods                            event       80    1129  14.11  ≤ 85    met

3 of 4 goals met"""


@contextlib.contextmanager
def folder_of_its_own():
    """linux_peer's folder is a fresh one; gives its path."""
    os.makedirs(machine.BUILD, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=machine.BUILD) as name:
        folder = pathlib.Path(name)
        with unittest.mock.patch.multiple(linux_peer, FOLDER=folder, DEBS=folder / "debs"):
            yield folder


def failure(function, *arguments):
    """The text of the failure that a call ends with."""
    try:
        function(*arguments)
    except machine.Failure as reason:
        return str(reason)
    raise AssertionError(f"{function.__name__} did not fail")


def script(path, text):
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def linux_lines():
    return bench_lines.parse("\n".join(linux_peer.lines_of(CONSOLE)))


def test_the_table_has_both_columns_their_ratio_and_the_goals():
    got = bench_linux.table(bench_lines.parse(OURS), linux_lines(), "6.1.192-2")
    assert got == TABLE, f"got\n{got}\nwant\n{TABLE}"


def test_figures_that_one_side_lacks_are_named():
    without = bench_lines.parse(OURS.replace(" free=51", "").replace("live=1000", "live=2000"))
    got = failure(bench_linux.table, without, linux_lines(), "6.1.192-2")
    for name in ("burst size=64 fifo free (percpu)", "churn size=8 live=1000 pair (percpu)",
                 "churn size=8 live=2000 pair (Linux)"):
        assert name in got, f"{name!r} is not in {got!r}"
    assert "alloc" not in got, got
    assert "all" in failure(bench_linux.table, [], [], "6.1.192-2")


def test_a_request_that_linux_refused_is_no_figure():
    got = failure(linux_peer.lines_of, CONSOLE + "\n[    1.7] percpu: allocation failed, size=8 align=8 atomic=0\n")
    assert "allocation failed, size=8" in got, got


def test_linux_is_measured_anew_for_other_sources_only():
    measured = []

    def measure(image, _limit):
        measured.append(image)
        return "6.1.192-2", ["bench=churn size=8 live=1000 engine=linux pair=1969"]

    with folder_of_its_own() as folder, contextlib.redirect_stdout(None), \
            unittest.mock.patch.object(linux_peer, "measure", measure), \
            unittest.mock.patch.object(bench_linux, "SAVED", folder / "bench" / "linux.txt"):
        first = bench_linux.linux_column()
        assert bench_linux.linux_column() == first and len(measured) == 1, measured
        with unittest.mock.patch.dict(os.environ, FORCE="1"):
            assert bench_linux.linux_column() == first and len(measured) == 2, measured
        with unittest.mock.patch.dict(os.environ, MEM="3G"):
            bench_linux.linux_column()
        bench_linux.linux_column()
        with unittest.mock.patch.object(linux_peer, "fingerprint", lambda: "other"):
            bench_linux.linux_column()
            assert len(measured) == 5, measured
            with unittest.mock.patch.dict(os.environ, LINUX="linux-image-6.1.0-1-cloud-amd64"):
                bench_linux.linux_column()
    assert measured == [linux_peer.META] * 5 + ["linux-image-6.1.0-1-cloud-amd64"], measured


def test_every_source_is_in_the_fingerprint():
    was = linux_peer.fingerprint()
    for path in [*linux_peer.sources(), linux_peer.PEER / "include/percpu/percpu.h", ROOT / "kernel/bench_internal.h",
                 ROOT / "tests/traces/nft.trace"]:
        text = path.read_bytes()
        reader = pathlib.Path.read_bytes
        with unittest.mock.patch.object(pathlib.Path, "read_bytes", lambda self, path=path, text=text:
                                        text + b" " if self == path else reader(self)):
            assert linux_peer.fingerprint() != was, path


def members(archive):
    """{name: (mode, contents)} of a cpio archive."""
    found, at = {}, 0
    while True:
        assert archive[at:at + 6] == b"070701", f"no header at {at}"
        fields = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110:at + 110 + fields[11] - 1].decode()
        start = (at + 110 + fields[11] + 3) // 4 * 4
        found[name] = (fields[1], archive[start:start + fields[6]])
        at = (start + fields[6] + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(archive), f"{len(archive) - at} bytes follow the last entry"
            return found


def test_the_initramfs_holds_init_the_module_and_the_traces():
    with folder_of_its_own() as folder:
        module = folder / "percpu_peer.ko"
        module.write_bytes(b"12345")
        found = members(linux_peer.build_initramfs(module).read_bytes())
    assert found["percpu_peer.ko"] == (0o100755, b"12345"), found["percpu_peer.ko"]
    assert found["init"][1][:4] == b"\x7fELF" and found["traces"][0] == 0o40755
    for name in ("pods", "netns", "nft"):
        path = ROOT / "tests" / "traces" / f"{name}.trace"
        assert found[f"traces/{name}.trace"][1] == path.read_bytes(), name


def test_without_packages_the_way_out_is_told():
    with folder_of_its_own() as folder:
        script(folder / "apt-cache", "echo 'E: No packages found' >&2\nexit 100\n")
        with unittest.mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"), \
                contextlib.redirect_stdout(None):
            got = failure(linux_peer.fetch, linux_peer.META)
        assert "No packages found" in got and "apt-get update" in got and f"{folder.name}/debs" in got, got
        with unittest.mock.patch.dict(os.environ, PATH=str(folder / "nothing")), contextlib.redirect_stdout(None):
            got = failure(linux_peer.fetch, linux_peer.META)
        assert "apt-cache is not installed" in got and f"{folder.name}/debs" in got, got


def test_packages_that_lie_there_need_no_apt():
    names = ["linux-image-6.1.0-9-cloud-amd64_6.1.9-1_amd64.deb", "linux-headers-6.1.0-9-cloud-amd64_6.1.9-1_amd64.deb",
             "linux-headers-6.1.0-9-common_6.1.9-1_all.deb", "linux-kbuild-6.1_6.1.9-1_amd64.deb"]
    with folder_of_its_own() as folder:
        linux_peer.DEBS.mkdir()
        for name in names:
            (folder / "debs" / name).touch()
        with unittest.mock.patch.dict(os.environ, PATH=str(folder / "nothing")):
            assert [path.name for path in linux_peer.fetch(linux_peer.META)] == names
            assert [path.name for path in linux_peer.fetch("linux-image-6.1.0-9-cloud-amd64")] == names
            with contextlib.redirect_stdout(None):
                assert "apt-cache" in failure(linux_peer.fetch, "linux-image-6.1.0-8-cloud-amd64")


def test_a_boot_that_ends_badly_says_how_and_where():
    with folder_of_its_own() as folder:
        for text, limit, want in (("echo hello; echo Kernel panic - not syncing; exit 3", 60, "status 3"),
                                  ("echo Kernel panic - not syncing; exec sleep 60", 1, "time-out after 1 s")):
            with unittest.mock.patch.dict(os.environ, QEMU=script(folder / "qemu", text)):
                got = failure(linux_peer.boot, folder / "vmlinuz", folder / "initramfs.cpio", limit)
            assert want in got and "'Kernel panic - not syncing'" in got and "console.log" in got, got
        with unittest.mock.patch.dict(os.environ, QEMU=str(folder / "no-qemu")):
            got = failure(linux_peer.boot, folder / "vmlinuz", folder / "initramfs.cpio", 60)
        assert "no-qemu is not installed" in got, got


def test_the_module_compiles():
    if not list(linux_peer.UNPACKED.glob("usr/src/linux-headers-*-amd64/Makefile")):
        raise taptest.Skip("no headers of Linux: `make bench-linux` fetches them")
    with folder_of_its_own() as folder:
        module = linux_peer.build_module(linux_peer.headers_folder(), folder / "module")
        assert b"bench_burst" in module.read_bytes()


if __name__ == "__main__":
    taptest.main(globals())
