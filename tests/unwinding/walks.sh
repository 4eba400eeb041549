#!/bin/sh
# SPDX-License-Identifier: MIT
# Stacks of many kinds, compiled in many ways: what the profiler records in malloc beside what libunwind
# says in the same place, and beside what gdb says from outside.
set -eu
: "${srcdir:?}" "${builddir:?}" "${HAK_LIBRARY:?}"
skip() { echo "skipped: $1"; exit 77; }
fail() { echo "$1" >&2; exit 1; }
here=$srcdir/tests/unwinding
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset HAKMEM_CONF HAKMEM_DISABLE HAKMEM_CONF_FILE LD_PRELOAD DEBUGINFOD_URLS
words=$(printf '#if defined(__x86_64__) && defined(__LP64__)\nyes\n#endif\n' | ${CC:-cc} -E -P -)
[ "$words" = yes ] || skip "for x86-64"
flags="-g -fno-builtin -pthread -I$srcdir/include"
folder=$(dirname "$HAK_LIBRARY")
ln -s "$HAK_LIBRARY" "$work/libhakmem.so"
libraries="-L$work -lhakmem -Wl,-rpath,$folder"

echo 'int main(void) { return 0; }' > "$work/main.c"
can() { ${CC:-cc} "$work/main.c" -o "$work/main" "$@" 2> "$work/err"; }
# not LLVM's, which has the same names
cat > "$work/unwind.c" << 'END'
#define UNW_LOCAL_ONLY
#include <libunwind.h>
int main(void) { unw_cursor_t cursor; return unw_step(&cursor); }
END
unwind=
${CC:-cc} "$work/unwind.c" -o "$work/unwind" -l:libunwind.so.8 2> "$work/err" && unwind=yes
gdb=
can
if command -v gdb > "$work/out" &&
    timeout 60 gdb -nx -batch -ex 'set startup-with-shell off' -ex 'set disable-randomization off' \
        -ex 'python print(6 * 7)' -ex run "$work/main" 2>&1 | grep -q 'exited normally' &&
    readelf -S "$HAK_LIBRARY" | grep -q '\.debug_info'; then
    gdb=yes
fi
[ -n "$unwind$gdb" ] || skip "neither libunwind nor gdb with what the library was compiled from"

# in_process PROGRAM: beside libunwind
in_process() {
    timeout 60 "$work/$1" > "$work/out" 2>&1 || { cat "$work/out" >&2; fail "$1: ended with $?, or not as libunwind"; }
    echo "$1: ${unwind:+beside libunwind: }$(tail -n 1 "$work/out")"
}
# outside PROGRAM: beside gdb
outside() {
    [ -n "$gdb" ] || return 0
    TAKE_QUICK=1 timeout 120 gdb -nx -batch -x "$here/compare.py" "$work/$1" > "$work/out" 2>&1 || true
    grep -Eq '^gdb: [1-9][0-9]* stacks, .*, 0 differ$' "$work/out" || { cat "$work/out" >&2; fail "$1: not as gdb"; }
    echo "$1: $(tail -n 1 "$work/out")"
}
# c NAME COMPILER FLAG...: the C program
c() {
    name=$1 compiler=$2
    shift 2
    # shellcheck disable=SC2086 # compilers may have options
    $compiler $flags ${unwind:+-DWITH_LIBUNWIND} "$@" -o "$work/$name" "$here/walks.c" "$here/take.c" \
        $libraries ${unwind:+-l:libunwind.so.8} 2> "$work/err" || { cat "$work/err" >&2; fail "$name: does not compile"; }
}
# cxx NAME COMPILER FLAG...: that with exceptions
cxx() {
    name=$1 compiler=$2
    shift 2
    # shellcheck disable=SC2086
    ${CC:-cc} $flags -O2 ${unwind:+-DWITH_LIBUNWIND} -c -o "$work/take.o" "$here/take.c"
    # shellcheck disable=SC2086
    $compiler $flags "$@" -o "$work/$name" "$here/exceptions.cc" "$work/take.o" $libraries ${unwind:+-l:libunwind.so.8} \
        2> "$work/err" || { cat "$work/err" >&2; fail "$name: does not compile"; }
}
both() { in_process "$1"; outside "$1"; }

for compiler in gcc clang; do
    command -v $compiler > "$work/out" || continue
    for level in 0 2 3; do
        c "$compiler-O$level" "$compiler" -O"$level" && both "$compiler-O$level"
    done
    c "$compiler-omit" "$compiler" -O1 -fomit-frame-pointer && both "$compiler-omit"
    c "$compiler-pointer" "$compiler" -O2 -fno-omit-frame-pointer -fstack-protector-all && both "$compiler-pointer"
    # without tables libunwind loses the way that frame pointers lead; and without both the walk has to end
    c "$compiler-pointer-only" "$compiler" -O0 -fno-asynchronous-unwind-tables && outside "$compiler-pointer-only"
    c "$compiler-nothing" "$compiler" -O2 -fno-asynchronous-unwind-tables
    status=0
    timeout 60 "$work/$compiler-nothing" > "$work/out" 2>&1 || status=$?
    [ $status -le 1 ] || fail "$compiler-nothing: ended with $status"
done
c lazy "${CC:-cc}" -O2 -Wl,-z,lazy && both lazy
can -fcf-protection -Wl,-z,ibtplt && c ibt "${CC:-cc}" -O2 -fcf-protection -Wl,-z,lazy -Wl,-z,ibtplt && both ibt
c no-pie "${CC:-cc}" -O2 -no-pie && both no-pie
for linker in lld gold; do
    if can -fuse-ld=$linker; then
        c $linker "${CC:-cc}" -O2 -fuse-ld=$linker -Wl,-z,lazy && both $linker
    fi
done
c stripped "${CC:-cc}" -O2 && strip "$work/stripped" && in_process stripped
for compiler in g++ clang++; do
    command -v $compiler > "$work/out" || continue
    for level in 0 2; do
        cxx "$compiler-O$level" "$compiler" -O"$level" && both "$compiler-O$level"
    done
done
# programs in which the library is
archive=$builddir/libhakmem.a
if [ -e "$archive" ]; then
    unwind=
    for kind in static static-pie; do
        # shellcheck disable=SC2086
        if ${CC:-cc} $flags -O2 -DSTATIC -$kind -Wl,--eh-frame-hdr -o "$work/$kind" "$here/walks.c" "$here/take.c" \
            "$archive" > "$work/err" 2>&1; then
            both $kind
        fi
    done
fi
