#!/bin/sh
# SPDX-License-Identifier: MIT
# One name for one thing: a statistic has the same name in hak_stats_t, in the JSON and the text of each command,
# as a metric, in gdb and in the manual.
set -eu
fail() { echo "$1" >&2; exit 1; }
command -v python3 > /dev/null || { echo 'needs python3'; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD DEBUGINFOD_URLS

cat > "$work/program.c" << 'END'
#include <stdlib.h>
#include <unistd.h>
static void *volatile block;
void reached(void) { __asm__ volatile("" ::: "memory"); }
int main(int argc, char **argv)
{
    (void)argv;
    for (int i = 0; i < 5000; i++) /* the first ones share a slab that belongs to no class */
        block = malloc(1000);
    reached();
    if (argc > 1) {
        alarm(300);
        if (write(1, "ready\n", 6) != 6)
            return 1;
        pause();
    }
    return block == NULL;
}
END
$CC -g -O0 -o "$work/words" "$work/program.c" || fail 'the program does not compile'
LD_PRELOAD=$HAK_LIBRARY "$work/words" wait > "$work/said" &
pid=$!
for _ in $(seq 100); do
    ! grep -q ready "$work/said" || break
    sleep 0.1
done
if ! "$hakmem" stat --json "$pid" > "$work/stat.json" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi
"$hakmem" stat --counters "$pid" > "$work/stat.text"
"$hakmem" stat --threads --prometheus "$pid" > "$work/metrics"
"$hakmem" stat --threads --json --seconds 0.1 "$pid" > "$work/threads.json"
"$hakmem" map --json "$pid" > "$work/map.json"
"$hakmem" top --json --delay 0.1 --filter words > "$work/top.json"
HAKMEM_CONF=stats=json LD_PRELOAD=$HAK_LIBRARY "$work/words" 2> "$work/exit.json"
HAKMEM_CONF=stats=text LD_PRELOAD=$HAK_LIBRARY "$work/words" 2> "$work/exit.text"
: > "$work/gdb"
if command -v gdb > /dev/null; then
    gdb -batch -nx -ex "source $srcdir/tools/gdb/hakmem.py" -ex 'set startup-with-shell off' \
        -ex "set environment LD_PRELOAD=$HAK_LIBRARY" -ex 'break reached' -ex run -ex 'hak stats' "$work/words" \
        > "$work/out" 2>&1 || true
    sed -n '/^hakmem statistics of/,$p' "$work/out" > "$work/gdb"
fi
[ -s "$work/gdb" ] || echo 'without gdb, or without what it needs'
python3 "$srcdir/tests/tools/vocabulary.py" "$srcdir" "$work"

# the check can fail
for change in 's/"refills"/"refill"/' 's/"allocated_rss_bytes"/"allocated_resident"/'; do
    sed -i.good "$change" "$work/stat.json"
    ! python3 "$srcdir/tests/tools/vocabulary.py" "$srcdir" "$work" > /dev/null 2>&1 || fail "goes unnoticed: $change"
    mv "$work/stat.json.good" "$work/stat.json"
done
for file in stat.text exit.text metrics threads.json map.json top.json gdb; do
    [ -s "$work/$file" ] || continue
    sed -i.good 's/requested_bytes/asked_bytes/; s/cached_rss_bytes/cached_resident/' "$work/$file"
    ! python3 "$srcdir/tests/tools/vocabulary.py" "$srcdir" "$work" > /dev/null 2>&1 || fail "goes unnoticed in $file"
    mv "$work/$file.good" "$work/$file"
done
