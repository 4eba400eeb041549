#!/bin/sh
# SPDX-License-Identifier: MIT
# Each mistake of misuse.h in a process of its own: ends by SIGABRT after just the one line that is
# due, or by SIGSEGV where the access itself is impossible, or goes on in silence where the row says so.
set -u
program=$builddir/tests/misuse/misuse
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
unset HAKMEM_DISABLE HAKMEM_CONF_FILE
export HAKMEM_CONF=crash_report=0 # the debug build would add its report
ABORTED=134 SEGFAULT=139

# try MISTAKE KIND CALL: whether all is as the program has announced; else says what is not
try() {
    status=0
    LD_PRELOAD=$HAK_LIBRARY "$program" "$@" > "$work/due" 2> "$work/said" < /dev/null &
    wait $! || status=$? # a shell that waits by itself adds a line to what was said
    due='' first='' rest=''
    { IFS= read -r due; } < "$work/due"
    { IFS= read -r first; IFS= read -r rest; } < "$work/said"
    case $due in
    silent) [ "$status" -eq 0 ] && [ ! -s "$work/said" ] ;;
    crash) [ "$status" -eq $SEGFAULT ] && [ ! -s "$work/said" ] ;;
    hakmem*) [ "$status" -eq $ABORTED ] && [ "$first" = "$due" ] && [ -z "$rest" ] ;;
    *) false ;;
    esac && return
    echo "$*: status $status
  due:  $(cat "$work/due")
  said: $(cat "$work/said")" >&3
    return 1
}

exec 3>&1
"$program" > "$work/rows" || exit 1
failed=0 tried=0
{
    # what this script must not take for right, and what it must
    try broken nothing || failed=$((failed + 1))
    for what in silence crash call pointer reason size nothing-said two-lines status; do
        if try broken "$what" 3> /dev/null; then
            echo "broken $what: not seen" >&3
            failed=$((failed + 1))
        fi
    done
    while read -r row; do
        # a row is three words
        # shellcheck disable=SC2086
        try $row || failed=$((failed + 1))
        tried=$((tried + 1))
    done < "$work/rows"
} 2> /dev/null
echo "$tried mistakes, $failed not as they should be"
[ "$failed" -eq 0 ] && [ "$tried" -gt 0 ]
