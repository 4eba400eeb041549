#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs that are linked with what pkg-config says, also where the linker leaves out what it
# thinks is not needed.
# shellcheck disable=SC2154,SC2046,SC2086
. "$srcdir/tests/linking/common.sh"
cd "$work"
library=lib$module.so.1

quiet() {
    said=$(./quiet) || fail "quiet: exit status $?"
    [ "$said" = "in use" ] || fail "$1: malloc is in $said"
    readelf -dW quiet | grep -q "NEEDED.*$library" || fail "$1: does not need $library"
}

$CC $(flags --cflags) -o program program.c $(flags --libs)
in_use ./program
for needed in -Wl,--as-needed -Wl,--no-as-needed; do
    $CC $needed -o program program.c $(flags --cflags --libs)
    in_use ./program
    $CC $needed -o quiet quiet.c $(flags --cflags --libs) -ldl
    quiet "$needed in front"
    $CC -o quiet quiet.c -ldl $(flags --cflags --libs) $needed
    quiet "$needed behind"
done
# what follows is left out again where it is not needed
$CC -Wl,--as-needed -o quiet quiet.c $(flags --cflags --libs) -lm
! readelf -dW quiet | grep -q 'NEEDED.*libm\.' || fail "what follows is linked without need"
# without the option it would be left out: else all of the above shows nothing
$CC -Wl,--as-needed -o quiet quiet.c -L"$work$libdir" -l$module
said=$(./quiet)
[ "$said" != "in use" ] || fail "this linker leaves nothing out"

preload=$work$(PKG_CONFIG_SYSROOT_DIR='' flags --variable=preload)
[ -e "$preload" ] || fail "preload names no file"
$CC -o quiet quiet.c -ldl
said=$(./quiet)
[ "$said" != "in use" ] || fail "a program that is not linked to it runs on it"
said=$(LD_PRELOAD="$preload" ./quiet)
[ "$said" = "in use" ] || fail "preloaded: malloc is in $said"
if [ -e "$work$libdir/lib$module.a" ]; then
    rm "$work$libdir"/lib$module.so*
    if $CC -static -o program program.c $(flags --static --cflags --libs) 2> log; then
        in_use ./program
    else
        echo 'int main(void) { return 0; }' > empty.c
        ! $CC -static -o empty empty.c 2> /dev/null || { cat log; fail "static: does not link"; }
        echo "no static programs here"
    fi
    $CC -o program program.c $(flags --static --cflags --libs)
    in_use ./program
fi
