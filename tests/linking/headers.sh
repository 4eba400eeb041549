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

static bool visit(const hak_block_info_t *block, void *context)
{
    return block->kind == HAK_BLOCK_SMALL && block->state == HAK_BLOCK_LIVE && context != NULL;
}

static bool try_again(size_t size)
{
    return size > hak_limit_get(HAK_LIMIT_SOFT);
}

static void tell(const char *message)
{
    (void)message;
}

static int look(const void *address, void *context)
{
    const void *where = NULL;
    hak_block_info_t block;
    hak_stats_t stats;
    hak_class_stats_t class_stats;
    hak_option_info_t option;
    block.struct_size = sizeof block;
    stats.struct_size = sizeof stats;
    class_stats.struct_size = sizeof class_stats;
    option.struct_size = sizeof option;
    bool right = hak_check(&where) == NULL && where == NULL;
    return hak_block_info(address, &block) + hak_heap_walk(visit, context) + hak_stats_get(&stats) +
           hak_class_stats_get(0, &class_stats) + hak_option_info(0, &option) + (right ? 1 : 0);
}

static size_t control(void *block, void **blocks, size_t size)
{
    size_t count = hak_alloc_batch(size, size, blocks);
    hak_oom_handler_t *oom = hak_oom_handler_set(try_again);
    hak_error_handler_t *error = hak_error_handler_set(tell);
    hak_free_batch(blocks, count);
    hak_thread_flush();
    if (hak_limit_set(HAK_LIMIT_HARD, size) != 0 || oom != NULL || error != NULL)
        return 0;
    return hak_resize_in_place(block, 0, size) + hak_purge(HAK_PURGE_THREAD, 0) +
           hak_purge(HAK_PURGE_PROCESS, 10);
}

static int profile(int fd)
{
    hak_profile_reset();
    int sum = hak_secret_renew() + hak_profile_start(1 << 19) +
              hak_profile_write(fd, HAK_PROFILE_PEAK, HAK_PROFILE_HEAP_V2);
    hak_profile_stop();
    return sum;
}

int use(void *block, const void *address, char *text, const char *key);
int use(void *block, const void *address, char *text, const char *key)
{
    size_t size = hak_good_size(HAK_MIN_ALIGNMENT) + hak_usable_size(address);
    void *blocks[7] = {hak_malloc(size), hak_calloc(size, size), hak_realloc(block, size),
                       hak_reallocarray(block, size, size), hak_aligned_alloc(size, size), block,
                       hak_alloc(size, HAK_ALLOC_ZERO | HAK_ALLOC_NO_CACHE | hak_alloc_align(64))};
    int sum = hak_posix_memalign(blocks, size, size) + hak_stats_print(1, HAK_STATS_TEXT) +
              hak_stats_print(1, HAK_STATS_JSON) + hak_option_get(key, text, size) +
              hak_option_set(key, hak_version()) + look(address, block) + profile(1);
    hak_free(blocks[1]);
    hak_free_sized(blocks[2], size);
    hak_free_aligned_sized(blocks[3], size, size);
    return hak_owns(address) || control(block, blocks, 7) > 0 ? sum : 0;
}
END
cp "$work/alone.c" "$work/alone.cc"
names=$(sed -n 's/^HAK_API .*\(hak_[a-z_]*\)(.*/\1/p' "$srcdir/include/hakmem/hakmem.h" | sort)
strict="-Wall -Wextra -pedantic -Wshadow -Wconversion -Wundef -Werror"
# compiles COMPILER STANDARD SUFFIX INCLUDES: with the program looking for just these functions, and
# none of the header's own made known to others
compiles() {
    for without in '' -U__GNUC__; do
        $1 -std=$2 $strict $without -I"$4" -c -o "$work/alone.o" "$work/alone.$3" || return 1
        used=$(${NM:-nm} -u "$work/alone.o" | sed -n 's/.* \(hak_[a-z_]*\)$/\1/p' | sort)
        [ "$used" = "$names" ] || { echo "looks for $used"; return 1; }
        ! ${NM:-nm} "$work/alone.o" | grep ' T hak_' || return 1
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
faulty '/include <stdint.h>/d' "$CC" c11 c
faulty 's/^#ifndef HAKMEM_HAKMEM_H/#if 1/' "$CC" c11 c
faulty 's/^typedef enum/typedef int none[0];\n&/' "$CC" c11 c
faulty 's/^#define HAK_ATTR_MALLOC$//' "$CC" c11 c
faulty '/hak_version(/d' "$CC" c11 c
faulty 's/static inline unsigned/unsigned/' "$CC" c11 c
faulty 's/hak_block_kind_t kind;/hak_block_kind_t class;/' g++ c++11 cc
faulty 's/void \*block/void *new/' g++ c++11 cc
faulty 's/^extern "C" {/extern "C++" {/' g++ c++11 cc
