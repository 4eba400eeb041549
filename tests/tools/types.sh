#!/bin/sh
# SPDX-License-Identifier: MIT
# Types of C++ objects in programs without symbols: the same ones as with symbols, none without type
# information, and none for what only looks like it.
set -eu
fail() { echo "$1" >&2; exit 1; }
command -v "${CXX:=c++}" > /dev/null || { echo "no C++ compiler"; exit 77; }
command -v python3 > /dev/null || { echo "no python3"; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD
build() {
    name=$1
    shift
    "$CXX" -std=c++17 -O1 -g0 "$@" -o "$work/$name" "$srcdir/tests/tools/types_made.cc" 2> "$work/log" ||
        { cat "$work/log"; echo "no C++ library"; exit 77; }
}
build named -fno-rtti
build nameless -fno-rtti -s
build whole
build stripped -s

# begin PROGRAM [ARGUMENT]
begin() {
    program=$1
    shift
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$work/$program" "$@" > "$work/said" &
    pid=$!
    for _ in $(seq 500); do
        ! grep -q Large "$work/said" || return 0
        sleep 0.02
    done
    fail 'the program does not begin'
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}

cat > "$work/counts.py" << 'PYTHON'
import json, sys
print(*sorted(f'{row["type"]}={row["blocks"]}' for row in json.load(open(sys.argv[1]))["types"]), sep="\n")
PYTHON
# types FILE: name and count of each
types() { python3 "$work/counts.py" "$1"; }

for program in named nameless whole stripped; do
    begin $program
    if ! "$hakmem" heap --json "$pid" > "$work/heap" 2> "$work/message"; then
        cat "$work/message"
        grep -q 'may not be read\|cannot be stopped' "$work/message" && exit 77
        exit 1
    fi
    if grep -q 'without libdw' "$work/message"; then
        types "$work/heap" | grep -q . && fail 'types without libdw'
        echo 'built without libdw'
        exit 77
    fi
    types "$work/heap" > "$work/$program.types"
    [ $program != stripped ] || {
        "$hakmem" leaks "$pid" > "$work/leaks" || [ $? -eq 1 ] || fail 'no leaks'
        grep -q ' Lost$' "$work/leaks" || fail "leaks have no type: $(cat "$work/leaks")"
        "$hakmem" heap --blocks=Diamond "$pid" | grep -c '^0x[0-9a-f]* .* Diamond$' | grep -qx 600 ||
            fail 'not all blocks of a type'
        "$hakmem" snapshot -o "$work/shot" "$pid" > "$work/message"
        "$hakmem" heap --json "$work/shot" > "$work/heap"
        types "$work/heap" > "$work/shot.types"
        # with the program's own data, a core has the names, too
        if command -v gcore > /dev/null && echo 0x37 > /proc/$pid/coredump_filter &&
            gcore -o "$work/core" "$pid" > "$work/log" 2>&1; then
            "$hakmem" heap --json "$work/core.$pid" > "$work/heap"
            types "$work/heap" > "$work/core.types"
        fi
    }
    end
done
# what the program says, and what it says nothing of
{
    echo Lost=10
    echo std::runtime_error=200
    tr ' ' '\n' < "$work/said" | sed '/=/!d; s/^Both=800/Both=900/'
} | LC_ALL=C sort > "$work/expected"
for program in named whole stripped shot core; do
    [ -e "$work/$program.types" ] || continue
    LC_ALL=C sort "$work/$program.types" | diff "$work/expected" - || fail "$program: other types"
done
[ "$(cat "$work/nameless.types")" = std::runtime_error=200 ] || fail 'names from nowhere'

# forged tables
begin stripped forged
"$hakmem" heap --json "$pid" > "$work/heap"
types "$work/heap" > "$work/all.types"
# a name that doubles with each part is cut, and hides no other
awk '/^Doubled<b<int, int>, b<b<int, int>, b<int, int>>.*[.][.][.]=3$/ && length > 3000 && length < 4200 { found = 1 }
    END { exit !found }' "$work/all.types" || fail 'no doubled name'
sed '/^Doubled/d' "$work/all.types" > "$work/forged.types"
{
    cat "$work/expected"
    echo 'Bidi???C=3'
    echo Forged=3
    echo 'Lines???C=3'
    echo Second=3
} | LC_ALL=C sort > "$work/with"
LC_ALL=C sort "$work/forged.types" | diff "$work/with" - || fail 'forged tables are believed'
"$hakmem" heap "$pid" > "$work/text"
! LC_ALL=C grep -q '[^ -~]' "$work/text" || fail 'text that does not print'
"$hakmem" leaks "$pid" > "$work/text" || [ $? -eq 1 ] || fail 'forged tables: no leaks'
end
