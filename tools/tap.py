# SPDX-License-Identifier: GPL-2.0-only
"""Reads TAP and KTAP: from the kernel, from cmocka and from our own Python tests.

A report is one plan and its results; a stream may hold several, each begun by a line "KTAP version",
"TAP version" or a second plan. Only lines without indent count: subtests are their parent's business.
"""
import re

RESULT = re.compile(r"(not )?ok\b(?:\s+(\d+))?\s*(?:-\s*)?(.*)")
PLAN = re.compile(r"1\.\.(\d+)")


class Report:
    """One plan and its results."""

    def __init__(self):
        self.plan = None
        self.results = []  # (verdict, name, comments before it); verdict: ok, not ok, skip

    def names(self, verdict):
        return [name for got, name, _ in self.results if got == verdict]

    def problem(self):
        """What makes the report incomplete, or None."""
        if self.plan is None:
            return f"{len(self.results)} results without a plan"
        if len(self.results) != self.plan:
            return f"{len(self.results)} of {self.plan} planned results"
        return None


def parse(text):
    """The reports in a text. A line "Bail out!" counts as a failed result."""
    reports, comments = [], []
    for raw in text.splitlines():
        line = raw.rstrip("\r")
        plan, result = PLAN.match(line), RESULT.match(line)
        begins = re.match(r"K?TAP version ", line)
        if begins or (plan and (not reports or reports[-1].plan is not None)):
            if not reports or reports[-1].plan is not None or reports[-1].results:
                reports.append(Report())
        if plan:
            reports[-1].plan = int(plan.group(1))
        elif line.startswith("Bail out!") and reports:
            reports[-1].results.append(("not ok", line, comments))
        elif result:
            if not reports:
                reports.append(Report())
            name, _, directive = result.group(3).partition("# ")
            verdict = "not ok" if result.group(1) else "ok"
            skips = directive.upper().startswith("SKIP")
            if skips and verdict == "ok":
                verdict = "skip"
            elif skips and not name:  # as cmocka has it: not ok 1 # SKIP name
                verdict, name = "skip", directive[len("SKIP"):]
            reports[-1].results.append((verdict, name.strip(), comments))
            comments = []
        elif line.lstrip().startswith("#"):
            comments = comments[-100:] + [line.strip()]
    return reports
