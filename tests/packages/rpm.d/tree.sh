# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
# An empty root, and a package of this system's C library and of some programs to put in it.

programs='sh cat ls grep sed sort awk find id date env sleep true'

base_object() {
    for object; do
        target=$work/base/usr/lib64/$(basename "$object")
        [ -e "$target" ] || install -m 755 "$object" "$target"
    done
}

make_base() {
    mkdir -p "$work/base/usr/lib64" "$work/base/usr/bin" "$work/base/usr/sbin" "$work/base/etc" \
        "$work/base/proc" "$work/base/dev" "$work/base/root" "$work/base/tmp"
    # those that are a distribution's own
    mkdir -p "$work/base/usr/include" "$work/base/usr/lib" "$work/base/usr/lib64/pkgconfig" \
        "$work/base/usr/share/bash-completion/completions" "$work/base/usr/share/doc" \
        "$work/base/usr/share/licenses"
    for section in 1 3 5 7 8; do mkdir -p "$work/base/usr/share/man/man$section"; done
    for folder in bin sbin lib64; do ln -s usr/$folder "$work/base/$folder"; done
    for program in $programs; do
        file=$(command -v "$program")
        case $file in /*) ;; *) file=$(env which "$program") ;; esac
        install -m 755 "$file" "$work/base/usr/bin/$program"
        # shellcheck disable=SC2046
        base_object $(ldd "$file" | grep -o '/[^ ]*')
    done
    base_object "$(gcc -print-file-name=libm.so.6)"
    # those of hakmem-tools: libdw, zlib, ncurses, and what these need
    # shellcheck disable=SC2046
    base_object $(ldd "$work/unpacked/usr/bin/hakmem" | grep -o '/[^ ]*')
    install -m 755 "$(command -v ldconfig)" "$work/base/usr/sbin/ldconfig"
    echo /usr/lib64 > "$work/base/etc/ld.so.conf"
    echo root:x:0:0:root:/root:/bin/sh > "$work/base/etc/passwd"
    cat > "$work/base.spec" << END
%global __os_install_post %{nil}
%global __requires_exclude .*
Name: base
Version: 1
Release: 1
Summary: a C library and some programs
License: several
Provides: rtld(GNU_HASH)
Provides: /usr/bin/pkg-config
%description
Of the system that it was built on.
%install
cp -a $work/base/. %{buildroot}/
%post -p <lua>
rpm.execute("/usr/sbin/ldconfig")
%files
/*
END
    rpmbuild --nodeps -D "_topdir $work/base-build" -D "_build_id_links none" -bb "$work/base.spec"
    base=$(find "$work/base-build/RPMS" -name '*.rpm')
    note "the C library: a package of this system's $(getconf GNU_LIBC_VERSION)," \
        "which provides $(rpm -qp --provides "$base" | grep -c '^libc\.so') versions of it," \
        "rtld(GNU_HASH), and in name /usr/bin/pkg-config"
    "$source/tools/dev/make-repo" "$work/repo" "$base" "$work"/rpmbuild/RPMS/*/hakmem-*-1.1.*.rpm
    # dnf runs on this system, whose libraries are where this one looks for them
    rpm -qp --provides "$base" | grep 'libc.so.6()'
}

in_dnf() {
    dnf -y --installroot="$tree" --releasever=1 --setopt=reposdir="$work/repo" \
        --setopt=pluginpath="$work/none" --setopt=install_weak_deps=0 --setopt=tsflags= \
        --disablerepo='*' --enablerepo=hakmem --refresh "$@"
}

in_rpm() {
    rpm --root "$tree" "$@"
}

# All files that are not those of package managers.
list_tree() {
    find "$tree" -xdev -path "$tree/var" -prune -o -path "$tree/root" -prune -o \
        -path "$tree/usr/lib/sysimage" -prune -o -path "$tree/etc/ld.so.cache" -prune -o \
        -path "$tree/dev" -prune -o -path "$tree/proc" -prune -o -path "$tree$work" -prune -o \
        -printf '%P %M %U %G %l\n' | grep -v '^etc/dnf\|^etc/yum\|^etc/pki\|^tmp ' | sort
}

install_base() {
    mkdir "$tree"
    in_dnf install base
    mkdir -p "$tree/proc" "$tree/dev"
    mount -t proc proc "$tree/proc"
    mount -t tmpfs tmpfs "$tree/dev"
    mknod -m 666 "$tree/dev/null" c 1 3
    in_tree sh -c 'echo a program runs'
    list_tree > "$work/before"
}

make_tree() {
    step "a repository, and a package that stands for a system" make_base
    must
    step "dnf installs that in an empty root" install_base
    must
}
