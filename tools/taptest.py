# SPDX-License-Identifier: GPL-2.0-only
"""Tests in Python that print TAP: functions named test_…, run in the order of their definition.

    import taptest
    def test_something(): assert 1 + 1 == 2, "message with got and want"
    if __name__ == "__main__": taptest.main(globals())

Arguments of the program are globs over test names. raise taptest.Skip(reason) skips.
"""
import fnmatch
import sys
import time
import traceback


class Skip(Exception):
    """The test cannot run here."""


def _comment(text):
    for line in text.rstrip().splitlines():
        print("# " + line)


def run_cases(cases):
    """Runs (name, function) pairs; a function's string answer is added to its name. True if all passed."""
    cases, good = list(cases), True
    print("TAP version 13", f"1..{len(cases)}", sep="\n", flush=True)
    for number, (name, function) in enumerate(cases, 1):
        start = time.monotonic()
        try:
            note = function()
            seconds = f"{time.monotonic() - start:.1f} s"
            print(f"ok {number} - {name} ({note}, {seconds})" if note else
                  f"ok {number} - {name} ({seconds})")
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}")
        except Exception as error:  # pylint: disable=broad-except
            good = False
            short = isinstance(error, AssertionError) and error.args
            _comment(str(error) if short else traceback.format_exc())
            print(f"not ok {number} - {name}")
        sys.stdout.flush()
    return good


def main(module):
    patterns = sys.argv[1:] or ["*"]
    cases = [(name[5:], function) for name, function in module.items()
             if name.startswith("test_") and callable(function)
             and any(fnmatch.fnmatch(name[5:], pattern) for pattern in patterns)]
    sys.exit(0 if run_cases(cases) else 1)
