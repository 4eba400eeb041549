#!/bin/sh
# SPDX-License-Identifier: MIT
# The spec file is of the version of configure.ac and names files of this tree. Packagers take it
# as it is, so configure does not write it.
set -eu
spec=${srcdir:?}/rpm/hakmem.spec
fail() { echo "$*"; exit 1; }
version=$(sed -n 's/^AC_INIT(\[hakmem\], \[\(.*\)\])$/\1/p' "$srcdir/configure.ac")
[ -n "$version" ] || fail "configure.ac: no version found"
stated=$(sed -n 's/^Version: *//p' "$spec")
[ "$stated" = "$version" ] || fail "$spec is of version $stated, configure.ac of $version"
newest=$(sed -n '/^%changelog/,$s/^\* .* - \(.*\)-[0-9]*$/\1/p' "$spec" | head -n 1)
[ "$newest" = "$version" ] || fail "$spec: the newest change is of version $newest, not $version"
grep -q "^$version" "$srcdir/NEWS" || fail "NEWS has no $version"
for file in COPYING NEWS README.md rpm/preload.lua; do
    grep -q "[ /]*$file" "$spec" || fail "$spec does not name $file"
    [ -e "$srcdir/$file" ] || fail "no $file"
done
interface='s/.*-version-info \([0-9]*\):[0-9]*:\([0-9]*\).*/\1 \2/p'
major=$(sed -n "$interface" "$srcdir/lib/Makemodule.am" | awk '{ print $1 - $2 }')
[ -n "$major" ] || fail "lib/Makemodule.am: no interface version found"
for variant in '' -debug -hardened; do
    grep -q "^%{_libdir}/libhakmem$variant\\.so\\.$major\$" "$spec" ||
        fail "$spec: libhakmem$variant has the soname libhakmem$variant.so.$major"
done
