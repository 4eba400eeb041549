#!/bin/sh
# SPDX-License-Identifier: MIT
# stress-ng: its stressors of memory, threads and processes, for some seconds each.
. "$(dirname "$0")/common.sh"
packages='stress-ng'
about='malloc with threads and checks, memthrash, bigheap, mremap, brk, fork, vfork, clone, pthread'
limit=200

# stress NAME WORDS...: two of a kind; how it ended is compared
stress() {
    kind=$1
    shift
    status=0
    under stress-ng --no-rand-seed --verify --temp-path "$work/tmp" --timeout 8 "--$kind" 2 "$@" \
        > "$kind.log" 2>&1 || status=$?
    result "$kind: exit $status, $(grep -c 'successful run' "$kind.log") $(grep -c 'fail:' "$kind.log")"
}
work() {
    under stress-ng --malloc 2 --malloc-pthreads 4 --temp-path "$work/tmp" --timeout 4 > first.log 2>&1 &
    await 20 pgrep -f 'stress-ng-malloc'
    # shellcheck disable=SC2046
    mapped $(pgrep -f 'stress-ng-malloc')
    wait
    stress malloc --malloc-pthreads 4 --malloc-bytes 64M --malloc-touch
    stress memthrash
    stress bigheap --bigheap-growth 64K --bigheap-ops 2000
    stress mremap --mremap-bytes 32M
    stress brk --brk-ops 20000
    stress fork
    stress vfork
    stress clone
    stress pthread
    note "$(grep -c 'exit 0' result) runs"
}
suite "$@"
