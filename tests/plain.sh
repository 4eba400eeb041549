#!/bin/sh
# SPDX-License-Identifier: MIT
# The plain freelist serves one thread and refuses a second.
set -eu
fail() { echo "$1" >&2; exit 1; }
LD_PRELOAD=$HAK_LIBRARY "$builddir/bench/random-mixed" 100000 256 42
LD_PRELOAD=$HAK_LIBRARY "$builddir/bench/larson" 1 100000 256
if said=$(LD_PRELOAD=$HAK_LIBRARY "$builddir/bench/larson" 2 1000 256 2>&1); then fail "a second thread was started"; fi
printf '%s\n' "$said" | grep -qx 'hakmem\[larson:[0-9]*\]: built with the plain freelist: no second thread' || fail "no reason given: $said"
printf '%s\n' "$said" | grep -qx 'cannot start a thread' || fail "the program was not told: $said"
