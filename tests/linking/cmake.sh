#!/bin/sh
# SPDX-License-Identifier: MIT
# The example builds with CMake.
# shellcheck disable=SC2154
. "$srcdir/tests/linking/common.sh"
command -v cmake > /dev/null || skip "needs cmake"
cd "$work"
[ "$module" = hakmem ] || sed -i "s/hakmem>=/$module>=/" CMakeLists.txt
{ cmake -B built && cmake --build built; } > log 2>&1 || { cat log; fail "does not build"; }
in_use built/program
