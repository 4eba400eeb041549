#!/bin/sh
# SPDX-License-Identifier: MIT
# What the hardened variant alone finds: found with its options as they are, and not without the one that
# finds it, so that each test can fail.
set -u
program=$builddir/tests/misuse/hardened
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ulimit -c 0
unset HAKMEM_DISABLE HAKMEM_CONF_FILE
status=0 tests=0

# run NAME SETTINGS: what was said is in the file said, what had to be said in the file told
run() {
    HAKMEM_CONF=$2 LD_PRELOAD=$HAK_LIBRARY "$program" "$1" > "$work/told" 2> "$work/said" < /dev/null &
    wait $! || true # a shell that waits by itself adds a line to what was said
}

fail() {
    echo "$*"
    cat "$work/told" "$work/said"
    status=1
}

"$program" > "$work/rows"
while read -r name option; do
    tests=$((tests + 1))
    run "$name" "" 2> /dev/null
    cmp -s "$work/told" "$work/said" || fail "$name: not found"
    [ "$option" = none ] && continue
    run "$name" "$option=0" 2> /dev/null
    [ ! -s "$work/said" ] || fail "$name: found with $option=0"
done < "$work/rows"
[ $tests -ge 22 ] || fail "only $tests tests"
exit $status
