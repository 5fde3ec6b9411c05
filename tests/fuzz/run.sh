#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Fuzzes one target: run.sh NAME SECONDS. What it learns stays in build/fuzz/corpus/NAME for the next
# run; an input that shows a defect is left in build/fuzz/findings/ and fails the run.
name=$1 seconds=$2
corpus=build/fuzz/corpus/$name findings=build/fuzz/findings
mkdir -p "$corpus" "$findings"
regress=
[ -d "tests/fuzz/regress/$name" ] && regress=tests/fuzz/regress/$name
if "build/fuzz/$name" -max_total_time="$seconds" -timeout=60 -max_len=4096 -print_final_stats=1 \
	-artifact_prefix="$findings/$name-" "$corpus" "tests/fuzz/seeds/$name" $regress \
	>"build/fuzz/$name.log" 2>&1; then
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log")
	echo "fuzz $name: nothing found in $runs runs"
else
	tail -40 "build/fuzz/$name.log"
	echo "fuzz $name: found something (build/fuzz/$name.log); once it is fixed, keep the input:"
	ls "$findings/$name-"* 2>/dev/null
	echo "in tests/fuzz/regress/$name/"
	exit 1
fi
