#!/bin/sh
# SPDX-License-Identifier: MIT
# make dist leaves an archive or nothing: where tar or xz fails, it fails as well.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# dist [VARIABLE=VALUE]: of a folder with one file, in the place of the project's
dist() {
    mkdir -p "$work/folder"
    echo text > "$work/folder/file"
    env -u MAKEFLAGS -u MAKELEVEL "$@" "${MAKE:-make}" -s -C "$builddir" -o distdir dist-xz distdir="$work/folder" \
        > "$work/log" 2>&1
}
dist || fail "no archive is made: $(cat "$work/log")"
tar -tf "$work/folder.tar.xz" 2> "$work/log" | grep -q 'folder/file$' || fail "not in the archive: the file"
mkdir "$work/bin"
printf '#!/bin/sh\nexit 3\n' > "$work/bin/xz"
chmod +x "$work/bin/xz"
for broken in TAR=false "PATH=$work/bin:$PATH"; do
    if dist "$broken"; then fail "$broken: does not fail"; fi
    left=$(find "$work" -name 'folder.tar*')
    [ -z "$left" ] || fail "$broken: leaves $left"
done
