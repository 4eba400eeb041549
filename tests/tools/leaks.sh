#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem leaks: it finds the blocks that a program has lost, each as direct or indirect, and none that it has.
set -eu
fail() { echo "$1" >&2; exit 1; }
command -v python3 > /dev/null || { echo "no python3"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

# begin [ARGUMENT ...]: $pid is the process, which has said what it has lost in $work/said
begin() {
    what=$*
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$builddir/tests/tools/leaks_made" "$@" > "$work/said" &
    pid=$!
    for _ in $(seq 1000); do
        ! grep -q ready "$work/said" || return 0
        sleep 0.02
    done
    fail "$what: the program does not begin"
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}
# look STATUS [OPTION ...]: the answer is in $work/out
look() {
    wanted=$1
    shift
    status=0
    "$hakmem" leaks "$@" "$pid" > "$work/out" 2> "$work/message" || status=$?
    [ ! -s "$work/message" ] || [ "$status" -eq 2 ] || fail "$what: says $(cat "$work/message")"
    [ "$status" -eq "$wanted" ] || fail "$what: ends with $status, not $wanted: $(cat "$work/out" "$work/message")"
}

cat > "$work/compare.py" << 'PYTHON'
import json, sys
found = json.load(open(sys.argv[1]))
lost, circle = {}, set()
for line in open(sys.argv[2]):
    word = line.split()
    if len(word) == 3:
        lost[word[1]] = (word[0], int(word[2]))
        if word[0] == "circle":
            circle.add(word[1])
assert found["schema"] == 1 and found["program"] == "leaks_made" and found["left_out"] == 0, found
kinds = {}
for group in found["groups"]:
    assert len(group["addresses"]) == group["blocks"], group
    assert group["bytes"] == group["size"] * group["blocks"], group
    for address in group["addresses"]:
        assert address in lost, ("not lost", address, group["size"])
        assert lost[address][1] <= group["size"] <= lost[address][1] * 1.3 + 4096, (lost[address], group["size"])
        kinds[address] = group["kind"]
for address, (kind, size) in lost.items():
    if address not in kinds and sys.argv[3] == "running":
        continue # something on a stack that is not in use
    assert address in kinds, ("not found", kind, address, size)
    assert kind in ("circle", kinds[address]), (kind, kinds[address], size)
direct = sum(kinds[address] == "direct" for address in circle)
assert direct == (1 if circle else 0), direct
assert len(kinds) >= len(lost) - 5
for kind in "direct", "indirect":
    blocks = sum(group["blocks"] for group in found["groups"] if group["kind"] == kind)
    size = sum(group["bytes"] for group in found["groups"] if group["kind"] == kind)
    assert found[kind] == {"blocks": blocks, "bytes": size}, (kind, found[kind], blocks, size)
# what is lost through direct blocks is all that is lost
through = [group for group in found["groups"] if group["kind"] == "direct"]
assert found["groups"][:len(through)] == through
totals = [group["total_bytes"] for group in through]
assert totals == sorted(totals, reverse=True), totals
assert sum(totals) == found["direct"]["bytes"] + found["indirect"]["bytes"], totals
assert sum(group["indirect_blocks"] for group in through) == found["indirect"]["blocks"]
for group in through:
    assert group["total_bytes"] == group["bytes"] + group["indirect_bytes"], group
assert all("total_bytes" not in group for group in found["groups"][len(through):])
if sys.argv[3] in ("exact", "core"):
    large = [group["indirect_blocks"] for group in through if 3000000 <= group["size"] < 4000000]
    nodes = [group["indirect_blocks"] for group in through if group["size"] == 64]
    assert large == [1] and sum(nodes) == 999 + 3, (large, nodes) # the list, and the circle with one behind it
assert found["exact"] == (sys.argv[3] in ("exact", "core")), found["exact"]
assert (found["stopped_ms"] > 0) == (sys.argv[3] in ("exact", "looks")), found["stopped_ms"]
assert found["unread_blocks"] == 0
PYTHON
# keeps FILE: to the schema
keeps() { python3 "$srcdir/tests/tools/stats-schema.py" "$srcdir/doc/leaks.schema.json" "$1"; }
compare() {
    python3 "$work/compare.py" "$work/out" "$work/said" "$1" || fail "$what: the wrong blocks"
    keeps "$work/out" || fail "$what: the JSON does not keep to the schema"
}

begin
"$hakmem" leaks "$pid" > "$work/out" 2> "$work/message" || true
if grep -q 'may not be read\|cannot be stopped' "$work/message"; then
    cat "$work/message"
    exit 77
fi
look 1
grep -q '^leaks_made (process [0-9]*), libhakmem [0-9]' "$work/out" || fail 'no heading'
grep -q '^The process was stopped [3-8] times, for [0-9.]* ms at most\.$' "$work/out" ||
    fail 'how long it was stopped is not said'
grep -q ' leaked: .* directly, .* only through other leaked blocks$' "$work/out" || fail 'no sum'
look 1 --rows=1
grep -q 'more groups; --rows=0 shows all' "$work/out" || fail 'more rows than asked for'
grep -q '^    hakmem run --conf profile=1 PROGRAM$' "$work/out" || fail 'how to get call stacks is not said'
look 1 --json --blocks
compare exact
look 1 --json --blocks --no-stop
compare running
look 2 --exact --no-stop
grep -q 'exclude each other' "$work/message" || fail 'options exclude each other'
# trace FILE: each address that the process has said, with the chain that it has said
cat > "$work/trace.py" << 'PYTHON'
import json, subprocess, sys
hakmem, process, said = sys.argv[1:]
def trace(address, *options):
    run = subprocess.run([hakmem, "leaks", "--json", "--trace", address, *options, process], stdout=subprocess.PIPE)
    return json.loads(run.stdout), run.returncode
seen = set()
for line in open(said):
    word = line.split()
    if word[0] == "kept":
        found, status = trace(word[1])
        chain, kind, links = found["chain"], word[3], int(word[4])
        assert status == 0 and found["reachable"] and found["found"] == "block", found
        assert len(chain) == links == found["chain_length"] and found["chain_left_out"] == 0, (line, found)
        assert chain[0]["in"] == kind and all(link["in"] == "block" for link in chain[1:]), (line, chain)
        if kind == "data":
            assert chain[0]["file"].endswith("/leaks_made"), chain
            assert chain[0].get("variable", "chain_begin") == "chain_begin", chain
        assert chain[-1]["address"] in [pointer["address"] for pointer in found["pointers"]], found
        seen.add(kind)
    elif word[0] in ("direct", "indirect") and word[0] + word[2] not in seen:
        found, status = trace(word[1])
        assert status == 1 and not found["reachable"] and found["chain"] == [], (line, found)
        assert (found["pointer_count"] > 0) == (word[0] == "indirect"), (line, found)
        assert all(pointer["in"] == "block" for pointer in found["pointers"]), (line, found)
        inside, status = trace(hex(int(word[1], 16) + int(word[2]) - 1)[2:])
        assert status == 1 and inside["block"] == found["block"], (line, inside)
        seen.add(word[0] + word[2])
assert {"data", "stack", "tls", "direct24", "indirect56", "indirect700", "direct3000000"} <= seen, seen
found, status = trace("12340")
assert status == 3 and found["found"] == "none" and "chain" not in found, found
PYTHON
trace() { python3 "$work/trace.py" "$hakmem" "$1" "$work/said" || fail "$what: --trace"; }
trace "$pid"
kept=$(sed -n 's/^kept \(0x[0-9a-f]*\) by data 1$/\1/p' "$work/said")
look 0 --trace="$kept"
grep -q '^The program can reach the block\. ' "$work/out" && grep -q "^  $kept .* (this block)\$" "$work/out" &&
    grep -q '  data of leaks_made+0x' "$work/out" || fail "no chain as text: $(cat "$work/out")"
look 3 --trace=0x10
grep -q '^0x10 is not in a block of the heap\.$' "$work/out" || fail 'an address that is in no block'
look 0 --trace="$kept" --json
keeps "$work/out" || fail 'the JSON of a chain does not keep to the schema'
for change in 's/"reachable":true/"reachable":1.5/' 's/"program":/"name":/' 's/"in":"data"/"in":"text"/' 's/"chain_length":1,//;s/"address"/"start"/'; do
    sed "$change" "$work/out" > "$work/wrong"
    ! keeps "$work/wrong" > /dev/null 2>&1 || fail "the schema is kept by what is not JSON of ours: $change"
done
look 3 --trace=0x10 --json
keeps "$work/out" || fail 'the JSON of no block does not keep to the schema'
look 2 --trace=main
look 2 --trace=0x10 --blocks
# a core has the same
if command -v gcore > /dev/null && gcore -o "$work/core" "$pid" > "$work/log" 2>&1; then
    process=$pid
    pid=$work/core.$pid
    look 1 --json --blocks --dump=3
    compare core
    trace "$pid"
    look 1
    grep -q '^leaks_made, libhakmem [0-9]' "$work/out" || fail 'a core has no heading'
    head -c 100000 "$pid" > "$work/cut"
    rm "$pid"
    pid=$work/cut look 2
    pid=$process
fi
end

# by call stack, where the profiler was on and the command has names; what is lost with a block goes with it
export HAKMEM_CONF=profile=1
begin
unset HAKMEM_CONF
look 1
! grep -q '^To see which code' "$work/out" || fail 'how to get call stacks is said where they are'
look 1 --json --blocks
compare exact
if grep -q '"stack":\["allocate","lose_list"' "$work/out"; then
    printf '{\nlists\nstack: lose_[lc]i*\nsize: 64\n}\n# more\n{\nnone\ntype: None*\n}\n' > "$work/known"
    "$hakmem" leaks --json --blocks --suppressions "$work/known" "$pid" > "$work/less" 2> "$work/message" &&
        fail 'all is suppressed'
    grep -q "^hakmem: warning: suppression 'none' matched no leak\$" "$work/message" &&
        [ "$(wc -l < "$work/message")" -eq 1 ] || fail "says $(cat "$work/message")"
    python3 - "$work/out" "$work/less" << 'PYTHON' || fail 'suppressions'
import json, sys
all, less = (json.load(open(name)) for name in sys.argv[1:])
gone = [group for group in all["groups"] if {"lose_list", "lose_circle"} & set(group.get("stack", []))]
assert len(gone) == 5 and all["suppressed"]["blocks"] == 0, len(gone) # of the circle from two places
assert less["suppressed"]["blocks"] == sum(group["blocks"] for group in gone) == 1004, less["suppressed"]
assert less["groups"] == [group for group in all["groups"] if group not in gone]
assert (sum(group["total_bytes"] for group in less["groups"] if group["kind"] == "direct") ==
        less["direct"]["bytes"] + less["indirect"]["bytes"])
for kind in "direct", "indirect":
    assert less[kind]["blocks"] == sum(group["blocks"] for group in less["groups"] if group["kind"] == kind)
PYTHON
    printf '{\nall\nsize: 0-99999999999\n}\n' > "$work/known"
    look 0 --suppressions "$work/known"
    grep -q '^10[0-9]* blocks (.*) suppressed$' "$work/out" || fail 'what is suppressed is not said'
else
    echo 'the command was built without names of functions'
fi
printf '{\nname\nwrong\n}\n' > "$work/known"
look 2 --suppressions "$work/known"
grep -q '/known:3: ' "$work/message" || fail 'no line of a bad file'
# the words that a block begins with
look 1 --json --blocks --dump=3
keeps "$work/out" || fail "$what: the JSON with words does not keep to the schema"
for change in 's/"kind":"direct"/"kind":"first"/' 's/"words":/"word":/' 's/"left_out":/"left":/' 's/"schema":1/"schema":2/'; do
    sed "$change" "$work/out" > "$work/wrong"
    ! keeps "$work/wrong" > /dev/null 2>&1 || fail "the schema is kept by what is not JSON of ours: $change"
done
python3 - "$work/out" << 'PYTHON' || fail 'dumps'
import json, sys
found = json.load(open(sys.argv[1]))
lists = [group for group in found["groups"] if group["size"] == 64 and group["kind"] == "indirect"]
words = {dump["address"]: dump["words"] for group in lists for dump in group["dumps"]}
assert len(words) > 1000 and all(len(word) == 3 for word in words.values())
assert sum("0x%x" % int(word[0], 16) in words for word in words.values()) >= 998
PYTHON
end

# at the end of a program; its threads have what they have, also when another one ends it
run() {
    status=0
    "$hakmem" run --library "$HAK_LIBRARY" "$@" > "$work/said" 2> "$work/out" || status=$?
}
made=$builddir/tests/tools/leaks_made
for how in end thread; do
    what="run $how"
    run --leaks=json "$made" $how
    [ $status -eq 1 ] || fail "$what: ends with $status: $(head -n 3 "$work/out")"
    python3 - "$work/out" "$work/said" $how << 'PYTHON' || fail "$what: leaks"
import json, sys
found = json.load(open(sys.argv[1]))
kinds = [line.split()[0] for line in open(sys.argv[2]) if not line.startswith("kept ")]
blocks = found["direct"]["blocks"] + found["indirect"]["blocks"]
# what main had on its stack may be lost when it calls exit
assert 0 <= blocks - len([kind for kind in kinds if kind != "ready"]) <= 1, (blocks, len(kinds))
assert found["stops"] == 0 and found["exact"] and found["unread_threads"] == 0, found
PYTHON
    run --leaks "$made" none $how
    [ $status -eq 5 ] && grep -q '^No leaks found\.$' "$work/out" || fail "$what: no leaks, and ends with $status"
done
what='run'
run --leaks "$made" abort
[ $status -eq 134 ] && ! grep -q ' leaked: \|^No leaks' "$work/out" || fail "$what: a signal gives $status: $(cat "$work/out")"
grep -q 'was killed by signal 6 ([A-Z][a-z]*), and was not searched for leaks$' "$work/out" || fail "$what: a signal is not told"
run --leaks sh -c 'exit 3'
[ $status -eq 3 ] || fail "$what: sh gives $status"
run --leaks "$work/nothing"
[ $status -eq 127 ] || fail "$what: no program gives $status"
printf '{\nall\nsize: 0-99999999999\n}\n' > "$work/known"
run --leaks --suppressions="$work/known" "$made" end
[ $status -eq 5 ] && grep -q '^10[0-9]* blocks (.*) suppressed$' "$work/out" || fail "$what: suppressed leaks give $status"
run --leaks "$made" end
grep -q 'Processes that it started were not searched' "$work/out" || fail "$what: which processes are not searched is not said"
grep -q '^    hakmem run --leaks --conf profile=1 PROGRAM$' "$work/out" || fail "$what: how to get call stacks is not said"
run --leaks --rows=1 --blocks --dump=2 "$made" end
[ $status -eq 1 ] && grep -q 'more groups; --rows=0 shows all' "$work/out" && grep -q '^      0x' "$work/out" &&
    grep -q '^        +0  *[0-9a-f]\{16\} [0-9a-f]\{16\}$' "$work/out" || fail "$what: rows, blocks and words: $(cat "$work/out")"
run --leaks=json --rows=0 --blocks "$made" end
keeps "$work/out" && grep -q '"children_searched":false' "$work/out" && grep -q '"addresses":' "$work/out" || fail "$what: JSON"
for option in --rows=1 --blocks --dump=2; do
    run $option true
    [ $status -eq 125 ] && grep -q -e "${option%=*} needs --leaks" "$work/out" || fail "$what: $option without leaks"
done
run --suppressions="$work/known" true
[ $status -eq 125 ] && grep -q 'needs --leaks' "$work/out" || fail "$what: suppressions without leaks"
HAKMEM_DISABLE=1 run --leaks true
[ $status -eq 125 ] && grep -q 'it is disabled' "$work/out" || fail "$what: without the library gives $status"
pid=/dev/null look 2
grep -q 'is not a core file; a search for leaks needs the stacks' "$work/message" || fail 'a file is searched'

begin none
look 0
grep -q '^No leaks found\.$' "$work/out" || fail 'no leaks are not said'
grep -q '^The process was stopped for [0-9.]* ms\.$' "$work/out" || fail 'one stop is not said'
end

# a list whose members are moved, freed and replaced all the time
begin busy
for _ in 1 2 3 4 5; do
    look 1 --json --blocks
    compare exact
done
end

# threads that are stopped within the library, which has blocks that nobody else has
begin none churn
for _ in $(seq 20); do
    look 0
done
end

# one that is too large to be stopped for long
begin large busy
look 1 --json --blocks
compare looks
look 1 --json --blocks --exact
compare exact
look 1
grep -q '^The process was stopped [0-9]* times, for [0-9.]* ms at most\.$' "$work/out" || fail 'one stop alone'
end
