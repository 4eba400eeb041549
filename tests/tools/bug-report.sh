#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem bug-report has what a report needs, changes nothing, and tells no more than it says.
# shellcheck disable=SC2154
set -eu
fail() { echo "$1" >&2; exit 1; }
hakmem=$builddir/tools/hakmem
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'decay_ms = 123\nnonsense\n' > "$work/conf"
env -i PATH="$PATH" HAKMEM_LIBRARY="$HAK_LIBRARY" HAKMEM_CONF_FILE="$work/conf" \
    MALLOC_ARENA_MAX=1 SECRET=word "$hakmem" bug-report > "$work/out" 2> "$work/errors" ||
    { cat "$work/errors"; fail "exit status $?"; }
has() { grep -q -e "$1" "$work/out" || { cat "$work/out"; fail "does not have: $1"; }; }
has "^hakmem $("$hakmem" --version | sed 's/hakmem //')\$"
has "^kernel: $(uname -s) $(uname -r)"
has '^C library: '
has '^/proc/meminfo: MemTotal:'
has '^RLIMIT_AS: '
has "^$HAK_LIBRARY: .*, owner [0-9]*, mode 755, .*-bit library for machine"
has '^selftest: [0-9]* blocks, no failure'
has '^  live_bytes '
has '^MALLOC_ARENA_MAX=1$'
has "^$work/conf: nonsense\$"
has '^decay_ms  *123  *'
! grep -q 'SECRET\|word$' "$work/out" || fail "tells what nobody asked for"
[ "$(cd "$work" && echo *)" = "conf errors out" ] || fail "leaves files behind"
# a library that is none is no reason to stop
HAKMEM_LIBRARY=$work/conf "$hakmem" bug-report > "$work/out" 2> /dev/null || fail "stops"
has "^$work/conf: .*, not a library"
status=0
"$hakmem" bug-report now > /dev/null 2>&1 || status=$?
[ $status -eq 2 ] || fail "takes arguments: $status"
status=0
"$hakmem" bug-report > /dev/full 2> /dev/null || status=$?
[ $status -eq 1 ] || fail "output that cannot be written: exit status $status"
