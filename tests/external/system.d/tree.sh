# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# The tree: debootstrap, mounts, the library built in it, its packages, a repository.

# What every step below may use without the mirror.
included=adduser,apt-utils,cron,g++,gcc,gcc-multilib,libc6-dev,make,passwd,perl,python3,sudo,xz-utils
multiarch=x86_64-linux-gnu

bootstrap() {
    debootstrap --variant=minbase --arch=amd64 --include=$included "$suite" "$1" "$mirror"
    # the services of the packages are started by the steps alone
    printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"
}

place_tree() {
    if [ -z "$base" ]; then
        bootstrap "$tree"
    else
        [ -d "$base/etc" ] || bootstrap "$base"
        cp -a "$base" "$tree"
    fi
    cp /etc/resolv.conf /etc/hosts "$tree/etc/"
    rm -f "$tree/etc/ld.so.preload"
    cp "$parts/programs.sh" "$tree/root/"
    note "Debian $(cat "$tree/etc/debian_version"), $(du -sm "$tree" | cut -f 1) MB"
}

mount_in_tree() {
    mount -t proc proc "$tree/proc"
    mount -t tmpfs tmpfs "$tree/run"
    mkdir -p "$tree/dev/pts" "$tree/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$tree/dev/pts"
    mount -t tmpfs shm "$tree/dev/shm"
    mkdir "$tree/run/sshd" "$tree/run/lock"
    chmod 1777 "$tree/dev/shm" "$tree/run/lock"
    ln -sf pts/ptmx "$tree/dev/ptmx"
}

# In the tree, so that it fits its C library. The source goes without what other builds left in it.
copy_source() {
    mkdir -p "$tree/usr/src/hakmem"
    tar -C "$source" --exclude=./.git --exclude=./build --exclude=./config.status \
        --exclude='*.o' --exclude='*.lo' --exclude='*.la' --exclude=.libs --exclude=.deps -c . |
        tar -C "$tree/usr/src/hakmem" --no-same-owner -x
}

# build NAME CONFIGURE-ARGUMENTS: in /root/NAME
build() {
    script_in_tree "mkdir -p /root/$1 && cd /root/$1 &&
        /usr/src/hakmem/configure -q --disable-static --prefix=/usr --sysconfdir=/etc $2"
}

build_library() {
    copy_source
    build build "--libdir=/usr/lib/$multiarch"
    script_in_tree "cd /root/build && make -s -j$(nproc) install-exec install-data DESTDIR=/root/stage"
    for file in usr/bin/hakmem usr/sbin/hakmem-static "usr/lib/$multiarch/libhakmem.so.1"; do
        [ -e "$tree/root/stage/$file" ] || fail "make install left no $file"
    done
    note "$(in_tree /root/stage/usr/bin/hakmem --version)"
}

# package VERSION: /srv/hakmem_VERSION.deb from /root/stage
package() {
    mkdir -p "$tree/root/stage/DEBIAN"
    cat > "$tree/root/stage/DEBIAN/control" << END
Package: hakmem
Version: $1
Architecture: amd64
Maintainer: Nobody <nobody@localhost>
Depends: libc6
Description: the library under test
END
    in_tree dpkg-deb --root-owner-group -b /root/stage "/srv/hakmem_$1.deb"
}

# Three versions: the next one has other files of the same names, the last one other names.
make_packages() {
    libdir=$tree/root/stage/usr/lib/$multiarch
    package 1.0
    in_tree objcopy --add-section .note.next=/etc/debian_version \
        "/root/stage/usr/lib/$multiarch/libhakmem.so.1.0.0"
    package 1.1
    mv "$libdir/libhakmem.so.1.0.0" "$libdir/libhakmem.so.1.7.0"
    ln -sfn libhakmem.so.1.7.0 "$libdir/libhakmem.so.1"
    package 1.2
    rm -rf "$tree/root/stage"
}

# install_package VERSION
install_package() {
    in_tree dpkg -i "/srv/hakmem_$1.deb"
}

# Packages whose scripts say what they do, and whether the library is under them.
local_package() {
    folder=$tree/root/package
    rm -rf "$folder"
    mkdir -p "$folder/DEBIAN" "$folder/etc/$1" "$folder/usr/bin"
    cat > "$folder/DEBIAN/control" << END
Package: $1
Version: 1
Architecture: all
Maintainer: Nobody <nobody@localhost>
Depends: $2
Description: a package of the test
END
    echo "setting=1" > "$folder/etc/$1/conf"
    echo "/etc/$1/conf" > "$folder/DEBIAN/conffiles"
    printf '#!/bin/sh\necho "%s runs"\n' "$1" > "$folder/usr/bin/$1"
    for script in preinst postinst prerm postrm; do
        cat > "$folder/DEBIAN/$script" << END
#!/bin/sh
set -e
echo "$1 $script \$1: \$(grep -c '/libhakmem.*r-xp\|r-xp.*/libhakmem' /proc/self/maps || :)" >> /var/log/scripts
END
        chmod 755 "$folder/DEBIAN/$script"
    done
    chmod 755 "$folder/usr/bin/$1"
    in_tree dpkg-deb --root-owner-group -b /root/package "/srv/repository/$1.deb"
}

make_repository() {
    mkdir -p "$tree/srv/repository"
    local_package lodging "libc6, breakfast"
    local_package breakfast perl-base
    script_in_tree 'cd /srv/repository && apt-ftparchive packages . > Packages'
    echo 'deb [trusted=yes] file:/srv/repository ./' > "$tree/etc/apt/sources.list.d/local.list"
    grep -c '^Package:' "$tree/srv/repository/Packages"
}

make_tree() {
    step "a Debian tree from $mirror" place_tree
    must
    step "mounts in a namespace of its own" mount_in_tree
    must
    step "the library, built in the tree" build_library
    must
    step "packages of it: three versions" make_packages
    step "a repository of the tree's own" make_repository
}
