#!/bin/sh
# SPDX-License-Identifier: MIT
# Little address space, data, mappings and locked memory: ENOMEM or success, and what was freed
# serves again, the program as well as the allocator.
. "${srcdir:?}/tests/traps/common.sh"
compile_library naive.so naive-limits.c
compile space space.c

# a script of its own, so that the limit is there before the allocator
# shellcheck disable=SC2016
echo 'ulimit -v 300000; LD_PRELOAD=$1 NAIVE=reserve exec "$2" ladder' > "$WORK/limited"
breaks 'naive (reserve), ladder' '' sh "$WORK/limited" "$WORK/naive.so" "$WORK/space"
passes 'libhakmem, ladder under a limit' '' sh "$WORK/limited" "$HAK_LIBRARY" "$WORK/space"
# shellcheck disable=SC2016
peers '' sh -c 'ulimit -v 300000; exec "$0" ladder' "$WORK/space"
for case in others data mappings locked all-locked used-locked limited charge advice; do
    echo "$case:"
    case $case in
    others | data | all-locked) breaks "naive (reserve), $case" "$WORK/naive.so" env NAIVE=reserve "$WORK/space" "$case" ;;
    esac
    peers '' "$WORK/space" "$case"
    run "$HAK_LIBRARY" "$WORK/space" "$case"
    case $STATUS in
    0) ;;
    77) echo "skipped: $(tail -n 1 "$WORK/said")" ;;
    *) cat "$WORK/said" >&2; fail "libhakmem, $case: ends with $STATUS" ;;
    esac
done
