#!/bin/sh
# SPDX-License-Identifier: MIT
# The archive: one object, only the exported names, and programs that are linked to it.
set -eu
skip() { echo "$1"; exit 77; }
fail() { echo "$1" >&2; exit 1; }
archive=$(echo "$builddir"/libhakmem*.a)
[ -e "$archive" ] || skip "configured with --disable-static"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NM and CC may hold options
# shellcheck disable=SC2086
# the base of the probes is weak and hidden: a program's own probes have the same one
symbols=$($NM "$archive" |
    awk 'NF == 3 && $2 ~ /^[A-MO-TV-Z]$/ && $3 != "_.stapsdt.base" { print $3 }' | sort)
long=m
$NM "$archive" | grep -q ' T _Znwm$' || long=j
expected=$(sed -n "s/[# ].*//; s/@/$long/g; /./p" "$srcdir/tests/symbols.txt" | sort)
[ "$symbols" = "$expected" ] || {
    printf '%s\n%s\n' "$symbols" "$expected" | sort | uniq -u
    fail "the archive's names are not those of symbols.txt"
}

cat > "$work/program.c" << 'END'
#include <hakmem/hakmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *work(void *none)
{
    for (size_t i = 0; i < 100000; i++)
        free(malloc(i % 5000));
    return none;
}

/* Whether what libc allocates is the library's; with an argument, crashes. */
int main(int count, char **arguments)
{
    pthread_t thread;
    if (count > 1)
        *(volatile char *)(arguments[1] - arguments[1]) = 1;
    char *copy = strdup("a block of libc");
    if (pthread_create(&thread, NULL, work, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    puts(hak_owns(copy) ? "ours" : "libc's");
    free(copy);
    return 0;
}
END
cat > "$work/own.c" << 'END'
#include <stddef.h>
static char space[1024];
void *malloc(size_t size)
{
    return size <= sizeof space ? space : NULL;
}
void free(void *block)
{
    (void)block;
}
#ifdef CALL
#include <hakmem/hakmem.h>
#define malloc hak_malloc
#endif
int main(void)
{
    char *volatile block = malloc(16);
    return block == NULL;
}
END
# build NAME SOURCE FLAGS ...: links it to the archive as pkg-config --static has it
build() {
    name=$1 from=$2
    shift 2
    # shellcheck disable=SC2086
    $CC -O1 -I"$srcdir/include" "$@" -o "$work/$name" "$work/$from" -L"$builddir" -Wl,-u,malloc \
        "-l:${archive##*/}" -pthread -Wl,--eh-frame-hdr 2> "$work/log"
}
says() {
    got=$("$@" 2>&1) || fail "$*: exit status $?: $got"
    got=$(printf '%s\n' "$got" | sed 's/^\(hakmem\[[^]:]*\):[0-9]*/\1/')
    [ "$got" = "$expected" ] || fail "$*: $got"
}
expected=ours
build dynamic program.c || { cat "$work/log"; fail "does not link"; }
says "$work/dynamic"
expected="libc's"
says env HAKMEM_DISABLE=1 "$work/dynamic"
echo 'int main(void) { return 0; }' > "$work/empty.c"
for flag in -static -static-pie; do
    # shellcheck disable=SC2086
    $CC "$flag" -o "$work/empty" "$work/empty.c" 2> /dev/null || { echo "no $flag here"; continue; }
    build static program.c "$flag" || { cat "$work/log"; fail "does not link with $flag"; }
    expected=ours
    says "$work/static"
    says env HAKMEM_CONF=profile=1 "$work/static"
    expected="hakmem[static]: not disabled: this program has no other malloc
ours"
    says env HAKMEM_DISABLE=1 "$work/static"
    build crashing program.c "$flag" -O2 -fomit-frame-pointer
    report=$(HAKMEM_CONF=crash_report=1 "$work/crashing" crash 2>&1) || true
    case $report in
    *" in main+0x"*" in _start+0x"*) ;;
    *) fail "$flag: the report of a crash does not lead to the program's start: $report" ;;
    esac
done

# Its code is position independent: it may become a part of a shared library, and that be opened.
cat > "$work/part.c" << 'END'
#include <hakmem/hakmem.h>
#include <string.h>
int round_trip(size_t size);
int round_trip(size_t size)
{
    void *block = hak_realloc(memset(hak_malloc(size), 1, size), 2 * size);
    hak_free(memset(block, 1, 2 * size));
    return block != NULL;
}
END
cat > "$work/open.c" << 'END'
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
int main(int count, char **arguments)
{
    void *part = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    int (*round_trip)(size_t) = part != NULL ? (int (*)(size_t))dlsym(part, "round_trip") : NULL;
    for (size_t size = 1; round_trip != NULL && size < 10000000; size *= 7)
        if (!round_trip(size))
            return 1;
    puts(round_trip != NULL ? "opened" : dlerror());
    return 0;
}
END
build part.so part.c -shared -fPIC -Wl,-z,text || { cat "$work/log"; fail "no part of a shared library"; }
# shellcheck disable=SC2086
$CC -O1 -o "$work/open" "$work/open.c" -ldl || fail "the program that opens it does not link"
expected=opened
says "$work/open" "$work/part.so"

# a program's own malloc, and the whole of ours: not both, and never half of ours
$CC -O1 -o "$work/own" "$work/own.c" -L"$builddir" "-l:${archive##*/}" || fail "own malloc: no link"
"$work/own" || fail "own malloc: does not run"
# shellcheck disable=SC2086
! $NM "$work/own" | grep -q hak_ || fail "own malloc: parts of the library came along"
! build own own.c -DCALL || fail "two mallocs in one program"
grep -q 'multiple definition.*malloc\|duplicate symbol.*malloc' "$work/log" ||
    { cat "$work/log"; fail "fails for something else"; }
