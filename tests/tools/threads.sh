#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem stat --threads: whose the caches are, and how much each thread has requested; as text, JSON and metrics.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
pids=
# shellcheck disable=SC2086
trap 'kill -KILL $pids 2> /dev/null || true; rm -rf "$work"' EXIT # unshare and its init heed no other signal
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD

cat > "$work/program.c" << 'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_barrier_t ready;
static void *volatile last;

static void *request(size_t size, int count)
{
    for (int i = 0; i < count; i++) {
        last = malloc(size);
        free(last);
    }
    return NULL;
}

/* 1 MiB a thread for each of its number, in blocks of 1024 bytes */
static void *work(void *number)
{
    char name[16];
    snprintf(name, sizeof name, "work \"%d\033[1m", (int)(size_t)number);
    prctl(PR_SET_NAME, name);
    request(1024, 1024 * (int)(size_t)number);
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
}

static void *grow(void *unused)
{
    prctl(PR_SET_NAME, "grows");
    pthread_barrier_wait(&ready);
    for (;; usleep(1000))
        request(10000, 10);
    return unused;
}

static void *end(void *unused)
{
    request(1024, 5 * 1024);
    return unused;
}

int main(void)
{
    pthread_t thread;
    alarm(300);
    pthread_barrier_init(&ready, NULL, 5);
    pthread_create(&thread, NULL, end, NULL);
    pthread_join(thread, NULL);
    for (size_t i = 1; i <= 3; i++)
        pthread_create(&thread, NULL, work, (void *)i);
    pthread_create(&thread, NULL, grow, NULL);
    pthread_barrier_wait(&ready);
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
END
$CC -O0 -pthread -o "$work/program" "$work/program.c" || fail 'the program does not compile'

# begin COMMAND ...: it is ready, as $pid
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
begin env LD_PRELOAD="$HAK_LIBRARY" "$work/program"
if ! "$hakmem" stat --threads "$pid" > "$work/text" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi

# each has what it has requested, and the first blocks of the C library
cat "$work/text"
! LC_ALL=C grep -q '[^ -~]' "$work/text" || fail 'a name reaches the terminal as it is'
awk -v pid="$pid" '
    $1 == "Threads:" { count = $2 }
    $2 == "work" { number = substr($3, 2, 1); sum += $NF >= number && $NF < number + 0.1; tids += $1 > pid }
    $1 == "-" && $2 == "(ended" { ended = $NF >= 5 && $NF < 5.2 }
    $1 == pid && $2 == "program" { main = $NF == "<0.01" || $NF < 1 }
    END { exit !(count == 5 && sum == 3 && tids == 3 && ended && main) }' "$work/text" || fail 'not what they have requested'
! grep -q 'second\|^ *size  *slabs' "$work/text" || fail 'rates of a single look, or size classes'
# what requests most comes first, once rates are known
"$hakmem" stat --threads --seconds 0.5 "$pid" > "$work/text"
awk '
    $1 == "Requests" && $2 > 0 { all = 1 }
    after && !first { first = $2; rate = $NF }
    $1 == "thread" { after = 1 }
    /work/ && $NF != "0.00" { moves = 1 }
    END { exit !(all && first == "grows" && rate > 0 && !moves) }' "$work/text" ||
    { cat "$work/text"; fail 'not the rates of these threads'; }
[ "$(grep -c '^program (process' "$work/text")" -eq 1 ] || fail 'shown more than once'
"$hakmem" stat --threads --counters "$pid" | grep -q '^  requested_bytes  *[0-9]' || fail 'no counters'
"$hakmem" stat --threads program | grep -q 'work "3' || fail 'not by name'

# the parts are all that was requested; the names are those of statistics
"$hakmem" stat --threads --json --seconds 0.2 "$pid" > "$work/json"
"$hakmem" stat --threads --prometheus "$pid" > "$work/metrics"
! grep -qvE -e '^# (HELP|TYPE) hakmem_[a-z0-9_]+ .*[^ ]$' \
    -e '^hakmem_[a-z0-9_]+\{pid="[0-9]+",program="program"(,[a-z]+="([^"\\]|\\["\\])+")*\} [0-9]+$' "$work/metrics" ||
    fail 'these are no metrics'
grep -qE "^hakmem_thread_requested_bytes_total\{pid=\"$pid\",program=\"program\",tid=\"[0-9]+\",thread=\"work ..3[?]\[1m\"\} 314[5-9][0-9]{3}\$" \
    "$work/metrics" || fail "no metric of a thread: $(grep thread_ "$work/metrics")"
! "$hakmem" stat --prometheus "$pid" | grep -q thread_requested || fail 'threads that nobody wants'
if command -v python3 > /dev/null; then
    schema=$srcdir/doc/threads.schema.json
    python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/json" || fail 'the JSON does not keep to the schema'
    for change in 's/"tid"/"id"/' 's/"others":{"cached_bytes":[0-9]*,/"others":{/' 's/"left_out":0/"left_out":-1/'; do
        sed "$change" "$work/json" > "$work/wrong"
        ! python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$work/wrong" > /dev/null 2>&1 ||
            fail "the schema is kept by what is not JSON of ours: $change"
    done
    "$hakmem" stat --json "$pid" > "$work/stat"
    "$hakmem" stat --threads --json "$pid" program > "$work/several"
    python3 - "$work/json" "$work/stat" "$work/several" << 'END' || fail 'the JSON has other threads'
import json, sys
one, stat, several = (json.load(open(name, encoding="ascii")) for name in sys.argv[1:])
threads = {thread["name"]: thread for thread in one["threads"]}
assert set(threads) == {"program", "grows"} | {f'work "{i}?[1m' for i in (1, 2, 3)}, threads
assert threads["grows"]["rates"]["requested_bytes"] > 0
assert threads['work "3?[1m']["rates"]["requested_bytes"] == 0
assert threads['work "2?[1m']["cached_bytes"] >= 1024
parts = one["threads"] + [one["others"]]
assert sum(part["requested_bytes"] for part in parts) <= stat["counters"]["requested_bytes"]
assert [process["pid"] for process in several].count(one["pid"]) == 1
END
fi

# a snapshot has them, too
"$hakmem" snapshot -o "$work/shot" "$pid" > /dev/null
"$hakmem" stat --threads "$work/shot" > "$work/text" || fail 'a snapshot has no threads'
awk '$1 == "Threads:" { count = $2 } $2 == "work" && $3 ~ /^"3/ && $NF >= 3 && $NF < 3.1 { three = 1 } END { exit !(count == 5 && three) }' "$work/text" ||
    { cat "$work/text"; fail 'not the threads of the snapshot'; }

# in a PID namespace the process knows its threads by other numbers
if [ -r "/proc/$$/task/$$/children" ] && unshare -pf --kill-child true 2> /dev/null; then
    begin unshare -pf --kill-child env LD_PRELOAD="$HAK_LIBRARY" "$work/program"
    inside=$(cat "/proc/$pid/task/$pid/children")
    "$hakmem" stat --threads "${inside% }" > "$work/text" || fail 'a process of another namespace'
    awk -v pid="${inside% }" '$2 == "work" && $3 ~ /^"3/ { found = $1 > pid && $NF >= 3 && $NF < 3.1 } END { exit !found }' \
        "$work/text" || { cat "$work/text"; fail 'not the threads of a process in a PID namespace'; }
fi

# says EXPECTED ARGUMENT ...: for wrong usage
says() {
    expected=$1 status=0
    shift
    got=$("$hakmem" stat "$@" 2>&1) || status=$?
    [ "$status" -eq 2 ] || fail "hakmem stat $* ends with $status"
    case $got in
    *"$expected"*) ;;
    *) fail "hakmem stat $* says $got, not $expected" ;;
    esac
}
says "invalid number of seconds: '0'" --threads --seconds 0 "$pid"
says '--watch and --seconds exclude each other' --watch 1 --seconds 1 "$pid"
