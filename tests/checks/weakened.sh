#!/bin/sh
# SPDX-License-Identifier: MIT
# The memory orders matter and the thread sanitizer sees them: with one of them
# weakened to relaxed it reports a race, with all as they are it does not.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TSAN_OPTIONS=exitcode=66

# try NAME FILE FROM TO: builds the stress test with one line changed and runs it
build() {
    rm -rf "$work/lib"
    cp -R "$srcdir/lib" "$work/lib"
    chmod -R u+w "$work/lib"
    if [ $# -gt 0 ]; then
        sed "s/$2/$3/" "$srcdir/$1" > "$work/$1"
        ! cmp -s "$srcdir/$1" "$work/$1" || { echo "$1 has no '$2'"; exit 1; }
    fi
    # the hardened variant has files of its own
    sources=$(find "$work/lib" -name '*.c' ! -path '*/harden/*' ! -name 'libc*.c' ! -name cxx.c ! -name dlopen.c \
        ! -name deepbind.c ! -name prctl.c ! -name atfork.c ! -name one_thread.c)
    # the compiler may hold options
    # shellcheck disable=SC2086
    ${CC:-cc} -std=gnu11 -O1 -g -fsanitize=thread -pthread -w -I"$builddir" -I"$srcdir/include" \
        -I"$work/lib" $sources "$srcdir/tests/stress/stress.c" -o "$work/stress"
}
# runs SEED: false when the sanitizer, or the test itself, finds something. Without decay no thread
# leaves its heap to the next, so that slabs change hands.
runs() {
    for scenario in stream sleepers generations pool; do
        HAKMEM_CONF=decay_ms=0 "$work/stress" "$1" 20000 4 $scenario > "$work/out" 2>&1 || return 1
    done
}
build
runs 1 || { cat "$work/out"; echo "the library as it is fails"; exit 1; }
# A race shows only when the threads meet, which on a busy machine takes more than one run.
weakened() {
    build "$@"
    for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
        if ! runs $seed; then
            grep -q 'ThreadSanitizer: data race' "$work/out" || { cat "$work/out"; exit 1; }
            echo "reported: $1 with '$2' made '$3' (seed $seed)"
            return
        fi
    done
    echo "not reported: $1 with '$2' made '$3'"
    exit 1
}
freelist=lib/slab/slab_freelist_atomic.h
weakened $freelist 'acq_rel, "push"' 'relaxed, "push"'
weakened $freelist 'slab_word_load(meta, acquire)' 'slab_word_load(meta, relaxed)'
weakened $freelist 'acq_rel, "let go"' 'acquire, "let go"'
weakened lib/slab/superslab.c 'hak_and_acq_rel(&super->used, ~mask)' 'hak_and_relaxed(\&super->used, ~mask)'
weakened lib/slab/superslab.c 'hak_cas_acquire(&super->used, &used,$' 'hak_cas_relaxed(\&super->used, \&used,'
