# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
# The packages are built and looked at.

packages='libs debug-libs hardened-libs devel static tools'

# package NAME RELEASE: its file
package() {
    echo "$work/rpmbuild/RPMS/$(uname -m)/hakmem-$1-$(cat "$work/version")-1.$2.$(uname -m).rpm"
}

make_tarball() {
    if [ -z "$tarball" ]; then
        mkdir "$work/dist"
        cd "$work/dist" || return
        "$source/configure" -q --disable-static
        make -s dist
        tarball=$(echo "$work"/dist/hakmem-*.tar.xz)
    fi
    cp "$tarball" "$work/"
    tarball=$(echo "$work"/hakmem-*.tar.xz)
    version=${tarball##*/hakmem-}
    echo "${version%.tar.xz}" > "$work/version"
    note "$(basename "$tarball"), $(wc -c < "$tarball") bytes"
}

# run_rpmbuild RELEASE ARGUMENT ...: the data base of rpm knows no packages that it asks for, and
# its script that compresses pages is for a shell that not every system has as sh
run_rpmbuild() {
    release=$1
    shift
    brp_compress=$(rpm --eval %__brp_compress)
    case $brp_compress in
    *brp-compress*) brp_compress="bash $brp_compress" ;;
    *) brp_compress=%nil ;;
    esac
    rpmbuild --nodeps -D "_topdir $work/rpmbuild" -D "dist .$release" \
        -D "__brp_compress $brp_compress" ${check:+--without check} "$@"
}

# As rpmbuild -ta does, which takes the spec file out of the tarball.
build_source() {
    run_rpmbuild 1 -ts "$work"/hakmem-*.tar.xz
    [ "$(find "$work/rpmbuild/SRPMS" -name 'hakmem-*.src.rpm' | wc -l)" -eq 1 ]
    rpm -i -D "_topdir $work/rpmbuild" "$work"/rpmbuild/SRPMS/*.src.rpm
    cmp "$work/rpmbuild/SPECS/hakmem.spec" "$source/rpm/hakmem.spec"
}

build_binary() {
    run_rpmbuild 1 --noclean -ba "$work/rpmbuild/SPECS/hakmem.spec"
    for name in $packages; do
        [ -s "$(package "$name" 1)" ] || fail "no $name"
    done
    find "$work/rpmbuild/RPMS" -name '*.rpm' ! -name '*debug[is]*' > "$work/built"
    [ "$(wc -l < "$work/built")" -eq 5 ] || fail "not five packages: $(cat "$work/built")"
    [ -z "$output" ] || find "$work/rpmbuild" -name '*.rpm' -exec cp {} "$output/" \;
    # the tests print these of each variant
    sed -n 's/^# \([A-Z]*: *[1-9][0-9]*\)$/note: tests: \1/p' "$work"/log/*build_binary
}

# What was built is packed once more, as a later release.
build_next() {
    check=no
    run_rpmbuild 2 -bb --noprep "$work/rpmbuild/SPECS/hakmem.spec"
    for name in $packages; do
        [ -s "$(package "$name" 2)" ] || fail "no $name"
    done
}

build_packages() {
    step "the release tarball" make_tarball
    must
    step "rpmbuild takes the spec file from it" build_source
    must
    with=with
    [ -z "$check" ] || with=without
    step "rpmbuild -ba, $with the tests" build_binary
    must
    step "a later release" build_next
    must
}

run_rpmlint() {
    rpmlint -c "$source/rpm/rpmlint.toml" "$source/rpm/hakmem.spec" "$work"/rpmbuild/SRPMS/*.rpm \
        "$work"/rpmbuild/RPMS/*/*-1.1.*.rpm | tee "$work/rpmlint"
    # the colours are those of its summary
    if grep -E ': [EWI]: ' "$work/rpmlint"; then fail "rpmlint has something to say"; fi
    grep -qE ' 0 errors, 0 warnings' "$work/rpmlint"
    note "$(grep -o '[0-9]* packages.*warnings' "$work/rpmlint")"
}

# asks NAME WHAT PATTERN: a line of what rpm -q WHAT says of the package
asks() {
    rpm -qp "$2" "$(package "$1" 1)" | grep -xE "$3" ||
        fail "hakmem-$1: $2 has no $3: $(rpm -qp "$2" "$(package "$1" 1)")"
}

asks_not() {
    if rpm -qp "$2" "$(package "$1" 1)" | grep -E "$3"; then fail "hakmem-$1: $2 has $3"; fi
}

dependencies() {
    isa=$(rpm --eval '%{?_isa}' | sed 's/[()]/\\&/g')
    this="$(cat "$work/version")-1\\.1"
    asks devel --requires "hakmem-libs$isa = $this"
    asks devel --requires "hakmem-debug-libs$isa = $this"
    asks devel --requires "hakmem-hardened-libs$isa = $this"
    asks static --requires "hakmem-devel$isa = $this"
    asks tools --requires "hakmem-libs$isa = $this"
    # for hakmem profile: names of functions, and compression
    asks tools --requires 'libdw\.so\.1\(.*'
    asks tools --requires 'libz\.so\.1\(.*'
    # for hakmem top
    asks tools --requires 'libncursesw\.so\.6\(.*'
    asks libs --provides 'libhakmem\.so\.1\(\).*'
    asks debug-libs --provides 'libhakmem-debug\.so\.1\(\).*'
    asks hardened-libs --provides 'libhakmem-hardened\.so\.1\(\).*'
    asks_not libs --provides 'libhakmem-(debug|hardened)'
    asks_not debug-libs --provides 'libhakmem\.so'
    asks_not hardened-libs --provides 'libhakmem\.so'
    asks devel --provides 'pkgconfig\(hakmem\) = .*'
    asks devel --provides 'pkgconfig\(hakmem-debug\) = .*'
    asks devel --provides 'pkgconfig\(hakmem-hardened\) = .*'
    for name in $packages; do
        asks_not "$name" --requires '/usr/bin/env|/usr/lib/libhakmem|libcheck|perl|python'
        asks_not "$name" --list '\.la$|/lib64/.*/rpath'
        [ "$(rpm -qp --qf '%{LICENSE}' "$(package "$name" 1)")" = MIT ]
    done
    for name in libs debug-libs hardened-libs; do
        # nothing but the C library, so that it can be under every program
        others=$(rpm -qp --requires "$(package $name 1)" |
            grep -vE '^(libc\.so|rtld\(|rpmlib\(|ld-linux)') || :
        [ -z "$others" ] || fail "hakmem-$name: requires $others"
        asks $name --scripts 'preuninstall scriptlet \(using <lua>\):'
        [ "$(rpm -qp --scripts "$(package $name 1)" | grep -c scriptlet)" -eq 1 ]
        [ "$(rpm -qp --licensefiles "$(package $name 1)" | wc -l)" -eq 1 ]
    done
    for name in devel static tools; do asks_not $name --scripts .; done
}

unpack() {
    mkdir "$work/unpacked"
    cd "$work/unpacked" || return
    for name in $packages; do rpm2cpio "$(package "$name" 1)" | cpio -idm --quiet; done
}

files() {
    unpack
    libdir=.$(rpm --eval %_libdir)
    for file in "$libdir"/libhakmem*.so.1.*.* usr/bin/hakmem usr/sbin/hakmem-static; do
        readelf -d "$file" > "$work/dynamic"
        if grep -E 'R(UN)?PATH' "$work/dynamic"; then fail "$file has a path to libraries"; fi
        if grep -a -l "$work" "$file"; then fail "$file names the folder where it was built"; fi
    done
    for variant in '' -debug -hardened; do
        readelf -d "$libdir/libhakmem$variant.so.1" | grep "SONAME.*\[libhakmem$variant\.so\.1\]"
        [ -L "$libdir/libhakmem$variant.so" ]
        ar t "$libdir/libhakmem$variant.a"
        grep "^libdir=$(rpm --eval %_libdir)\$" "$libdir/pkgconfig/hakmem$variant.pc"
    done
    if readelf -l usr/sbin/hakmem-static | grep INTERP; then fail "hakmem-static is dynamic"; fi
    for page in man1/hakmem.1 man1/hakmem-map.1 man1/hakmem-profile.1 man1/hakmem-heap.1 man1/hakmem-leaks.1 man1/hakmem-snapshot.1 man3/hakmem.3 man5/hakmem.conf.5 \
        man7/hakmem.7 man7/hakmem-hardening.7 man7/hakmem-messages.7 man8/hakmem-preload.8 man8/hakmem-static.8; do
        [ -s usr/share/man/$page.gz ] || fail "no $page.gz"
    done
}

inspect_packages() {
    step "rpmlint" run_rpmlint
    step "requirements, provisions, scriptlets" dependencies
    step "files: run paths, sonames, pages" files
}
