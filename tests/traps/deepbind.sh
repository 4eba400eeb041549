#!/bin/sh
# SPDX-License-Identifier: MIT
# A plugin opened with RTLD_DEEPBIND finds libc's free behind another malloc, and what it brought
# itself in front of what the program has. Behind libhakmem it has its own symbols and the program's
# heap, and dlopen still searches the path of its caller.
. "${srcdir:?}/tests/traps/common.sh"

compile_library naive.so naive.c
compile_library wrapper.so wrapper.c -ldl
compile_library libcodec.so plugin-codec.c
compile_library plugin.so plugin.c -Wl,-z,lazy -L"$WORK" -lcodec -Wl,-rpath,"$WORK"
# the search path is written into the program, and the names that the plugin has too
# shellcheck disable=SC2016
compile host plugin-host.c -ldl -rdynamic -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN'
plus=
# CXX may hold options
# shellcheck disable=SC2086
if ${CXX:-c++} -std=c++17 -O1 -fPIC -shared -o "$WORK/plus.so" "$srcdir/tests/traps/plugin.cc" 2> "$WORK/said"; then
    plus=plus.so
fi

for binding in now lazy; do
    set -- "$WORK/host" "$binding"
    passes "$binding, on libc" '' "$@"
    breaks "$binding, naive" "$WORK/naive.so" "$@"
    peers '' "$@"
    passes "$binding, libhakmem" "$HAK_LIBRARY" "$@"
    passes "$binding, libhakmem, C++" "$HAK_LIBRARY" "$@" $plus
    passes "$binding, behind a wrapper" "$WORK/wrapper.so $HAK_LIBRARY" "$@"
    passes "$binding, in front of a wrapper" "$HAK_LIBRARY $WORK/wrapper.so" "$@"
    breaks "$binding, libhakmem with deepbind=1" "$HAK_LIBRARY" env HAKMEM_CONF=deepbind=1 "$@"
    passes "$binding, libhakmem disabled" "$HAK_LIBRARY" env HAKMEM_DISABLE=1 "$@"
    # all that is loaded is bound at once
    passes "$binding, LD_BIND_NOW" "$HAK_LIBRARY" env LD_BIND_NOW=1 "$@" $plus
done
