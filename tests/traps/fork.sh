#!/bin/sh
# SPDX-License-Identifier: MIT
# Children that share memory, handlers of fork that allocate, stdio's locks, and forks from a
# signal handler that interrupted malloc: nothing hangs, in the parent or in the child.
. "${srcdir:?}/tests/traps/common.sh"
compile_library naive.so naive-limits.c
compile fork fork.c

# naive MISTAKE CASE
naive() { TRAP_SECONDS=5 breaks "naive ($1), $2" "$WORK/naive.so" env NAIVE="$1" "$WORK/fork" "$2"; }
naive lock stdio
naive atfork handlers
naive atfork interrupted
for case in vfork clone_vfork clone_vm spawn handlers stdio interrupted \
    interrupted_allocating; do
    case $case in handlers | stdio) echo "$case:"; peers '' "$WORK/fork" "$case" ;; esac
    passes "libhakmem, $case" "$HAK_LIBRARY" "$WORK/fork" "$case"
done
