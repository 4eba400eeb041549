#!/bin/sh
# SPDX-License-Identifier: MIT
# Pointers that malloc never returned: one line that names call and pointer, then an abort; no fault, as
# nothing is read there. Blocks of libc's main arena are served, those of its other arenas and its
# mappings are not known.
. "${srcdir:?}/tests/traps/common.sh"

compile foreign foreign.c
compile_library naive.so naive.c
breaks 'naive' "$WORK/naive.so" "$WORK/foreign" unmapped free
for kind in stack unmapped libc; do
    echo "free of $kind:"
    peers '' "$WORK/foreign" "$kind" free
done

for call in free realloc malloc_usable_size; do
    for kind in stack static code interior large-interior misaligned null-page beyond mapped unmapped \
        libc-mapped libc-thread; do
        run "$HAK_LIBRARY" env HAKMEM_CONF=crash_report=0 "$WORK/foreign" "$kind" "$call"
        [ "$STATUS" -eq 134 ] || fail "$call of $kind: ends with $STATUS, not by abort"
        grep -q "^hakmem\[foreign:[0-9]*\]: $call(0x[0-9a-f]*): ." "$WORK/said" || fail "$call of $kind: $(cat "$WORK/said")"
        [ "$(grep -c hakmem "$WORK/said")" -eq 1 ] || fail "$call of $kind: more than one line"
    done
    passes "$call of a block of libc's" "$HAK_LIBRARY" "$WORK/foreign" libc "$call"
    for kind in libc libc-mapped libc-thread; do
        passes "$call of a block of libc's, disabled: $kind" "$HAK_LIBRARY" \
            env HAKMEM_DISABLE=1 "$WORK/foreign" $kind "$call"
    done
done
