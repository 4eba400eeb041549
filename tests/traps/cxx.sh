#!/bin/sh
# SPDX-License-Identifier: MIT
# Out of memory in C++, by runtime: libstdc++, libc++, one inside of the object, one that comes with
# a plugin of a program in C, and none.
. "${srcdir:?}/tests/traps/common.sh"
command -v "${CXX:=c++}" > /dev/null || skip "no C++ compiler"
compile host cxx-host.c -D_GNU_SOURCE -ldl
# build COMPILER OUTPUT [FLAG...]: of $source
source=cxx.cc
build() {
    _compiler=$1 _output=$WORK/$2
    shift 2
    # the compiler may hold options
    # shellcheck disable=SC2086
    $_compiler -std=c++17 -O1 -g -Wall -o "$_output" "$srcdir/tests/traps/$source" "$@"
}
directory=$(dirname "$HAK_LIBRARY")
archive=$(echo "$builddir"/libhakmem*.a)
build "$CXX" shared -DPROGRAM
build "$CXX" inside -DPROGRAM -static-libstdc++ -static-libgcc
build "$CXX" linked -DPROGRAM -Wl,--no-as-needed -L"$directory" "-l:${HAK_LIBRARY##*/}" -Wl,-rpath,"$directory"
build "$CXX" shared.so -fPIC -shared
build "$CXX" inside.so -fPIC -shared -static-libstdc++ -static-libgcc
build "$CXX" hidden.so -fPIC -shared -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL
runtimes='shared inside'
plugins='shared inside hidden'
if command -v clang++ > /dev/null && build 'clang++ -stdlib=libc++' other -DPROGRAM 2> "$WORK/log"; then
    build 'clang++ -stdlib=libc++' other.so -fPIC -shared
    runtimes="$runtimes other" plugins="$plugins other"
else
    skip "no clang++ with libc++"
fi
[ ! -e "$archive" ] || build "$CXX" static -DPROGRAM -static -Wl,-u,malloc "$archive" 2> "$WORK/log" ||
    { cat "$WORK/log"; fail "no static program"; }
source=cxx-small.cc
build "$CXX" small-linked -static-libstdc++ -static-libgcc -L"$directory" "-l:${HAK_LIBRARY##*/}" -Wl,-rpath,"$directory"
[ ! -e "$archive" ] || build "$CXX" small-static -static -Wl,-u,malloc "$archive" 2> "$WORK/log" ||
    { cat "$WORK/log"; fail "no small static program"; }

for runtime in $runtimes; do
    passes "libc, $runtime" '' "$WORK/$runtime"
    passes "preloaded, $runtime" "$HAK_LIBRARY" "$WORK/$runtime"
done
passes linked '' "$WORK/linked"
[ ! -e "$WORK/static" ] || passes static '' "$WORK/static"
passes 'small, linked' '' "$WORK/small-linked"
[ ! -e "$WORK/small-static" ] || passes 'small, static' '' "$WORK/small-static"
for plugin in $plugins; do
    passes "libc, plugin $plugin" '' "$WORK/host" "$WORK/$plugin.so"
    passes "preloaded, plugin $plugin" "$HAK_LIBRARY" "$WORK/host" "$WORK/$plugin.so"
done
run "$HAK_LIBRARY" "$WORK/host"
[ "$STATUS" -eq 134 ] || fail "no runtime: ends with $STATUS"
grep -q 'operator new: out of memory .* no C++ runtime' "$WORK/said" || fail "no runtime: $(cat "$WORK/said")"
