#!/bin/sh
# SPDX-License-Identifier: MIT
# Threads in thousands, threads that never allocate, detached threads, a thread that only frees,
# threads that end in each way there is or first call when they end: what they leave is bounded.
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

for case in late_free late late_fork exit_unseen thrd_exit cancelled signalled main_ends keyless; do
    passes "libhakmem, $case" "$HAK_LIBRARY" "$WORK/ending" "$case"
    echo "$case: $(tr '\n' ' ' < "$WORK/said")"
done
