#!/bin/sh
# SPDX-License-Identifier: MIT
# Larson, by both command lines, random-mixed, relay and waves with 1, 2, 4, 8 and 16 threads
# (relay from 2 on), linked with the core so that they run under the sanitizers; in debug
# builds with race points.
set -eu
seed=1
for threads in 1 2 4 8 16; do
    for arguments in "larson 1 5 1 1000 100 10000 $threads" "larson $threads 100000 256" \
        "random-mixed 300000 256 42 $threads" "relay $threads 500 500 42" \
        "waves $threads 10 2000 42"; do
        [ "$arguments" != "relay 1 500 500 42" ] || continue
        # shellcheck disable=SC2086
        if ! HAKMEM_CONF=race_seed=$seed "$builddir/tests/stress/"$arguments; then
            echo "failed: $arguments with race_seed=$seed"
            exit 1
        fi
        seed=$((seed + 1))
    done
done
