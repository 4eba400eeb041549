#!/bin/sh
# SPDX-License-Identifier: MIT
# The reader of snapshots, and the search for leaks, under clang's fuzzer, for some thousand inputs: what it begins with is a snapshot
# of this build, and the files in tests/tools/snapshots.
set -eu
: "${FUZZ_RUNS:=5000}" # a minute
command -v clang > /dev/null || { echo "no clang"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/corpus"
"$builddir/tests/tools/snapshot_damaged" write "$work/corpus/first" || exit 77
cd "$work"
clang -g -O1 -fsanitize=fuzzer,address -std=gnu11 -pthread -DFUZZER -DHAVE_CONFIG_H -DHAK_CONF_FILE='""' -I"$builddir" \
    -I"$srcdir/include" -I"$srcdir/lib" -I"$srcdir/tools" -o fuzz "$srcdir/tests/tools/snapshot_damaged.c" \
    "$srcdir/tests/tools/damaged_leaks.c" "$srcdir/tests/tools/damaged_types.c" "$srcdir/tools/leaks_groups.c" \
    "$srcdir"/tools/reader/*.c "$srcdir/tools/number_text.c" "$srcdir/tools/profile.c" "$srcdir/tools/profile_free.c" \
    "$srcdir/tools/profile_tables.c" "$srcdir/tools/profile_types.c" \
    "$srcdir/lib/api/snapshot.c" "$builddir/.libs/libhakmem-core.a" -lm > log 2>&1 ||
    { tail -n 3 log; echo "no libFuzzer"; exit 77; }
if ! ./fuzz -runs="$FUZZ_RUNS" -max_len=4194304 -timeout=20 -rss_limit_mb=3000 -seed=1 -print_final_stats=1 \
    corpus "$srcdir/tests/tools/snapshots" > log 2>&1; then
    tail -n 40 log
    exit 1
fi
grep 'stat::number_of_executed_units' log
