#!/bin/sh
# SPDX-License-Identifier: MIT
# The binary interface is the recorded one, and a change of it would be seen.
# shellcheck disable=SC2154
set -eu
check=$srcdir/tools/dev/check-abi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
"$check" "$srcdir" "$HAK_LIBRARY" > "$work/out" 2>&1 || status=$?
cat "$work/out"
[ $status -eq 0 ] || exit $status

# planted PATTERN SCRIPT: what the check says to a record that sed has changed
planted() {
    sed "$2" "$srcdir"/tests/abi/libhakmem-*.abi > "$work/other.abi"
    if "$check" --recorded "$work/other.abi" "$srcdir" "$HAK_LIBRARY" > "$work/out" 2>&1 ||
        ! grep -q "$1" "$work/out"; then
        cat "$work/out"
        echo "not seen: $2"
        exit 1
    fi
}
size=$(sed -n "s/.*type-decl name='unsigned long int' .*id='\([0-9a-f]*\)'.*/\1/p" \
    "$srcdir"/tests/abi/*.abi)
int=$(sed -n "s/.*type-decl name='int' .*id='\([0-9a-f]*\)'.*/\1/p" "$srcdir"/tests/abi/*.abi)
[ -n "$size" ] && [ -n "$int" ]
planted 'changed under the name' \
    "/function-decl name='hak_stats_print'/,/<return/s/type-id='$int'/type-id='$size'/"
planted 'The interface grew' "/elf-symbol name='hak_version'/d"
planted 'changed under the name' \
    "/class-decl name='hak_stats'/,/class-decl>/s/layout-offset-in-bits='128'/layout-offset-in-bits='64'/"
