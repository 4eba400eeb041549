#!/bin/sh
# SPDX-License-Identifier: MIT
# The header compiles alone, first and twice, as each C and C++ that its users may have.
# shellcheck disable=SC2154,SC2086
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/alone.c" << 'END'
#include <hakmem/hakmem.h>
#include <hakmem/hakmem.h>

int use(void);
int use(void)
{
    void *block = hak_malloc(HAK_MIN_ALIGNMENT);
    bool ours = hak_owns(block);
    hak_free(block);
    return ours ? hak_stats_print(1, HAK_STATS_JSON) : 0;
}
END
cp "$work/alone.c" "$work/alone.cc"
strict="-Wall -Wextra -pedantic -Wshadow -Wconversion -Wundef -Werror -I$srcdir/include"
count=0
# compiles COMPILER STANDARD FILE: if the compiler is here and knows the standard
compiles() {
    command -v "$1" > /dev/null || return 0
    echo | $1 -std=$2 -x "$4" -fsyntax-only - 2> /dev/null || { echo "$1 has no $2"; return 0; }
    $1 -std=$2 $strict -fsyntax-only "$3"
    count=$((count + 1))
}
for compiler in gcc clang; do
    for standard in c99 c11 c17 c2x gnu11; do
        compiles $compiler $standard "$work/alone.c" c
    done
done
for compiler in g++ clang++; do
    for standard in c++11 c++14 c++17 c++20 c++2b; do
        compiles $compiler $standard "$work/alone.cc" c++
    done
done
echo "$count times"
[ $count -gt 0 ] || { echo "no compiler"; exit 77; }
# a fault in it would be seen
mkdir -p "$work/hakmem"
sed 's/hak_owns(const void \*address)/hak_owns(const *address)/' "$srcdir/include/hakmem/hakmem.h" \
    > "$work/hakmem/hakmem.h"
! $CC -std=c11 -Wall -Werror -I"$work" -fsyntax-only "$work/alone.c" 2> /dev/null
