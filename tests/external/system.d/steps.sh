# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# Steps of the whole-system test: one line each, counted, with the log of those that fail.

passed=0 failed=0 skipped=0
complaints_allowed=''
library_name=libhakmem

# step TEXT FUNCTION [ARGUMENT ...]: runs it under set -e, so never call step where a status is
# asked for: that switches set -e off; must ends the test if the last step failed. It returns 77 to be skipped, with the
# reason in its last line; lines that start with "note:" are shown. Complaints of the loader fail
# it, unless complaints_allowed is set.
step() {
    text=$1
    shift
    log=$work/log/$(printf %03d $((passed + failed + skipped + 1)))-$1
    started=$(date +%s)
    (
        set -eu
        "$@"
    ) > "$log" 2>&1
    status=$?
    if [ $status -eq 0 ] && [ -z "$complaints_allowed" ] && grep -q 'ERROR: ld.so' "$log"; then
        status=complaint
    fi
    took="$(($(date +%s) - started)) s"
    case $status in
    0) passed=$((passed + 1)) && echo "ok    $text ($took)" ;;
    77) skipped=$((skipped + 1)) && echo "skip  $text: $(tail -n 1 "$log")" ;;
    *)
        failed=$((failed + 1))
        echo "FAIL  $text ($took), exit status $status:"
        tail -n 25 "$log" | sed 's/^/      | /'
        ;;
    esac
    sed -n 's/^note: /        /p' "$log"
}

must() {
    [ "$status" = 0 ] || summary
}

summary() {
    echo "took $(($(date +%s) - begun)) s"
    if [ $skipped -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
    exit
}
begun=$(date +%s)

note() {
    echo "note: $*"
}

fail() {
    echo "$*"
    return 1
}

skip() {
    echo "$*"
    return 77
}

# Becomes a program in the tree.
become_in_tree() {
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb \
        DEBIAN_FRONTEND=noninteractive chroot "$tree" "$@" < /dev/null
}

# in_tree COMMAND ...: runs it to its end, or to a limit that means it hangs
in_tree() {
    timeout -k 5 600 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb \
        DEBIAN_FRONTEND=noninteractive chroot "$tree" "$@" < /dev/null
}

script_in_tree() {
    in_tree sh -c "set -eu; $1"
}

# start_in_tree NAME COMMAND ...: leaves it running; pid_of NAME is its process
start_in_tree() {
    name=$1
    shift
    (become_in_tree "$@") > "$work/log/$name.out" 2>&1 &
    echo $! > "$work/$name.pid"
}

pid_of() {
    cat "$work/$1.pid"
}

is_alive() {
    [ -d "/proc/$(pid_of "$1")" ] && ! grep -q '^State:.*zombie' "/proc/$(pid_of "$1")/status"
}

# end NAME ...: those that start_in_tree started
end() {
    for name; do
        kill -9 "$(pid_of "$name")" 2> /dev/null || true
    done
}

# Waits some seconds for a condition.
await() {
    for _ in $(seq 100); do
        ! "$@" || return 0
        sleep 0.1
    done
    fail "waited in vain for: $*"
}

has_library() {
    grep -q "/$library_name" "/proc/$1/maps"
}

# The processes of the tree that have a libc and so could have the library.
dynamic_processes() {
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/root")" = "$tree" ] || continue
        grep -qs '/libc.so.6' "$process/maps" && echo "${process#/proc/}"
    done
    return 0
}

processes_named() {
    for process in $(dynamic_processes); do
        [ "$(cat "/proc/$process/comm" 2> /dev/null)" != "$1" ] || echo "$process"
    done
}

# Each dynamic process of the tree has the library; the count is said.
all_have_library() {
    count=0
    for process in $(dynamic_processes); do
        [ -d "/proc/$process" ] || continue
        has_library "$process" || fail "without the library: $(cat "/proc/$process/comm")"
        count=$((count + 1))
    done
    [ $count -gt 0 ] || fail "no program runs in the tree"
    note "$count running programs, all with the library"
}

none_has_library() {
    for process in $(dynamic_processes); do
        ! has_library "$process" || fail "still has the library: $(cat "/proc/$process/comm")"
    done
    # shellcheck disable=SC2016
    in_tree perl -e 'open F, "/proc/self/maps"; /libhakmem/ and die $_ while <F>'
}

anonymous_kib() {
    sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2> /dev/null
}

# The processor time of a process and the children it waited for; behind the name in brackets.
processor_ms() {
    sed 's/.*) //' "/proc/$1/stat" 2> /dev/null |
        awk '{ print ($12 + $13 + $14 + $15) * 10 }'
}

# measure NAME COMMAND ...: says what one command took, and the largest RssAnon that was seen
measure() {
    measured=$1
    shift
    since=$(date +%s%N)
    (become_in_tree "$@") > /dev/null 2>&1 &
    process=$!
    peak_kib=0 used_ms=0
    while now_kib=$(anonymous_kib $process) && [ -n "$now_kib" ]; do
        [ "$now_kib" -le "$peak_kib" ] || peak_kib=$now_kib
        seen_ms=$(processor_ms $process)
        used_ms=${seen_ms:-$used_ms}
        sleep 0.01
    done
    wait $process
    took_ms=$((($(date +%s%N) - since) / 1000000))
    note "$measured: $took_ms ms, $used_ms ms of processor, RssAnon up to $peak_kib KiB"
}

# What a list of programs writes; WHEN names the run.
run_programs() {
    in_tree rm -rf "/root/output-$1" || true
    in_tree sh /root/programs.sh "/root/output-$1"
    note "$(find "$tree/root/output-$1" -type f | wc -l) outputs"
}

compare_programs() {
    run_programs "$1"
    diff -r "$tree/root/output-before" "$tree/root/output-$1"
}
