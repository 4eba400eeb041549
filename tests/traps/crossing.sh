#!/bin/sh
# SPDX-License-Identifier: MIT
# A plugin that is linked with libhakmem, in a program that is not: the functions of hakmem.h allocate
# from the program's malloc, so that a block may be given to anybody's free.
. "${srcdir:?}/tests/traps/common.sh"

compile_library plugin.so crossing-plugin.c "-I$srcdir/include" "$HAK_LIBRARY" -Wl,-rpath,"${HAK_LIBRARY%/*}"
compile_library libother.so other.c -DOTHER_ALIGNED
compile crossing crossing.c -ldl
compile other crossing.c -ldl -Wl,--no-as-needed "$WORK/libother.so"
passes 'on libc' '' "$WORK/crossing" "$WORK/plugin.so"
passes 'on another malloc' '' "$WORK/other" "$WORK/plugin.so"
passes 'preloaded' "$HAK_LIBRARY" "$WORK/crossing" "$WORK/plugin.so"
passes 'disabled' '' env HAKMEM_DISABLE=1 "$WORK/crossing" "$WORK/plugin.so"
