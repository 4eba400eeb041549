#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem stat, heap, leaks, map and profile look at a process that deceives them: they end soon, with valid
# text or with one error.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
hostile=$builddir/tests/tools/hostile
schema=$srcdir/doc/statistics.schema.json
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

# begin ARGUMENT ...: the process deceives from now on; it is $pid
begin() {
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$hostile" "$@" > "$work/said" &
    pid=$!
    for _ in $(seq 500); do
        ! grep -q 'ready\|impossible' "$work/said" || return 0
        sleep 0.02
    done
    fail "$what: is not ready"
}
is_text() {
    head -n 1 "$1" | grep -q '^hostile (process [0-9]*), libhakmem [0-9].*$' &&
        ! LC_ALL=C grep -q '[^ -~]' "$1"
}
is_json() {
    ! command -v python3 > /dev/null ||
        python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$1"
}
is_metrics() {
    ! grep -qvE -e '^# (HELP|TYPE) hakmem_[a-z0-9_]+ .*[^ ]$' \
        -e '^hakmem_[a-z0-9_]+\{pid="[0-9]+",program="hostile"(,[a-z]+="[0-9A-Za-z.~+_-]+")?\} [0-9]+$' "$1"
}
# look FORM: $status and a checked answer
look() {
    form=$1
    case $form in
    text) option= ;;
    json) option=--json ;;
    metrics) option=--prometheus ;;
    esac
    status=0
    timeout -s KILL 30 "$hakmem" stat ${option:+"$option"} "$pid" > "$work/out" 2> "$work/message" || status=$?
    case $status in
    0) "is_$form" "$work/out" && [ ! -s "$work/message" ] || fail "$what: what is said is no $form" ;;
    1)
        [ ! -s "$work/out" ] || fail "$what: $form beside an error"
        [ "$(wc -l < "$work/message")" -eq 1 ] || fail "$what: not one error for $form: $(cat "$work/message")"
        grep -q "^hakmem: process $pid [ -~]*\$" "$work/message" || fail "$what: not told of the process"
        ;;
    *) fail "$what: $form ends with $status" ;;
    esac
}
# look_at_heap: the other commands end soon, too, with a table, a file, or one error
look_at_heap() {
    status=0
    timeout -s KILL 90 "$hakmem" heap "$pid" > "$work/out" 2> "$work/message" || status=$?
    case $status in
    0)
        head -n 1 "$work/out" | grep -q '^hostile (process [0-9]*), libhakmem [0-9].*$' &&
            ! LC_ALL=C grep -q '[^ -~]' "$work/out" || fail "$what: heap: no table"
        ;;
    1)
        [ ! -s "$work/out" ] && [ "$(wc -l < "$work/message")" -eq 1 ] || fail "$what: heap: not one error"
        grep -q "^hakmem: process $pid [ -~]*\$" "$work/message" || fail "$what: heap: not told of the process"
        ;;
    *) fail "$what: heap ends with $status" ;;
    esac
    status=0
    timeout -s KILL 90 "$hakmem" leaks "$pid" > "$work/out" 2> "$work/message" || status=$?
    case $status in
    0 | 1)
        head -n 1 "$work/out" | grep -q '^hostile (process [0-9]*), libhakmem [0-9].*$' &&
            ! LC_ALL=C grep -q '[^ -~]' "$work/out" || fail "$what: leaks: no text"
        ;;
    2)
        [ ! -s "$work/out" ] && [ "$(wc -l < "$work/message")" -eq 1 ] || fail "$what: leaks: not one error"
        grep -q "^hakmem: process $pid [ -~]*\$" "$work/message" || fail "$what: leaks: not told of the process"
        ;;
    *) fail "$what: leaks ends with $status" ;;
    esac
    address=$("$hakmem" heap --blocks=64 "$pid" 2> /dev/null | sed -n 's/^ *\(0x[0-9a-f]*\).*/\1/p' | head -n 1)
    status=0
    timeout -s KILL 90 "$hakmem" leaks --trace="${address:-0x10}" "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ $status -le 3 ] && ! LC_ALL=C grep -q '[^ -~]' "$work/out" || fail "$what: leaks --trace ends with $status"
    for command in map profile; do
        status=0
        LC_ALL=C timeout -s KILL 90 "$hakmem" $command "$pid" > "$work/out" 2> "$work/message" || status=$?
        [ $status -le 1 ] && ! LC_ALL=C grep -q '[^ -~]' "$work/out" || fail "$what: $command ends with $status"
        [ -s "$work/out" ] || [ "$(grep -c "^hakmem: process $pid [ -~]*\$" "$work/message")" -eq 1 ] ||
            fail "$what: $command: not one error: $(cat "$work/message")"
    done
    status=0
    timeout -s KILL 90 "$hakmem" snapshot -o "$work/shot" "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ $status -le 1 ] && [ "$(wc -l < "$work/message")" -eq $status ] || fail "$what: snapshot ends with $status"
}
# look_top yes|no: hakmem top ends soon, and has the process or not, in text that does not disturb a terminal
look_top() {
    timeout -s KILL 60 "$hakmem" top --once --delay 0.1 --filter hostile > "$work/out" 2> "$work/message" ||
        [ $? -eq 1 ] || fail "$what: hakmem top does not end: $(cat "$work/message")"
    ! LC_ALL=C grep -q '[^ -~]' "$work/out" "$work/message" || fail "$what: hakmem top writes no text"
    [ "$(awk 'length != 96' "$work/out")" = '' ] || fail "$what: the table of hakmem top has other columns"
    found=no
    ! grep -q "^ *$pid hostile " "$work/out" || found=yes
    [ "$found" = "$1" ] || fail "$what: in the table of hakmem top: $found"
    timeout -s KILL 60 "$hakmem" top --json --delay 0.1 --filter hostile > "$work/out" || fail "$what: no JSON"
    ! command -v python3 > /dev/null ||
        python3 "$srcdir/tests/tools/stats-schema.py" "$srcdir/doc/top.schema.json" "$work/out"
}
# look_at_threads: the same of hakmem stat --threads
look_at_threads() {
    for option in '' --json --prometheus; do
        status=0
        timeout -s KILL 30 "$hakmem" stat --threads ${option:+"$option"} "$pid" > "$work/out" 2> "$work/message" || status=$?
        [ $status -le 1 ] && [ "$(wc -l < "$work/message")" -eq $status ] || fail "$what: threads $option end with $status"
        ! LC_ALL=C grep -q '[^ -~]' "$work/out" || fail "$what: threads $option are no text"
    done
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}
# seen STATUS MESSAGE ARGUMENT ...: all forms end with one of these, and say this when they fail
seen() {
    allowed=$1 message=$2
    shift 2
    what=$*
    begin "$@"
    for form in text json metrics; do
        look $form
        case $allowed in
        *$status*) ;;
        *) fail "$what: $form ends with $status: $(cat "$work/message")" ;;
        esac
        [ "$status" -eq 0 ] || grep -q -e "$message" "$work/message" ||
            fail "$what: says $(cat "$work/message")"
    done
    end
}

what=nothing
begin field 44 0
look text
if [ "$status" -ne 0 ]; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi
look_top yes
end

# an address of the block leads astray
LD_PRELOAD=$HAK_LIBRARY "$hostile" names > "$work/names"
[ "$(wc -l < "$work/names")" -gt 10 ] || fail 'the block has no addresses'
while read -r name; do
    for pattern in circle zeros ones nowhere long; do
        what="$pattern $name"
        begin $pattern "$name"
        look_at_heap
        [ "$name" != all_heaps ] || look_at_threads
        end
    done
    case $name in profile | secret | meta_newest | huge_newest) continue ;; esac # which hakmem stat does not follow
    for pattern in circle zeros ones; do
        seen '0 1' 'has damaged statistics\|is disabled' $pattern "$name"
    done
    # the statistics are good without it
    if [ "$name" = page_map ]; then
        seen 0 '' nowhere page_map
        continue
    fi
    seen 1 'has damaged statistics: they lead to memory that does not exist' nowhere "$name"
done < "$work/names"
# lists without an end; the long ones in one form, since each look takes a while, on a busy machine
# longer than is allowed
endless='has damaged statistics: a list leads back to itself, or is too long'
late='cannot be read within 10 seconds'
for name in counters all_heaps chunks; do
    seen 1 "$endless" circle $name
    what="long $name"
    begin long $name
    look text
    [ "$status" -eq 1 ] && grep -q -e "$endless" -e "$late" "$work/message" || fail "$what: $(cat "$work/message")"
    end
done

# memory that lets readers wait, where the system allows that
what='waits all_heaps'
begin $what
if grep -q ready "$work/said"; then
    look_top no
    look json
    grep -q "$late" "$work/message" || fail "$what: $(cat "$work/message")"
fi
end

# numbers of the block: layout, sizes, lengths of tables; and all in the records
for offset in 8 12 40 48 52 56 60 64 68 72 76 80 84; do
    for value in 0 1 0x7fffffff 0xffffffff; do
        [ $offset$value = 81 ] || seen 1 'whose statistics hakmem .* cannot read; use the hakmem command' field $offset $value
    done
done
seen 0 '' field 44 0xffffffff
seen 0 '' field 88 0xffffffff
seen 0 '' numbers
what=numbers
begin numbers
look_at_heap
look_at_threads
look_top yes
end
what=sizes
begin sizes
grep -q ready "$work/said" || fail 'no block claims all of the address space'
look_at_heap
end
what='circle all_heaps'
begin $what
look_top no
end

# the version
for version in '1", "x": "2' '1\' '1 2' "$(printf '1\nhakmem_x 1')" "$(printf '1\033[2J')" \
    "$(printf '1\377')" ''; do
    seen 1 'uses libhakmem ?, whose statistics' version "$version"
done
seen 0 '' version 1.0.0~rc1+git-2
