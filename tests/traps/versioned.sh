#!/bin/sh
# SPDX-License-Identifier: MIT
# A malloc with a symbol version is not put in front of libc's; ours has none, and is.
. "${srcdir:?}/tests/traps/common.sh"

compile who who.c
echo 'NAIVE_1 { global: *; };' > "$WORK/versions"
compile_library plain.so naive.c
compile_library versioned.so naive.c -Wl,--version-script="$WORK/versions"

passes 'without a version' "$WORK/plain.so" "$WORK/who" plain.so
breaks 'with a version' "$WORK/versioned.so" "$WORK/who" versioned.so
passes 'libhakmem' "$HAK_LIBRARY" "$WORK/who" libhakmem
