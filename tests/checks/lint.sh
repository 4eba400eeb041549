#!/bin/sh
# SPDX-License-Identifier: MIT
# mandoc(1) has nothing against the manual pages, and would have.
set -eu
command -v mandoc > /dev/null || { echo "skipped: no mandoc"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# lint FILE ...: lines are as long as in the rest of the tree, the pages referred to may not be
# installed here, and examples of commands have a "--" of their own
lint() {
    status=0
    mandoc -Tlint -W style "$@" > "$work/all" 2> /dev/null || status=$?
    [ $status -lt 5 ] || { echo "mandoc fails: $status"; exit 1; }
    ! grep -v -e 'STYLE: input text line longer than' -e 'STYLE: referenced manual not found' \
        -e 'STYLE: verbatim "--"' "$work/all"
}
for page in "$srcdir"/man/*.[1-8]; do
    grep -q '^\.so ' "$page" || lint "$page"
done
for fault in '/^\.Os/d' 's/^\.Nd/.Nx/' 's/^\.El//' 's/^\.Sh DESC.*/&\n\n/' 's/^\.Fa size$/& /' \
    's/^\.Xr hak_free_sized 3 ,/.Xr hak_free_sized 3/'; do
    sed "$fault" "$srcdir/man/hak_malloc.3" > "$work/hak_malloc.3"
    ! cmp -s "$srcdir/man/hak_malloc.3" "$work/hak_malloc.3" || {
        echo "changes nothing: $fault"
        exit 1
    }
    ! lint "$work/hak_malloc.3" > /dev/null || { echo "not found: $fault"; exit 1; }
done
