#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem heap: it counts what a program counts itself, agrees with hakmem stat on all sizes, and lets
# a process go on as it was.
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

# begin [ARGUMENT]: $pid is the process, which has said what it has in $work/said
begin() {
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$work/types" "$@" > "$work/said" &
    pid=$!
    for _ in $(seq 500); do
        ! grep -q Large "$work/said" || return 0
        sleep 0.02
    done
    fail 'the program does not begin'
}
end() {
    kill "$pid"
    wait "$pid" || fail "the program ended with $?"
    pid=
    grep -q ended "$work/said" || fail 'the program did not end by itself'
}

begin
if ! "$hakmem" heap "$pid" > "$work/text" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read\|cannot be stopped' "$work/message" && exit 77
    exit 1
fi
grep -q '^types (process [0-9]*), libhakmem [0-9]' "$work/text" || fail 'no heading'
grep -q '^The process was stopped for [0-9.]* ms\.$' "$work/text" || fail 'how long it was stopped is not said'

# all numbers, as JSON, beside those of hakmem stat and of the program
"$hakmem" heap --json "$pid" > "$work/heap" && "$hakmem" stat --json "$pid" > "$work/stat"
"$hakmem" heap --json --no-stop "$pid" > "$work/unstopped"
# keeps FILE: to the schema
keeps() { python3 "$srcdir/tests/tools/stats-schema.py" "$srcdir/doc/heap.schema.json" "$1" || fail "no JSON of ours: $1"; }
keeps "$work/heap"
"$hakmem" heap --json --diff "$pid" "$pid" > "$work/difference"
keeps "$work/difference"
"$hakmem" heap --json --blocks=5000 --hexdump=8 "$pid" > "$work/list"
keeps "$work/list"
for change in 's/"free_blocks":[0-9]*,//' 's/"size":/"width":/' 's/"blocks":\([0-9]\)/"blocks":-\1/' 's/"list"/"lists"/'; do
    for file in heap list; do
        sed "$change" "$work/$file" > "$work/wrong"
        cmp -s "$work/$file" "$work/wrong" ||
            ! python3 "$srcdir/tests/tools/stats-schema.py" "$srcdir/doc/heap.schema.json" "$work/wrong" > /dev/null 2>&1 ||
            fail "the schema is kept by what is not JSON of ours: $change of $file"
    done
done
cat > "$work/compare.py" << 'PYTHON'
import json, sys
heap, other, stat = (json.load(open(name)) for name in sys.argv[1:4])
said = dict(word.rsplit("=", 1) for word in open(sys.argv[4]).readline().split())
sizes = {row["size"]: row for row in heap["sizes"] if row["size"] == row["size_to"]}
for row in stat["classes"]:
    found = sizes.pop(row["size"], {"blocks": 0})["blocks"]
    assert found == row["live"], (row, found)
assert heap["blocks"] == sum(row["blocks"] for row in heap["sizes"])
assert heap["bytes"] == sum(row["bytes"] for row in heap["sizes"])
assert abs(heap["bytes"] - stat["allocated_bytes"]) <= 8 * 4096, (heap["bytes"], stat["allocated_bytes"])
assert heap["left_out"] == 0 and heap["stopped_ms"] > 0 and other["stopped_ms"] == 0
assert heap["sizes"] == other["sizes"] and heap["types"] == other["types"]
if heap["types"]:
    types = {row["type"]: row["blocks"] for row in heap["types"]}
    for name, count in said.items():
        assert types[name] == int(count), (name, count, types)
PYTHON
python3 "$work/compare.py" "$work/heap" "$work/unstopped" "$work/stat" "$work/said"

# blocks of a type and of a size
if grep -q geo::Circle "$work/heap"; then
    count=$(sed -n 's/.*geo::Circle=\([0-9]*\) .*/\1/p' "$work/said")
    [ "$("$hakmem" heap --blocks=geo::Circle "$pid" | grep -c '^0x[0-9a-f]* *16  geo::Circle$')" -eq "$count" ] ||
        fail 'not all blocks of a type'
    "$hakmem" heap --blocks geo::Circle --hexdump "$pid" | sed -n 2p | grep -q '00 00 00 00 00 00 f0 3f  |' ||
        fail 'what a block has is not shown'
    status=0
    "$hakmem" heap --blocks=Circle "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ $status -eq 1 ] && grep -q "no block in use has the type 'Circle'; a similar type is 'geo::Circle'" "$work/message" ||
        fail 'no message, or no type that is meant'
    ! "$hakmem" heap --blocks=Cirkle "$pid" 2>&1 | grep -q 'similar' || fail 'names a type that has another name'
    "$hakmem" heap --blocks=geo::Circle --rows=2 "$pid" > "$work/out"
    [ "$(grep -c '^0x' "$work/out")" -eq 2 ] && grep -qx "($((count - 2)) more blocks; --rows=0 shows all)" "$work/out" ||
        fail 'not the first two blocks'
    # types like a pattern
    "$hakmem" heap --blocks='geo::*' "$pid" | sed 's/.*  //' | LC_ALL=C sort -u | tr '\n' ' ' |
        grep -qx 'geo::Box<int> geo::Circle ' || fail 'a pattern has other types'
    [ "$("$hakmem" heap --blocks='geo::C?rcl[e-f]' "$pid" | wc -l)" -eq "$count" ] || fail 'a pattern has other blocks'
    # the same from another class of the same name, and whatever has changed
    "$hakmem" heap --diff "$pid" "$pid" | grep -qx '+0 blocks in use, +0 B' || fail 'a difference to itself'
    # rows of types add up to the change of all
    LD_PRELOAD=$HAK_LIBRARY sleep 100 &
    sleep=$!
    for _ in $(seq 500); do
        ! "$hakmem" heap --diff "$sleep" "$pid" --rows=0 > "$work/difference" 2> /dev/null || break
        sleep 0.02
    done
    kill "$sleep"
    awk '/ blocks in use, / && /^[+-]/ { wanted = $1 } /C[+][+] type/ { types = 1; next }
        types && NF == 0 { types = 0 } types { sum += $1 } END { exit !(wanted > 0 && sum == wanted + 0) }' \
        "$work/difference" || { cat "$work/difference"; fail 'types of a difference do not add up'; }
fi
python3 -c '
import json, sys
blocks = json.load(open(sys.argv[1]))["list"]
assert len(blocks) > 1000 and all(b["size"] == 5376 and len(b["content"]) == 16 for b in blocks), len(blocks)' "$work/list"

# ranges of sizes, their ends included: all blocks are in one of these
all=0
for range in -112 113-5376 5377-65536 64K-; do
    "$hakmem" heap --blocks=$range "$pid" > "$work/out" || fail "no blocks of $range"
    count=$(grep -c . "$work/out")
    awk -v range=$range '{ split(range, end, "-"); sub("64K", "65536", end[1]);
        if ($2 < end[1] + 0 || (end[2] != "" && $2 > end[2] + 0)) exit 1 }' "$work/out" || fail "$range: other sizes"
    [ $range != 64K- ] || count=$((count - $("$hakmem" heap --blocks=65536 "$pid" | grep -c .)))
    all=$((all + count))
done
[ "$all" -eq "$(sed -n 's/.*"blocks":\([0-9]*\),"bytes.*"free_blocks.*/\1/p' "$work/heap")" ] ||
    fail "ranges have $all blocks"
"$hakmem" heap --blocks=5376 "$pid" > "$work/out"
"$hakmem" heap --blocks=5376-5376 "$pid" | cmp -s - "$work/out" || fail 'a range of one size'
"$hakmem" heap --json --blocks=5K-6K "$pid" > "$work/out"
keeps "$work/out"
# a large block may use more than was asked for
"$hakmem" heap --blocks=3000001 "$pid" > "$work/out" 2> "$work/message" && fail 'a block of an odd size'
grep -q 'give a range, such as 3000001-3065537$' "$work/message" || fail "no hint: $(cat "$work/message")"
# nothing is found
for which in 3G 1G-2G 'geo::Square*'; do
    status=0
    "$hakmem" heap --blocks="$which" "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ $status -eq 1 ] && [ ! -s "$work/out" ] && grep -q 'no block in use has the \(type\|size\) ' "$work/message" &&
        grep -qF "'$which'" "$work/message" ||
        fail "$which: ended with $status: $(cat "$work/message")"
    status=0
    "$hakmem" heap --json --blocks="$which" "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ $status -eq 1 ] && keeps "$work/out" || fail "$which: no JSON, or ended with $status"
done

# a core has the same blocks; a damaged one ends with an answer or an error
if command -v gcore > /dev/null && gcore -o "$work/core" "$pid" > "$work/log" 2>&1; then
    core=$work/core.$pid
    "$hakmem" heap --json "$core" > "$work/core.json" || fail 'a core has no heap'
    keeps "$work/core.json"
    python3 -c '
import json, sys
process, core = (json.load(open(name)) for name in sys.argv[1:])
for key in "version", "blocks", "bytes", "free_blocks", "free_bytes", "types", "sizes", "left_out":
    assert process[key] == core[key], (key, process[key], core[key])' "$work/heap" "$work/core.json" || fail 'a core has another heap'
    "$hakmem" heap --json --blocks=5000 --hexdump=64 "$core" > "$work/list"
    python3 -c '
import json, sys
blocks = json.load(open(sys.argv[1]))["list"]
assert len(blocks) > 1000 and all(len(b["content"]) == 128 for b in blocks), len(blocks)' "$work/list" || fail 'a core has no contents'
    "$hakmem" heap --diff "$core" "$pid" | grep -qx '+0 blocks in use, +0 B' || fail 'a difference to its core'
    cat > "$work/damage.py" << 'PYTHON'
import random, struct, subprocess, sys
command, path, changed = sys.argv[1:]
data = open(path, "rb").read()
head = struct.unpack_from("<Q", data, 32)[0] + 56 * struct.unpack_from("<H", data, 56)[0] if data[4] == 2 else 4096
values = [0, 1, 8, 0xffff, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]
random.seed(1)
for i in range(16):
    bad = bytearray(data)
    for _ in range(random.randrange(1, 5)): # the headers, the notes behind them, or anything
        end = random.choice([head, head, min(2 * head, len(bad)), len(bad)])
        struct.pack_into("<Q", bad, random.randrange(0, end - 8) // 8 * 8, random.choice(values))
    with open(changed, "wb") as file:
        file.write(bad[:random.randrange(len(bad))] if i % 8 == 0 else bad)
    for name in "heap", "map", "profile":
        done = subprocess.run([command, name, changed], capture_output=True, timeout=60)
        assert done.returncode in (0, 1), (i, name, done)
        assert (done.stdout == b"") == (done.returncode == 1) == (done.stderr.count(b"\n") == 1), (i, name, done)
PYTHON
    python3 "$work/damage.py" "$hakmem" "$core" "$work/bad" || fail 'a damaged core'
    rm "$core" "$work/bad"
fi
end

# threads that allocate go on, and the walk finds no contradiction while they are stopped
begin threads
for _ in $(seq 20); do
    "$hakmem" heap --json "$pid" > "$work/heap"
    python3 -c 'import json, sys; h = json.load(open(sys.argv[1])); assert h["left_out"] == 0, h["left_out"]' "$work/heap"
    "$hakmem" heap --no-stop "$pid" > /dev/null
done
# the command is killed
"$hakmem" heap "$pid" > /dev/null 2>&1 &
kill -9 $! 2> /dev/null
wait $! 2> /dev/null || true
end

# wrong usage
usage() {
    status=0
    "$hakmem" heap "$@" > /dev/null 2> "$work/message" || status=$?
    [ $status -eq 2 ] && grep -q 'see hakmem heap --help' "$work/message" || fail "$*: ended with $status"
}
usage
usage 1 2
usage --diff 1
usage --diff --blocks=16 1 2
usage --hexdump 1
usage --rows=x 1
usage --hexdump=5000 --blocks=1 1
for which in 0 - -0 5x 5-x 9-3 4K-1K 1-2-3; do
    usage --blocks=$which 1
done
"$hakmem" heap --help | grep -q '^usage: hakmem heap' || fail 'no help'
