#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem stat: a process at rest says outside what it says inside, in all forms; processes that
# cannot be read get a message each; a process that runs does not notice.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
pids=
trap 'kill $pids 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

cat > "$work/inside.c" << 'END'
#include <fcntl.h>
#include <hakmem/hakmem.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A block that is only read: present as the page of zeros, but not in the RSS. */
static int read_zeros(void)
{
    enum { SIZE = 60 << 20 };
    const char *volatile zeros = calloc(SIZE, 1);
    for (size_t i = 0; i < SIZE; i += 4096)
        if (zeros == NULL || zeros[i] != 0)
            return 1;
    if (write(1, "ready\n", 6) != 6)
        return 1;
    pause();
    return 0;
}

/* A start of each block is written to; all are freed and kept for reuse. */
static int leave_sparse(void)
{
    enum { SPARSE = 60, SMALL = 512 << 10, LARGE = 6 << 20, WRITTEN = 16384 };
    static char *volatile block[SPARSE];
    for (int i = 0; i < SPARSE; i++) {
        block[i] = malloc(i < SPARSE - 1 ? SMALL : LARGE);
        if (block[i] == NULL)
            return 1;
        memset(block[i], 1, WRITTEN);
    }
    for (int i = SPARSE - 1; i >= 0; i--)
        free(block[i]);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    pause();
    return 0;
}

/* Blocks of many sizes and memory of its own, then what it says of itself in a file, then it waits. */
int main(int argc, char **argv)
{
    static char *volatile block[5000];
    enum { OWN = 30 << 20 };
    char *own = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        return 1;
    memset(own, 1, OWN);
    if (argc > 1 && strcmp(argv[1], "zeros") == 0)
        return read_zeros();
    if (argc > 1 && strcmp(argv[1], "sparse") == 0)
        return leave_sparse();
    hak_stats_t stats;
    for (size_t i = 0; i < 5000; i++) {
        size_t size = i * i % 9000 + (i % 1000 == 0 ? 40 << 20 : 0);
        if ((block[i] = malloc(size)) == NULL)
            return 1;
        memset(block[i], 1, size < 9000 ? size : 0);
    }
    for (size_t i = 0; i < 5000; i += 3)
        free(block[i]);
    stats.struct_size = sizeof stats;
    /* the functions of the C library, if they are not its own, speak of the same numbers */
    struct mallinfo2 info = mallinfo2();
    if (argc > 1 && (hak_stats_get(&stats) != 0 || info.uordblks != stats.allocated_bytes ||
        info.hblkhd != stats.huge_bytes || info.hblks != stats.huge_blocks ||
        info.keepcost != stats.retained_bytes))
        return 1;
    char *text = NULL, expected[60];
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL || malloc_info(0, stream) != 0 || fclose(stream) != 0)
        return 1;
    snprintf(expected, sizeof expected, "type=\"mmap\" count=\"%d\" size=\"%zu\"",
             (int)stats.huge_blocks, (size_t)stats.huge_bytes);
    if (argc > 1 && strstr(text, expected) == NULL)
        return 1;
    free(text);
    for (int i = 1; i < argc; i++) {
        int fd = open(argv[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (hak_stats_get(&stats) != 0 || hak_stats_print(fd, HAK_STATS_JSON) != 0)
            return 1;
        close(fd);
    }
    if (write(1, "ready\n", 6) != 6)
        return 1;
    pause();
    return 0;
}
END
$CC -O1 -I"$srcdir/include" -o "$work/inside" "$work/inside.c" "$HAK_LIBRARY" \
    -Wl,-rpath,"${HAK_LIBRARY%/*}" || fail 'the program does not compile'

# begin COMMAND ...: waits until it says that it is ready; its process is $pid
begin() {
    : > "$work/said"
    "$@" > "$work/said" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 100); do
        ! grep -q ready "$work/said" || return 0
        sleep 0.1
    done
    fail "$* is not ready"
}
# says EXPECTED ARGUMENT ...: it fails with this message
says() {
    expected=$1
    shift
    status=0
    got=$("$hakmem" stat "$@" 2>&1) || status=$?
    case $got in
    *"$expected"*) ;;
    *) fail "hakmem stat $* says $got, not $expected" ;;
    esac
    [ "$status" -ne 0 ] || fail "hakmem stat $* ends with 0"
}

rss_of() { awk '$1 == "Rss:" { print $2 * 1024 }' "/proc/$1/smaps_rollup"; }

begin "$work/inside" "$work/json"
resting=$pid
before=$(rss_of "$resting")
if ! "$hakmem" stat --json "$resting" > "$work/outside" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi
sed 's/"process":{[^}]*},//' "$work/outside" > "$work/library"
sed "s/,\"allocated_bytes/,\"program\":\"inside\",\"pid\":$resting&/" "$work/json" | diff - "$work/library" ||
    fail 'the JSON differs from inside'

# what the RSS is made of: the blocks of 40 MiB were never written to, and 30 MiB are the program's own
found() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/outside"; }
mib() { echo $(($(found "$1") >> 20)); }
after=$(rss_of "$resting") # a page may have come by being read
rss=$(found rss_bytes)
[ "$rss" -ge "$before" ] && [ "$rss" -le "$after" ] || fail "the RSS is $before to $after, not $rss"
[ "$after" -le $((before + 65536)) ] || fail "a look made the RSS $before to $after"
[ "$(found peak_rss_bytes)" -ge "$rss" ] || fail 'it was never so large'
sum=0
for part in allocated cached slab_free retained metadata file other; do
    sum=$((sum + $(found "${part}_rss_bytes")))
done
[ "$sum" -eq "$rss" ] || fail "the parts are $sum, the RSS is $rss"
[ "$(mib other_rss_bytes)" -ge 29 ] && [ "$(mib other_rss_bytes)" -le 33 ] || fail "other: $(found other_rss_bytes)"
[ "$(mib allocated_rss_bytes)" -ge 13 ] && [ "$(mib allocated_rss_bytes)" -le 16 ] ||
    fail "allocated: $(found allocated_rss_bytes)"
"$hakmem" stat --counters "$resting" > "$work/outside"
awk '
    /^  Another [0-9.]+ MiB is allocated but not resident: never written to/ { absent = $2 }
    $1 == "RSS" && $2 == "is" { parts = 1; next }
    parts && NF == 0 { parts = 0 }
    parts { share += $(NF - 1) }
    $1 == "16" && $2 >= 1 && $7 ~ /^[0-9.]*$/ && $8 == "%" { class = 1 }
    /^  refills +[0-9]+$/ { counter = 1 }
    /^  arena +[0-9]+ +[0-9]+$/ { lock = 1 }
    END { exit !(absent > 110 && absent < 210 && share > 99.5 && share < 100.5 && class && counter && lock) }
    ' "$work/outside" || { cat "$work/outside"; fail 'this is not what the process has'; }
"$hakmem" stat "$resting" | grep -q 'refills' && fail 'counters that nobody wants'

begin "$work/inside" sparse
"$hakmem" stat --json "$pid" > "$work/outside"
[ "$(mib retained_rss_bytes)" -le 1 ] || fail "retained without memory: $(found retained_rss_bytes)"
[ "$(mib other_rss_bytes)" -ge 29 ] && [ "$(mib other_rss_bytes)" -le 33 ] || fail "other: $(found other_rss_bytes)"

begin "$work/inside" zeros
"$hakmem" stat --json "$pid" > "$work/outside"
# some systems give memory of its own to a page that is only read: then it is in the RSS
rss=$(($(rss_of "$pid") >> 20))
allocated=$(mib allocated_rss_bytes)
if [ "$rss" -ge 90 ]; then [ "$allocated" -ge 59 ]; else [ "$allocated" -lt 1 ]; fi ||
    fail "allocated without a write: $(found allocated_rss_bytes), RSS: $rss MiB"
[ "$(mib other_rss_bytes)" -ge 29 ] || fail "other: $(found other_rss_bytes)"

"$hakmem" stat --json "$resting" > "$work/outside"
if command -v python3 > /dev/null; then
    schema=$srcdir/doc/statistics.schema.json
    for file in json outside; do
        python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/$file" ||
            fail "the JSON does not keep to the schema"
    done
    for change in 's/"heaps"/"heap"/' 's/"stage3":[0-9]*,//' 's/"waits":0/"waits":"0"/'; do
        sed "$change" "$work/outside" > "$work/wrong"
        ! python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/wrong" > /dev/null 2>&1 ||
            fail "the schema is kept by what is not JSON of ours: $change"
    done
fi

# metrics: each value once, after its HELP and TYPE, and the same as in the text
"$hakmem" stat --prometheus "$resting" > "$work/metrics"
awk -v pid="$resting" '
    function bad(what) { print what ": " $0; failed = 1 }
    /^# HELP hakmem_[a-z0-9_]* [A-Z].*\.$/ { help = $3; next }
    /^# TYPE hakmem_[a-z0-9_]* (gauge|counter)$/ {
        if ($3 != help || type[$3] != "") bad("TYPE")
        type[$3] = $4
        if (($4 == "counter") != ($3 ~ /_total$/)) bad("name")
        next
    }
    $0 ~ "^hakmem_[a-z0-9_]*\\{pid=\"" pid "\",program=\"inside\"(,[a-z]*=\"[0-9a-z._]*\")?\\} [0-9]+$" {
        name = $1; sub(/\{.*/, "", name)
        if (name != help || seen[$1]++) bad("value")
        values++
        next
    }
    { bad("line") }
    END { exit failed || values < 100 }' "$work/metrics" || fail 'these are no metrics'
for name in allocated_bytes retained_bytes superslabs refills_total huge_allocations_total; do
    value=$(sed -n "s/^hakmem_$name{.*} //p" "$work/metrics")
    grep -q "\"${name%_total}\":$value[,}]" "$work/json" || fail "$name is not $value inside"
done

# the blocks of each size are those that hakmem heap finds, also in the slab of the first blocks of a process
same_blocks() {
    "$hakmem" heap --json "$1" | grep -o '"size":[0-9]*,"size_to":[0-9]*,"blocks":[0-9]*' |
        sed 's/[^0-9,]//g' | awk -F, '$2 <= 65536 { print $1, $3 }' | sort > "$work/heap"
    [ -s "$work/heap" ] || fail "hakmem heap finds no blocks in $1"
    "$hakmem" stat "$1" > "$work/table"
    awk '/^ +size +slabs +allocated +starter / { inside = 1; next }
        /^ / && $1 !~ /^[0-9]+$/ { inside = 0 }
        inside && $3 > 0 { print $1, $3 }' "$work/table" | sort > "$work/shown"
    diff "$work/heap" "$work/shown" || fail "the table of $1 has other blocks than hakmem heap"
    "$hakmem" stat --json "$1" | grep -o '"size":[0-9]*,[^}]*' | tr -cd '0-9,\n' |
        awk -F, '$6 > 0 { print $1, $6 }' | sort > "$work/shown"
    diff "$work/heap" "$work/shown" || fail "the JSON of $1 has other blocks than hakmem heap"
    "$hakmem" stat --prometheus "$1" | sed -n 's/^hakmem_class_live_blocks.*size="\([0-9]*\)"} /\1 /p' |
        awk '$2 > 0' | sort > "$work/shown"
    diff "$work/heap" "$work/shown" || fail "the metrics of $1 have other blocks than hakmem heap"
    # no slab has more than it has room for
    awk '/^ +size +slabs/ { inside = 1; next } inside && $8 == "%" && $7 > 100 { exit 1 }' "$work/table" ||
        fail "a slab of $1 has more blocks than places"
    # nor do blocks that take little seem to take nothing
    awk '/^ +size +slabs/ { inside = 1; next } inside && $1 ~ /^[0-9]+$/ && $3 > 0 && $NF == "0.00" { exit 1 }' "$work/table" ||
        fail "blocks of $1 in use take no memory"
}
same_blocks "$resting"
LD_PRELOAD=$HAK_LIBRARY sleep 300 &
small=$!
pids="$pids $small"
for _ in $(seq 100); do
    ! grep -q '^sleep' "/proc/$small/comm" || [ "$(awk '{ print $3 }' "/proc/$small/stat")" != S ] || break
    sleep 0.1
done
same_blocks "$small"
case $HAK_LIBRARY in
*-debug.so* | *-hardened.so*) ;; # these have no starter
*)
    grep -Eq '^  starter, for the first blocks of all sizes: [1-9][0-9]* allocated, ' "$work/table" ||
        fail 'says nothing of the starter'
    ;;
esac

# again and again, until it ends
begin "$work/inside"
: > "$work/watched" # before the shell in the background has made it
"$hakmem" stat --watch 0.1 --json "$pid" > "$work/watched" 2> "$work/message" &
watcher=$!
for _ in $(seq 100); do
    [ "$(wc -l < "$work/watched")" -lt 3 ] || break
    sleep 0.1
done
kill "$pid"
status=0
wait "$watcher" || status=$?
[ "$status" -eq 0 ] || fail "ends with $status when the process does"
grep -q "process $pid " "$work/message" || fail 'does not say that the process has ended'
[ "$(wc -l < "$work/watched")" -ge 3 ] || fail 'does not look again'

# several, by number and by name: an array, and metrics that are each in one place
cp "$work/inside" "$work/hak-named"
begin "$work/hak-named"
named=$pid
begin "$work/hak-named"
"$hakmem" stat "$named" "$resting" > "$work/several"
[ "$(grep -cE "^ *($named hak-named|$resting inside) +[0-9.]+ " "$work/several")" -eq 2 ] ||
    fail 'not two lines for two processes'
"$hakmem" stat --counters "$named" "$resting" > "$work/several"
[ "$(grep -c '^  refills ' "$work/several")" -eq 2 ] || fail 'not the counters of two processes'
"$hakmem" stat --all --counters | grep -q "(process $named), libhakmem" || fail 'not the counters of all processes'
"$hakmem" stat --all --output "$work/all"
for process in "$named" "$pid" "$resting"; do
    grep -q "^ *$process " "$work/all" || fail "$process is not among all"
done
"$hakmem" stat --json hak-named "$resting" "$named" > "$work/several"
"$hakmem" stat --prometheus hak-named "$resting" > "$work/metrics"
for process in "$named" "$pid"; do
    grep -q "\"program\":\"hak-named\",\"pid\":$process," "$work/several" || fail "$process is not found by its name"
    grep -q "^hakmem_heaps{pid=\"$process\",program=\"hak-named\"} " "$work/metrics" || fail "no metric of $process"
done
[ "$(grep -c '^hakmem_heaps{' "$work/metrics")" -eq 3 ] || fail 'not a metric for each of three processes'
[ -z "$(grep '^# TYPE ' "$work/metrics" | sort | uniq -d)" ] || fail 'a metric begins twice'
if command -v python3 > /dev/null; then
    [ "$(python3 -c 'import json, sys; print(len(json.load(sys.stdin)))' < "$work/several")" -eq 3 ] ||
        fail 'not an array of three'
    "$hakmem" stat --json hak-named | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) == 2' ||
        fail 'not an array of two'
fi
# metrics again and again are a file that is always whole
"$hakmem" stat --prometheus --watch 0.1 -o "$work/metrics.prom" "$named" &
watcher=$!
for look in 1 2 3; do
    for _ in $(seq 100); do
        [ ! -e "$work/metrics.prom" ] || break
        sleep 0.1
    done
    grep -q '^hakmem_process_rss_bytes{' "$work/metrics.prom" && tail -n 1 "$work/metrics.prom" | grep -q '} [0-9]*$' ||
        fail "look $look: the file is not whole"
    rm "$work/metrics.prom"
done
kill "$watcher"
wait "$watcher" || true
# output to what is no file of its own: a pipe is written to, a link and permissions stay
mkfifo "$work/pipe"
timeout 20 cat "$work/pipe" > "$work/piped" &
reader=$!
timeout 20 "$hakmem" stat --output "$work/pipe" "$named" || fail 'a pipe cannot be written to'
wait "$reader" || fail 'nothing comes out of a pipe'
[ -p "$work/pipe" ] && grep -q "process $named" "$work/piped" || fail 'a pipe is replaced'
: > "$work/target"
chmod 600 "$work/target"
ln -s target "$work/link"
"$hakmem" stat --output "$work/link" "$named"
[ -L "$work/link" ] && grep -q "process $named" "$work/target" || fail 'a symbolic link is replaced'
[ "$(stat -c %a "$work/target")" = 600 ] || fail 'a file has other permissions than before'
# one that cannot be read keeps the others from nothing but status 0
status=0
"$hakmem" stat --json "$named" 99999999 > "$work/several" 2> "$work/message" || status=$?
[ "$status" -eq 1 ] && grep -q "\"pid\":$named" "$work/several" || fail "one of two: status $status"
# a name is text, whatever it is
odd=$work/$(printf 'a"b\\c\nd\033')
cp "$work/inside" "$odd"
begin "$odd"
"$hakmem" stat --json "$pid" | grep -qF '"program":"a\"b\\c?d?","pid"' || fail 'a name breaks the JSON'
"$hakmem" stat --prometheus "$pid" | grep -qF ',program="a\"b\\c?d?"} ' || fail 'a name breaks the metrics'

# what cannot be read
says 'does not exist, or has ended' 99999999
says 'invalid process ID' 0
says 'invalid process ID' 1.5
says "no process named 'nothing-of-that-name' that you may read uses libhakmem" nothing-of-that-name
says 'invalid number of seconds' --watch=-1 1
says 'no process ID, name or file given'
says '--all and processes exclude each other' --all 1
says '--counters is for text output' --counters --json 1
says 'exclude each other' --json --prometheus 1
says '--prometheus with --watch needs --output' --prometheus --watch=1 1
says 'No such file or directory' --output "$work/nowhere/file" "$resting"
says 'unrecognized option' --nothing 1
begin sh -c 'echo ready; exec sleep 60'
sleep 0.2
says 'does not use libhakmem' "$pid"
begin env HAKMEM_DISABLE=1 "$work/inside"
says 'is disabled: the program was started with HAKMEM_DISABLE=1' "$pid"
for command in heap map leaks profile; do
    "$hakmem" $command "$pid" 2>&1 | grep -q 'is disabled: the program was started with' ||
        fail "hakmem $command gives no reason"
done
# by name, too, unless there are too many
cp "$work/inside" "$work/one_of_them"
begin env HAKMEM_DISABLE=1 "$work/one_of_them"
says "hakmem: process $pid has libhakmem, but it is disabled: the program was started" one_of_them
"$hakmem" map one_of_them 2>&1 | grep -q 'is disabled: the program was started with' || fail 'hakmem map gives no reason'
for _ in 2 3 4 5 6 7 8 9; do
    begin env HAKMEM_DISABLE=1 "$work/one_of_them"
done
says "hakmem: no process named 'one_of_them' that you may read uses libhakmem" one_of_them
# a library that the loader did not find
begin env LD_PRELOAD=/nowhere/libhakmem.so.1 sh -c 'echo ready; exec sleep 60'
sleep 0.2
says 'does not use libhakmem: its LD_PRELOAD names the library, but it is not loaded; see' "$pid"
# other reasons for which it is disabled
mkdir "$work/bin"
cp "$work/inside" "$work/bin/excluded"
echo 'exclude = excluded' > "$work/conf"
begin env HAKMEM_CONF_FILE="$work/conf" "$work/bin/excluded"
says 'is disabled: the configuration file excludes the program' "$pid"
cat > "$work/own.c" << 'END'
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An allocator of the program, as browsers have one. */
static _Alignas(16) char memory[1 << 20];
static size_t used;
void *malloc(size_t size)
{
    size_t *block = (size_t *)(memory + used);
    used += (size + 31) & ~(size_t)15;
    *block = size;
    return used <= sizeof memory ? block + 2 : NULL;
}
void free(void *block)
{
    (void)block;
}
void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}
void *realloc(void *block, size_t size)
{
    void *other = malloc(size);
    if (block != NULL && other != NULL)
        memcpy(other, block, ((size_t *)block)[-2] < size ? ((size_t *)block)[-2] : size);
    return other;
}

int main(void)
{
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
END
$CC -O1 -fno-builtin -rdynamic -o "$work/own" "$work/own.c" || fail 'a program with its own malloc does not compile'
begin env LD_PRELOAD="$HAK_LIBRARY" "$work/own"
says 'is disabled: the program brings a malloc of its own' "$pid"
if $CC -O1 -fsanitize=address -DHAVE -o "$work/sanitized" -x c - << 'END' 2> /dev/null
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
END
then
    begin env ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 LD_PRELOAD="$HAK_LIBRARY" "$work/sanitized"
    says 'is disabled: the program was built with a sanitizer' "$pid"
fi
# a library of which the layout is another: so it says
sed 's/hakstat\x00[\x01-\x20]/hakstat\x00\x63/' "$HAK_LIBRARY" > "$work/libother.so"
chmod +x "$work/libother.so"
cmp -s "$HAK_LIBRARY" "$work/libother.so" && fail 'no block was found in the library'
begin env LD_PRELOAD="$work/libother.so" sh -c 'echo ready; read -r never < /dev/zero'
says 'cannot read; use the hakmem command that was built with it' "$pid"
if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null; then
    status=0
    message=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$hakmem" stat "$resting" 2>&1) ||
        status=$?
    case $status$message in
    1*'may not be read: it belongs to another user; try as root'*) ;;
    *'ermission denied'*) ;; # of the command itself
    *) fail "another user is told: $message" ;;
    esac
    # a process that has protected itself, which its own user is told
    cat > "$work/shut.c" << 'END'
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
END
    $CC -O1 -o "$work/shut" "$work/shut.c" "$HAK_LIBRARY" -Wl,-rpath,"$work" || fail 'shut.c does not compile'
    cp "$HAK_LIBRARY" "$work"
    cp "$hakmem" "$work/bin/hakmem"
    chmod 755 "$work"
    begin setpriv --reuid=65534 --regid=65534 --clear-groups "$work/shut"
    if [ -r "/proc/$pid/status" ] && [ "$(stat -c %u "/proc/$pid/maps")" = 0 ]; then
        status=0
        message=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$work/bin/hakmem" stat "$pid" 2>&1) || status=$?
        case $status$message in
        1*'may not be read: it has protected itself against being read, as sandboxes do; try as root'*) ;;
        *) fail "a protected process: $status: $message" ;;
        esac
    fi
fi
