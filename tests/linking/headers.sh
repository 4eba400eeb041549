#!/bin/sh
# SPDX-License-Identifier: MIT
# The header compiles alone, first and twice, as each C and C++ that its users may have, with the
# attributes of GNU C and without; C++ programs look for the names of C.
# shellcheck disable=SC2154,SC2086
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/alone.c" << 'END'
#include <hakmem/hakmem.h>
#include <hakmem/hakmem.h>

int use(void *block, const void *address, char *text, const char *key);
int use(void *block, const void *address, char *text, const char *key)
{
    size_t size = hak_good_size(HAK_MIN_ALIGNMENT) + hak_usable_size(address);
    bool yes = hak_owns(address) || hak_purge();
    void *blocks[6] = {hak_malloc(size), hak_calloc(size, size), hak_realloc(block, size),
                       hak_reallocarray(block, size, size), hak_aligned_alloc(size, size), block};
    int sum = hak_posix_memalign(blocks, size, size) + hak_stats_print(1, HAK_STATS_TEXT) +
              hak_stats_print(1, HAK_STATS_JSON) + hak_option_get(key, text, size) +
              hak_option_set(key, hak_version());
    hak_free(blocks[1]);
    hak_free_sized(blocks[2], size);
    hak_free_aligned_sized(blocks[3], size, size);
    return yes ? sum : 0;
}
END
cp "$work/alone.c" "$work/alone.cc"
names=$(sed -n 's/^HAK_API .*\(hak_[a-z_]*\)(.*/\1/p' "$srcdir/include/hakmem/hakmem.h" | sort)
strict="-Wall -Wextra -pedantic -Wshadow -Wconversion -Wundef -Werror"
# compiles COMPILER STANDARD SUFFIX INCLUDES: with the program looking for just these functions
compiles() {
    for without in '' -U__GNUC__; do
        $1 -std=$2 $strict $without -I"$4" -c -o "$work/alone.o" "$work/alone.$3" || return 1
        used=$(${NM:-nm} -u "$work/alone.o" | sed -n 's/.* \(hak_[a-z_]*\)$/\1/p' | sort)
        [ "$used" = "$names" ] || { echo "looks for $used"; return 1; }
    done
}
count=0
# try COMPILER STANDARD SUFFIX: if the compiler is here and knows the standard
try() {
    command -v "${1%% *}" > /dev/null || return 0
    : > "$work/empty.$3"
    $1 -std=$2 -c -o "$work/empty.o" "$work/empty.$3" 2> /dev/null ||
        { echo "$1 has no $2"; return 0; }
    compiles "$1" $2 $3 "$srcdir/include" || fail "$1 -std=$2 refuses the header"
    count=$((count + 1))
}
for standard in c99 c11 c17 c2x gnu11; do
    for compiler in "$CC" gcc clang; do try "$compiler" $standard c; done
done
for standard in c++11 c++14 c++17 c++20 c++2b; do
    for compiler in g++ clang++; do try $compiler $standard cc; done
done
echo "$count times"
[ $count -gt 0 ] || { echo "no compiler"; exit 77; }

# faulty EDIT COMPILER STANDARD SUFFIX: a header with this fault is refused
mkdir -p "$work/hakmem"
faulty() {
    command -v "${2%% *}" > /dev/null || return 0
    sed "$1" "$srcdir/include/hakmem/hakmem.h" > "$work/hakmem/hakmem.h"
    ! cmp -s "$srcdir/include/hakmem/hakmem.h" "$work/hakmem/hakmem.h" || fail "changes nothing: $1"
    ! compiles "$2" $3 $4 "$work" > /dev/null 2>&1 || fail "$2 takes the header with $1"
}
faulty 's/hak_owns(const void \*address)/hak_owns(const *address)/' "$CC" c11 c
faulty '/include <stddef.h>/d' "$CC" c11 c
faulty '/include <stdbool.h>/d' "$CC" c11 c
faulty 's/^#ifndef HAKMEM_HAKMEM_H/#if 1/' "$CC" c11 c
faulty 's/^typedef enum/typedef int none[0];\n&/' "$CC" c11 c
faulty 's/^#define HAK_ATTR_MALLOC$//' "$CC" c11 c
faulty '/hak_version(/d' "$CC" c11 c
faulty 's/void \*block/void *new/' g++ c++11 cc
faulty 's/^extern "C" {/extern "C++" {/' g++ c++11 cc
