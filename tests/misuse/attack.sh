#!/bin/sh
# SPDX-License-Identifier: MIT
# The attacks of attack.h, with some seeds each (HAK_ATTACK_SEEDS): no attempt gets a chosen address
# out of malloc.
set -u
seeds=${HAK_ATTACK_SEEDS:-20}
unset HAKMEM_DISABLE HAKMEM_CONF_FILE
export HAKMEM_CONF=crash_report=0
failed=0 skipped=0 tried=0
for attack in link mark life fake large; do
    program=$builddir/tests/misuse/attack-$attack
    seed=1
    while [ "$seed" -le "$seeds" ]; do
        status=0
        LD_PRELOAD=$HAK_LIBRARY "$program" "$seed" || status=$?
        # where blocks lie at random, what an attack needs may not come about
        case $status:$HAK_LIBRARY in
        0:*) ;;
        2:*-hardened.so*) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
        esac
        tried=$((tried + 1)) seed=$((seed + 1))
    done
done
echo "$tried attacks, $skipped skipped, $failed not as they should be"
[ "$failed" -eq 0 ] && [ "$tried" -gt "$skipped" ]
