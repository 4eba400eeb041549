#!/bin/sh
# SPDX-License-Identifier: MIT
# Processes that end, or execute another program, while they are read: no part of them is told as if it were all.
# And one whose first thread has ended is read as any other.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

# begin MODE: the process is $pid
begin() {
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$builddir/tests/tools/lost_made" "$1" > "$work/said" &
    pid=$!
    [ "$1" != programs ] || return 0
    for _ in $(seq 1000); do
        ! grep -q ready "$work/said" || return 0
        sleep 0.02
    done
    fail "$1: is not ready"
}
end() {
    kill -KILL "$pid" 2> /dev/null || true
    wait "$pid" 2> /dev/null || true
    pid=
}

# killed STATUS ALL COMMAND [OPTION ...]: once the process is stopped, which tells that it is read, it is killed.
# If all was read before, the answer has ALL.
killed() {
    wanted=$1 all=$2
    shift 2
    for _ in $(seq 20); do
        begin many
        options=$(echo "$*" | sed "s/ADDRESS/$(sed 's/ready //' "$work/said")/")
        # shellcheck disable=SC2086 # an option each
        "$hakmem" $options "$pid" > "$work/out" 2> "$work/message" &
        reader=$! state=S
        while [ "$state" != t ] && kill -0 $reader 2> /dev/null; do
            read -r _ _ state _ < "/proc/$pid/stat"
        done
        kill -KILL "$pid"
        status=0
        wait $reader || status=$?
        if [ -s "$work/out" ]; then
            [ $status -eq 0 ] && grep -q "$all" "$work/out" || fail "$*: a part as if it were all: $(cat "$work/out")"
            end
            continue
        fi
        [ $status -eq "$wanted" ] || fail "$*: ends with $status"
        [ "$(cat "$work/message")" = "hakmem: process $pid does not exist, or has ended" ] ||
            fail "$*: says $(cat "$work/message")"
        [ "$(find "$work" -name 'shot*')" = '' ] || fail "$*: a file remains"
        end
        return 0
    done
    fail "$*: was always ready before"
}
killed 1 '^20000[0-9][0-9] blocks in use' heap
killed 2 '^No leaks found' leaks
killed 2 . leaks --trace=ADDRESS
killed 1 . snapshot -o "$work/shot"

# programs COMMAND: the process executes another program all the time
programs() {
    begin programs
    seen=false
    for _ in $(seq 300); do
        ! "$hakmem" "$@" "$pid" > "$work/out" 2> "$work/message" || continue
        [ ! -s "$work/out" ] || continue
        case $(cat "$work/message") in
        *' executed another program while it was read; try again') seen=true && break ;;
        *' does not use libhakmem'*) ;; # not yet
        *) fail "$*: says $(cat "$work/message") of a process that executes programs" ;;
        esac
    done
    $seen || fail "$*: never meets another program"
    end
}
programs leaks
programs leaks --no-stop
programs heap --no-stop

begin first
[ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status")" = Z ] || fail 'the first thread goes on'
other=$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 ! -name "$pid" | sed 's/.*\///')
for which in $pid $other; do
    for command in stat 'stat --threads' heap 'heap --no-stop' map 'map --regions' leaks "snapshot -o $work/shot"; do
        # shellcheck disable=SC2086 # an option each
        "$hakmem" $command $which > "$work/out" 2> "$work/message" || fail "$command: $(cat "$work/message")"
        [ -s "$work/out" ] || fail "$command: says nothing"
    done
done
"$hakmem" heap "$work/shot" | grep -q ' blocks in use' || fail 'nothing is in the snapshot'
"$hakmem" leaks --trace="$(sed 's/ready //' "$work/said")" "$pid" > "$work/out" || fail 'a block is not traced'
end
