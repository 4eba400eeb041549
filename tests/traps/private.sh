#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs that bring their own malloc, or their own operators of C++. What they do not define is
# the library's, and must go where theirs go.
. "${srcdir:?}/tests/traps/common.sh"

compile private.o private.c -c
command -v "${CXX:=c++}" > /dev/null || skip "no C++ compiler"
compile_cxx() {
    _output=$WORK/$1
    shift
    # CXX may hold options
    # shellcheck disable=SC2086
    $CXX -std=c++17 -O1 -g -fno-builtin -Wall -o "$_output" "$@"
}
compile_library naive.so naive.c
compile_cxx private "$srcdir/tests/traps/private.cc" "$WORK/private.o"
compile_cxx exported "$srcdir/tests/traps/private.cc" "$WORK/private.o" -rdynamic
compile_cxx operators "$srcdir/tests/traps/operators.cc"
compile_cxx arrays "$srcdir/tests/traps/operators.cc" -DARRAYS

for program in private exported operators arrays; do
    passes "$program on libc" '' "$WORK/$program"
    peers '' "$WORK/$program"
    passes "$program on libhakmem" "$HAK_LIBRARY" "$WORK/$program"
done
breaks 'naive' "$WORK/naive.so" "$WORK/private"
