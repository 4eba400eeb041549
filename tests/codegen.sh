#!/bin/sh
# SPDX-License-Identifier: MIT
# The fast paths do not grow: counts the instructions of malloc, free, free_sized and calloc from
# their entry to their return, no conditional branch taken, and that they call
# nothing. Pinned for x86-64, gcc and clang; when a compiler or a change makes
# them shorter, lower the numbers.
set -eu
skip() { echo "$1"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "pinned for x86-64"
grep -q '^CFLAGS = .*-O[23]' "$builddir/Makefile" || skip "pinned for -O2 and -O3"
! grep -q '^COVERAGE_CFLAGS = .*[a-z]' "$builddir/Makefile" || skip "not pinned with coverage"
OBJDUMP=${OBJDUMP:-objdump}
command -v "$OBJDUMP" > /dev/null || skip "needs objdump"

# length FILE NAME: of the straight way; "calls" when it leaves the function
length() {
    "$OBJDUMP" -d --no-show-raw-insn "$1" | awk -v name="<$2>:" '
        $2 == name { inside = 1; next }
        inside {
            count++
            if ($2 ~ /^ret/) { print count; exit }
            if ($2 ~ /^(call|jmp)/) { print "calls"; exit }
        }'
}
# pin NAME MOST: of $library
pin() {
    found=$(length "$library" "$1")
    echo "$1: $found instructions, at most $2"
    case $found in
    '' | calls) echo "$1 has no straight way to its return" >&2; exit 1 ;;
    esac
    [ "$found" -le "$2" ] || { echo "$1 has grown" >&2; exit 1; }
}
archive=$(echo "$builddir"/libhakmem*.a)
for library in "$HAK_LIBRARY" "$archive"; do
    [ -e "$library" ] || continue # configured with --disable-static
    echo "${library##*/}:"
    pin malloc "${MALLOC_MOST:-19}"
    malloc=$found
    pin free "${FREE_MOST:-33}"
    both=$((malloc + found))
    echo "both: $both instructions, at most ${BOTH_MOST:-52}"
    [ "$both" -le "${BOTH_MOST:-52}" ] || { echo "malloc and free together have grown" >&2; exit 1; }
    pin free_sized "${FREE_SIZED_MOST:-36}"
    pin calloc "${CALLOC_MOST:-47}" # of 65 to 128 bytes
done
