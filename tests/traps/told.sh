#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that stands in front of munmap, madvise, mremap and mmap is told of all memory that goes,
# and may allocate when it is.
. "${srcdir:?}/tests/traps/common.sh"
compile told told.c -rdynamic

for case in noted allocating; do
    passes "libhakmem, $case" "$HAK_LIBRARY" "$WORK/told" "$case"
    cat "$WORK/said"
done
for options in retain_min=0,retain_percent=0,retain_max=0 limit_soft=8M limit_soft=8M,decay_ms=0 \
    limit_hard=1G,cache_max=0; do
    passes "libhakmem, allocating, $options" "$HAK_LIBRARY" \
        env HAKMEM_CONF="$options" "$WORK/told" allocating
    echo "$options: $(cat "$WORK/said")"
done
