#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem profile asks servers for the debugging information of a stripped program, where elfutils can:
# for a process of one's own, and as root for another user's, who cannot write to root's cache.
set -eu
: "${builddir:?}" "${HAK_LIBRARY:?}"
fail() { echo "$1" >&2; exit 1; }
skip() { echo "skipped: $1"; exit 77; }
work=$(mktemp -d)
pids=
trap 'kill $pids 2> /dev/null || true; rm -rf "$work"' EXIT
chmod 755 "$work"
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD DEBUGINFOD_URLS DEBUGINFOD_CACHE_PATH XDG_CACHE_HOME
cd "$work"
for tool in strip objcopy readelf; do
    command -v $tool > out || skip "no $tool"
done
readelf -d "$hakmem" > out
grep -q 'NEEDED.*libdw' out || skip 'built without libdw'

cat > kept.c << 'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[2000];

__attribute__((noinline)) static void keep_much(int i)
{
    kept[i] = malloc(10000);
    memset(kept[i], 1, 10000);
}

int main(void)
{
    for (int i = 0; i < 2000; i++)
        keep_much(i);
    puts("ready");
    fflush(stdout);
    sleep(100);
    return kept[1][1];
}
END
program=kept-$$
${CC:-cc} -g -O1 -fno-builtin -Wl,--build-id -o "$program" kept.c
cp "$HAK_LIBRARY" libhakmem.so
id=$(readelf -n "$program" | sed -n 's/.*Build ID: //p')
mkdir -p "server/buildid/$id" home
objcopy --only-keep-debug "$program" "server/buildid/$id/debuginfo"
strip "$program"
begin() {
    "$@" env LD_PRELOAD="$work/libhakmem.so" HAKMEM_CONF=profile=16K "$work/$program" > said &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 100); do
        ! grep -q ready said || return 0
        sleep 0.1
    done
    fail "$* is not ready"
}
export HOME="$work/home"

begin
status=0
"$hakmem" profile "$pid" > out 2> message || status=$?
if grep -q 'may not be read' message; then skip "$(cat message)"; fi
[ "$status" -eq 0 ] || fail "fails: $(cat message)"
grep -q "$program+0x" out || { cat out; fail 'names without debugging information'; }
# the server is a folder: elfutils takes its address as well
export DEBUGINFOD_URLS="file://$work/server/"
"$hakmem" profile "$pid" > out 2> message
[ -n "$(find home -name debuginfo)" ] || skip 'elfutils asks no servers here: no libdebuginfod'
grep -q '[^ ]  *keep_much  .*kept.c:10$' out || { cat out; fail 'no name in spite of the server'; }

if [ "$(id -u)" -eq 0 ] && command -v setpriv > out; then
    chmod 700 home
    find /tmp -maxdepth 1 -name 'hakmem-debuginfod-*' > before
    begin setpriv --reuid=65534 --regid=65534 --clear-groups
    "$hakmem" profile "$pid" > out 2> message || fail "another user's process: $(cat message)"
    grep -q '[^ ]  *keep_much  .*kept.c:10$' out || { cat out; fail "no name in another user's process"; }
    # those of other runs of this test go as well
    left() { find /tmp -maxdepth 1 -name 'hakmem-debuginfod-*' | grep -v -x -F -f before; }
    for _ in $(seq 100); do
        left > out || break
        sleep 0.1
    done
    [ ! -s out ] || { cat out; fail 'a cache is left behind'; }
fi
