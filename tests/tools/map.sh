#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem map: a heap that is known is drawn as it is, in all forms; its totals are those of hakmem stat; a
# process that deceives does no harm.
set -eu
fail() { echo "$1" >&2; exit 1; }
python3 -c 'import json, xml.etree.ElementTree' 2> /dev/null || { echo 'needs python3'; exit 77; }
work=$(mktemp -d)
pids=
trap 'kill $pids 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
read_map=$srcdir/tests/tools/map.py
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD NO_COLOR COLORTERM
HAKMEM_CONF_FILE=/no/such
export HAKMEM_CONF_FILE

cat > "$work/known.c" << 'END'
#include <hakmem/hakmem.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 64 * 40, SIZE = 1024, IN_SLAB = 64 };
static void *block[BLOCKS];
static void *volatile kept;

static int by_address(const void *a, const void *b)
{
    uintptr_t one = *(const uintptr_t *)a, other = *(const uintptr_t *)b;
    return one < other ? -1 : one > other;
}

static void *written(size_t size, size_t bytes)
{
    kept = malloc(size);
    if (kept == NULL)
        exit(1);
    return memset(kept, 1, bytes);
}

/* Of slabs that it has filled it leaves some full, some half, some with one block, and some empty. */
static void fill_slabs(void)
{
    int count[4] = {0};
    for (int i = 0; i < BLOCKS; i++)
        block[i] = written(SIZE, SIZE);
    qsort(block, BLOCKS, sizeof *block, by_address);
    for (int i = 0, slab = 0; i + IN_SLAB <= BLOCKS; i++) {
        if ((uintptr_t)block[i] >> 16 != (uintptr_t)block[i + IN_SLAB - 1] >> 16)
            continue;
        count[slab % 4]++;
        for (int k = 0; k < IN_SLAB; k++)
            if (slab % 4 == 3 || (slab % 4 == 2 && k > 0) || (slab % 4 == 1 && k % 2 == 1))
                free(block[i + k]);
        i += IN_SLAB - 1;
        slab++;
    }
    hak_thread_flush();
    fprintf(stderr, "%d %d %d\n", count[0], count[1], count[2]);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        for (int i = 0; i < atoi(argv[1]); i++)
            written((size_t)1 << 20, 1);
        for (int i = 0; i < 30; i++)
            written((size_t)40 << 20, 1);
    }
    fill_slabs();
    written(300 << 10, 300 << 10);
    free(written(200 << 10, 200 << 10)); /* which the thread keeps */
    written((size_t)40 << 20, (size_t)20 << 20);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    pause();
    return 0;
}
END
$CC -O1 -I"$srcdir/include" -o "$work/a<known>" "$work/known.c" "$HAK_LIBRARY" -Wl,-rpath,"${HAK_LIBRARY%/*}" ||
    fail 'the program does not compile'

# begin COMMAND ...: waits until it says that it is ready; its process is $pid
begin() {
    : > "$work/said"
    HAKMEM_CONF=decay_ms=-1 "$@" > "$work/said" 2> "$work/counts" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 500); do
        ! grep -q 'ready\|impossible' "$work/said" || return 0
        sleep 0.02
    done
    fail "$* is not ready"
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
}

begin "$work/a<known>"
if ! "$hakmem" map --json "$pid" > "$work/json" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi
read -r full half single < "$work/counts"
[ "$full" -ge 5 ] && [ "$single" -ge 5 ] || fail "hardly any slabs: $full, $half, $single"
"$hakmem" stat --json "$pid" > "$work/stat"
"$hakmem" map --output "$work/map.svg" "$pid"
python3 "$read_map" known "$work/json" "$work/stat" "$work/map.svg" "$full" "$half" "$single" || fail 'the map is wrong'
# keeps FILE: to the schema; and that the schema does not let everything pass
schema=$srcdir/doc/map.schema.json
keeps() { python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$1"; }
keeps "$work/json" || fail 'the JSON does not keep to the schema'
for change in 's/"kind":"slab"/"kind":"slabs"/' 's/"cached_rss_bytes":[0-9]*,//' 's/"left_out":/"left":/' 's/"schema":1/"schema":2/'; do
    sed "$change" "$work/json" > "$work/wrong"
    ! keeps "$work/wrong" > /dev/null 2>&1 || fail "the schema is kept by what is not JSON of ours: $change"
done

# a snapshot has the same map
"$hakmem" snapshot --output "$work/shot" "$pid" > /dev/null
"$hakmem" map --json "$pid" > "$work/after"
for form in json svg text; do
    "$hakmem" map --$form "$pid" > "$work/of-process"
    "$hakmem" map --$form "$work/shot" > "$work/of-snapshot" || fail "a snapshot has no map as $form"
    cmp "$work/of-process" "$work/of-snapshot" || fail "the map of a snapshot is another one, as $form"
done
keeps "$work/after" || fail 'the JSON of a snapshot does not keep to the schema'

# and so has a core, whose pages are resident if anything was written to them
if command -v gcore > /dev/null && gcore -o "$work/core" "$pid" > "$work/log" 2>&1; then
    "$hakmem" map --json "$work/core.$pid" > "$work/core.json" || fail 'a core has no map'
    keeps "$work/core.json" || fail 'the JSON of a core does not keep to the schema'
    python3 "$read_map" core "$work/after" "$work/core.json" || fail 'the map of a core is another one'
    "$hakmem" map --svg "$work/core.$pid" > "$work/out" && python3 "$read_map" form --svg "$work/out" || fail 'a core has no picture'
    "$hakmem" map --text "$work/core.$pid" | grep -q '^not resident  *[0-9.]*$' || fail 'a core has no drawing'
    head -c 100000 "$work/core.$pid" > "$work/cut"
    ! "$hakmem" map "$work/cut" > "$work/out" 2> "$work/message" && [ ! -s "$work/out" ] &&
        [ "$(wc -l < "$work/message")" -eq 1 ] || fail "half a core: $(cat "$work/message")"
    rm "$work/core.$pid"
fi

"$hakmem" map --svg "$pid" > "$work/again.svg"
"$hakmem" map --svg "$pid" > "$work/map.svg"
cmp "$work/map.svg" "$work/again.svg" || fail 'two pictures of a process at rest differ'
[ -z "$(find "$work/map.svg" -size +400k)" ] || fail 'the picture is large'
! command -v node > /dev/null || node --check "$srcdir/tools/map_svg.js" || fail 'the script is none'

# in a terminal: as wide as it is, in the characters and colours that it has
for width in 41 80 132 200; do
    python3 "$read_map" text $width "$hakmem" map "$pid" || fail "the drawing is wrong, $width columns wide"
done
for locale in C C.UTF-8; do
    LC_ALL=$locale "$hakmem" map "$pid" > "$work/$locale"
    ! grep -q "$(printf '\033')" "$work/$locale" || fail 'colours in a file'
    grep -q '^not resident  *[0-9.]*$' "$work/$locale" || fail "$locale: no totals"
done
! LC_ALL=C grep -q '[^ -~]' "$work/C" || fail 'not ASCII in the locale C'
grep -q '^[0-9a-f]\{12\} .*#.*5' "$work/C" || fail 'no digits for cells'
[ "$(LC_ALL=C.UTF-8 locale charmap 2> /dev/null)" != UTF-8 ] || grep -q '▄' "$work/C.UTF-8" || fail 'no blocks in UTF-8'
end

# a large heap: each cell is more of it, and the file has a bound
begin "$work/a<known>" 1500
"$hakmem" map -o "$work/map.svg" "$pid"
python3 "$read_map" large "$work/map.svg" || fail 'the picture of a large heap is wrong'
[ -z "$(find "$work/map.svg" -size +2000k)" ] || fail 'the picture is too large'
"$hakmem" map "$pid" > "$work/text"
[ "$(wc -l < "$work/text")" -lt 90 ] || fail 'the drawing has no end'
end

# a process that deceives: one error, or a map
look() {
    forms=$1
    shift
    for form in $forms; do
        status=0
        timeout -s KILL 30 "$hakmem" map $form "$pid" > "$work/out" 2> "$work/message" || status=$?
        case $status in
        0) [ ! -s "$work/message" ] && python3 "$read_map" form $form "$work/out" || fail "$*: what $form gives is none" ;;
        1)
            [ ! -s "$work/out" ] && [ "$(wc -l < "$work/message")" -eq 1 ] || fail "$*: not one error for $form"
            grep -q "^hakmem: process $pid [ -~]*\$" "$work/message" || fail "$*: not told of the process"
            ;;
        *) fail "$*: $form ends with $status" ;;
        esac
    done
}
hostile=$builddir/tests/tools/hostile
LD_PRELOAD=$HAK_LIBRARY "$hostile" names > "$work/names"
while read -r name; do
    for pattern in circle zeros ones nowhere; do
        begin env LD_PRELOAD="$HAK_LIBRARY" "$hostile" $pattern "$name"
        look --svg $pattern "$name"
        end
    done
done < "$work/names"
begin env LD_PRELOAD="$HAK_LIBRARY" "$hostile" numbers
look '--text --svg --json' numbers
end

# says STATUS EXPECTED ARGUMENT ...: it fails with this message
says() {
    expected=$2 wanted=$1 status=0
    shift 2
    got=$("$hakmem" map "$@" 2>&1) || status=$?
    case $got in
    *"$expected"*) ;;
    *) fail "hakmem map $* says $got, not $expected" ;;
    esac
    [ "$status" -eq "$wanted" ] || fail "hakmem map $* ends with $status"
}
says 2 'no process ID, name or file given'
says 2 'too many arguments' 1 2
says 2 'exclude each other' --svg --text 1
says 2 "cannot tell the format from the name 'map.png'" -o map.png 1
says 2 "cannot tell the format from the name 'a.svg/map'" -o a.svg/map 1
says 2 '--regions has no SVG picture; use text or JSON' --regions -o map.svg 1
says 1 'does not exist, or has ended' 99999999
says 1 'No such file or directory' ./map
says 1 'is no snapshot' "$read_map"
begin "$work/a<known>"
says 1 'No such file or directory' -o "$work/nowhere/map.svg" "$pid"
# the suffix chooses the format, unless an option does
"$hakmem" map -o "$work/out.json" "$pid" && keeps "$work/out.json" || fail 'a file .json is no JSON'
"$hakmem" map -o "$work/out.txt" "$pid" && grep -q '^not resident ' "$work/out.txt" || fail 'a file .txt is no text'
"$hakmem" map -o "$work/out.svg" "$pid" && head -c 300 "$work/out.svg" | grep -q '<svg' || fail 'a file .svg is no picture'
"$hakmem" map --json -o "$work/other.svg" "$pid" && keeps "$work/other.svg" || fail 'an option does not choose'
"$hakmem" map --regions -o "$work/regions.json" "$pid" && grep -q '"regions":' "$work/regions.json" ||
    fail 'a list of mappings is no JSON'
! "$hakmem" map --svg "$pid" > /dev/full 2> /dev/null || fail 'a full disk goes unnoticed'
