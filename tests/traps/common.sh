# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For the scripts beside it: a directory to work in, compilation, and how runs under a library end.
set -eu
: "${srcdir:?}" "${HAK_LIBRARY:?}"
CC=${CC:-cc}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

fail() { echo "$1" >&2; exit 1; }
skip() { echo "skipped: $1"; exit 77; }

# compile OUTPUT SOURCE [FLAG...]: a source of this folder
compile() {
    _output=$WORK/$1
    _source=$srcdir/tests/traps/$2
    shift 2
    # CC may hold options
    # shellcheck disable=SC2086
    $CC -std=gnu11 -O1 -g -fno-builtin -pthread -Wall -Wextra -o "$_output" "$_source" "$@"
}

# compile_library OUTPUT SOURCE [FLAG...]
compile_library() { compile "$@" -shared -fPIC; }

# run LIBRARIES COMMAND [ARGUMENT...]: with these preloaded. Leaves STATUS and $WORK/said; 124 is a hang.
run() {
    _preload=$1
    shift
    STATUS=0
    timeout -k 1 "${TRAP_SECONDS:-60}" env LD_PRELOAD="$_preload" "$@" > "$WORK/said" 2>&1 || STATUS=$?
}

# passes WHAT LIBRARIES COMMAND...: must end with 0
passes() {
    _what=$1
    shift
    run "$@"
    [ "$STATUS" -eq 0 ] || { tail -n 20 "$WORK/said" >&2; fail "$_what: ends with $STATUS"; }
}

# breaks WHAT LIBRARIES COMMAND...: must not end with 0, or the test tests nothing
breaks() {
    _what=$1
    shift
    run "$@"
    [ "$STATUS" -ne 0 ] || fail "$_what: does not show the trap"
    echo "$_what: ends with $STATUS: $(head -n 1 "$WORK/said")"
}

# peers LIBRARIES COMMAND...: how others fare behind these, which decides nothing
peers() {
    _before=$1
    shift
    for _peer in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2.0; do
        if LD_PRELOAD=$_peer true 2>&1 | grep -q .; then
            echo "$_peer: skipped, not installed"
            continue
        fi
        TRAP_SECONDS=${TRAP_SECONDS:-10} run "$_before $_peer" "$@"
        echo "$_peer: ends with $STATUS $(head -n 1 "$WORK/said")"
    done
}
