#!/bin/sh
# SPDX-License-Identifier: MIT
# Thread-local memory of a library that is opened late, or in LD_AUDIT, has to fit into what libc left.
. "${srcdir:?}/tests/traps/common.sh"
READELF=${READELF:-readelf}

compile late late.c -ldl
compile start start.c
compile_library large.so naive.c -DNAIVE_TLS=2632
passes 'naive, preloaded' "$WORK/large.so" "$WORK/start"
breaks 'naive, opened late' '' "$WORK/late" "$WORK/large.so"
for peer in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2.0; do
    run '' "$WORK/late" "$peer"
    echo "$peer, opened late: ends with $STATUS $(head -n 1 "$WORK/said")"
    run '' env LD_AUDIT="$peer" true
    echo "$peer, in LD_AUDIT: ends with $STATUS $(head -n 1 "$WORK/said")"
done

size=$("$READELF" -lW "$HAK_LIBRARY" | awk '$1 == "TLS" { print $6 }')
[ $((size)) -le 64 ] || fail "static TLS: $size bytes"
! "$READELF" -rW "$HAK_LIBRARY" | grep -q __tls_get_addr || fail 'calls __tls_get_addr'
passes 'libhakmem, opened late' '' "$WORK/late" "$HAK_LIBRARY"

# in LD_AUDIT: loaded without a word, in a namespace of its own, and the program as it was
passes 'libhakmem in LD_AUDIT' '' env LD_AUDIT="$HAK_LIBRARY" "$WORK/start"
[ ! -s "$WORK/said" ] || fail "libhakmem in LD_AUDIT says: $(cat "$WORK/said")"
passes 'libhakmem in LD_AUDIT and preloaded' "$HAK_LIBRARY" env LD_AUDIT="$HAK_LIBRARY" "$WORK/start"
