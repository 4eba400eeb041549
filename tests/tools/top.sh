#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem top: the table as text and as JSON, and by what is on the screen of a terminal.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
pids=
server=0
# one that ends may still be met, so the next has another name
stop() { tmux -L "top$server" kill-server 2> /dev/null || true; }
# shellcheck disable=SC2086
trap 'kill $pids 2> /dev/null || true; stop; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD TMUX
TMUX_TMPDIR=$work
export TMUX_TMPDIR

cat > "$work/program.c" << 'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *run(void *name)
{
    prctl(PR_SET_NAME, name);
    pause();
    return NULL;
}

void *allocate_some(size_t size)
{
    void *block = malloc(size);
    return block != NULL ? memset(block, 1, size) : NULL;
}

/* program MIB NAME [grow]: blocks of so many MiB, and a name */
int main(int argc, char **argv)
{
    pthread_t thread;
    alarm(300);
    static void *volatile last;
    for (int i = 0; i < 16 * atoi(argv[1]); i++)
        last = allocate_some(65536);
    prctl(PR_SET_NAME, argv[2]);
    if (pthread_create(&thread, NULL, run, "hak-thr\033[31m") != 0)
        return 1;
    if (write(1, "ready\n", 6) != 6)
        return 1;
    while (argc > 3) {
        last = allocate_some(16384);
        usleep(20000);
    }
    pause();
    return last == NULL;
}
END
$CC -O0 -g -pthread -o "$work/program" "$work/program.c" || fail 'the program does not compile'

# begin MIB NAME [grow]: it runs on the library, as $pid
begin() {
    : > "$work/said"
    LD_PRELOAD=$HAK_LIBRARY "$work/program" "$@" > "$work/said" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 100); do
        ! grep -q ready "$work/said" || return 0
        sleep 0.1
    done
    fail "$* is not ready"
}
# of this test, where others run at the same time; the terminal has 13 columns for names
name=t$$
begin 150 "$name-large"
large=$pid
begin 3 "$name-small"
small=$pid
begin 10 "$name-grows" grow
grows=$pid
begin 1 "$(printf '%s\033[2J\377' "$name")"
odd=$pid

top() { "$hakmem" top --delay 0.5 "$@"; }
if ! top --once > "$work/all" 2> "$work/message"; then
    cat "$work/message"
    "$hakmem" stat "$large" 2>&1 | grep 'may not be read' && exit 77
    exit 1
fi

# the table, sorted
head -n 1 "$work/all" | grep -q '^ *PID program  *RSS allocated  *cached retained  *frag growth/s  alloc/s refills/s$' ||
    fail "these are no headings: $(head -n 1 "$work/all")"
! LC_ALL=C grep -q '[^ -~]' "$work/all" || fail 'a name reaches the terminal as it is'
[ "$(awk 'length != 96' "$work/all")" = '' ] || fail 'a line has another length'
# order ARGUMENT ...: the names in the table
order() {
    top --once --filter "T$$" "$@" > "$work/table" || fail "hakmem top $* fails"
    awk 'NR > 1 { sub(/^t[0-9]*./, "", $2); printf "%s ", $2 }' "$work/table"
}
sorted() {
    wanted=$1
    shift
    got=$(order "$@")
    [ "$got" = "$wanted" ] || fail "$*: the order is $got, not $wanted"
}
sorted 'large grows small [2J? '
sorted '[2J? small grows large ' --reverse
sorted 'large grows small [2J? ' --sort allocated
sorted 'large small grows [2J? ' --sort pid
sorted 'grows large small [2J? ' --sort program
case $(order --sort growth) in 'grows '*) ;; *) fail "what grows is not first: $(cat "$work/table")" ;; esac
awk -v large="$large" -v grows="$grows" '
    $1 == large && $2 ~ /-large$/ && $3 ~ /^15[0-9]\.[0-9]M$/ && $4 ~ /^150\.[0-9]M$/ && $8 == "0" &&
        $9 == "0" && $10 == "0" { first = 1 }
    $1 == grows && $8 ~ /^\+[0-9.]*[KM]$/ && $9 ~ /^[1-9][0-9.]*[KM]$/ && $10 ~ /^[0-9]+$/ { second = 1 }
    END { exit !first || !second }' "$work/table" || fail "not what the processes have: $(cat "$work/table")"

# the same figures as from hakmem stat, and as the schema says
top --json --sort pid --filter "$name" > "$work/json"
"$hakmem" stat --json "$large" > "$work/stat"
for field in allocated_bytes cached_bytes metadata_bytes allocated_rss_bytes refills; do
    value=$(sed -n "s/.*\"$field\":\([0-9]*\).*/\1/p" "$work/stat")
    grep -q "\"pid\":$large,.*\"$field\":${value}[,}]" "$work/json" || fail "$field is not $value, as in hakmem stat"
done
if command -v python3 > /dev/null; then
    schema=$srcdir/doc/top.schema.json
    python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/json" || fail 'the JSON does not keep to the schema'
    for change in 's/"counters"/"counter"/' 's/"refills":[0-9]*,//' 's/"pid":/"pid":-/' 's/"milliseconds":[0-9]*,//'; do
        sed "$change" "$work/json" > "$work/wrong"
        ! python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/wrong" > /dev/null 2>&1 ||
            fail "the schema is kept by what is not JSON of ours: $change"
    done
    python3 - "$work/json" "$large" "$small" "$grows" << 'END' || fail 'the JSON has other processes or rates'
import json, sys
with open(sys.argv[1], encoding="ascii") as file:
    processes = json.load(file)
assert [process["pid"] for process in processes[:3]] == [int(pid) for pid in sys.argv[2:]], processes
large, small, grows = (process["rates"] for process in processes[:3])
assert large["rss_bytes"] == 0 and large["allocated_bytes"] == 0
assert 1 << 16 < grows["rss_bytes"] < 1 << 21 and 1 << 16 < grows["allocated_bytes"] < 1 << 21
assert 400 < grows["milliseconds"] < 20000 and large["requested_bytes"] == 0
assert 1 << 16 < grows["requested_bytes"] < 1 << 21
assert processes[3]["program"].endswith("?[2J?")
END
    [ "$(top --json --filter nothing-of-that-name)" = '[]' ] || fail 'no process is not an empty array'
fi

case $(order --sort allocation) in 'grows '*) ;; *) fail "what allocates is not first: $(cat "$work/table")" ;; esac

# says STATUS EXPECTED ARGUMENT ...
says() {
    wanted=$1 expected=$2 status=0
    shift 2
    got=$(top "$@" 2>&1 < /dev/null) || status=$?
    [ "$status" -eq "$wanted" ] || fail "hakmem top $* ends with $status"
    case $got in
    *"$expected"*) ;;
    *) fail "hakmem top $* says $got, not $expected" ;;
    esac
}
says 1 "no process with 'nothing-of-that-name' in its name" --once --filter nothing-of-that-name
says 2 "unknown column: 'weight'" --sort weight
says 2 'invalid number of seconds' --delay 0
says 2 'invalid number of seconds' --delay -1
says 2 "unexpected argument '1'" 1
says 2 'unrecognized option' --nothing
says 1 'use --once or --json'
if [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null && setpriv --reuid=65534 test -x "$hakmem"; then
    got=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$hakmem" top --json --filter "$name")
    [ "$got" = '[]' ] || fail "another user sees $got"
fi

# ---- on a screen -----------------------------------------------------------
command -v tmux > /dev/null || { echo 'skipped: no tmux, so the live table was not tested'; exit 77; }
case $("$hakmem" top 2>&1 < /dev/null) in
*'built without ncurses'*) echo 'skipped: built without ncurses, so there is no live table'; exit 77 ;;
esac

shown() { tmux -L "top$server" capture-pane -p; }
# see PATTERN: it is on the screen soon, in one line
see() {
    for _ in $(seq 100); do
        ! shown | grep -q -e "$1" || return 0
        sleep 0.1
    done
    shown >&2
    fail "not on the screen: $1"
}
type() { tmux -L "top$server" send-keys "$@"; }
cat > "$work/start" << 'END'
before=$(stty -g)
sh -c 'echo $$ > "$0"; exec "$1" top --filter "$2"' "$1" "$2" "$3"
echo "ended with $?"
[ "$(stty -g)" = "$before" ] && echo 'the terminal is as before'
exec sleep 300
END
# start TERM: it is $(cat "$work/pid")
start() {
    stop
    server=$((server + 1))
    tmux -L "top$server" -f /dev/null new-session -d -x 80 -y 24 \
        "env TERM=$1 sh '$work/start' '$work/pid' '$hakmem' '$name'"
}
# row NUMBER PID: of the table
row() {
    for _ in $(seq 100); do
        [ "$(shown | awk -v number="$1" 'NR == number + 2 { print $1 }')" != "$2" ] || return 0
        sleep 0.1
    done
    shown >&2
    fail "row $1 is not that of $2"
}
start screen
see 'hakmem top .*: 4 processes, RSS [0-9.]*M, allocated [0-9.]*M'
see '^ *PID program  *RSS allocated  *cached retained  *frag growth/s  alloc/s$'
see "^ *$large $name-[large]*  *15[0-9]\.[0-9]M  *150\.[0-9]M .* 0$"
see '^Enter:open .* q:quit$'
row 1 "$large"
type r
row 1 "$odd"
see 'sort (rss, reversed)'
type r
row 1 "$large"
type '<'
see 'sort (program)'
row 1 "$grows"
type '>' '>' '>' '>' '>' '>'
see 'sort (growth)'
row 1 "$grows"
type '?'
see '^  frag  *Share of'
type Escape
type / -
see "^Show names with: $name-_"
see ': 3 processes'
type s m
see ': 1 process,'
type Enter
row 1 "$small"
# one process, and back
type Enter
see "^hakmem top: process $small"
see '^  RSS is made of  *MiB    share$'
see "^  The profiler is off. Switch it on with: hakmem profile --start $small\$"
# the screen goes to where the section is at the time, which is shorter until the threads were read
for _ in $(seq 50); do
    type t
    ! shown | grep -q ' hak-thr' || break
    sleep 0.2
done
see '^  Threads: 2$'
see ' hak-thr?\[31m  *0\.00  *0\.00'
type c
see '^ *size  *slabs  *allocated'
type BSpace
see 'sort (growth)'
type / BSpace BSpace Enter
row 1 "$grows"
"$hakmem" profile --start --interval 64K "$grows" > "$work/message" || fail "$(cat "$work/message")"
# the program heeds that within a megabyte of what it allocates; without symbols it has no names
named=
for _ in $(seq 100); do
    ! "$hakmem" profile "$grows" 2>&1 | grep -q allocate_some || { named=1; break; }
    sleep 0.1
done
type Home Enter
see '^Requests [0-9.]* MiB per second$'
type s
see '^  Code that allocated the memory in use:$'
[ -z "$named" ] || see '%  allocate_some'
# resized: more columns, fewer lines, none at all
tmux -L "top$server" resize-window -x 120 -y 30
type Escape
see ' alloc/s refills/s$'
see "^ *$grows $name-grows "
tmux -L "top$server" resize-window -x 30 -y 5
see '^Enter:open  <>:sort (growth)'
tmux -L "top$server" resize-window -x 5 -y 1
tmux -L "top$server" resize-window -x 80 -y 24
see "^ *$grows $name-gr"
# a process that ends goes
kill "$small"
see ': 2 processes'
type q
see '^ended with 0$'
see '^the terminal is as before$'
! shown | grep -q PID || fail 'the table is left behind'

# a signal that ends it leaves the terminal as it was
for signal in TERM INT; do
    start screen
    see "^ *$grows $name-gr"
    kill -s $signal "$(cat "$work/pid")"
    see '^ended with 1[34][03]$'
    see '^the terminal is as before$'
done

# a terminal that cannot place the cursor; one without colours gets none
start dumb
see "the terminal 'dumb' (TERM) cannot be used"
start vt100
see "^ *$grows $name-gr"
! tmux -L "top$server" capture-pane -ep | grep -q "$(printf '\033')"'\[[0-9;]*3[0-8]m' || fail 'colours on a vt100'
