#!/bin/sh
# SPDX-License-Identifier: MIT
# Crash reports: what they say, that what comes after them is as without, and that nobody gets
# one who did not ask.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ulimit -c unlimited 2> /dev/null || true

# crash OPTION CASE: status in $status, what was said in out and err
crash() {
    status=0
    HAKMEM_CONF=$1 LD_PRELOAD=$HAK_LIBRARY "$builddir/tests/preload/crash" "$2" > out 2> err || status=$?
}
says() { grep -qE "$1" err || { cat err >&2; fail "$2: does not say '$1'"; }; }
silent() { ! grep -qE "$1" err || { cat err >&2; fail "$2: says '$1'"; }; }

# asked CASE STATUS SIGNAL: dies as without the library, after a report that ends in a backtrace
asked() {
    plain=0
    "$builddir/tests/preload/crash" "$1" > /dev/null 2>&1 || plain=$?
    crash crash_report=1 "$1"
    [ "$status" -eq "$2" ] || { cat err >&2; fail "$1: exit status $status, not $2"; }
    [ "$plain" -eq "$2" ] || [ "$1" = double-free ] || fail "$1: $plain without the library"
    says "^hakmem\[crash:[0-9]+\]: crash: $3 \(code -?[0-9]+\).*, process [0-9]+, thread [0-9]+, hakmem [0-9.]+ \((release|debug|hardened)\)$" "$1"
    says '^hakmem\[crash:[0-9]+\]: backtrace:$' "$1"
    [ "$(grep -cE '^hakmem\[crash:[0-9]+\]: crash:' err)" -eq 1 ] || fail "$1: more than one report"
}
asked null 139 SIGSEGV
says ' at address 0x0, pc 0x' null
says '^hakmem\[crash:[0-9]+\]: the address is not in the heap$' null
frame='^    #[0-9]+ 0x[0-9a-f]+ in'
says "$frame main\+0x[0-9a-f]+ \(/.*/preload/crash\+0x[0-9a-f]+\)$" null
if command -v addr2line > out; then
    place=$(sed -n 's,.* in main+.*(\(.*\)+\(0x[0-9a-f]*\))$,\1 \2,p' err)
    addr2line -fie "${place% *}" "${place#* }" | grep -qx main || fail "null: not the address of main: $place"
fi
asked nowhere 139 SIGSEGV
says '^    #0 0x0$' nowhere
says "$frame call\+0x|$frame main\+0x" nowhere
asked freed 139 SIGSEGV
says "^hakmem\[crash:[0-9]+\]: the address is in a freed block of 112 bytes at $(cat out), offset 20$" freed
asked freed-large 139 SIGSEGV
says "^hakmem\[crash:[0-9]+\]: the address is in a freed large block of 2[0-9]* bytes at $(cat out), offset 20$" freed-large
asked live 139 SIGSEGV
says "^hakmem\[crash:[0-9]+\]: the address is in a live block of (112|128) bytes at $(cat out), offset 20$" live
says "^hakmem\[crash:[0-9]+\]: [a-z0-9]+ 0x[0-9a-f]+ points in a live block of (112|128) bytes at " live
asked inside 139 SIGSEGV
says "^hakmem\[crash:[0-9]+\]: the address is in a live large block of 10[0-9]* bytes at 0x[0-9a-f]*, offset 3000" inside
asked deep-inside 139 SIGSEGV
says "^hakmem\[crash:[0-9]+\]: the address is in a live large block of 104857600 bytes at 0x[0-9a-f]*, offset 60000020$" deep-inside
asked thread 139 SIGSEGV
says ' at address 0x1230, ' thread
asked abort 134 SIGABRT
asked kill 139 SIGSEGV
silent 'at address' kill
asked stack 139 SIGSEGV
asked double-free 134 SIGABRT
says '^hakmem\[crash:[0-9]+\]: free\(0x[0-9a-f]*\): double free' double-free
says "$frame abort\+0x[0-9a-f]+ \(/.*/libc[.-].*\+0x[0-9a-f]+\)$" double-free
says "$frame main\+0x" double-free
# a file that does not name its functions, and one that is no more there
cp "$builddir/tests/preload/crash" stripped
cp stripped gone
strip stripped
named() {
    HAKMEM_CONF=crash_report=1 LD_PRELOAD=$HAK_LIBRARY sh -c "exec ./$1 $1" > out 2> err || true
    silent ' in main' "$1"
    says "$2" "$1"
}
named stripped "^    #0 0x[0-9a-f]+ \\(/.*/stripped\\+0x[0-9a-f]+\\)$"
named gone '^    #0 0x[0-9a-f]+$'
# another thread has the dynamic linker's lock
# CC may hold options
# shellcheck disable=SC2086
${CC:-cc} -x c -shared -fPIC -pthread -o load.so - << 'END'
#include <pthread.h>
static void *crash_in_thread(void *null) { *(volatile char *)null = 1; return null; }
__attribute__((constructor)) static void load(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, crash_in_thread, 0);
    pthread_join(thread, 0);
}
END
asked load 139 SIGSEGV
says "$frame crash_in_thread\+0x" load
asked recover 139 SIGSEGV
grep -qx recovered out || fail "recover: the handler did not recover"
says ' at address 0x4560, ' recover

# a program that handles the signal itself is left alone
crash crash_report=1 own
[ "$status" -eq 3 ] && grep -q "own handler" out && [ ! -s err ] || fail "own: not left alone"

# not asked
for case in null abort stack recover; do
    crash crash_report=0 "$case"
    silent hakmem "$case, not asked"
done
case $HAK_LIBRARY in
*-debug.so*) crash '' null; says '^hakmem\[crash:[0-9]+\]: crash: SIGSEGV' debug ;;
*) crash '' null; silent hakmem release ;;
esac

# cores are kept where there are any without the library
dumped() {
    perl -e 'my $o = shift; $ENV{LD_PRELOAD} = $o if $o; my $s = system(@ARGV); print $s & 128 ? "core" : "none"' \
        "$@" 2> /dev/null
}
export HAKMEM_CONF=crash_report=1
for case in null abort kill; do
    [ "$(dumped "" "$builddir/tests/preload/crash" "$case")" = \
        "$(dumped "$HAK_LIBRARY" "$builddir/tests/preload/crash" "$case")" ] || fail "$case: no core"
done
