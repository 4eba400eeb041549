#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem leaks finds what each program of tests/leaks has lost, by its address, and nothing else.
set -eu
fail() { echo "$1" >&2; exit 1; }
command -v "${CXX:=c++}" > /dev/null || { echo "no C++ compiler"; exit 77; }
command -v python3 > /dev/null || { echo "no python3"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
sources=$srcdir/tests/leaks
LEAKS_PLUGIN=$work/plugin.so
export LEAKS_PLUGIN
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

# the compiler may neither leave out a call of malloc nor know what it gives
for file in main shapes roots other_roots memory; do
    ${CC:-cc} -std=gnu11 -O1 -g0 -fno-builtin -pthread -c -o "$work/$file.o" "$sources/$file.c"
done
"$CXX" -std=c++17 -O1 -g0 -fno-builtin -pthread -c -o "$work/containers.o" "$sources/containers.cc" 2> "$work/log" ||
    { cat "$work/log"; echo "no C++ library"; exit 77; }
"$CXX" -pthread -o "$work/leaks" "$work"/*.o -ldl
${CC:-cc} -shared -fPIC -o "$LEAKS_PLUGIN" "$sources/plugin.c"

# begin CASE [OPTION=VALUE]: $pid is the process; $work/said has what is lost in the process $looked_at
begin() {
    what=$*
    : > "$work/said"
    HAKMEM_CONF=background=0${2:+,$2} LD_PRELOAD=$HAK_LIBRARY "$work/leaks" "$1" > "$work/said" &
    pid=$!
    for _ in $(seq 3000); do
        ! grep -q ' end$' "$work/said" || break
        sleep 0.02
    done
    looked_at=$(sed -n 's/^process \([0-9]*\) .* end$/\1/p' "$work/said")
    [ -n "$looked_at" ] || fail "$what: does not begin"
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}

# Each word of $work/said is an address in one block that must be found. A block of a ring is direct or not.
cat > "$work/compare.py" << 'PYTHON'
import json, sys
found = json.load(open(sys.argv[1]))
wanted, kind = [], None
for word in open(sys.argv[2]).read().split()[2:-1]:
    if word in ("direct", "indirect", "ring"):
        kind = word
    else:
        wanted.append((kind, int(word, 16)))
blocks = {}
for group in found["groups"]:
    assert group["blocks"] == len(group["addresses"]) and group["bytes"] == group["blocks"] * group["size"], group
    for address in group["addresses"]:
        assert int(address, 16) not in blocks, "twice: " + address
        blocks[int(address, 16)] = group["kind"], group["size"]
for kind in "direct", "indirect":
    of_kind = [size for name, size in blocks.values() if name == kind]
    assert found[kind] == {"blocks": len(of_kind), "bytes": sum(of_kind)}, (kind, found[kind], of_kind)
wrong, ring = [], []
for kind, address in wanted:
    start = max((one for one in blocks if one <= address), default=None)
    if start is None or address - start >= max(blocks[start][1], 1):
        wrong.append("not found: %s %#x" % (kind, address))
        continue
    said = blocks.pop(start)[0]
    if kind == "ring":
        ring.append(said)
    elif said != kind:
        wrong.append("%s, not %s: %#x" % (said, kind, address))
if ring and ring.count("direct") != 1:
    wrong.append("of a ring %d are direct" % ring.count("direct"))
if int(sys.argv[3]) != bool(found["groups"]):
    wrong.append("ended with " + sys.argv[3])
wrong += ["not lost: %s %#x of %d bytes" % (kind, address, size) for address, (kind, size) in blocks.items()]
if wrong:
    sys.exit("\n".join(wrong[:10]))
PYTHON

# look CASE [OPTION=VALUE]; with $of_core in a core of it
of_core=
look() {
    begin "$@"
    status=0
    if [ -n "$of_core" ]; then
        gcore -o "$work/core" "$looked_at" > "$work/log" 2>&1 || { end; return 0; }
        looked_at=$work/core.$looked_at
    fi
    timeout -s KILL 120 "$hakmem" leaks --json --blocks "$looked_at" > "$work/out" 2> "$work/message" || status=$?
    if grep -q 'may not be read\|cannot be stopped' "$work/message"; then
        cat "$work/message"
        exit 77
    fi
    [ $status -le 1 ] || fail "$what: ended with $status: $(cat "$work/out" "$work/message")"
    end
    python3 "$work/compare.py" "$work/out" "$work/said" $status 2> "$work/wrong"
}
"$work/leaks" --list > "$work/list"
[ "$(wc -l < "$work/list")" -ge 60 ] || fail 'not all cases'
while read -r name _; do
    look "$name" < /dev/null || fail "$what: $(cat "$work/wrong")"
done < "$work/list"
# blocks that the profiler has sampled are in other slabs
for name in list tree sizes sizes-kept huge third in-freed aligned aligned-kept containers-kept; do
    look $name profile=1 || fail "$what: $(cat "$work/wrong")"
done
# registers of a core
if command -v gcore > /dev/null; then
    of_core=yes
    for name in register vector-ended vector-call vector-running; do
        look $name || fail "core, $what: $(cat "$work/wrong")"
        rm -f "$work"/core.*
    done
fi
