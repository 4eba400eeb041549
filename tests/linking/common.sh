# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
# What the tests of linking share: the library installed below $work, pkg-config told of it, and
# the example that says whether it runs on the library.
set -eu
skip() { echo "$1"; exit 77; }
fail() { echo "$1" >&2; exit 1; }
PKG_CONFIG=${PKG_CONFIG:-pkg-config}
command -v "$PKG_CONFIG" > /dev/null || skip "needs pkg-config"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL
# what make takes a variable of the build for
value() { printf 'include Makefile\nvalue:\n\t@echo $(%s)\n' "$1" | make -s -C "$builddir" -f - value; }
install="install-libLTLIBRARIES install-pkgconfigDATA install-hakmemincludeHEADERS"
[ -z "$(value archive_DATA)" ] || install="$install install-archiveDATA"
# shellcheck disable=SC2086
make -s -C "$builddir" DESTDIR="$work" $install > "$work/install.log" 2>&1 ||
    { cat "$work/install.log"; fail "make install fails"; }
# 1 if every free is checked, so that live blocks are told from freed ones, else 0
checks=$(sed -n 's/^#define HAK_CHECKS //p' "$builddir/config.h")
# the usable size of a block of 100 bytes: the hardened variant knows what was asked for
usable=112
! grep -q '^#define HAK_HARDENED 1' "$builddir/config.h" || usable=100
cp "$srcdir"/doc/examples/linking/* "$work/"
chmod -R u+w "$work"
libdir=$(value libdir)
module=$(cd "$work$libdir/pkgconfig" && echo hakmem*.pc)
module=${module%.pc}
export PKG_CONFIG_PATH="$work$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work"
export LD_LIBRARY_PATH="$work$libdir"

# A program that calls nothing of the library by name, and tells whether it runs on it all the same.
cat > "$work/quiet.c" << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    Dl_info info;
    void *function = dlsym(RTLD_DEFAULT, "malloc");
    if (function == NULL || dladdr(function, &info) == 0)
        return EXIT_FAILURE;
    puts(strstr(info.dli_fname, "libhakmem") != NULL ? "in use" : info.dli_fname);
    return EXIT_SUCCESS;
}
END
# flags ARGUMENT ...: what pkg-config says of the library
flags() {
    "$PKG_CONFIG" "$@" "$module"
}

# in_use PROGRAM: it runs on the library, and on that of its own version
in_use() {
    said=$("$1") || fail "$1: exit status $?: $said"
    [ "$said" = "libhakmem $(flags --modversion): in use" ] || fail "$1: $said"
}
