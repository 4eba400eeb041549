# shellcheck shell=sh disable=SC2016,SC2034,SC2046,SC2154
# SPDX-License-Identifier: MIT
# The packages as their users meet them: from a repository into an empty system, used, and gone.

# Makes a second tree from the first one's beginning, and the repository in it.
place_second_tree() {
    built=$tree/home/builder
    cp -a "$base" "$work/second"
    cp /etc/resolv.conf /etc/hosts "$work/second/etc/"
    mkdir "$work/debs"
    cp "$built"/*_"${release}"_*.deb "$work/debs/"
    apt_get install apt-utils xz-utils
    mkdir "$tree/root/debs"
    cp "$work"/debs/*.deb "$tree/root/debs/"
    cp "$source/tools/dev/make-repo" "$tree/root/"
    script_in_tree '/root/make-repo /srv/repository /root/debs/*.deb'
    cp -a "$tree/srv/repository" "$work/second/srv/"
    cp "$tree/srv/repository/hakmem.list" "$work/second/etc/apt/sources.list.d/"
}

mount_second_tree() {
    mount_in_tree
    in_tree apt-get -q update
}

# What is there, but for what apt and dpkg keep for themselves.
list_files() {
    in_tree find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
        -o -path /var/lib/apt -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/log \
        -o -path /root \) -prune -o -print | sort
}

install_from_repository() {
    apt_get install gcc libc6-dev pkg-config
    list_files > "$work/files-before"
    in_tree dpkg-query -W -f '${Package}\n' | sort > "$work/packages-before"
    apt_get install libhakmem1 libhakmem-dev hakmem-tools
    [ ! -e "$tree/etc/ld.so.preload" ] || fail "installing wrote /etc/ld.so.preload"
    in_tree dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' |
        grep -c "hakmem.* $release installed"
}

# The README's line.
link_program() {
    cat > "$tree/root/program.c" << 'END'
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    puts(hak_owns(strdup("what libc allocates")) ? "ours" : "not ours");
    return 0;
}
END
    script_in_tree 'cd /root && cc program.c $(pkg-config --cflags --libs hakmem) -o program &&
        [ "$(./program)" = ours ] && readelf -d program | grep -q "NEEDED.*libhakmem.so.1"'
    script_in_tree 'cd /root && cc -Wl,--as-needed program.c $(pkg-config --cflags --libs hakmem) &&
        [ "$(./a.out)" = ours ]'
}

use_command() {
    in_tree hakmem selftest
    in_tree hakmem run --stats perl -e 1 2>&1 | grep 'live_bytes'
    in_tree hakmem run --debug perl -e 1
    in_tree hakmem run --hardened perl -e 1
    in_tree hakmem conf
}

# The profile of a program that keeps 20 MiB in one function, with the name and the line of that.
use_profile() {
    cat > "$tree/root/keeper.c" << 'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *kept[2000];

static void keep_much(int i)
{
    kept[i] = malloc(10000);
    memset(kept[i], 1, 10000);
}

int main(void)
{
    for (int i = 0; i < 2000; i++)
        keep_much(i);
    sleep(100);
    return kept[1][1];
}
END
    script_in_tree 'cd /root && cc -g -O0 -o keeper keeper.c'
    start_in_tree keeper env LD_PRELOAD=libhakmem.so.1 HAKMEM_CONF=profile=16K /root/keeper
    await in_tree sh -c 'hakmem profile keeper 2> /dev/null | grep -E "^(Memory in use: keeper| .*keep_much.*keeper.c:9$)"'
    in_tree hakmem profile --folded keeper | grep '^_start;.*;main;keep_much [12][0-9]\{7\}$'
    in_tree hakmem-static profile --text keeper | grep 'keeper+0x'
    in_tree hakmem profile -o /root/keeper.pb.gz keeper
    in_tree gzip -t /root/keeper.pb.gz
    end keeper
}

# enabled, upgraded, the same stays; removed, the line goes before the file does
remove_while_enabled() {
    in_tree hakmem preload enable --canary
    grep -q libhakmem "$tree/etc/ld.so.preload"
    others=/lib/x86_64-linux-gnu/libm.so.6
    echo $others >> "$tree/etc/ld.so.preload"
    in_tree dpkg -i "/srv/repository/apt/libhakmem1_${release}_amd64.deb" > "$work/log/again" 2>&1
    grep -q libhakmem "$tree/etc/ld.so.preload" || fail "an upgrade took the line out"
    said=$(in_tree apt-get -q -y purge --autoremove libhakmem1 libhakmem1-debug libhakmem1-hardened libhakmem-dev hakmem-tools 2>&1)
    printf '%s\n' "$said"
    printf '%s\n' "$said" | grep -q '^libhakmem1: removed .*libhakmem.so.1 from /etc/ld.so.preload'
    [ "$(cat "$tree/etc/ld.so.preload")" = $others ] || fail "another's line is not the same"
    ! printf '%s\n' "$said" | grep 'libhakmem.*cannot be preloaded' || fail "programs complained"
    rm "$tree/etc/ld.so.preload"
}

purge_leaves_nothing() {
    list_files | diff "$work/files-before" -
    in_tree dpkg-query -W -f '${Package}\n' | sort | diff "$work/packages-before" -
    ! in_tree grep -rl hakmem /var/lib/dpkg/info /var/lib/dpkg/status /etc --include=* ||
        [ "$(in_tree grep -rl hakmem /etc)" = /etc/apt/sources.list.d/hakmem.list ]
}

# It works in a tree of its own.
run_autopkgtest() {
    apt_get install autopkgtest
    cp -a "$base" "$tree/testbed"
    cp /etc/resolv.conf /etc/hosts "$tree/testbed/etc/"
    cp -a "$work/debs" "$tree/srv/debs"
    cp "$built/hakmem_$release.dsc" "$built/hakmem_$release.debian.tar.xz" \
        "$built/hakmem_$version.orig.tar.xz" "$tree/srv/"
    mount -t proc proc "$tree/testbed/proc"
    mount --bind "$tree/dev" "$tree/testbed/dev"
    in_tree chroot /testbed apt-get -q update
    status=0
    timeout -k 5 1800 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        chroot "$tree" sh -c "autopkgtest -B /srv/debs/*_amd64.deb /srv/hakmem_$release.dsc \
            --summary-file /srv/summary -- chroot /testbed" < /dev/null || status=$?
    umount "$tree/testbed/proc" "$tree/testbed/dev"
    cat "$tree/srv/summary"
    [ $status -eq 0 ] || [ $status -eq 2 ]
    ! grep -vE ' (PASS|SKIP)' "$tree/srv/summary"
    note "$(grep -c ' PASS' "$tree/srv/summary") tests"
}

run_piuparts() {
    apt_get install piuparts
    rm -rf "$tree/testbed"
    tar -C "$base" -czf "$tree/srv/base.tar.gz" .
    # shellcheck disable=SC2086
    in_tree piuparts -b /srv/base.tar.gz -d $suite --no-upgrade-test --mirror "$mirror main" \
        --arch amd64 $(printf "/srv/debs/%s_${release}_amd64.deb " $names)
}

install_packages() {
    step "a repository of them, and a second tree" place_second_tree
    must
    built=$tree/home/builder
    tree=$work/second
    step "mounts in it" mount_second_tree
    step "apt-get install libhakmem1 libhakmem-dev hakmem-tools" install_from_repository
    must
    step "a program built with pkg-config runs on it" link_program
    step "the command" use_command
    step "the profile of a program" use_profile
    step "enabled, upgraded, and purged: its line goes first" remove_while_enabled
    step "purge leaves nothing behind" purge_leaves_nothing
    step "autopkgtest" run_autopkgtest
    step "piuparts" run_piuparts
}
