#!/bin/sh
# SPDX-License-Identifier: MIT
# Threads in thousands, threads that never allocate, detached threads, and a thread that only frees:
# what they leave behind is bounded.
. "${srcdir:?}/tests/traps/common.sh"
compile_library naive.so naive-limits.c
compile ending ending.c

for case in many detached consumer; do
    echo "$case:"
    [ "$case" = detached ] || breaks "naive (cache), $case" "$WORK/naive.so" env NAIVE=cache "$WORK/ending" "$case"
    peers '' "$WORK/ending" "$case"
    passes "libhakmem, $case" "$HAK_LIBRARY" "$WORK/ending" "$case"
    cat "$WORK/said"
done
