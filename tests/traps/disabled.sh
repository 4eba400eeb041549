#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that is to run on libc's malloc does so, with every entry point, whoever says so.
. "${srcdir:?}/tests/traps/common.sh"
compile disabled disabled.c -ldl
file=$WORK/hakmem.conf
export HAKMEM_CONF_FILE="$file"

passes 'enabled' "$HAK_LIBRARY" "$WORK/disabled" hakmem
breaks 'enabled is not libc' "$HAK_LIBRARY" "$WORK/disabled" libc
passes 'HAKMEM_DISABLE=1' "$HAK_LIBRARY" env HAKMEM_DISABLE=1 "$WORK/disabled" libc
echo 'exclude = disabled' > "$file"
passes 'excluded' "$HAK_LIBRARY" "$WORK/disabled" libc
echo 'exclude = another' > "$file"
passes 'another excluded' "$HAK_LIBRARY" "$WORK/disabled" hakmem
