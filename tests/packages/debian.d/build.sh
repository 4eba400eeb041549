# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# The packages are built, looked at, and built for other machines.

release=$version-1
names="libhakmem1 libhakmem1-debug libhakmem1-hardened libhakmem-dev hakmem-tools"

apt_get() {
    in_tree apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

# What builds Debian packages, and what the control file asks for; the builder is nobody special.
prepare_build() {
    apt_get update
    apt_get install build-essential fakeroot blhc lintian
    in_tree useradd -m builder
    cp "$tarball" "$tree/home/builder/hakmem_$version.orig.tar.xz"
    script_in_tree "cd /home/builder && tar xf hakmem_$version.orig.tar.xz"
    apt_get build-dep "/home/builder/hakmem-$version"
    in_tree chown -R builder: /home/builder
}

# as_builder SCRIPT: with as much time as the tests of a build need
as_builder() {
    timeout -k 5 3600 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TERM=dumb \
        chroot "$tree" runuser -u builder -- sh -c "cd && export HOME=\$PWD && $1" < /dev/null
}

build_here() {
    as_builder "cd hakmem-$version &&
        DEB_BUILD_OPTIONS='parallel=$(nproc) ${nocheck:+nocheck}' dpkg-buildpackage -us -uc" \
        > "$work/log/build.log" 2>&1 || {
        grep -E '^(FAIL|ERROR)' "$work/log/build.log" || true
        tail -n 60 "$work/log/build.log"
        return 1
    }
    for package in $names; do
        [ -e "$tree/home/builder/${package}_${release}_amd64.deb" ] || fail "no $package"
    done
    note "$(grep -c '^PASS:' "$work/log/build.log" || true) tests passed in the build," \
        "$(grep -c '^SKIP:' "$work/log/build.log" || true) skipped"
}

# A second build from the same source has the same bytes.
build_again() {
    as_builder "mkdir first && mv *.deb first/ && rm -rf hakmem-$version &&
        mkdir -p other/place && tar -C other/place -xf hakmem_$version.orig.tar.xz &&
        cp hakmem_$version.orig.tar.xz other/place/ && cd other/place/hakmem-$version &&
        DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b" > "$work/log/again.log" 2>&1 ||
        { tail -n 40 "$work/log/again.log"; return 1; }
    as_builder "mv other/place/hakmem-$version . && mv first/*.deb . &&
        for package in *.deb; do cmp \$package other/place/\$package || exit 1; done"
}

# no_tag COMMAND ...: it ends well and says nothing
no_tag() {
    said=$(in_tree "$@" 2>&1) || { printf '%s\n' "$said"; return 1; }
    printf '%s\n' "$said"
    [ -z "$said" ]
}

lintian_is_silent() {
    no_tag lintian --allow-root --pedantic -EI "/home/builder/hakmem_${release}_amd64.changes"
}

# That a tag would be seen: a package without its overrides has some.
lintian_can_complain() {
    ! in_tree lintian --allow-root --no-override --fail-on error,warning,info,pedantic \
        "/home/builder/libhakmem1-debug_${release}_amd64.deb"
}

blhc_is_silent() {
    cp "$work/log/build.log" "$tree/root/build.log"
    no_tag blhc /root/build.log
}

# take_packages DIR: from a run before
take_packages() {
    step "a Debian tree from $mirror" place_tree
    must
    step "mounts in a namespace of its own" mount_in_tree
    must
    mkdir -p "$tree/home/builder"
    cp "$1"/* "$tree/home/builder/"
    in_tree apt-get -q update > /dev/null
}

build_packages() {
    step "a Debian tree from $mirror" place_tree
    must
    step "mounts in a namespace of its own" mount_in_tree
    must
    step "what the build needs, and a user to build" prepare_build
    must
    step "dpkg-buildpackage from the archive${nocheck:+, without tests}" build_here
    must
    step "built again elsewhere: the same bytes" build_again
    step "lintian has no tag to give" lintian_is_silent
    step "lintian would give some without the overrides" lintian_can_complain
    step "blhc finds no flag missing" blhc_is_silent
}

# build_for ARCHITECTURE
build_for() {
    in_tree dpkg --add-architecture "$1"
    apt_get update
    # the C library itself, for dpkg-shlibdeps
    apt_get install "crossbuild-essential-$1" "libc6-dev:$1"
    # the tests' programs do not run here, and so what they need is not asked for
    apt_get build-dep --host-architecture "$1" -Pcross,nocheck "/home/builder/hakmem-$version"
    as_builder "cd hakmem-$version &&
        DEB_BUILD_OPTIONS='parallel=$(nproc) nocheck' dpkg-buildpackage -a$1 -Pcross,nocheck -us -uc -b" \
        > "$work/log/build-$1.log" 2>&1 || { tail -n 60 "$work/log/build-$1.log"; return 1; }
    for package in $names; do
        [ -e "$tree/home/builder/${package}_${release}_$1.deb" ] || fail "no $package"
    done
    no_tag lintian --allow-root --pedantic -EI "/home/builder/hakmem_${release}_$1.changes"
}

# What of the tests runs on any machine, also in an emulator: that of threads fails there without
# the library as well, those of misuse and of memory ask what an emulator does not answer.
test_programs="semantics contents stages signals"

# unpack_foreign ARCHITECTURE TRIPLET: the libraries and the command, and test programs, in /root
unpack_foreign() {
    in_tree mkdir -p "/root/$1/tests"
    for package in libhakmem1 libhakmem1-debug libhakmem1-hardened hakmem-tools; do
        in_tree dpkg-deb -x "/home/builder/${package}_${release}_$1.deb" "/root/$1"
    done
    for program in $test_programs; do
        from=tests/preload/$program.c
        [ "$program" != contents ] || from='-DTEST_LIBC_NAMES tests/unit/contents_test.c'
        script_in_tree "cd /home/builder/hakmem-$version &&
            $2-gcc -std=gnu11 -O1 -fno-builtin -w -pthread -Iinclude -Ilib -Idebian/build-release \
                $from -o /root/$1/tests/$program"
    done
}

# run_foreign ARCHITECTURE FOLDER START ...: both libraries under these programs; START is what
# starts one, and takes an environment variable at its end
run_foreign() {
    architecture=$1 folder=/root/$1/usr/lib/$2
    shift 2
    for variant in '' -debug -hardened; do
        preload=LD_PRELOAD=$folder/libhakmem$variant.so.1
        for program in $test_programs; do
            in_tree "$@" "$preload" "/root/$architecture/tests/$program"
        done
        in_tree "$@" "$preload" "/root/$architecture/usr/bin/hakmem" selftest
    done
    note "by $1: $test_programs, selftest, on both variants"
}

# Where the kernel has no 32-bit programs an emulator runs them.
run_i386() {
    apt_get install libc6:i386
    unpack_foreign i386 i686-linux-gnu
    if in_tree /root/i386/usr/bin/hakmem --version; then
        run_foreign i386 i386-linux-gnu env
    else
        apt_get install qemu-user
        run_foreign i386 i386-linux-gnu qemu-i386 -E
    fi
}

run_arm64() {
    apt_get install qemu-user libc6:arm64
    unpack_foreign arm64 aarch64-linux-gnu
    # no -L: the loader in the cross compiler's folder need not be that of the C library installed
    run_foreign arm64 aarch64-linux-gnu qemu-aarch64 -E
}

# For --packages of another run.
give_packages() {
    cp "$tree"/home/builder/hakmem_* "$tree"/home/builder/*.deb "$output/"
}

build_for_others() {
    step "the packages for i386" build_for i386
    step "the i386 library under 32-bit programs" run_i386
    step "the packages for arm64" build_for arm64
    step "the arm64 library under programs in an emulator" run_arm64
    [ -z "$output" ] || step "the packages are in $output" give_packages
}
