#!/bin/sh
# SPDX-License-Identifier: MIT
# The options profile_dump and leaks: which files and reports there are when a process ends.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/program.c" << 'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *kept(void)
{
    return malloc(300000);
}

__attribute__((noinline)) static void fill(void)
{
    while (malloc(1000) != NULL)
        continue;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "fill") == 0) {
        fill();
        return 0;
    }
    for (int i = 0; i < 50; i++)
        memset(kept(), 1, 10);
    if (count > 1 && strcmp(arguments[1], "close") == 0)
        close(2);
    return 0;
}
END
# shellcheck disable=SC2086
$CC -O1 -fno-builtin -o "$work/program" "$work/program.c"

# with OPTIONS ARGUMENT ...: runs the program
with() {
    options=$1
    shift
    HAKMEM_CONF=$options LD_PRELOAD=$HAK_LIBRARY "$work/program" "$@" 2> "$work/said"
}
files() { (cd "$work/out" && echo *); }
mkdir "$work/out"

with "profile=1,profile_dump=$work/out/%n"
[ "$(files)" = "program program.peak" ] || fail "files: $(files)"
grep -q '^heap profile: 5[0-9]: 15[0-9]*' "$work/out/program" || fail "no profile of 15 MB: $(head -n 1 "$work/out/program")"
[ ! -s "$work/said" ] || fail "says: $(cat "$work/said")"
rm "$work"/out/*

# what was in use when the limit was reached
with "limit_hard=64M,profile=1,profile_dump=$work/out/%n" fill
[ "$(files)" = "program program.limit program.peak" ] || fail "files at the limit: $(files)"
grep -q '^heap profile: [0-9]*: [3-6][0-9]\{7\} ' "$work/out/program.limit" ||
    fail "no profile of the limit: $(head -n 1 "$work/out/program.limit")"
rm "$work"/out/*

# what is there and no file stays what it is
mkfifo "$work/out/fifo"
exec 3<> "$work/out/fifo"
with "profile=1,profile_dump=$work/out/fifo"
[ -p "$work/out/fifo" ] || fail "the FIFO is one no more"
[ "$(files)" = fifo ] || fail "files: $(files)"
timeout 10 head -n 1 <&3 | grep -q '^heap profile: 5[0-9]: 15[0-9]*' || fail "nothing came through the FIFO"
exec 3<&-
with "profile=1,profile_dump=$work/out/fifo" # which nobody reads
grep -q "cannot write the heap profile to $work/out/fifo (error 6)" "$work/said" || fail "says: $(cat "$work/said")"
rm "$work"/out/*
ln -s /dev/null "$work/out/null"
with "profile=1,profile_dump=$work/out/null"
[ -L "$work/out/null" ] || fail "the link is one no more"
[ "$(files)" = null ] || fail "files: $(files)"
rm "$work"/out/*

# a file that is not finished goes away
(trap '' XFSZ; ulimit -f 1; with "profile=1,profile_dump=$work/out/large")
grep -q "cannot write the heap profile to $work/out/large (error 27)" "$work/said" || fail "says: $(cat "$work/said")"
[ -z "$(ls "$work/out")" ] || fail "left over: $(files)"
with "profile=1,profile_dump=$work/none/file"
grep -q "cannot write the heap profile to $work/none/file (error 2)" "$work/said" || fail "says: $(cat "$work/said")"

# the report of leaks: all blocks
with leaks=1,profile=1
grep -q 'in use at exit: 15[0-9]* bytes in 5[0-9] blocks; every block was recorded$' "$work/said" ||
    fail "every block: $(cat "$work/said")"
grep -q '^15000000 bytes in 50 blocks, allocated by$' "$work/said" || fail "of one place: $(cat "$work/said")"

# an estimate, also where the program has closed its standard error
for how in open close; do
    with leaks=1 "$how"
    grep -q 'in use at exit: about 1[3-6][0-9]* bytes in [45][0-9] blocks' "$work/said" || fail "$how: $(cat "$work/said")"
    grep -q '#0 .*program+0x' "$work/said" || fail "$how: no call: $(cat "$work/said")"
    tail -n 1 "$work/said" | grep -q 'hakmem\[program:.*: for functions and lines, add profile_dump=FILE to HAKMEM_CONF' ||
        fail "$how: no advice: $(cat "$work/said")"
done
