#!/bin/sh
# SPDX-License-Identifier: MIT
# What hak_usable_size allows may be used under _FORTIFY_SOURCE: the header tells the compiler of no
# size that is less.
. "${srcdir:?}/tests/traps/common.sh"
compile fortify fortify.c -O2 -I"$srcdir/include" -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 "$HAK_LIBRARY" \
    -Wl,-rpath,"${HAK_LIBRARY%/*}"
passes 'all of each block' '' "$WORK/fortify" 10 100 5000 100000 5000000

# with the sizes it is seen; in the hardened variant nothing can be, for it allows no more than was asked for
case $HAK_LIBRARY in *-hardened.so*) exit 0 ;; esac
mkdir -p "$WORK/hakmem"
sed 's/^\(HAK_API void \*hak_malloc(size_t size)\)/\1 __attribute__((__alloc_size__(1)))/' \
    "$srcdir/include/hakmem/hakmem.h" > "$WORK/hakmem/hakmem.h"
compile sized fortify.c -O2 -I"$WORK" -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 "$HAK_LIBRARY" \
    -Wl,-rpath,"${HAK_LIBRARY%/*}"
if ${NM:-nm} -D "$WORK/sized" | grep -q __memset_chk; then
    breaks 'with alloc_size' '' "$WORK/sized" 10 100 5000
fi
