#!/bin/sh
# SPDX-License-Identifier: MIT
# Under user-mode emulation madvise may say that it gave memory back and not have done it.
. "${srcdir:?}/tests/traps/common.sh"
qemu=qemu-$(uname -m)
command -v "$qemu" > /dev/null || skip "no $qemu"
compile emulated emulated.c
passes 'not emulated' "$HAK_LIBRARY" "$WORK/emulated"
# what qemu itself runs on is not the question
"$qemu" -version | head -n 1
passes 'emulated' '' "$qemu" -E "LD_PRELOAD=$HAK_LIBRARY" "$WORK/emulated"
