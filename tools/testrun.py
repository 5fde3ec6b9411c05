#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs test programs that print TAP, adds up their results and ends with `N passed, N failed`.

    testrun.py [-j JOBS] COMMAND...

Each COMMAND is one program with its arguments, in one word of ours. Its results count one by one; a
program that ends badly, or before its plan is done, counts one failure more. A failed test is shown
with the comments before it, a program that failed otherwise with the end of its output. Exit status 0
only if nothing failed.

Run under `ulimit -S -t SECONDS`, a program that uses more CPU time than that hangs, and none is begun
after it: what they test is broken, and each would hang as long.
"""
import argparse
import concurrent.futures
import os
import shlex
import signal
import subprocess
import sys
import time

import tap

LIMIT = int(os.environ.get("LIMIT") or 900)  # seconds for one program


class Outcome:
    """What one program's output adds up to."""

    def __init__(self, command):
        self.command = command
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def add_reports(self, reports, status, text):
        for report in reports:
            self.passed += len(report.names("ok"))
            self.skipped += len(report.names("skip"))
            for verdict, name, comments in report.results:
                if verdict == "not ok":
                    self.failed += 1
                    self.notes += [f"not ok - {name}", *("    " + line for line in comments)]
        problem = next((r.problem() for r in reports if r.problem()), None)
        if not reports:
            problem = "printed no test report"
        if status == -signal.SIGXCPU:
            problem = "hangs: its CPU time is used up"
            hung.append(self.command)
        elif status != 0 and self.failed == 0:
            problem = problem or f"ended with status {status}"
        if problem:
            self.failed += 1
            self.notes += [f"not ok - {self.command}: {problem}",
                           *("    " + line for line in text.splitlines()[-15:])]


running = []  # all that were started; each leads a process group
hung = []  # commands that were ended because their CPU time was used up


def stop_all(processes):
    """Ends programs and what they have started."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)


def stopped(number, _frame):
    stop_all(running)
    print(f"testrun: ended by {signal.Signals(number).name}", flush=True)
    os._exit(1)


def run(command):
    """Runs one program to its end; None if one before it hung."""
    if hung:
        return None
    outcome, start = Outcome(command), time.monotonic()
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONDONTWRITEBYTECODE="1")
    try:
        process = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, text=True, env=env,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   errors="replace", start_new_session=True)
        running.append(process)
        text, _ = process.communicate(timeout=LIMIT)
        outcome.add_reports(tap.parse(text), process.returncode, text)
    except (OSError, subprocess.TimeoutExpired) as error:
        outcome.failed += 1
        outcome.notes.append(f"not ok - {command}: {error}")
        stop_all([process for process in running if process.args == shlex.split(command)])
    outcome.seconds = time.monotonic() - start
    return outcome


def tally(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1)
    parser.add_argument("commands", nargs="+")
    args = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stopped)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(args.j, 8)) as pool:
        jobs = [pool.submit(run, command) for command in args.commands]
        for job in concurrent.futures.as_completed(jobs):
            outcome = job.result()
            if outcome is None:
                continue
            outcomes.append(outcome)
            print(f"{outcome.command}: {tally(outcome.passed, outcome.failed, outcome.skipped)} "
                  f"({outcome.seconds:.1f} s)")
            for note in outcome.notes:
                print("  " + note)
            sys.stdout.flush()
    if len(outcomes) < len(args.commands):
        print(f"not run, since {hung[0]} hangs: {len(args.commands) - len(outcomes)} programs")
    total = [sum(getattr(o, what) for o in outcomes) for what in ("passed", "failed", "skipped")]
    print(tally(*total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
