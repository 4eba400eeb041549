#!/bin/sh
# SPDX-License-Identifier: MIT
# configure.sh [--build]: what configure takes and what it refuses.
#
# Choices that contradict each other, other systems, and paths that LD_PRELOAD cannot carry are
# refused with a reason. With --build (make check-configurations) the others are built, in sets of
# choices of which each pair that is not refused stands in one, and a program runs on each library.
set -eu
case ${1-} in -h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
source=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
[ -x "$source/configure" ] || { echo "needs $source/configure: run autoreconf -fi" >&2; exit 1; }
unset MAKEFLAGS MFLAGS MAKELEVEL CONFIG_SITE
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
place=$work/build

# configured ARGUMENT ...: in an empty folder; what it says is in $work/said
configured() {
    rm -rf "$place"
    mkdir -p "$place"
    (cd "$place" && "$source/configure" -q "$@" > "$work/said" 2>&1)
}

# refused TEXT ARGUMENT ...
refused() {
    text=$1
    shift
    if configured "$@"; then
        echo "not refused: configure $*"
        exit 1
    fi
    if ! grep '^configure: error: ' "$work/said" > "$work/reason" || ! grep -qF -- "$text" "$work/reason"; then
        echo "configure $*: refused for another reason than '$text':"
        tail -n 3 "$work/said"
        exit 1
    fi
    echo "configure $*"
    cat "$work/reason"
}
cache=--cache-file=$work/cache
refused 'the shared library is always built' "$cache" --disable-shared
refused 'the shared library is always built' "$cache" --disable-shared --disable-static
refused '--disable-checks: the debug variant' "$cache" --enable-debug --disable-checks
refused 'the debug variant of --enable-debug is another one' "$cache" --enable-hardened --enable-debug
refused '--disable-checks: the hardened variant' "$cache" --enable-hardened --disable-checks
refused 'the hardened variant uses all bytes' "$cache" --enable-hardened --with-annotations
refused 'is for one thread' "$cache" --with-freelist=plain --with-sanitizer=thread
refused '--with-freelist takes' "$cache" --with-freelist=other
refused '--with-sanitizer takes' "$cache" --with-sanitizer=memory
refused 'another C library' --host=x86_64-linux-musl
refused 'another C library' --host=aarch64-linux-android
refused 'is for Linux' --host=x86_64-unknown-freebsd14
# the same without being told of the system, by the compiler's headers
mkdir "$work/other"
printf '#include_next <stdlib.h>\n#undef __GLIBC__\n' > "$work/other/stdlib.h"
refused 'another C library' CPPFLAGS="-isystem $work/other"
for name in 'a b' 'a:b'; do
    place=$work/$name
    refused 'which LD_PRELOAD cannot carry'
done
place=$work/build
[ "${1-}" = --build ] || exit 0

# built ARGUMENT ...: the library, the command, and all programs of the tests
built() {
    echo "configure $*"
    configured --enable-werror "$@" || { tail -n 3 "$work/said"; exit 1; }
    (cd "$place" && make -s -j"$(nproc)" && make -s -j"$(nproc)" check TESTS=) > "$work/log" 2>&1 ||
        { tail -n 20 "$work/log"; exit 1; }
    case " $* " in
    *-sanitizer=address* | *-sanitizer=thread*)
        echo "    built; the malloc of the sanitizer stays in programs"
        return 0
        ;;
    *' --disable-override '*)
        echo "    built; programs keep their malloc"
        return 0
        ;;
    esac
    library=$(echo "$place"/.libs/libhakmem*.so.1)
    said=$(LD_PRELOAD=$library perl -e 'my @list = map { "<$_>" } 1..100000;
        open my $maps, "<", "/proc/self/maps"; print scalar(@list), " ", scalar(grep /libhakmem/, <$maps>)')
    case $said in
    '100000 '[1-9]*) echo "    built; perl runs with it" ;;
    *) echo "    perl says: $said"; exit 1 ;;
    esac
}
built --enable-debug --disable-override --with-annotations --disable-static CFLAGS=-O0
built --disable-checks --with-freelist=spinlock --enable-coverage --without-libdw --without-zlib --without-ncurses
built --with-freelist=plain --with-sanitizer=undefined --disable-override
built --with-freelist=plain --with-sanitizer=address --enable-debug
built CC=clang --enable-debug --with-sanitizer=thread --with-freelist=spinlock
built CC=clang --with-sanitizer=address --disable-checks --disable-static
built --with-sanitizer=thread --with-annotations --disable-override
built CFLAGS='-O2 -flto -ffat-lto-objects' --with-freelist=spinlock --enable-debug
built CFLAGS='-O3 -D_FORTIFY_SOURCE=3' --disable-override CXX=none
built --with-freelist=plain --disable-checks --with-annotations
built --enable-coverage --with-sanitizer=undefined --enable-debug --with-annotations
built CC=clang CFLAGS=-O0 --with-freelist=plain --enable-coverage --disable-static
