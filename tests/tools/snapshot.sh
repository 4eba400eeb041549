#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem snapshot: the other commands say of the file what they say of the process, and of damaged files
# that they are damaged.
set -eu
fail() { echo "$1" >&2; exit 1; }
command -v "${CXX:=c++}" > /dev/null || { echo "no C++ compiler"; exit 77; }
command -v python3 > /dev/null || { echo "no python3"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD
"$CXX" -std=c++17 -O1 -g0 -pthread -o "$work/types" "$srcdir/tests/tools/heap_types.cc" 2> "$work/log" ||
    { cat "$work/log"; echo "no C++ library"; exit 77; }
HAKMEM_CONF=profile=16K,background=0 LD_PRELOAD=$HAK_LIBRARY "$work/types" > "$work/said" &
pid=$!
for _ in $(seq 500); do
    ! grep -q Large "$work/said" || break
    sleep 0.02
done
cd "$work"
if ! "$hakmem" snapshot -o shot "$pid" > text 2> message; then
    cat message
    grep -q 'may not be read\|cannot be stopped' message && exit 77
    exit 1
fi
grep -q "^wrote shot: [0-9.]* [KM]iB; process $pid was stopped for [0-9.]* ms\$" text || fail "$(cat text)"
[ "$(stat -c %a shot)" = 600 ] || fail 'others may read it'
"$hakmem" snapshot --contents --no-stop --output=full "$pid" | grep -q 'was not stopped$' || fail 'no full one'
[ "$(stat -c %s full)" -gt "$(stat -c %s shot)" ] || fail 'contents are missing'

# of a process at rest all is the same
"$hakmem" heap --json "$pid" > heap.process
"$hakmem" heap --json ./shot > heap.shot
"$hakmem" heap --json full > heap.full
"$hakmem" stat --json "$pid" > stat.process
"$hakmem" stat --json shot > stat.shot
cat > same.py << 'PYTHON'
import json, sys
process, shot, full, stat, stat_shot = (json.load(open(n)) for n in sys.argv[1:])
for other in shot, full:
    for key in "program", "version", "blocks", "bytes", "free_blocks", "free_bytes", "types", "sizes", "left_out":
        assert process[key] == other[key], (key, process[key], other[key])
assert shot["stopped_ms"] > 0 and full["stopped_ms"] == 0
for of in stat, stat_shot:
    for key in "process", "counters", "locks":
        of.pop(key, None)
assert stat == stat_shot
PYTHON
python3 same.py heap.process heap.shot heap.full stat.process stat.shot
"$hakmem" stat shot > text && grep -q '^RSS [0-9.]* MiB' text || fail 'no residency'
"$hakmem" heap --diff shot full | grep -qx '+0 blocks in use, +0 B' || fail 'a difference to the same'
"$hakmem" profile -t "$pid" | tail -n +3 > profile.process
"$hakmem" profile -t shot | tail -n +3 > profile.shot
cmp profile.process profile.shot || fail 'another profile'
# contents
"$hakmem" heap --blocks=5000 --hexdump=64 full | head -n 5 > text
[ "$(grep -c '  0000' text)" -eq 4 ] || fail 'no contents'
"$hakmem" heap --blocks=5000 --hexdump=64 shot | head -n 3 > text
[ "$(grep -c '  0000' text)" -eq 1 ] || fail 'not the first 16 bytes'

kill "$pid"
wait "$pid" || true
pid=
"$hakmem" heap --json shot > text && cmp -s text heap.shot || fail 'without the process it says something else'

# damaged ones
bad() {
    for command in heap stat profile; do
        status=0
        timeout -s KILL 60 "$hakmem" $command ./bad > text 2> message || status=$?
        [ $status -eq 1 ] && [ ! -s text ] && grep -q "$1" message ||
            fail "$command: $1: ended with $status: $(cat message)"
    done
}
size=$(stat -c %s shot)
head -c $((size / 2)) shot > bad && bad 'is a damaged snapshot'
head -c 100 shot > bad && bad 'is a damaged snapshot'
python3 -c 'import sys; b = bytearray(open("shot", "rb").read()); b[len(b) // 2] ^= 1; open("bad", "wb").write(b)'
bad 'is a damaged snapshot'
{ head -c 8 shot; printf '\377'; tail -c $((size - 9)) shot; } > bad && bad 'snapshot of another version'
echo hello > bad
status=0
"$hakmem" heap ./bad 2> message || status=$?
[ $status -eq 1 ] && grep -q 'is no snapshot' message || fail 'a text is one'

# what cannot be written leaves nothing behind
status=0
"$hakmem" snapshot -o "$work/no/such" $$ > text 2> message || status=$?
[ $status -eq 1 ] && grep -q 'no/such: No such file' message || fail "no message: $(cat message)"
"$hakmem" snapshot -o new $$ > text 2> message && fail 'a process without the library'
[ -z "$(find . -name 'new*')" ] || fail 'something stays'
status=0
"$hakmem" snapshot $$ > text 2> message || status=$?
[ $status -eq 2 ] && grep -q 'see hakmem snapshot --help' message || fail 'no usage'
