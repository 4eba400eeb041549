#!/bin/sh
# SPDX-License-Identifier: MIT
# The example builds with Autotools.
# shellcheck disable=SC2154
. "$srcdir/tests/linking/common.sh"
command -v autoreconf > /dev/null || skip "needs autoreconf"
cd "$work"
[ "$module" = hakmem ] || sed -i "s/hakmem >=/$module >=/" configure.ac
{ autoreconf -fi && ./configure && make; } > log 2>&1 || { cat log; fail "does not build"; }
in_use ./program
