#!/bin/sh
# SPDX-License-Identifier: MIT
# bench/compare computes what it says, from figures that are known, and tells what fails.
set -eu
compare=$srcdir/bench/compare
python3 -c 'import argparse, json, resource, statistics' 2> /dev/null || { echo "needs python3"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$1" >&2; exit 1; }

# Two peers, two workloads: ours takes half of the best peer's time in one, twice in the other.
python3 - "$work/known.json" << 'END'
import json, sys

def run(rate, peak):
    return {"throughput": [rate] * 3, "peak": [peak] * 3, "elapsed": [1] * 3, "processor": [1] * 3}

def workload(name, weight, ours, one, other, failed={}):
    runs = {"hakmem": ours, "glibc": one, "jemalloc": other}
    return {"name": name, "kind": "mixed", "weight": weight, "command": [name],
            "runs": {k: v for k, v in runs.items() if k not in failed}, "failed": failed}

json.dump({
    "allocators": {"hakmem": "h", "glibc": "", "jemalloc": "j"}, "rounds": 3, "version": "0",
    "host": {"kernel": "0", "cpu": "x", "cores": 2}, "calibration": [0.03] * 3, "date": "2026-01-01",
    "workloads": [
        workload("fast", 1, run(400, 1000), run(200, 1000), run(100, 2000)),
        workload("slow", 2, run(100, 2000), run(100, 1000), run(200, 1000)),
        workload("broken", 1, run(1, 1), run(1, 1), run(1, 1), {"jemalloc": 3}),
    ]}, open(sys.argv[1], "w"))
END
"$compare" --from "$work/known.json" -o "$work/out" > "$work/text" 2>&1 && fail "a failed workload is no success"
python3 - "$work/out.json" << 'END' || fail "the figures are wrong"
import json, sys

summary = json.load(open(sys.argv[1]))["summary"]
rows = {row["name"]: row for row in summary["workloads"]}

def near(found, expected):
    assert abs(found - expected) < 1e-9, (found, expected)

near(rows["fast"]["time"]["ratio"]["hakmem"], 0.5)
near(rows["slow"]["time"]["ratio"]["hakmem"], 2)
near(rows["slow"]["memory"]["ratio"]["hakmem"], 2)
assert rows["fast"]["time"]["best"] == "glibc" and rows["slow"]["time"]["best"] == "jemalloc"
assert rows["slow"]["time"]["above"] and not rows["fast"]["time"]["above"]
assert rows["slow"]["memory"]["above"] and not rows["broken"]["counted"]
mixed = next(mean for mean in summary["means"] if mean["kind"] == "mixed")
# cubes: 1/400 * 1/100^2 are ours, 1/100 * 1/200^2 of jemalloc, 1/200 * 1/100^2 of glibc
assert mixed["count"] == 2 and mixed["time"]["best"] == "jemalloc"
near(mixed["time"]["ratio"]["hakmem"], 1)
near(mixed["time"]["ratio"]["glibc"], 2 ** (1 / 3))
# the best peers of the two: cubes 1/200 * 1/200^2
near(mixed["time"]["by_row"]["hakmem"], 2 ** (1 / 3))
near(mixed["time"]["by_row"]["glibc"], 4 ** (1 / 3))
# cubes: 1000 * 2000^2 are ours, 1000^3 of glibc
assert mixed["memory"]["best"] == "glibc"
near(mixed["memory"]["ratio"]["hakmem"], 4 ** (1 / 3))
END
grep -q '^broken .*failed 3' "$work/text" || fail "the failed workload is not shown as failed"

# It runs what a list says, and refuses what it does not know.
printf 'tiny mixed 1 pair 64 1000\nbad mixed 1 pair 0 1\n' > "$work/list"
if "$compare" -b "$builddir" -r 2 --workloads "$work/list" > "$work/text" 2>&1; then
    fail "a program that fails is no success"
fi
grep -q '^tiny *hakmem [0-9]' "$work/text" || fail "a workload was not measured"
grep -q '^bad .*failed 2' "$work/text" || fail "an exit status is not shown"
status=0
"$compare" -b "$builddir" --workloads "$work/list" nothing > "$work/text" 2>&1 || status=$?
[ "$status" -eq 2 ] && grep -q "called 'nothing'" "$work/text" || fail "an unknown workload is not refused"
echo 'tiny mixed x pair' > "$work/list"
status=0
"$compare" -b "$builddir" --workloads "$work/list" > "$work/text" 2>&1 || status=$?
[ "$status" -eq 2 ] && grep -q 'list:1:' "$work/text" || fail "a bad line is not named"
