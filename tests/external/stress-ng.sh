#!/bin/sh
# SPDX-License-Identifier: MIT
# stress-ng: its stressors of memory, threads and processes, each with a number of rounds.
. "$(dirname "$0")/common.sh"
packages='stress-ng'
about='malloc with threads and checks, memthrash, bigheap, mremap, brk, fork, vfork, clone, pthread'
limit=400

# stress NAME WORDS...: two of a kind; how it ended is compared
stress() {
    kind=$1
    shift
    status=0
    under stress-ng --no-rand-seed --verify --temp-path "$work/tmp" --timeout 90 "--$kind" 2 "$@" \
        > "$kind.log" 2>&1 || status=$?
    result "$kind: exit $status, $(grep -c 'passed: 2' "$kind.log") $(grep -ci 'fail.*[1-9]$' "$kind.log")"
}
work() {
    under stress-ng --malloc 2 --malloc-pthreads 4 --temp-path "$work/tmp" --timeout 4 > first.log 2>&1 &
    await 20 pgrep -f 'stress-ng-malloc'
    # shellcheck disable=SC2046
    mapped $(pgrep -f 'stress-ng-malloc')
    wait
    stress malloc --malloc-ops 200000 --malloc-pthreads 4 --malloc-bytes 64M --malloc-touch
    stress memthrash --memthrash-ops 40
    stress bigheap --bigheap-ops 3000 --bigheap-growth 64K
    stress mremap --mremap-ops 200
    stress brk --brk-ops 20000
    stress fork --fork-ops 1500
    stress vfork --vfork-ops 1500
    stress clone --clone-ops 1000
    stress pthread --pthread-ops 1500
    stress fork --fork-ops 500 --fork-vm
    note "$(grep -c 'exit 0' result) runs"
}
suite "$@"
