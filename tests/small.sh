#!/bin/sh
# SPDX-License-Identifier: MIT
# A small process has at most 96 KiB more anonymous memory than on the system's malloc.
set -eu
anonymous() { LD_PRELOAD=$1 cat /proc/self/status | awk '/^RssAnon/ { print $2 }'; }
median() { for i in 1 2 3 4 5; do anonymous "$1"; done | sort -n | sed -n 3p; }
system=$(median '')
ours=$(median "$HAK_LIBRARY")
echo "system $system KiB, hakmem $ours KiB"
[ "$((ours - system))" -le 96 ]
