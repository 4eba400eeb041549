#!/bin/sh
# SPDX-License-Identifier: MIT
# What --with-annotations is for: the library is built with it, and memcheck and
# AddressSanitizer report the one error of tests/annotations/wrong.c and none of right.c.
set -eu
skip() { echo "$1"; exit 77; }
valgrind --version > /dev/null 2>&1 || skip "needs valgrind"
CC=${CC:-cc}
# the compiler may hold options
# shellcheck disable=SC2086
echo '#include <valgrind/memcheck.h>' | $CC -E - > /dev/null 2>&1 ||
    skip "needs valgrind/memcheck.h"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -q "HAK_CHECKS 1" "$builddir/config.h" || skip "configured with --disable-checks"
case $srcdir$builddir in *' '*) skip "paths with spaces" ;; esac
unset HAKMEM_CONF_FILE LD_PRELOAD
HAKMEM_CONF=crash_report=0
export HAKMEM_CONF

sed 's/\(#define HAK_ANNOTATIONS\) .*/\1 1/' "$builddir/config.h" > "$work/config.h"
# in the form of debug information that older versions of valgrind read
compile() {
    # shellcheck disable=SC2086
    $CC -std=gnu11 -gdwarf-4 -w -pthread -fno-builtin -I"$work" -I"$srcdir/include" \
        -I"$srcdir/lib" "$@"
}
mkdir "$work/core"
variant=$(sed -n 's/^#define HAK_HARDENED //p' "$builddir/config.h")
find "$srcdir/lib" -name '*.c' ! -name one_thread.c | while read -r source; do
    layer=${source%/*} layer=${layer##*/}
    [ "$layer" != harden ] || [ "$variant" -eq 1 ] || continue
    # two layers may have files of one name
    object=${source##*/} object=${object%.c}.o
    [ "$layer" = api ] || object=$layer-$object
    compile -O1 -fPIC -fvisibility=hidden -c "$source" -o "$work/core/$object" || exit 1
done
$CC -shared -pthread "$work"/core/*.o -o "$work/libhakmem.so"
for name in libc libc_info cxx dlopen deepbind atfork mlockall prctl audit; do rm "$work/core/$name.o"; done
link="-L$work -lhakmem -Wl,-rpath,$work"
programs=$srcdir/tests/annotations

fail() {
    cat "$work/log"
    echo "$1"
    exit 1
}
memcheck() {
    status=0
    valgrind --leak-check=full --log-file="$work/memcheck" "$@" > "$work/out" 2>&1 || status=$?
    cat "$work/memcheck" "$work/out" > "$work/log"
}
says() { grep -q -e "$1" "$work/log" || fail "not said: $1"; }
# clean NAME: memcheck has found nothing
clean() {
    [ "$status" -eq 0 ] || fail "$1: status $status"
    says 'ERROR SUMMARY: 0 errors'
    ! grep -q 'WARNING' "$work/log" || fail "$1: warnings"
    echo "clean: $1"
}
# reports PROGRAM CASE TEXT ...: memcheck reports one error, and says this of it
reports() {
    program=$1 name=$2
    shift 2
    # shellcheck disable=SC2086
    memcheck $options "$program" "$name"
    says 'ERROR SUMMARY: 1 errors from 1 contexts'
    ! grep -q 'WARNING' "$work/log" || fail "$name: warnings"
    for text in "$@"; do says "$text"; done
    echo "reported: ${program##*/} $name"
}
# freed PROGRAM CASE OFFSET SIZE [TEXT ...]: an access to a block that was freed
freed() {
    program=$1 name=$2 where="$3 bytes inside a block of size $4 free.d"
    shift 4
    reports "$program" "$name" 'Invalid \(read\|write\) of size 1' "$where" "$@"
}
# behind PROGRAM CASE SIZE: an access right behind a block
behind() {
    reports "$1" "$2" 'Invalid write of size 1' "0 bytes after a block of size $3 alloc.d"
}
unknown() {
    reports "$1" "$2" 'depends on uninitialised value' "at .*: $2 (.*wrong.c:"
}
lost() {
    reports "$1" "$2" "$3 bytes in 1 blocks are definitely lost" 'by .*: lose (.*wrong.c:'
}
# all that memcheck finds, in a program that the library serves
all_errors() {
    freed "$1" free_small 6 13 'by .*: use_after_free (.*wrong.c:' "Block was alloc'd at"
    freed "$1" free_large 100,000 200,000
    freed "$1" free_elsewhere 1 13 'by .*: free_it (.*wrong.c:'
    freed "$1" moved 0 200,000
    behind "$1" overrun_small 13
    behind "$1" overrun_large 200,000
    behind "$1" overrun_huge 40,000,000
    behind "$1" overrun_aligned 1,000
    unknown "$1" uninitialised
    unknown "$1" uninitialised_grown
    lost "$1" leak_small 13
    lost "$1" leak_large 200,000
    reports "$1" twice 'Invalid free()' '0 bytes inside a block of size 13 free.d' \
        'hakmem\[.*\]: .*free(.*): double free'
}

# the functions of the library
# shellcheck disable=SC2086
compile -O0 "$programs/wrong.c" -o "$work/wrong" $link
# shellcheck disable=SC2086
compile -O1 "$programs/right.c" -o "$work/right" $link
options=
all_errors "$work/wrong"
memcheck "$work/right"
clean right
says 'no leaks are possible'
"$work/right" || fail "without a checker: right"

# the names of the C library: the program runs on this malloc if memcheck does not put its own there
compile -O0 -DTEST_LIBC_NAMES "$programs/wrong.c" -o "$work/names"
LD_PRELOAD=$work/libhakmem.so
export LD_PRELOAD
options=--soname-synonyms=somalloc=nouserintercepts
all_errors "$work/names"
unset LD_PRELOAD

# a sized delete tells of its block once, also where the thread's cache is full
cat > "$work/delete.c" << 'END'
#include <stddef.h>
#if __SIZEOF_LONG__ == 8 && __SIZEOF_SIZE_T__ == 8
#define NEW _Znwm
#define DELETE _ZdlPvm
#else
#define NEW _Znwj
#define DELETE _ZdlPvj
#endif
extern void *NEW(size_t size);
extern void DELETE(void *block, size_t size);
int main(void)
{
    enum { BLOCKS = 5000 };
    static void *block[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        block[i] = NEW(40);
    for (int i = 0; i < BLOCKS; i++)
        DELETE(block[i], 40);
}
END
compile -O1 "$work/delete.c" -o "$work/delete" $link
memcheck $options "$work/delete"
clean 'sized delete'

# blocks that threads hand to each other in all ways
compile -O1 "$srcdir/tests/stress/stress.c" "$work"/core/*.o -o "$work/stress"
for scenario in ring pool stream generations sleepers forks; do
    memcheck "$work/stress" 1 10000 4 $scenario
    clean "stress $scenario"
done

echo 'int main(void) { return 0; }' > "$work/empty.c"
if ! compile -fsanitize=address "$work/empty.c" -o "$work/empty" 2> /dev/null ||
    ! "$work/empty"; then
    echo "no AddressSanitizer"
    exit 0
fi
# shellcheck disable=SC2086
compile -O1 -fsanitize=address "$programs/right.c" -o "$work/right" $link
"$work/right" > "$work/log" 2>&1 || fail "AddressSanitizer: right"
echo "clean with AddressSanitizer: right"
# shellcheck disable=SC2086
compile -O0 -fsanitize=address "$programs/wrong.c" -o "$work/wrong" $link
for name in free_small free_large free_elsewhere moved overrun_small overrun_large \
    overrun_aligned; do
    ! "$work/wrong" $name > "$work/log" 2>&1 || fail "AddressSanitizer: $name not found"
    says 'AddressSanitizer: use-after-poison'
    says '#0 .*[/ ]wrong\(\.c:\|+0x\)' # without a symbolizer the place in the program
    echo "reported by AddressSanitizer: $name"
done
! "$work/wrong" twice > "$work/log" 2>&1 || fail "twice: not found"
says 'hakmem\[.*\]: hak_free(.*): double free'
