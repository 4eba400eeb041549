#!/bin/sh
# SPDX-License-Identifier: MIT
# A plugin opened with RTLD_DEEPBIND finds libc's free behind another malloc. libhakmem drops the flag,
# and dlopen still searches the path of its caller.
. "${srcdir:?}/tests/traps/common.sh"

compile_library naive.so naive.c
compile_library plugin.so plugin.c
# the search path is written into the program
# shellcheck disable=SC2016
compile host plugin-host.c -ldl -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN'

passes 'on libc' '' "$WORK/host"
breaks 'naive' "$WORK/naive.so" "$WORK/host"
peers '' "$WORK/host"
passes 'libhakmem' "$HAK_LIBRARY" "$WORK/host"
breaks 'libhakmem with deepbind=1' "$HAK_LIBRARY" env HAKMEM_CONF=deepbind=1 "$WORK/host"
passes 'libhakmem disabled' "$HAK_LIBRARY" env HAKMEM_DISABLE=1 "$WORK/host"
