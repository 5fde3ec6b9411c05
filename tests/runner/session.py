# SPDX-License-Identifier: GPL-2.0-only
"""A boot driven from a program: tools/run.py on pipes, just as `make run` starts it."""
import os
import select
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

PROMPT = b"percpu> "
RUN = [os.path.join(ROOT, "tools", "run.py")]
QUIET = "selftest=none replay=none"  # straight to the prompt


def environment(**variables):
    """Ours, with the variables of `make run` set to just these."""
    clean = {key: value for key, value in os.environ.items()
             if key not in ("SMP", "CPUS", "MEM", "CMDLINE", "TRACE", "VIDEO", "ACCEL", "UEFI", "TIMEOUT",
                            "QEMU", "QEMUEXTRA", "BOCHS", "KERNEL", "GDB", "STOPPED", "DRY", "PIN", "NAME", "BOOTS",
                            "BREAK", "DEV", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")}
    return dict(clean, **{key: str(value) for key, value in variables.items()})


def run(stdin=b"", limit=120, **variables):
    """A whole run; CompletedProcess with text in stdout and stderr."""
    variables.setdefault("TIMEOUT", 60)
    done = subprocess.run(RUN, input=stdin, capture_output=True, env=environment(**variables),
                          timeout=limit, check=False)
    done.stdout = done.stdout.decode(errors="replace").replace("\r\n", "\n")
    done.stderr = done.stderr.decode(errors="replace")
    return done


class Session:
    """A running boot that can be talked with."""

    def __init__(self, **variables):
        variables.setdefault("TIMEOUT", 280)
        self.process = subprocess.Popen(RUN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        stderr=subprocess.PIPE, env=environment(**variables))
        self.buffer = b""

    def until_prompt(self, limit=120):
        """The text up to the next prompt, without it."""
        deadline = time.monotonic() + limit
        while PROMPT not in self.buffer:
            wait = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, wait))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                why = "the boot ended" if ready else f"no prompt within {limit} s"
                errors = self.stop()
                raise AssertionError(f"{why}; last output:\n" + self.buffer.decode(errors="replace")
                                     [-2000:] + errors)
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(PROMPT)
        return text.decode(errors="replace").replace("\r", "")

    def command(self, line, limit=60):
        """The lines that a command prints, without the echo of the command itself."""
        self.process.stdin.write(line.encode() + b"\n")
        lines = self.until_prompt(limit).split("\n")
        if lines and lines[0].strip() == line.strip():
            lines = lines[1:]
        return [line for line in lines if line.strip()]

    def stop(self):
        """Ends it without asking; what it wrote to stderr."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=30)[1].decode(errors="replace")

    def finish(self):
        """Ends the input, as `make run </dev/null` has it; (exit status, stderr)."""
        errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode, errors.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
