#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem leaks, heap, map, top and profile look at processes whose memory and threads are made to harm them: they
# end within a time and with little memory, with text that does no harm to a terminal, or with one error.
set -eu
fail() { echo "$1" >&2; exit 1; }
: "${HOSTILE_SECONDS:=240}"
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD
LC_ALL=C # or the map has characters that are not ASCII
export LC_ALL

# begin ARGUMENT ...: false when it cannot be done here; the process is $pid
begin() {
    what=$*
    : > "$work/said"
    HAKMEM_CONF=profile=64K LD_PRELOAD=$HAK_LIBRARY "$builddir/tests/tools/hostile_memory" "$@" > "$work/said" &
    pid=$!
    for _ in $(seq 3000); do
        ! grep -q 'ready\|impossible' "$work/said" || break
        sleep 0.02
    done
    grep -q ready "$work/said" || { grep -q impossible "$work/said" || fail "$what: is not ready"; return 1; }
}
end() {
    kill -KILL "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}
# look STATUSES COMMAND [OPTION ...]: $status is one of them; 1 GiB of data is enough
look() {
    allowed=$1
    shift
    status=0 began=$(date +%s)
    (ulimit -d 1048576 && exec timeout -s KILL "$HOSTILE_SECONDS" "$hakmem" "$@" "$pid") \
        > "$work/out" 2> "$work/message" || status=$?
    [ -z "${HOSTILE_SHOW-}" ] || echo "$what: $* took $(($(date +%s) - began)) s: $status $(cat "$work/message")"
    case " $allowed " in
    *" $status "*) ;;
    *) fail "$what: $* ends with $status: $(cat "$work/message")" ;;
    esac
    ! LC_ALL=C grep -q '[^ -~]' "$work/out" "$work/message" || fail "$what: $* writes what is no text"
    if [ -s "$work/out" ]; then
        [ ! -s "$work/message" ] || fail "$what: $* writes an error beside its text"
    else
        [ "$(grep -c "^hakmem: process $pid [ -~]*\$" "$work/message")" -eq 1 ] && [ "$(wc -l < "$work/message")" -eq 1 ] ||
            fail "$what: $* does not say one error: $(cat "$work/message")"
    fi
}
# an address in a block, or in none if they cannot be listed
address() {
    found=$("$hakmem" heap --blocks=16 "$pid" 2> /dev/null | sed -n 's/^ *\(0x[0-9a-f]*\).*/\1/p' | head -n 1)
    echo "${found:-0x10}"
}
look_all() {
    look '0 1 2' leaks
    look '0 1 2 3' leaks --trace="$(address)"
    look '0 1 2' leaks --no-stop --blocks
    look '0 1' heap
    look '0 1' heap --blocks=16
    look '0 1' map
    look '0 1' profile
    timeout -s KILL "$HOSTILE_SECONDS" "$hakmem" top --once --delay 0.1 > "$work/out" 2> "$work/message" ||
        [ $? -eq 1 ] || fail "$what: hakmem top does not end: $(cat "$work/message")"
    ! LC_ALL=C grep -q '[^ -~]' "$work/out" "$work/message" || fail "$what: hakmem top writes no text"
    end
}

begin mappings || fail 'mappings cannot be made'
"$hakmem" stat "$pid" > "$work/out" 2> "$work/message" || {
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
}
look_all
# before Linux 6.7 the pages of a mapping are looked at one by one, for as long as a search may take
release=$(uname -r)
major=${release%%.*} minor=${release#*.}
minor=${minor%%[!0-9]*}
large='space stacks'
[ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 7 ]; } || large=
for kind in $large vanishing threads sparse; do
    if begin $kind; then
        look_all
    else
        end
    fi
done
mkdir "$work/elf" "$work/note"
begin elf "$work/elf" || fail 'files cannot be mapped'
look_all
if begin note "$work/note"; then
    look '1 2' leaks
    look_all
fi
