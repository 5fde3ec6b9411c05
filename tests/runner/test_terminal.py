#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The monitor as a person has it: keys, history, the screen, on a pseudo-terminal and in tmux. Prints TAP.
"""
import os
import re
import sys
import time

from session import ROOT, run
from terminal import PROMPT, Screen, Terminal

import taptest

sys.path.insert(0, os.path.join(ROOT, "tests", "model"))
from monitor import fields  # noqa: E402


# ---- Lines ----------------------------------------------------------------------------------------

def test_lines_are_echoed_and_edited():
    typed = [  # keys, bytes that come back, the answer's beginning
        ("check\r", "check\r\n", "ok chunks="),
        ("chekk\x7f\x08ck\r", "chekk\x08 \x08\x08 \x08ck\r\n", "ok chunks="),
        ("rubbish\x15sync\r", "rubbish\x1b[7D\x1b[Ksync\r\n", "reclaimed="),
        ("sy\x1b[5~\x1b[24~\x1bOPnc\x04\r", "sync\r\n", "reclaimed="),
        ("\x7f\x15\x01sync\r\n", "sync\r\n", "reclaimed="),
        ("hunks" + "\x01c\r", None, "chunk=0 "),
    ]
    with Terminal() as terminal:
        for keys, echo, answer in typed:
            terminal.type(keys)
            before = terminal.until("\r\n" + answer)
            assert echo is None or echo in before + "\r\n", f"{keys!r}: {before!r}"
            terminal.until(PROMPT)
        terminal.type("\r")
        terminal.until("\r\n")
        terminal.until(PROMPT)
        terminal.type("\x04")
        terminal.until("poweroff\r\n")
        assert terminal.status() == 0


def test_sequences_may_come_in_pieces():
    with Terminal() as terminal:
        terminal.type("synX")
        for byte in "\x1b[D\x1b[3~c\r":
            terminal.type(byte)
            time.sleep(0.1)
        assert "reclaimed=" in terminal.until(PROMPT)


def test_a_line_too_long_is_refused():
    with Terminal() as terminal:
        answer = terminal.ask("check" + " " * 1019)
        assert answer.startswith("ok chunks="), answer
        answer = terminal.ask("check" + " " * 1020)
        assert "a line of more than 1024 bytes" in answer, answer


def test_control_c_drops_the_line_and_at_an_empty_prompt_ends_the_run():
    with Terminal() as terminal:
        terminal.type("poweroff\x03")
        terminal.until("^C\r\n")
        terminal.until(PROMPT)
        assert "reclaimed=" in terminal.ask("sync")
        terminal.type("\x03")
        terminal.until("run: failed: interrupted")
        assert terminal.status() == 1


def test_a_second_control_c_ends_a_kernel_that_does_not_answer():
    with Terminal() as terminal:
        terminal.ask("sync")
        terminal.type("bench\r")
        terminal.until("bench=burst")
        terminal.type("\x03")
        terminal.type("\x03")
        terminal.until("run: failed: interrupted")
        assert terminal.status() == 1


def test_control_c_stops_repeat_test_and_replay():
    with Terminal() as terminal:
        for line, started, said in (
                ("repeat 1000000 alloc 8; sync", "ptr=0x", "error: repeat: stopped after "),
                ("repeat 1000000 replay nft", "replay=nft", "stopped after "),
                ("test quick", "ok 1 - ", "error: test: stopped: ")):
            terminal.type(line + "\r")
            terminal.until(started)
            terminal.type("\x03")
            terminal.until("^C\r\n")
            rest = terminal.until(PROMPT).replace("\x1b[1;31m", "").replace("\x1b[0m", "")
            assert said in rest and "reclaimed=" not in rest, rest[-1000:]
        assert "passed" in rest and "# SKIP stopped" in rest, rest[-1000:]
        assert "ok chunks=" in terminal.ask("check")
        terminal.type("poweroff\r")
        assert terminal.status() == 0


def test_what_is_typed_while_a_command_runs_comes_after_it():
    with Terminal() as terminal:
        terminal.type("repeat 20 sync\rmem\rche")
        assert terminal.until("pages_total=").count("reclaimed=") == 20
        terminal.until(PROMPT)
        terminal.type("ck\r")
        assert "ok chunks=" in terminal.until(PROMPT)


def test_a_pipe_and_console_pipe_stay_plain():
    script = b"nonsense\nchunks\nmap 0\nsync\nwatch\nwatch sync\n"
    for console in ("", " console=pipe"):
        done = run(script, CMDLINE="selftest=none replay=none" + console)
        assert done.returncode == 0 and "\x1b" not in done.stdout and "\x07" not in done.stdout, \
            done.stdout
        assert re.search(r"percpu> error: unknown command 'nonsense'.*\npercpu> chunk=0 .*"
                         r"\npercpu> map=0 -\d+ \+\d+\npercpu> reclaimed=0"
                         r"(\npercpu> error: watch: draws on a terminal only: .*){2}\npercpu> ",
                         done.stdout), done.stdout
    with Terminal(CMDLINE="selftest=none replay=none console=pipe") as terminal:
        terminal.type("nonsense\r")
        assert "\x1b" not in terminal.until(PROMPT)


def test_colours_are_on_errors_and_prompt_and_flags():
    with Terminal() as terminal:
        answer = terminal.ask("nonsense")
        assert answer.startswith("\x1b[1;31merror:\x1b[0m unknown command"), repr(answer)
        answer = terminal.ask("chunks")
        assert "flags=\x1b[33mfirst,immutable\x1b[0m\r\n" in answer, repr(answer)


def test_an_unknown_word_is_told_what_may_have_been_meant():
    script = b"allco 8\nhelp chnuks\ntest qick\nhelp peek\n"
    done = run(script, CMDLINE="selftest=none replay=none lodlevel=2")
    for line in ("error: unknown command 'allco' (did you mean alloc?): help lists the commands",
                 "error: unknown command 'chnuks' (did you mean chunks?): ",
                 "error: test: 'qick' names no test (did you mean quick?): ",
                 "cmdline: unknown key 'lodlevel' is ignored (did you mean loglevel?)",
                 "percpu> peek CPU PTR [LEN] ", "\nexample: peek 1 0x"):
        assert line in done.stdout, f"no {line!r} in {done.stdout}"


# ---- Tab ------------------------------------------------------------------------------------------

def test_tab_completes_the_common_part_and_a_second_one_lists():
    with Screen() as screen:
        screen.keys("p", "Tab")
        screen.until_row("percpu> p")
        screen.keys("Tab")
        screen.until(lambda rows: rows[-2:] == ["peek      poke      poweroff", "percpu> p"], "a list")
        screen.keys("e", "Tab", "1", " 0")
        screen.until_row("percpu> peek 1 0")
        screen.keys("C-u", "alloc 8 r", "Tab", "Enter")
        screen.until_row("percpu> alloc 8 reserved", last=False)
        screen.keys("test percpu_O18_odd", "Tab")
        screen.until_row("percpu> test percpu_O18_odd_sizes_at_length")
        screen.keys("C-u", "test percpu_", "Tab", "Tab")
        rows = screen.until(lambda rows: rows[-1] == "percpu> test percpu_" and
                            re.fullmatch(r"\.\.\. and \d+ more: type some of it", rows[-2]), "a list")
        assert len(rows) == 24 and all(row.startswith("percpu_") for row in rows[1:22]), rows


def test_tab_completes_in_the_middle_of_a_line():
    with Screen() as screen:
        screen.keys("ma 0; sync", "C-a", "Right", "Right", "Tab")
        screen.until_row("percpu> map 0; sync")
        screen.keys("C-e", "; ch", "Tab")
        screen.until(lambda rows: rows[-1] == "percpu> map 0; sync; ch", "the line")
        screen.keys("u", "Tab", "Enter")
        screen.until_row("percpu> map 0; sync; chunks", last=False)


def test_tab_knows_chunks_cpus_traces_and_areas():
    with Screen(SMP=3, rows=40) as screen:
        for line in ("peek ", "replay ", "bench ", "help k"):
            screen.keys("C-u", line, "Tab", "Tab")
        screen.until_row("percpu> help keys")
        rows = screen.rows()
        for row in ("0  1  2", "pods   netns  nft", "burst    bulk     churn"):
            assert any(text.startswith(row) for text in rows), "\n".join(rows)
        screen.keys("C-u", "alloc 65536; " * 3, "Enter")
        screen.until(lambda rows: sum("size=65536" in row for row in rows) == 3, "three areas")
        screen.keys("map ", "Tab", "Tab")
        screen.until(lambda rows: rows[-2:] == ["0  1  2  3", "percpu> map"], "the chunks")
        screen.keys("C-u", "free 0x", "Tab", "Tab")
        rows = screen.until(lambda rows: rows[-2].startswith("0x"), "the areas")
        listed = rows[-2].split()
        assert len(listed) == 3 and all(f"ptr={area} " in "\n".join(rows) for area in listed), rows


# ---- The screen -----------------------------------------------------------------------------------

def test_history_on_the_screen():
    with Screen() as screen:
        screen.keys("alloc 100", "Enter", "sync", "Enter", "sync", "Enter", "chu")
        screen.until_row("percpu> chu")
        screen.keys("Up")
        screen.until_row("percpu> sync")
        screen.keys("Up")
        screen.until_row("percpu> alloc 100")
        screen.keys("Up", "Left", "Left", "BSpace", "2")
        screen.until_row("percpu> alloc 200")
        assert screen.cursor() == (15, len(screen.rows()) - 1), screen.cursor()
        screen.keys("Down")
        screen.until_row("percpu> sync")
        screen.keys("Down", "nks", "Enter")
        screen.until(lambda rows: "percpu> chunks" in rows and rows[-1] == "percpu>", "chunks")


def test_a_long_line_scrolls_in_one_row():
    line = "; ".join(f"alloc {n}" for n in range(1, 12))
    with Screen() as screen:
        screen.keys(line)
        rows = screen.until(lambda rows: rows[-1].endswith("alloc 11"), "the line's end")
        assert rows[-1].startswith("percpu> <") and len(rows[-1]) < 80, rows[-1]
        screen.keys("Home")
        rows = screen.until(lambda rows: rows[-1].startswith("percpu> alloc 1;"), "its start")
        assert rows[-1][:78] == (PROMPT + line)[:78] and rows[-1][78:] == ">", rows[-1]
        assert screen.cursor() == (8, len(rows) - 1)
        screen.keys("Enter")
        screen.until(lambda rows: sum(" size=11 " in row for row in rows) == 1, "the answers")


def test_a_wider_window_shows_more_of_a_line():
    line = "sync; " * 18
    with Screen(columns=80) as screen:
        screen.keys("Enter")
        screen.resize(120, 40)
        screen.keys("Enter", "Enter")
        screen.until(lambda rows: rows[-3:] == ["percpu>"] * 3, "three prompts")
        screen.keys("Enter", line)
        screen.until_row((PROMPT + line).strip())


def test_log_lines_go_above_the_line_being_typed():
    with Screen(CMDLINE="selftest=none replay=none break=log") as screen:
        screen.keys("alloc 100 8", "Left", "Left")
        numbers = []
        while len(numbers) < 12:
            rows = screen.until_row("percpu> alloc 100 8")
            numbers = [int(found.group(1)) for row in rows
                       if (found := re.search(r"break: line (\d+) because of break=log$", row))]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "\n".join(rows)
        assert sum("percpu>" in row for row in rows) == 1, "\n".join(rows)
        screen.keys("4", "Enter")
        screen.until(lambda rows: any(" size=1004 " in row for row in rows), "the answer")


def test_a_panic_takes_the_place_of_the_line_being_typed():
    with Screen(rows=250, CMDLINE="selftest=none replay=none break=log panic_on_warn") as screen:
        screen.keys("alloc 1")
        screen.until_row("percpu> alloc 1")
        screen.until_row("panic>")
        screen.keys("powe", "Tab", "Enter")
        rows = screen.until(lambda rows: rows[-1] == "ended 1", "the end")
    assert not any("percpu>" in row for row in rows), "\n".join(rows)
    assert any("PANIC: panic_on_warn" in row for row in rows), "\n".join(rows)


PANIC = "panic> "


def panicked(terminal, test):
    """Runs a test that panics; returns the report."""
    terminal.type(f"test {test}\r")
    return terminal.until(PANIC)


def asked(terminal, line):
    terminal.type(line + "\r")
    terminal.until("\r\n")
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.until(PANIC))


def ended_by(terminal, line):
    terminal.type(line + "\r")
    terminal.until("run: failed: the kernel panicked: ")
    assert terminal.status() == 1


def test_a_panic_ends_in_a_prompt_that_reads():
    with Terminal(SMP="3") as terminal:
        terminal.ask("trace on")
        ptr = re.search(r"ptr=(0x\w+)", terminal.ask("alloc 24")).group(1)
        report = panicked(terminal, "broken_checks_inside_an_allocation")
        assert "thread main of cpu0 owns mutex 'pcpu_alloc_mutex', 0 wait" in report, report
        for line, answer in (
                ("chunks", "chunk=0 slot="), ("map 0", "chunk=0 areas="), ("cpus", "cpu=2 apic="),
                ("stats", "allocs=1\r\n"), ("mem", "pages_total="), ("vm", "range=0x"),
                (f"peek 2 {ptr}", "bytes=0000000000000000"), (f"who {ptr}", "size=24 "),
                ("sites", "bytes=24 areas=1 site=run_alloc"), ("trace dump", "a 1 24 8 "),
                ("trace off", "error: trace: only dump"), ("bt", "#0 0x"), ("bt 2", "sched_idle_loop+"),
                ("bt 9", "error: bt: CPU 9 "), ("regs", "rip=0x"), ("ops", f"alloc ptr={ptr} size=24"),
                ("locks", "owns mutex 'pcpu_alloc_mutex'"), ("help", "poweroff "), ("alloc 8", "error: unknown"),
                ("free 8", "error: unknown"), ("chunks", "chunk=0 slot=")):
            got = asked(terminal, line)
            assert answer in got, f"{line}: {got!r}"
        ended_by(terminal, "poweroff")


def test_a_panic_prompt_goes_on_after_a_command_that_faults():
    with Terminal() as terminal:
        panicked(terminal, "broken_breaks_the_list_of_chunks")
        for _ in range(20):
            assert "the command ended by a fault at 0x" in asked(terminal, "chunks; cpus")
        assert "cpu=0 apic=" in asked(terminal, "cpus")
        assert "allocs=" in asked(terminal, "stats")
        ended_by(terminal, "reboot")


def test_a_panic_prompt_has_a_stack_when_the_panic_is_for_want_of_one():
    with Terminal() as terminal:
        assert "hint: the stack 'too deep'" in panicked(terminal, "broken_overflows_its_stack")
        assert asked(terminal, "bt").count("recurse") > 20
        assert "vector=8" in asked(terminal, "regs")
        ended_by(terminal, "poweroff")


def test_monitor_off_has_no_prompt_after_a_panic():
    terminal = Terminal(CMDLINE="selftest=none replay=none monitor=off break=panic")
    assert PANIC not in terminal.until("run: failed: the kernel panicked")
    assert terminal.status() == 1


def bar_of(rows, chunk):
    """The bar that `map` drew for a chunk, and what the line above it says."""
    top = max(n for n, row in enumerate(rows) if row.startswith(f"chunk={chunk} areas="))
    labels, ticks, bar, legend = rows[top + 1:top + 5]
    assert [m.start() for m in re.finditer(r"\|", ticks)] == \
        [m.start() for m in re.finditer(r"\S+", labels)], labels + "\n" + ticks
    assert legend.startswith("# in use  + partly in use  - free  . free, no memory"), legend
    return bar, fields(rows[top])


def test_map_draws_on_a_terminal():
    for columns in (80, 120):
        with Screen(columns=columns, rows=40) as screen:
            screen.keys("Enter", "alloc 50000; alloc 20000", "Enter", "map 1", "Enter")
            rows = screen.until(lambda rows: sum("a column: " in row for row in rows) == 1
                                and rows[-1] == "percpu>", "the bar")
            bar, sums = bar_of(rows, 1)
            assert sums["in_use"] == "20000" and sums["pages"] == "5/16", sums
            used = len(bar) * 20000 // 65536
            assert re.fullmatch(r"#{%d}\+-?\.+" % used, bar), bar
            assert len(bar) == columns - 1, len(bar)
            assert "\x1b[36m" in "".join(screen.rows(colours=True)), "no colours"
            screen.keys("map 0", "Enter")
            rows = screen.until(lambda rows: sum("a column: " in row for row in rows) == 2, "a bar")
            assert re.fullmatch(r"#+\+?-*", bar_of(rows, 0)[0]), rows


# ---- watch ----------------------------------------------------------------------------------------

TITLE = re.compile(r"up \d+\.\d s: (.*)")


def is_frame(rows):
    return TITLE.match(rows[0]) is not None and any(row.startswith("chnk slot") for row in rows)


def chunk_rows(rows):
    """{chunk: its row's words} of a frame."""
    top = next(n for n, row in enumerate(rows) if row.startswith("chnk slot"))
    return {int(row.split()[0]): row.split() for row in rows[top + 1:] if row[3:4].isdigit()}


def check_frame(rows, cpus, columns):
    assert TITLE.match(rows[0]) and rows[1].split()[:3] == ["cpu", "state", "runs"], rows[:2]
    for cpu in range(cpus):
        assert re.match(rf" *{cpu}  online    \w+ +\d+ +\d+ +\d+ +\d+  0xffff", rows[2 + cpu]), rows
    assert rows[3 + cpus].startswith("areas="), rows
    assert all(len(row) < columns for row in rows), "\n".join(rows)


def test_watch_shows_cpus_and_chunks_until_a_key():
    for columns, height in ((80, 24), (120, 40)):
        with Screen(columns, height) as screen:
            screen.keys("Enter", "alloc 50000; alloc 20000; alloc 65536", "Enter", "C-l", "watch",
                        "Enter")
            rows = screen.until(lambda rows: is_frame(rows) and len(rows[-1]) == columns - 1 and
                                list(chunk_rows(rows)) == [0, 1, 2], "watch")
            check_frame(rows, 4, columns)
            assert fields(rows[7])["areas"] == "3", rows[7]
            chunks = chunk_rows(rows)
            assert re.fullmatch(r"#+\+?-+", chunks[0][-1]) and set(chunks[2][-1]) == {"#"}, rows
            assert re.fullmatch(r"#+\+-?\.+", chunks[1][-1]), chunks[1]
            assert chunks[0][2] == "16/16" and chunks[0][-2] == "f-i", chunks[0]
            assert chunks[1][2] == "5/16" and chunks[1][-2] == "---", chunks[1]
            first = rows[0]
            screen.until(lambda rows: is_frame(rows) and rows[0] != first, "a later frame")
            screen.keys("Up")
            screen.until(lambda rows: rows == ["percpu> watch", "percpu>"], "the screen as before")
            screen.keys("sync", "Enter")
            screen.until(lambda rows: "reclaimed=0" in rows, "an answer")


def test_watch_ends_by_any_key():
    with Screen() as screen:
        for key in ("q", "Escape", "Enter", "Left", "C-c"):
            screen.keys("C-l", "watch; alloc 8", "Enter")
            screen.until(is_frame, "watch")
            screen.keys(key)
            rows = screen.until(lambda rows: rows[-1] == "percpu>" and len(rows) > 1, "the prompt")
            assert any(row.startswith("ptr=") for row in rows) == (key != "C-c"), (key, rows)


def test_watch_shows_what_a_command_does():
    with Screen() as screen:
        screen.keys("watch repeat 1000 replay nft", "Enter")
        screen.until(lambda rows: is_frame(rows) and TITLE.match(rows[0]).group(1) ==
                     "repeat 1000 replay nft runs, any key ends" and
                     fields(rows[7])["areas"] != "0", "replay")
        screen.keys("q")
        screen.until(lambda rows: rows[-1] == "percpu>" and any("stopped after " in row for row in rows),
                     "the prompt, and why it ended")
        screen.keys("C-l", "watch replay nft", "Enter")
        rows = screen.until(lambda rows: is_frame(rows) and TITLE.match(rows[0]).group(1) ==
                            "replay nft has ended, any key ends", "its end")
        assert fields(rows[7])["areas"] == "0", rows[7]
        screen.keys("q")
        rows = screen.until(lambda rows: rows[-1] == "percpu>", "the prompt")
        assert any(row.startswith("replay=nft events=4800 ") for row in rows), rows
        screen.keys("C-l", "watch watch", "Enter")
        screen.until(is_frame, "watch")
        screen.keys("q")
        screen.until_row("error: watch: the screen shows it already", last=False)


def test_log_lines_are_there_after_watch():
    with Screen(CMDLINE="selftest=none replay=none break=log") as screen:
        screen.keys("C-l", "watch", "Enter")
        rows = screen.until(is_frame, "watch")
        start = float(rows[0].split()[1])
        rows = screen.until(lambda rows: is_frame(rows) and float(rows[0].split()[1]) > start + 2,
                            "two seconds more")
        assert not any("break=log" in row for row in rows), "\n".join(rows)
        screen.keys("q")
        rows = screen.until(lambda rows: rows[-1] == "percpu>", "the prompt")
        numbers = [int(row.split()[5]) for row in rows if row.endswith("because of break=log")]
        assert len(numbers) > 4 and numbers == list(range(numbers[0], numbers[-1] + 1)), rows


def test_watch_follows_the_size_of_the_window():
    with Screen(80, 24, SMP=8) as screen:
        screen.keys("repeat 30 alloc 65536; watch", "Enter")
        rows = screen.until(lambda rows: is_frame(rows) and len(rows) == 23 and
                            re.fullmatch(r"\.\.\. and \d+ more", rows[-1]), "watch")
        check_frame(rows, 8, 80)
        screen.resize(60, 16)
        screen.until(lambda rows: is_frame(rows) and len(rows) == 15 and
                     all(len(row) < 60 for row in rows) and
                     sum(row.startswith("... and") for row in rows) == 2, "a small watch")
        screen.resize(150, 50)
        screen.until(lambda rows: is_frame(rows) and
                     list(chunk_rows(rows)) == list(range(31)), "a large watch")


def test_the_screen_is_cleared_by_control_l():
    with Screen() as screen:
        screen.keys("sync", "Enter", "alloc 1", "C-l")
        screen.until(lambda rows: rows == ["percpu> alloc 1"], "one row")
        assert screen.cursor() == (15, 0)


if __name__ == "__main__":
    taptest.main(globals())
