#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The kernel at a machine with monitor and keyboard, without a serial port: from a CD and from a USB stick, by
BIOS and by UEFI. What is on the screen is read back from its picture. Prints TAP.
"""
import os

from box import PROMPT, ROOT, WRONG, Box

import taptest

QUIET = "selftest=none replay=none"
YELLOW, RED = (0xff, 0xff, 0x60), (0xff, 0x60, 0x60)


def last(lines):
    return next((line for line in reversed(lines) if line), "")


def at_prompt(lines):
    return last(lines) == PROMPT.rstrip()


def wrapped(text, columns):
    """The text as a screen of so many columns shows it, line by line."""
    return [line[i:i + columns].rstrip() for line in text.split("\n")
            for i in range(0, max(len(line), 1), columns)]


def check_command(box, line, answer, lines=None):
    """Types a line; it is echoed behind the prompt, and the answer follows."""
    box.type(line, lines)
    box.press("ret")
    seen = box.until(lambda seen: at_prompt(seen) and PROMPT + line in seen, lines)
    got = seen[seen.index(PROMPT + line) + 1]
    assert got.startswith(answer), f"{line}: got {got!r}, want {answer!r}"


def test_the_screen_shows_what_the_serial_port_does():
    """Tests of the area map, with warnings, several screens full: the end of it, character by character."""
    with Box(serial=True, CMDLINE="selftest=percpu_U* replay=nft", SMP="4", MEM="512M") as box:
        box.until(at_prompt)
        picture = box.look()
        lines = [line for line in picture.lines if line]
        serial = wrapped(box.serial_text().replace("\r", ""), picture.width // 8)
        serial = [line for line in serial if line]
        assert (picture.width, picture.height) == (1024, 768), (picture.width, picture.height)
        assert len(lines) == 48 and len(serial) > 48, (len(lines), len(serial))
        assert lines == serial[-48:], "\n".join(f"{a!r}\n{b!r}" for a, b in zip(lines, serial[-48:])
                                                if a != b)
        assert picture.inverse == [(47, len(PROMPT))], picture.inverse
        warning = next(i for i, line in enumerate(picture.lines) if "entered again" in line)
        assert picture.colours(warning) == {YELLOW}, picture.colours(warning)


def test_keyboard_and_screen_without_serial_port_from_a_usb_stick_by_uefi():
    with Box(usb=True, UEFI="1", CMDLINE=QUIET) as box:
        seen = box.until(at_prompt)
        assert "cpu0 boot: command line: " + QUIET in seen[0], seen[0]
        check_command(box, "alloc 100 8", "ptr=0x")
        check_command(box, "CHECK", "error: unknown command 'CHECK'")
        every = "".join(map(chr, range(0x21, 0x7f))).replace(";", "")
        check_command(box, every, "error: unknown command")
        assert WRONG not in box.look().text(), box.look().text()
        box.type("peek 0 xyz")
        for key in ("backspace", "left", "f5", "backspace", "backspace", "0"):
            box.press(key)
        box.until(lambda seen: last(seen) == PROMPT + "peek 00y")
        box.press("end")
        box.press("ctrl", "u")
        box.until(at_prompt)
        for keys in (["caps_lock"], ["s"], ["shift", "y"], ["caps_lock"], ["n"], ["kp_0"]):
            box.press(*keys)
        box.until(lambda seen: last(seen) == PROMPT + "Syn0")
        box.press("ctrl", "c")
        seen = box.until(at_prompt)
        assert PROMPT + "Syn0^C" in seen, seen


def test_text_mode_from_a_usb_stick_by_bios():
    with Box(usb=True, CMDLINE=QUIET, VIDEO="text") as box:
        box.until(at_prompt, box.text_memory)
        check_command(box, "alloc 24", "ptr=0x", box.text_memory)
        for _ in range(3):
            check_command(box, "help check", "check", box.text_memory)


def test_poweroff_switches_the_machine_off():
    """By ACPI, as QEMU's own way out is not there."""
    with Box(CMDLINE=QUIET + " monitor=off") as box:
        box.until(lambda _: box.ask("query-status")["status"] == "shutdown")
        assert last(box.look().lines) == "the end: all good", box.look().text()


def test_a_panic_stays_on_the_screen():
    with Box(CMDLINE=QUIET + " break=panic") as box:
        seen = box.until(lambda seen: last(seen) == "the end: failed")
        for word in ("PANIC: asked for by break=panic", "break_on_request+", "cpu1 was in thread"):
            assert any(word in line for line in seen), f"no {word!r} in\n" + "\n".join(seen)
        assert box.ask("query-status")["status"] == "running", "it is switched off"
        picture = box.look()
        row = next(i for i, line in enumerate(picture.lines) if "PANIC: " in line)
        assert picture.colours(row) == {RED}, picture.colours(row)


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
