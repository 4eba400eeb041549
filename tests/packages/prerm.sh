#!/bin/sh
# SPDX-License-Identifier: MIT
# What the Debian packages' script takes out of /etc/ld.so.preload before the library goes, and
# what it leaves as it is.
# shellcheck disable=SC2154,SC2016,SC2059,SC2015
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
triplet=x86_64-linux-gnu
file=$work/etc/ld.so.preload
sed "s/#PACKAGE#/libhakmem1/; s/#DEB_HOST_MULTIARCH#/$triplet/" "$srcdir/debian/libhakmem1.prerm" |
    sed 's/#PACKAGE#/libhakmem1/g' > "$work/release"
sed 's/libhakmem1/libhakmem1-debug/g' "$work/release" > "$work/debug"
sed 's/libhakmem1/libhakmem1-hardened/g' "$work/release" > "$work/hardened"
mkdir -p "$work/etc" "$work/usr/lib/$triplet" "$work/usr/lib/i386-linux-gnu"
ln -s usr/lib "$work/lib"
for library in libhakmem libhakmem-debug libhakmem-hardened; do
    : > "$work/usr/lib/$triplet/$library.so.1.0.0"
    ln -s $library.so.1.0.0 "$work/usr/lib/$triplet/$library.so.1"
done

# becomes TEXT [WORD]: the file, to what it is after the release library is removed
becomes() {
    rm -f "$file"
    printf "$before" > "$file"
    chmod 640 "$file"
    DPKG_ROOT=$work sh "$work/${variant:-release}" "${2:-remove}" > "$work/said" ||
        fail "exit status $? for '$before'"
    [ ! -e "$file.hakmem-new" ] || fail "leaves a file behind"
    if [ -z "$1" ]; then
        [ ! -e "$file" ] || fail "'$before' is still there: $(cat "$file")"
        return
    fi
    printf "$1" | cmp - "$file" || fail "'$before' became '$(cat "$file")'"
    [ "$(stat -c %a "$file")" = 640 ] || fail "another mode"
    printf "$before" | cmp -s - "$file" || grep -q '^libhakmem1.*: removed ' "$work/said" || fail "silent"
}
before="/usr/lib/$triplet/libhakmem.so.1\n" && becomes ''
before="/usr/lib/$triplet/libhakmem.so.1.0.0" && becomes ''
before="/lib/$triplet/libhakmem.so.1\n/lib/other.so\n" && becomes '/lib/other.so\n'
before='# why\n/lib/other.so\n/usr/$LIB/libhakmem.so.1\n' && becomes '# why\n/lib/other.so\n'
before='/lib/a.so:/usr/$LIB/libhakmem.so.1 /lib/b.so\n' && becomes '/lib/a.so: /lib/b.so\n'
before='libhakmem.so.1 libhakmem.so.1\tlibother.so\n\n' && becomes ' \tlibother.so\n\n'
before='/usr/local/lib/libhakmem.so.1\n/my/libhakmem.so.1\n' && becomes "$before"
before="/usr/lib/$triplet/libhakmem.so.10\n/usr/lib/$triplet/libhakmem-so.1\n" && becomes "$before"
before="/usr/lib/$triplet/libhakmem-debug.so.1\n" && becomes "$before"
variant=debug && becomes ''
before="/usr/lib/$triplet/libhakmem-hardened.so.1\n" && becomes "$before"
variant=hardened && becomes ''
before="/usr/lib/$triplet/libhakmem.so.1\n" && becomes "$before"
variant=release && becomes "$before" upgrade

# a name that serves another architecture too stays while its package is there
: > "$work/usr/lib/i386-linux-gnu/libhakmem.so.1"
before='/usr/$LIB/libhakmem.so.1\n' && becomes "$before"
grep -q 'stays in /etc/ld.so.preload' "$work/said" || fail "does not say that it stays"
before="/usr/lib/i386-linux-gnu/libhakmem.so.1\n" && becomes "$before"
before="/usr/lib/$triplet/libhakmem.so.1\n/usr/lib/i386-linux-gnu/libhakmem.so.1\n"
becomes "/usr/lib/i386-linux-gnu/libhakmem.so.1\n"

# through a link the file stays, empty
rm -f "$work/usr/lib/i386-linux-gnu/libhakmem.so.1" "$file"
echo libhakmem.so.1 > "$work/elsewhere"
ln -s ../elsewhere "$file"
DPKG_ROOT=$work sh "$work/release" remove > /dev/null
[ -L "$file" ] && [ -f "$work/elsewhere" ] && [ ! -s "$work/elsewhere" ] || fail "a link is not followed"
rm "$file"
DPKG_ROOT=$work sh "$work/release" remove || fail "without a file"
