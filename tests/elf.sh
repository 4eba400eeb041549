#!/bin/sh
# SPDX-License-Identifier: MIT
# What the shared library shows to the loader.
set -eu
fail() { echo "$1" >&2; exit 1; }
NM=${NM:-nm}
READELF=${READELF:-readelf}
needed=$("$READELF" -dW "$HAK_LIBRARY" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needed" = libc.so.6 ] || fail "needs more than libc: $needed"
tls=$("$READELF" -lW "$HAK_LIBRARY" | awk '$1 == "TLS" { print $6 }')
[ $((tls)) -le 64 ] || fail "static TLS: $tls bytes"
"$READELF" -dW "$HAK_LIBRARY" | grep -q NODELETE || fail "can be unloaded"
"$READELF" -dW "$HAK_LIBRARY" | grep -q 'BIND_NOW\|NOW' || fail "binds lazily"
! "$READELF" -rW "$HAK_LIBRARY" | grep -q __tls_get_addr || fail "calls __tls_get_addr"
# NM may hold options
# shellcheck disable=SC2086
symbols=$($NM -D --defined-only "$HAK_LIBRARY" | awk '{ print $NF }')
long=m
[ "$("$READELF" -hW "$HAK_LIBRARY" | awk '/Class:/ { print $2 }')" = ELF64 ] || long=j
expected=$(sed -n "s/#.*//; s/@/$long/g; /./p" "$srcdir/tests/symbols.txt")
for name in $expected; do
    case $name in
    hak_*) echo "$symbols" | grep -qx "$name@@HAKMEM_1" || fail "$name: missing or not @@HAKMEM_1" ;;
    *) echo "$symbols" | grep -qx "$name" || fail "$name: missing, or versioned" ;;
    esac
done
for name in $symbols; do
    case $name in HAKMEM_1 | HAKMEM_1@*) continue ;; esac
    echo "$expected" | grep -qx "${name%%@*}" || fail "$name: exported but not in symbols.txt"
done
for name in $(sed -n 's/^HAK_API .*\(hak_[a-z_]*\)(.*/\1/p' "$srcdir/include/hakmem/hakmem.h"); do
    echo "$expected" | grep -qx "$name" || fail "$name: in the header but not in symbols.txt"
done
