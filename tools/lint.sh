#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Checks layout (clang-format), suspicious code (cppcheck) and Python syntax: lint.sh C-FILE...
# A tool that is not installed is named, and its check left out.

failed=0

sh tools/doctor.sh lint || echo "lint: what these tools check is left out" >&2
if command -v clang-format >/dev/null; then
	clang-format --dry-run -Werror "$@" || failed=1
fi
# Left out: distances between linker symbols, out parameters, the deliberate null pointer of the triple
# fault, and what cppcheck cannot parse (__seg_gs).
if command -v cppcheck >/dev/null; then
	cppcheck -q --error-exitcode=1 --std=c11 -I. --inline-suppr --suppress=missingIncludeSystem \
		--suppress=comparePointers --suppress=nullPointer --suppress=internalAstError \
		--suppress=uninitvar --suppress=ctuuninitvar \
		"$@" || failed=1
fi
for script in tools/*.py tools/gdb/*.py tools/gdb/*/*.py tests/*/*.py; do
	[ -f "$script" ] || continue
	/usr/bin/python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$script" ||
		failed=1
done
exit $failed
