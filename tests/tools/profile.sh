#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem profile: a file with known stacks shows what its program was written to have, in all forms;
# files that cannot be read get a message each; a running process is profiled and left as it was.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
other=
pids=
trap 'kill $pids 2> /dev/null || true; rm -rf "$work" ${other:+"$other"}' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD DEBUGINFOD_URLS
cd "$work"

cat > stacks.c << 'END'
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

/* Writes a profile of what it might have allocated: blocks of 1 MiB at two sites. */

__attribute__((noinline)) static void record(int blocks)
{
    void *frames[64];
    int depth = backtrace(frames, 64);
    printf("%d: %d [%d: %d] @", blocks, blocks << 20, 2 * blocks, 2 * blocks << 20);
    for (int i = 1; i < depth; i++)
        printf(" %p", frames[i]);
    puts("");
}

static inline __attribute__((always_inline)) void grow_index(int blocks)
{
    record(blocks); /* site of the index */
}

__attribute__((noinline)) void add_rows(int blocks)
{
    grow_index(blocks);
    __asm__ volatile("");
}

__attribute__((noinline)) void load_table(int blocks)
{
    record(1); /* site of the table */
    add_rows(blocks);
    __asm__ volatile("");
}

int main(int argc, char **argv)
{
    static char line[8192];
    FILE *maps = fopen("/proc/self/maps", "r");
    if (argc != 2 || maps == NULL)
        return 1;
    puts("heap profile: 0: 0 [0: 0] @ heap_v2/1");
    load_table(atoi(argv[1]));
    puts("\nMAPPED_LIBRARIES:");
    while (fgets(line, sizeof line, maps) != NULL)
        fputs(line, stdout);
    return fclose(maps);
}
END
$CC -g -O1 -Wno-unused-result -o stacks stacks.c || fail 'the program does not compile'
./stacks 3 > three.heap
./stacks 5 > five.heap
line_of() { grep -n "$1" stacks.c | cut -d : -f 1; }

# shows ROW FILE: a line of the table, from its beginning, blanks not counted
shows() {
    tr -s ' ' < "$2" | sed 's/^ //' | grep -q -F -e "$1" || { cat "$2"; fail "not shown: $1"; }
}

"$hakmem" profile three.heap > text 2> message || { cat message; fail 'a good file is refused'; }
if grep -q 'built without libdw' message; then
    shows '3.0 MiB 75.0% 3.0 MiB 75.0% 3 stacks+0x' text
    echo 'no names: the command was built without libdw' > skipped
else
    [ ! -s message ] || fail "says $(cat message)"
    shows 'Memory in use: three.heap' text
    shows '4.0 MiB in 4 blocks. Every block was recorded.' text
    shows "3.0 MiB 75.0% 3.0 MiB 75.0% 3 grow_index $(basename "$work")/stacks.c:$(line_of 'site of the index')" text
    shows "1.0 MiB 25.0% 1.0 MiB 25.0% 1 load_table $(basename "$work")/stacks.c:$(line_of 'site of the table')" text
    shows "0 B 0.0% 3.0 MiB 75.0% 0 add_rows $(basename "$work")/stacks.c:$(line_of '^    grow_index')" text
    # what says the same of every stack is one row
    shows " > main:$(line_of '^    load_table') (every stack from " text
    [ "$(grep -c '4.0 MiB 100.0%' text)" -eq 1 ] || { cat text; fail 'callers of all have a row each'; }
    "$hakmem" profile --functions three.heap > text
    shows "3.0 MiB 75.0% 3.0 MiB 75.0% 3 grow_index $(basename "$work")/stacks.c" text
    shows "1.0 MiB 25.0% 4.0 MiB 100.0% 1 load_table $(basename "$work")/stacks.c" text
    shows ' > main (every stack from ' text
    ! grep -q 'stacks\.c:' text || { cat text; fail 'lines are told apart'; }
    "$hakmem" profile --view allocated three.heap > text
    shows 'Memory allocated: three.heap' text
    shows '6.0 MiB 75.0% 6.0 MiB 75.0% 6 grow_index ' text

    "$hakmem" profile --folded three.heap | sed 's/.*;main;/main;/' > folded
    printf 'main;load_table 1048576\nmain;load_table;add_rows;grow_index 3145728\n' | diff - folded ||
        fail 'the folded stacks are others'

    # callers stand before the functions that they call
    "$hakmem" profile three.heap | awk '/every stack/ { print "all" } $NF ~ /stacks.c/ { print $8 }' | tr '\n' ' ' > order
    [ "$(cat order)" = 'grow_index load_table all load_table add_rows ' ] || fail "the order is $(cat order)"

    # the memory of functions that are left out is that of their callers
    "$hakmem" profile --hide '^(grow_|add_rows$)' three.heap > text
    shows '3.0 MiB 75.0% 3.0 MiB 75.0% 3 load_table ' text
    ! grep -q 'add_rows\|grow_index' text || fail 'hidden functions are shown'
    "$hakmem" profile --hide 'libc\.|/libc-start' three.heap > text
    ! grep -q 'libc_start' text || fail 'functions of a hidden file are shown'
    "$hakmem" profile --hide . --folded three.heap > folded
    [ "$(wc -l < folded)" -eq 1 ] || fail 'stacks without functions are not one'

    # a difference, also of a program that lies elsewhere in memory
    "$hakmem" profile --diff three.heap five.heap > text
    shows 'Change of memory in use: from three.heap to five.heap' text
    shows '+2.0 MiB 50.0% +2.0 MiB 50.0% +2 grow_index ' text
    ! grep -q 'load_table.*load_table' text || fail 'what did not change is shown as two sites'
    "$hakmem" profile --diff five.heap three.heap > text
    shows '-2.0 MiB -33.3% -2.0 MiB -33.3% -2 grow_index ' text
    "$hakmem" profile --diff --folded three.heap five.heap | sed 's/.*;main;/main;/' > folded
    printf 'main;load_table 1048576 1048576\nmain;load_table;add_rows;grow_index 3145728 5242880\n' |
        diff - folded || fail 'the folded stacks of a difference are others'

    # names by the symbol table alone, and no names at all
    cp stacks all
    objcopy --strip-debug all stacks
    "$hakmem" profile three.heap > text
    shows '3.0 MiB 75.0% 3.0 MiB 75.0% 3 add_rows' text
    objcopy --strip-all all stacks
    "$hakmem" profile three.heap > text
    shows '3.0 MiB 75.0% 3.0 MiB 75.0% 3 stacks+0x' text
    mv all stacks

    # a file with another build ID is not the program
    awk '{ print } !done && / r-xp .*\/stacks$/ { sub(/-.*/, ""); print "# build-id " $0 " 0123456789"; done = 1 }' \
        three.heap > other.heap
    grep -q build-id other.heap || fail 'the program has no mapping of code'
    "$hakmem" profile other.heap > text
    shows '3.0 MiB 75.0% 3.0 MiB 75.0% 3 stacks+0x' text
fi

# by the name of the file, and through a file again
"$hakmem" profile -o again.heap three.heap
"$hakmem" profile --heap-v2 again.heap > "$work/third.heap"
cmp again.heap third.heap || fail 'a second copy differs'
head -n 1 again.heap | tr -s ' ' | grep -qx 'heap profile: 4: 4194304 \[ 8: 8388608\] @ heap_v2/1' ||
    fail "the first line is $(head -n 1 again.heap)"
"$hakmem" profile again.heap 2> message | sed 1d > text
"$hakmem" profile three.heap 2> message | sed 1d | diff - text || fail 'a copy shows something else'
"$hakmem" profile -o text.folded three.heap 2> message
"$hakmem" profile --folded three.heap 2> message | cmp - text.folded || fail 'not folded by its name'
"$hakmem" profile -o heap.pb.gz three.heap 2> message
[ "$(od -An -tx1 -N2 heap.pb.gz | tr -d ' ')" = 1f8b ] || fail 'no file for pprof'
status=0
"$hakmem" profile heap.pb.gz > text 2> message || status=$?
[ "$status" -eq 1 ] && grep -q 'heap.pb.gz:1: a compressed file.*use pprof' message ||
    fail "a file for pprof: status $status, $(cat message)"
"$hakmem" profile -o heap.svg three.heap 2> message
grep -q '<svg' heap.svg || fail 'no picture'
"$hakmem" profile --diff -o diff.svg three.heap five.heap 2> message
grep -q '<svg' diff.svg || fail 'no picture of a difference'
"$hakmem" profile --diff -o diff.pb.gz three.heap five.heap 2> message
[ "$(od -An -tx1 -N2 diff.pb.gz | tr -d ' ')" = 1f8b ] || fail 'no difference for pprof'

# estimates: one sampled block of 1 KiB stands for 512.5, one of 64 MiB for itself
cat > scaled.heap << 'END'
heap profile:      2: 67109888 [     2: 67109888] @ heap_v2/524288
     1:     1024 [     1:     1024] @ 0x1000
     1: 67108864 [     1: 67108864] @ 0x2000

MAPPED_LIBRARIES:
END
"$hakmem" profile scaled.heap > text 2> message
shows '64.5 MiB in 514 blocks. Estimated from 2 samples, one per 512.0 KiB allocated; standard error: at most 724.1 KiB.' text
shows '64.5 MiB 100.0% 64.5 MiB 100.0% 514 [unknown]' text
"$hakmem" profile --heap-v2 scaled.heap | tr -s ' ' > text
shows 'heap profile: 2: 67109888 [ 2: 67109888] @ heap_v2/524288' text
printf 'heap profile: 0: 0 [0: 0] @ heap_v2/0\n' > none.heap
"$hakmem" profile none.heap > text 2> message
printf 'Memory in use: none.heap\nNo sampled block belongs to this view.\n' | diff - text ||
    fail 'nothing is shown as something'
"$hakmem" profile --diff scaled.heap scaled.heap > text 2> message
shows 'Estimated from 4 samples in both profiles, one per 512.0 KiB allocated; standard error: at most 1.0 MiB.' text
# jemalloc's form
cat > jemalloc.heap << 'END'
heap_v2/524288
  t*: 2: 67109888 [0: 0]
  t0: 2: 67109888 [0: 0]
@ 0x1000
  t*: 1: 1024 [0: 0]
  t0: 1: 1024 [0: 0]
@ 0x2000 0x3000
  t*: 1: 67108864 [0: 0]

MAPPED_LIBRARIES:
END
"$hakmem" profile jemalloc.heap > text 2> message
shows '64.5 MiB in 514 blocks. Estimated from 2 samples, ' text
# its own functions are left out
cat > jemalloc.heap << 'END'
heap_v2/524288
@ 0x1000100 0x1000200 0x2000300
  t*: 1: 67108864 [0: 0]

MAPPED_LIBRARIES:
01000000-01001000 r-xp 00000000 08:01 1 /nowhere/libjemalloc.so.2
02000000-02001000 r-xp 00000000 08:01 2 /nowhere/caller
END
"$hakmem" profile jemalloc.heap > text 2> message
! grep libjemalloc text || fail 'functions of jemalloc are shown'
shows ' caller+0x2ff' text

# says EXPECTED STATUS ARGUMENT ...: it fails with this message, of one line
says() {
    expected=$1 expected_status=$2
    shift 2
    status=0
    got=$("$hakmem" profile "$@" 2>&1) || status=$?
    case $got in
    *"$expected"*) ;;
    *) fail "hakmem profile $* says $got, not $expected" ;;
    esac
    [ "$status" -eq "$expected_status" ] || fail "hakmem profile $* ends with $status"
    [ "$(echo "$got" | grep -v -c 'built without libdw')" -eq 1 ] || fail "hakmem profile $* says $got"
}
first='heap profile: 1: 1 [1: 1] @ heap_v2/1'
# refused MESSAGE LINE ...: a file of these lines
refused() {
    message=$1
    shift
    printf '%s\n' "$@" > bad.heap
    says "hakmem: ./bad.heap:$#: $message" 1 ./bad.heap
}
: > empty.heap
says 'hakmem: empty.heap:1: the file is empty' 1 empty.heap
refused 'not a heap profile; hakmem profile -o NAME.heap PID saves one' 'nothing of the kind'
refused 'expected' 'heap profile: 1: 1 [1: 1 @ heap_v2/1'
refused 'the kind of heap profile is not heap_v2' 'heap profile: 1: 1 [1: 1] @ growthz'
refused 'not a sampling interval' 'heap profile: 1: 1 [1: 1] @ heap_v2/x'
refused "expected 'COUNT: BYTES [COUNT: BYTES] @ ADDRESS...'" "$first" '1: -1 [1: 1] @ 0x1'
refused 'not an address' "$first" '1: 1 [1: 1] @ 0x1 x'
refused 'expected' heap_v2/1 '@ 0x1' 'x'
says 'No such file' 1 ./nothing.heap
says 'Is a directory' 1 ./.
printf '%s\n1: 18446744073709551615 [99999999999999999999999: 1] @ 0x0 0xffffffffffffffff\n' "$first" > large.heap
printf '\nMAPPED_LIBRARIES:\n0-ffffffffffffffff r-xp 0 00:00 0 /a\033[2Jb\n1-0 r-xp 0 0:0 0 /x\nx\n' >> large.heap
for form in --text --folded --svg --heap-v2 "--view=allocated"; do
    "$hakmem" profile "$form" large.heap > text 2> message || fail "large numbers: $form fails"
    ! LC_ALL=C grep -q "$(printf '\033')" text || fail "$form prints what the file is named"
done
says 'hakmem: no process ID, name or file given; see hakmem profile --help' 2
says "hakmem: unexpected argument 'five.heap'; see hakmem profile --help" 2 three.heap five.heap
says "unexpected argument 'x'" 2 --diff three.heap five.heap x
says 'hakmem: --diff needs two profiles, OLD and NEW; see hakmem profile --help' 2 --diff three.heap
says "hakmem: unknown option '--nothing'; see hakmem profile --help" 2 --nothing three.heap
says "unknown option '-Z'" 2 -Zt three.heap
says "missing value of option '--view'" 2 three.heap --view
says "missing value of option '-o'" 2 -o
says 'exclude each other' 2 --functions --svg three.heap
says 'exclude each other' 2 --text --svg three.heap
says 'exclude each other' 2 --start --stop 1
says 'exclude each other' 2 --diff --heap-v2 three.heap five.heap
says 'exclude each other' 2 --hide x --heap-v2 three.heap
says 'invalid regular expression' 2 --hide '(' three.heap
says 'allowed once' 2 --hide x --hide y three.heap
says 'unknown view' 2 --view nothing three.heap
says 'invalid interval' 2 --interval 5X 1
says 'invalid number of seconds' 2 --seconds 0 1
says '--interval needs' 2 --interval 1M 1
says 'does not say when blocks were allocated' 1 --view age three.heap
says 'has no separate peak' 1 --view peak three.heap
says 'is a file' 1 --seconds 1 ./three.heap
says 'is a file' 1 --start ./three.heap
says 'does not exist, or has ended' 1 99999999
says 'invalid process ID' 1 0
says "no process named 'nothing-of-that-name' that you may read uses libhakmem, and no file has that name; start" 1 nothing-of-that-name
says '/no/such/folder/file: No such file' 1 --text -o /no/such/folder/file three.heap
! command -v mkfifo > /dev/null || ! [ -w /dev/full ] ||
    says 'No space left' 1 --text -o /dev/full three.heap

# ---- a running process -------------------------------------------------------

cat > running.c << 'END'
#include <stdlib.h>
#include <unistd.h>

/* Keeps 10 MB a second, and allocates and frees three times as much. */

struct row {
    struct row *next;
    char data[1000];
};
static struct row *volatile rows;

__attribute__((noinline)) void grow_table(void)
{
    struct row *row = malloc(sizeof *row);
    row->next = rows;
    rows = row;
}

__attribute__((noinline)) void convert(void)
{
    void *volatile text = malloc(3000);
    free(text);
}

int main(void)
{
    alarm(300);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;) {
        for (int i = 0; i < 100; i++) {
            grow_table();
            convert();
        }
        usleep(10000);
    }
}
END
# a name that no other run of this test has at the same time
running=hak-run-$$
$CC -g -O1 -o "$running" running.c || fail 'the program does not compile'
cp "$running" stranger

# begin COMMAND ...: waits until it says that it is ready; its process is $pid
begin() {
    : > said
    "$@" > said &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 100); do
        ! grep -q 'ready\|impossible' said || return 0
        sleep 0.1
    done
    fail "$* is not ready"
}
# most SITE FILE PERCENT: this site is the first of the table, with so much of the memory
most() {
    sed '1,/function$/d' "$2" | head -n 1 | awk -v least="$3" -v name="$1" \
        '{ for (i = 1; i <= NF; i++) if ($i ~ /%$/) break; exit !($i + 0 >= least && index($0, name)) }' ||
        { cat "$2"; fail "$1 is not the first, with $3%"; }
}
is_off() {
    "$hakmem" profile --stop "$pid" > text
    grep -q "the profiler of process $pid is not running; nothing to do" text || fail "the profiler was left on: $(cat text)"
}
grow_table=grow_table
[ ! -e skipped ] || grow_table=$running+0x

begin env LD_PRELOAD="$HAK_LIBRARY" "./$running"
status=0
"$hakmem" profile "$pid" > text 2> message || status=$?
if grep -q 'may not be read' message; then
    cat message
    exit 77
fi
[ "$status" -eq 1 ] && grep -q "process $pid has not been profiled; use --seconds" message ||
    fail "a process that was not profiled: status $status, $(cat message)"
"$hakmem" profile --seconds 1.5 --interval 64K "$pid" > text 2> message || fail "fails: $(cat message)"
most "$grow_table" text 90
shows "Memory in use: $running (process $pid)" text
is_off
"$hakmem" profile --view allocated "$pid" > text 2> message
most "$([ -e skipped ] && echo "$running" || echo convert)" text 60
shows 'The profiler is off' text
"$hakmem" profile --view peak "$pid" > text 2> message
most "$grow_table" text 60
for rows in "" --functions; do
    # shellcheck disable=SC2086
    "$hakmem" profile --view age $rows "$pid" > text 2> message
    most "$grow_table" text 90
done
! grep -q 'running\.c:' text || fail 'lines are told apart'
"$hakmem" profile --folded "$running" 2> message | grep -q "main.*$grow_table" ||
    [ -e skipped ] || fail 'not found by its name'
"$hakmem" profile -o heap.pb.gz "$pid" 2> message
[ "$(od -An -tx1 -N2 heap.pb.gz | tr -d ' ')" = 1f8b ] || fail 'no file for pprof of a process'
"$hakmem" profile -o running.heap "$pid" 2> message
grep -q '^# build-id ' running.heap || fail 'no build IDs'
"$hakmem" profile running.heap > text 2> message
most "$grow_table" text 90
grep -q 'Estimated from [0-9]* samples, one per 64.0 KiB allocated; standard error: at most ' text ||
    fail "a file does not tell its error: $(cat text)"

# on and off; a signal during the recording
"$hakmem" profile --start --interval 64K "$pid" > text
shows "started the profiler of process $pid: one sample per 64.0 KiB" text
"$hakmem" profile --start --interval 64K "$pid" > text
shows 'is already running; nothing to do' text
says 'is already running, with one sample per 64.0 KiB' 1 --start "$pid"
"$hakmem" profile --seconds 0.2 "$pid" > text 2> message
"$hakmem" profile --stop "$pid" > text
shows "stopped the profiler of process $pid" text
"$hakmem" profile --seconds 100 --interval 64K "$pid" > text 2> message &
recorder=$!
for _ in $(seq 100); do
    grep -q . message || [ -z "$("$hakmem" profile "$pid" 2> /dev/null | grep 'is off')" ] && break
    sleep 0.1
done
kill -TERM "$recorder"
status=0
wait "$recorder" || status=$?
[ "$status" -eq 0 ] && grep -q 'interrupted after' message || fail "interrupted: status $status, $(cat message)"
most "$grow_table" text 90
is_off

# a core, and a program whose file is gone
if command -v gcore > /dev/null && gcore -o core "$pid" > gcore.log 2>&1; then
    "$hakmem" profile "./core.$pid" > text 2> message || fail "a core: $(cat message)"
    shows "Memory in use: $running" text
    most "$grow_table" text 90
    head -c 100000 "core.$pid" > cut
    says 'hakmem: ./cut: ' 1 ./cut
fi
says 'is damaged, or not a core file of this architecture; for a running program, give' 1 ./stacks
if [ "$(id -u)" -eq 0 ]; then
    rm "$running"
    "$hakmem" profile "$pid" > text 2> message
    most "$grow_table" text 90
fi
# another user's process, whose files root reads as that user
if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null; then
    other=$(mktemp -d)
    chmod 755 "$other"
    cp "$HAK_LIBRARY" "$other/libhakmem.so"
    cp stranger "$other/$running"
    begin env LD_PRELOAD="$other/libhakmem.so" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$other/$running"
    "$hakmem" profile --seconds 0.5 --interval 64K -o stranger.txt "$pid" 2> message ||
        fail "another user's process: $(cat message)"
    most "$grow_table" stranger.txt 90
fi

# files that a program leaves when it ends: what it has then, and what it had at the peak
cat > leaving.c << 'END'
#include <stdlib.h>

enum { BLOCKS = 20 };

int main(void)
{
    static void *volatile kept[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        kept[i] = malloc(1 << 20);
    for (int i = 1; i < BLOCKS; i++)
        free(kept[i]);
    return 0;
}
END
$CC -g -O1 -o leaving leaving.c || fail 'the program does not compile'
HAKMEM_CONF=profile=1K,profile_dump=%n.heap,leaks=1 LD_PRELOAD=$HAK_LIBRARY ./leaving 2> said ||
    fail 'a program fails'
mv leaving.heap.peak left.heap.peak
# as the report says
command=$(sed -n 's/.*: for functions and lines, use: hakmem //p' said)
[ "$command" = 'profile leaving.heap' ] || fail "the report says $(cat said)"
# shellcheck disable=SC2086
"$hakmem" $command > text 2> message
shows '1.0 MiB in 1 block. ' text
"$hakmem" profile left.heap.peak > text 2> message
grep -q '^\(19.0 MiB in 19\|20.0 MiB in 20\) blocks' text || { cat text; fail 'another peak'; }

# a process that deceives; profile_damaged has more
for pattern in circle zeros ones nowhere waits; do
    begin env LD_PRELOAD="$HAK_LIBRARY" "$builddir/tests/tools/hostile" "$pattern" profile
    ! grep -q impossible said || continue
    for option in --text --stop; do
        [ "$option:$pattern" != --stop:waits ] || continue # which takes 10 seconds
        status=0
        timeout -s KILL 30 "$hakmem" profile $option "$pid" > text 2> message || status=$?
        [ "$option:$pattern" != --stop:zeros ] || continue # which is what a profiler that is off looks like
        [ "$option:$status" = --stop:0 ] || { [ "$status" -eq 1 ] && [ ! -s text ] &&
            [ "$(wc -l < message)" -eq 1 ] && grep -q "^hakmem: process $pid [ -~]*\$" message; } ||
            fail "$pattern: $option ends with $status: $(cat text message)"
    done
done

begin sh -c 'echo ready; exec sleep 60'
sleep 0.2
says 'does not use libhakmem; start its program with hakmem run' 1 "$pid"
says 'does not use libhakmem' 1 --start "$pid"
[ ! -e skipped ] || { cat skipped; exit 77; }
