#!/bin/sh
# SPDX-License-Identifier: MIT
# A library that has no tables to go by, as with a C library before 2.35, finds the callers of programs that
# have frame pointers.
set -eu
: "${srcdir:?}" "${builddir:?}"
skip() { echo "skipped: $1"; exit 77; }
fail() { echo "$1" >&2; exit 1; }
words=$(printf '#if defined(__x86_64__) && defined(__LP64__)\nyes\n#endif\n' | ${CC:-cc} -E -P -)
[ "$words" = yes ] || skip "for x86-64"
unset HAKMEM_CONF HAKMEM_DISABLE HAKMEM_CONF_FILE LD_PRELOAD MAKEFLAGS MFLAGS MAKELEVEL CONFIG_SITE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/build"
(cd "$work/build" && "$srcdir/configure" -q CC="${CC:-cc}" CPPFLAGS=-D_dl_find_object=no_such_function > ../log 2>&1 &&
    make -s -j2 libhakmem.la >> ../log 2>&1) || { tail -n 5 "$work/log"; fail 'it does not build'; }
grep -q '^#define HAK_CALL_FRAMES 0' "$work/build/config.h" || fail 'it has tables'
cat > "$work/calls.c" << 'END'
#include <stdlib.h>
void *volatile kept;
__attribute__((noipa)) void inner(void) { kept = malloc(5000); }
__attribute__((noipa)) void middle(void) { inner(); kept = NULL; }
__attribute__((noipa)) void outer(void) { middle(); kept = NULL; }
int main(void) { for (int i = 0; i < 1000; i++) outer(); return 0; }
END
${CC:-cc} -O2 -g -fno-builtin -fno-omit-frame-pointer -o "$work/calls" "$work/calls.c"
HAKMEM_CONF=profile=64K,profile_dump=$work/heap LD_PRELOAD=$work/build/.libs/libhakmem.so.1 "$work/calls"
"$builddir/tools/hakmem" profile --folded "$work/heap" > "$work/folded"
grep -q 'main;outer;middle;inner' "$work/folded" || { cat "$work/folded"; fail 'no callers'; }
