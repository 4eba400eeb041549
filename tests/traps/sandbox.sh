#!/bin/sh
# SPDX-License-Identifier: MIT
# Behind a system call filter that leaves little but plain mappings, and refuses or kills.
. "${srcdir:?}/tests/traps/common.sh"

# the quarantine of large blocks takes a call of its own
case $HAK_LIBRARY in *-hardened.so*) export HAKMEM_CONF=harden_quarantine_large=0 ;; esac
compile sandbox sandbox.c
compile_library naive.so naive.c -DNAIVE_MORE
run "$HAK_LIBRARY" "$WORK/sandbox" errno prctl 0
[ "$STATUS" -ne 77 ] || skip "$(cat "$WORK/said")"
# libc's malloc is no measure: it crashes where brk is refused
breaks 'naive' "$WORK/naive.so" "$WORK/sandbox" kill prctl 0
peers '' "$WORK/sandbox" kill prctl 0
for action in errno kill; do
    passes "libhakmem, $action by prctl" "$HAK_LIBRARY" "$WORK/sandbox" "$action" prctl 0
    passes "libhakmem, $action by seccomp" "$HAK_LIBRARY" "$WORK/sandbox" "$action" seccomp 0
    passes "libhakmem, $action, threads" "$HAK_LIBRARY" "$WORK/sandbox" "$action" seccomp 3
    run "$HAK_LIBRARY" "$WORK/sandbox" "$action" seccomp locked
    case $STATUS in
    0) ;;
    77) echo "skipped: $(tail -n 1 "$WORK/said")" ;;
    *) cat "$WORK/said" >&2; fail "libhakmem, $action, locked: ends with $STATUS" ;;
    esac
done
