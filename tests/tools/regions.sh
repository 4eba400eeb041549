#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem map --regions: all mappings of a process whose memory is known, with the numbers of smaps; a process that
# deceives does no harm.
set -eu
fail() { echo "$1" >&2; exit 1; }
python3 -c 'import json' 2> /dev/null || { echo 'needs python3'; exit 77; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD
HAKMEM_CONF_FILE=/no/such
export HAKMEM_CONF_FILE

cat > "$work/known.c" << 'END'
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MIB = 1 << 20 };
static char zeros[3 * MIB];
static char *volatile kept[10000];

static void *mapped(int protection, int flags, int fd, size_t size)
{
    void *memory = mmap(NULL, size, protection, flags, fd, 0);
    if (memory == MAP_FAILED)
        exit(1);
    return memory;
}

static void *work(void *number)
{
    char name[16];
    snprintf(name, sizeof name, "worker-%d", (int)(long)number);
    pthread_setname_np(pthread_self(), name);
    printf("stack %p\n", (void *)name);
    fflush(stdout);
    pause();
    return NULL;
}

int main(int argc, char **argv)
{
    const int all = PROT_READ | PROT_WRITE;
    int file = open(argv[argc - 1], O_RDWR);
    char *own = mapped(all, MAP_PRIVATE | MAP_ANONYMOUS, -1, 12 * MIB);
    char *from_file = mapped(PROT_READ, MAP_PRIVATE, file, MIB);
    char *shared = mapped(all, MAP_SHARED | MAP_ANONYMOUS, -1, 2 * MIB), sum = 0;
    void *none = mapped(PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 64 * MIB);
    for (int i = 0; i < 10000; i++)
        kept[i] = memset(malloc(500), 1, 500);
    char *large = memset(malloc(20 * MIB), 1, 20 * MIB);
    char *untouched = malloc(80 * MIB);
    char *middle = untouched + 40 * MIB - (unsigned long)untouched % 65536;
    mprotect(middle, 4 * MIB, PROT_READ); /* a mapping apart, of which nothing is resident */
    free(memset(malloc(40 * MIB), 1, 30 * MIB)); /* a mapping of its own, kept for reuse */
    memset(own, 1, 5 * MIB);
    memset(shared, 1, 2 * MIB);
    memset(zeros, 1, sizeof zeros);
    for (int i = 0; i < MIB; i += 4096)
        sum += from_file[i];
    printf("anonymous %p\nfile %p\nshared %p\nreserved %p\nheap %p\nheap %p\nheap %p\ndata %p\ncode %p\nstack %p\n", (void *)own,
           (void *)from_file, (void *)shared, none, (void *)large, (void *)kept[5000], (void *)(middle + MIB), (void *)(zeros + MIB),
           (void *)main, (void *)&file);
    for (long i = 0; i < 3; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, (void *)i);
    }
    sleep(1);
    puts(sum == 0 ? "ready" : "");
    fflush(stdout);
    pause();
}
END
$CC -O1 -o "$work/known" "$work/known.c" -lpthread || fail 'the program does not compile'
odd=$work/$(printf 'a "b\\\033[31m\303\274\n')
dd if=/dev/zero of="$odd" bs=65536 count=16 2> /dev/null

# begin COMMAND ...: waits until it says that it is ready; its process is $pid
begin() {
    : > "$work/said"
    HAKMEM_CONF=decay_ms=-1,background=0,retain_min=100M,retain_max=200M LD_PRELOAD=$HAK_LIBRARY "$@" > "$work/said" 2> /dev/null &
    pid=$!
    for _ in $(seq 500); do
        ! grep -q 'ready\|impossible' "$work/said" || return 0
        sleep 0.02
    done
    fail "$* is not ready"
}
end() {
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    pid=
}

begin "$work/known" "$odd"
if ! "$hakmem" map --regions --json "$pid" > "$work/json" 2> "$work/message"; then
    cat "$work/message"
    grep -q 'may not be read' "$work/message" && exit 77
    exit 1
fi
cat "/proc/$pid/smaps" > "$work/smaps"
"$hakmem" stat --json "$pid" > "$work/stat"
"$hakmem" map -r "$pid" > "$work/text"
"$hakmem" map --regions=summary "$pid" > "$work/summary"
"$hakmem" map --regions=summary --json "$pid" > "$work/summary.json"
schema=$srcdir/doc/regions.schema.json
keeps() { python3 "$srcdir/tests/tools/stats-schema.py" "$schema" "$1"; }
keeps "$work/json" || fail 'the JSON does not keep to the schema'
keeps "$work/summary.json" || fail 'the JSON of a summary does not keep to the schema'
! grep -q '"regions"' "$work/summary.json" || fail 'a summary has mappings'
for change in 's/"kind":"stack"/"kind":"stacks"/' 's/"dirty_bytes":[0-9]*,//' 's/"left_out":/"left":/' 's/"schema":1/"schema":2/'; do
    sed "$change" "$work/json" > "$work/wrong"
    ! keeps "$work/wrong" > /dev/null 2>&1 || fail "the schema is kept by what is not JSON of ours: $change"
done
cat > "$work/check.py" << 'END'
import json, re, sys
found, stat = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
names = {"Size": "bytes", "Rss": "resident_bytes", "Private_Dirty": "dirty_bytes", "Swap": "swapped_bytes"}
maps = []
for line in open(sys.argv[3], errors="replace"):
    head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) ", line)
    if head:
        maps.append({"address": int(head[1], 16), "permissions": head[3]})
    elif line.split(":")[0] in names:
        maps[-1][names[line.split(":")[0]]] = int(line.split()[1]) << 10
regions = found["regions"]
assert len(maps) == len(regions) == found["mappings"], (len(maps), len(regions))
for one, other in zip(maps, regions):
    assert one == {key: other[key] for key in one}, (one, other)
for name in names.values():
    total = sum(one[name] for one in maps)
    assert found[name] == total == sum(kind[name] for kind in found["kinds"]), (name, found[name], total)
for kind in found["kinds"]:
    own = [region for region in regions if region["kind"] == kind["kind"]]
    assert kind["mappings"] == len(own)
    for name in names.values():
        assert kind[name] == sum(region[name] for region in own), (kind, name)
def at(address):
    return next(r for r in regions if r["address"] <= address < r["address"] + r["bytes"])
stacks = 0
for line in open(sys.argv[4]):
    if " 0x" not in line:
        continue
    kind, address = line.split()
    region = at(int(address, 16))
    assert region["kind"] == kind, (line, region)
    stacks += kind == "stack"
    assert kind != "stack" or region["threads"] == 1, region
assert stacks == 4
names = sorted(r["thread_name"] for r in regions if r["kind"] == "stack")
assert names == ["known", "worker-0", "worker-1", "worker-2"], names
heap = next(kind for kind in found["kinds"] if kind["kind"] == "heap")
for one in [heap] + [r for r in regions if r["kind"] == "heap"]:
    assert sum(one["resident"].values()) == one["resident_bytes"], one
process, near = stat["process"], 64 << 10
assert found["resident_bytes"] == process["rss_bytes"], (found, process)
used = heap["resident"]["slabs_bytes"] + heap["resident"]["large_bytes"]
counted = process["allocated_rss_bytes"] + process["cached_rss_bytes"] + process["slab_free_rss_bytes"]
assert abs(used - counted) <= near, (used, counted)
assert heap["resident"]["large_bytes"] >= 20 << 20 and heap["resident"]["slabs_bytes"] >= 10000 * 500
retained = heap["resident"]["retained_bytes"]
assert abs(retained - process["retained_rss_bytes"]) <= near, (retained, process)
assert retained >= 30 << 20, retained
records = next(kind for kind in found["kinds"] if kind["kind"] == "records")
assert 0 < records["resident_bytes"] < 4 << 20 and records["dirty_bytes"] > 0
odd = [r for r in regions if "31m" in r.get("path", "")]
assert len(odd) == 1 and odd[0]["kind"] == "file" and odd[0]["resident_bytes"] == 1 << 20, odd
assert odd[0]["path"].endswith('/a "b\\?[31m\u00fc'), odd
END
python3 "$work/check.py" "$work/json" "$work/stat" "$work/smaps" "$work/said" || fail 'the mappings are wrong'
# text: the total, and a row for each
total=$(python3 -c 'import json, sys; print("%.1f MiB" % (json.load(open(sys.argv[1]))["resident_bytes"] / 2**20))' "$work/json")
grep -q "^ *[0-9]* *[0-9.]* MiB *$total .* total\$" "$work/text" || fail 'the text has another total'
grep -q ' rw-p    stack: thread [0-9]* worker-1$' "$work/text" || fail 'a stack is missing'
[ "$(grep -c '^ *[0-9a-f]\{12,16\} ' "$work/text")" -eq "$(grep -c '^Size:' "$work/smaps")" ] || fail 'rows are missing'
! LC_ALL=C grep -q "$(printf '\033')" "$work/text" || fail 'a name that controls the terminal'
head -n "$(wc -l < "$work/summary")" "$work/text" | cmp -s - "$work/summary" || fail 'another summary'

# files do not have it, and say why
"$hakmem" snapshot -o "$work/shot" "$pid" > /dev/null
for file in shot core.$pid; do
    [ $file = shot ] || { command -v gcore > /dev/null && gcore -o "$work/core" "$pid" > "$work/log" 2>&1; } || continue
    status=0
    "$hakmem" map --regions "$work/$file" > "$work/out" 2> "$work/message" || status=$?
    [ $status -eq 1 ] && [ ! -s "$work/out" ] && grep -q 'needs a running process: a .* does not' "$work/message" ||
        fail "$file: ended with $status: $(cat "$work/message")"
done
end

# threads that never wait: their stacks are not known, which is said
begin sh -c 'echo ready; while :; do :; done'
"$hakmem" map --regions --json "$pid" > "$work/json" && keeps "$work/json" || fail 'a busy process has no mappings'
end

# more threads than hakmem stat shows: each has its stack
cat > "$work/threads.c" << 'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *wait_for_ever(void *none)
{
    pause();
    return none;
}

int main(void)
{
    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 32768);
    for (int i = 0; i < 4500; i++)
        if (pthread_create(&thread, &small, wait_for_ever, NULL) != 0) {
            puts("impossible");
            break;
        }
    puts("ready");
    fflush(stdout);
    pause();
}
END
$CC -O1 -o "$work/threads" "$work/threads.c" -lpthread || fail 'the program does not compile'
begin "$work/threads"
if ! grep -q impossible "$work/said"; then
    "$hakmem" map --regions --json "$pid" > "$work/json" || fail 'many threads: no mappings'
    python3 - "$work/json" << 'END' || fail 'stacks of threads are missing'
import json, sys
answer = json.load(open(sys.argv[1]))
stacks = sum(r.get("threads", 0) for r in answer["regions"] if r["kind"] == "stack")
# one may be in a mapping together with memory of the library
assert stacks + answer["running_threads"] >= 4490, (stacks, answer["running_threads"])
assert answer["running_threads"] < 100, answer["running_threads"]
END
fi
end

# mappings that fall apart and become one again while they are told: nothing counts twice
cat > "$work/changing.c" << 'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGES = 4096, PAGE = 4096 };

int main(void)
{
    free(malloc(1));
    char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, PAGES * PAGE);
    puts("ready");
    fflush(stdout);
    for (;;) {
        for (int i = 1; i < PAGES; i += 2)
            mprotect(memory + i * PAGE, PAGE, PROT_READ);
        mprotect(memory, PAGES * PAGE, PROT_READ | PROT_WRITE);
    }
}
END
${CC:-cc} -O1 -fno-builtin -o "$work/changing" "$work/changing.c"
begin "$work/changing"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    "$hakmem" map --regions --json "$pid" > "$work/regions.json" || fail 'changing: no regions'
    "$hakmem" stat --json "$pid" > "$work/stat.json" || fail 'changing: no statistics'
    python3 - "$work/regions.json" "$work/stat.json" "/proc/$pid/status" << 'END' || fail 'changing: counted twice'
import json, sys
status = dict(line.split(":") for line in open(sys.argv[3]))
most = int(status["VmHWM"].split()[0]) * 1024 + (1 << 20)  # the kernel may lag behind by some pages
regions = json.load(open(sys.argv[1]))["resident_bytes"]
process = json.load(open(sys.argv[2]))["process"]["rss_bytes"]
assert regions <= most and process <= most, (regions, process, most)
END
done
end

# processes that deceive
hostile=$builddir/tests/tools/hostile
for what in 'circle all_heaps' 'circle chunks' 'ones page_map' 'circle meta_newest' 'ones meta_newest' \
    'nowhere huge_newest' 'circle huge_newest' 'ones profile' numbers sizes; do
    # shellcheck disable=SC2086
    begin "$hostile" $what
    for form in --text --json; do
        status=0
        LC_ALL=C timeout -s KILL 90 "$hakmem" map --regions $form "$pid" > "$work/out" 2> "$work/message" || status=$?
        case $status in
        0) [ -s "$work/out" ] && [ ! -s "$work/message" ] || fail "$what: no mappings" ;;
        1)
            [ ! -s "$work/out" ] && [ "$(grep -c "^hakmem: process $pid [ -~]*\$" "$work/message")" -eq 1 ] ||
                fail "$what: not one error: $(cat "$work/message")"
            ;;
        *) fail "$what: ends with $status" ;;
        esac
        [ $form$status != --json0 ] || keeps "$work/out" || fail "$what: no JSON"
    done
    end
done

# wrong usage
for wrong in '--regions --svg' '--regions=all'; do
    status=0
    # shellcheck disable=SC2086
    "$hakmem" map $wrong 1 > /dev/null 2> "$work/message" || status=$?
    [ $status -eq 2 ] && grep -q 'see hakmem map --help' "$work/message" || fail "$wrong: ended with $status"
done
