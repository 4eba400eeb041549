#!/bin/sh
# SPDX-License-Identifier: MIT
# Handlers of fork that wait for threads which allocate: fork returns, however the library comes
# into the process, before or after the one with the handlers.
. "${srcdir:?}/tests/traps/common.sh"
compile_library naive.so naive-limits.c
compile_library libatfork.so atfork-library.c
directory=$(dirname "$HAK_LIBRARY")
program() {
    _name=$1
    shift
    compile "$_name" atfork.c -ldl -Wl,--no-as-needed "$@"
}
program preloaded -L"$WORK" -latfork -Wl,-rpath,"$WORK"
program first "-l:${HAK_LIBRARY##*/}" -L"$directory" -latfork -L"$WORK" -Wl,-rpath,"$directory:$WORK"
program last -latfork -L"$WORK" "-l:${HAK_LIBRARY##*/}" -L"$directory" -Wl,-rpath,"$directory:$WORK"
archive=$(echo "$builddir"/libhakmem*.a)
if [ -e "$archive" ]; then
    program archive -latfork -L"$WORK" -Wl,-rpath,"$WORK" -Wl,-u,malloc "$archive"
    program static "$srcdir/tests/traps/atfork-library.c" -static -Wl,-u,malloc "$archive" \
        2> "$WORK/log" || { cat "$WORK/log"; fail "no static program"; }
fi

TRAP_SECONDS=5 breaks 'naive, mutex' "$WORK/naive.so" env NAIVE=atfork "$WORK/preloaded" mutex
TRAP_SECONDS=5 breaks 'naive, join' "$WORK/naive.so" env NAIVE=atfork "$WORK/preloaded" join
for case in alone mutex join threads; do
    passes "libc, $case" '' "$WORK/preloaded" "$case"
    passes "preloaded, $case" "$HAK_LIBRARY" "$WORK/preloaded" "$case"
    for place in first last archive static; do
        [ ! -e "$WORK/$place" ] || passes "$place, $case" '' "$WORK/$place" "$case"
    done
    passes "opened late, $case" '' "$WORK/preloaded" "$case" "$HAK_LIBRARY"
    echo "$case"
done
