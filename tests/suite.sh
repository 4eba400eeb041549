#!/bin/sh
# SPDX-License-Identifier: MIT
# Each workload of bench/workloads, a hundredth of it, runs to its end with the library.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# counts PROGRAM ARGUMENTS: which arguments say how much is done; the others say what
counts() {
    case $1/$2 in
    pair/2 | zeroed/2 | stream/[34] | exchange/3 | generations/4 | brief/4 | burst/3 | server/3) echo 2 ;;
    larson/3 | trees/2 | sized-delete/2 | relay/4 | waves/4 | requests/3) echo 2 ;;
    start/*) echo 1 ;;
    random-mixed/* | sizes/4 | graph/3 | strings/2 | vectors/2 | grow/4 | refused/2 | survivors/2) echo 1 ;;
    vectors/3 | aligned/3 | sharing/5 | walk/3) echo 3 ;;
    batch/4 | churn/[67]) echo 4 ;;
    larson/7) echo 0 ;; # lasts for seconds
    *) echo "$1 with $2 arguments: which to scale?" >&2; return 1 ;;
    esac
}
ran=0
while read -r name _ _ program arguments; do
    case $name/$program in '#'* | / | */real) continue ;; esac
    scaled=$(counts "$program" "$(echo "$arguments" | wc -w)")
    arguments=$(echo "$arguments" |
        awk -v at="$scaled" 'at > 0 { $at = int($at / 100) < 4 ? 4 : int($at / 100) } { print }')
    status=0
    # shellcheck disable=SC2086
    env LD_PRELOAD="$HAK_LIBRARY" HAKMEM_CONF= "$builddir/bench/$program" $arguments \
        > "$work/out" 2>&1 || status=$?
    [ "$status" -ne 77 ] || { echo "$name: what it needs is not installed"; continue; }
    if [ "$status" -ne 0 ] || ! grep -q '^Throughput = [1-9]' "$work/out"; then
        echo "$name: $program $arguments: exit $status"
        cat "$work/out"
        exit 1
    fi
    ran=$((ran + 1))
done < "$srcdir/bench/workloads"
echo "$ran workloads ran"
[ "$ran" -ge 50 ]
