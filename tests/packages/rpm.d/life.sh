# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: MIT
# The packages are installed, used, upgraded and removed.

all_names='hakmem-libs hakmem-debug-libs hakmem-hardened-libs hakmem-devel hakmem-static hakmem-tools'
others=/usr/lib64/libm.so.6
preload=$tree/etc/ld.so.preload

install_all() {
    # shellcheck disable=SC2086
    in_dnf install $all_names
    [ ! -e "$preload" ] || fail "has written /etc/ld.so.preload"
    in_tree ldconfig
}

verify() {
    # shellcheck disable=SC2086
    in_rpm -V $all_names > "$work/verified" 2>&1 || fail "$(cat "$work/verified")"
    [ ! -s "$work/verified" ] || fail "$(cat "$work/verified")"
    # shellcheck disable=SC2086
    note "$(in_rpm -ql $all_names | wc -l) files"
}

# Each file that was not there before belongs to a package, and folders of our own as well.
owned() {
    list_tree > "$work/now"
    diff "$work/before" "$work/now" | sed -n 's/^> \([^ ]*\) \([^ ]\).*/\2 \1/p' > "$work/new"
    [ -s "$work/new" ]
    while read -r kind file; do
        case $kind/$file in
        d/usr/lib/.build-id*) continue ;; # of whoever comes
        esac
        in_rpm -qf "/$file" > /dev/null || fail "no package has $file"
    done < "$work/new"
}

run_programs() {
    in_tree hakmem --version
    for variant in '' -debug -hardened; do
        in_tree env "LD_PRELOAD=/usr/lib64/libhakmem$variant.so.1" cat /proc/self/maps |
            grep "/libhakmem$variant\.so\.1"
    done
    in_tree hakmem run cat /proc/self/maps | grep '/libhakmem\.so\.1'
    in_tree hakmem run --debug cat /proc/self/maps | grep '/libhakmem-debug\.so\.1'
    in_tree hakmem run --hardened cat /proc/self/maps | grep '/libhakmem-hardened\.so\.1'
    in_tree hakmem-static conf > /dev/null
}

# The profile of a program of the root, which has a C library without symbols and nothing else.
profile_program() {
    start_in_tree profiled env LD_PRELOAD=/usr/lib64/libhakmem.so.1 HAKMEM_CONF=profile=1 sleep 60
    await grep -qs '/libhakmem\.so\.1' "/proc/$(pid_of profiled)/maps"
    for command in hakmem hakmem-static; do
        in_tree $command profile "$(pid_of profiled)" | grep '^Memory in use: sleep (process'
        in_tree $command profile -o /root/sleep.pb.gz "$(pid_of profiled)"
        pprof_magic=$(od -An -N2 -tx1 "$tree/root/sleep.pb.gz")
        [ "$pprof_magic" = ' 1f 8b' ] || fail "$command: not compressed: $pprof_magic"
    done
    end profiled
    rm "$tree/root/sleep.pb.gz"
}

# Programs are built with what hakmem-devel and hakmem-static have, and run in the root.
link_programs() {
    cat > "$work/linked.c" << 'END'
#include <hakmem/hakmem.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    void *block = malloc(100);
    printf("%d\n", block != NULL && hak_owns(block));
    free(block);
    return 0;
}
END
    grep -q 'hak_owns' "$tree/usr/include/hakmem/hakmem.h" || skip "the header has no hak_owns"
    PKG_CONFIG_LIBDIR=$tree/usr/lib64/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tree
    export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
    for how in ':' ':-debug' '-static:' '-static:-debug'; do
        static=${how%%:*} variant=${how#*:}
        # shellcheck disable=SC2046,SC2086
        gcc $static -o "$tree/root/linked" "$work/linked.c" \
            $(pkg-config ${static:+--static} --cflags --libs hakmem$variant)
        in_tree /root/linked | grep -x 1
        rm "$tree/root/linked"
    done
}

install_packages() {
    step "dnf installs all packages, and leaves /etc/ld.so.preload alone" install_all
    must
    step "rpm -V" verify
    step "every new file belongs to a package" owned
    step "programs run on both variants" run_programs
    step "the profile of a program" profile_program
    step "programs are linked, dynamic and static" link_programs
}

enable() {
    echo $others > "$preload"
    in_tree hakmem preload enable
    grep libhakmem.so.1 "$preload"
    [ "$(wc -l < "$preload")" -eq 2 ]
    in_tree cat /proc/self/maps | grep '/libhakmem\.so\.1'
}

live_with() {
    step "hakmem preload enable, beside a library of others" enable
    must
}

start_programs() {
    cat > "$tree/root/starter.sh" << 'END'
while [ ! -e /root/stop ]; do
    true_program=/usr/bin/true
    $true_program && echo >> /root/started
done 2> /root/complaints
END
    rm -f "$tree/root/stop" "$tree/root/started"
    start_in_tree starter sh /root/starter.sh
    await test -s "$tree/root/started"
}

stop_programs() {
    touch "$tree/root/stop"
    for _ in $(seq 50); do is_alive starter || break; sleep 0.1; done
    note "$(wc -l < "$tree/root/started") programs started meanwhile," \
        "$(wc -l < "$tree/root/complaints") complaints of the loader"
    [ ! -s "$tree/root/complaints" ] || fail "$(sort "$tree/root/complaints" | uniq -c)"
    rm -f "$tree/root/starter.sh" "$tree/root/complaints" "$tree/root/started" "$tree/root/stop"
}

upgrade() {
    cp "$preload" "$work/preload"
    "$source/tools/dev/make-repo" "$work/repo" "$work"/rpmbuild/RPMS/*/hakmem-*-1.2.*.rpm
    inode=$(stat -L -c %i "$tree/usr/lib64/libhakmem.so.1")
    start_programs
    in_dnf upgrade > "$work/upgrade"
    cat "$work/upgrade"
    stop_programs
    if grep 'removed .* from /etc/ld.so.preload' "$work/upgrade"; then fail "taken out in an upgrade"; fi
    cmp "$work/preload" "$preload"
    [ "$(in_rpm -q --qf '%{RELEASE}' hakmem-libs)" = 1.2 ]
    [ "$(stat -L -c %i "$tree/usr/lib64/libhakmem.so.1")" != "$inode" ] || fail "the old file"
    in_tree cat /proc/self/maps | grep '/libhakmem\.so\.1'
    verify
}

upgrade_packages() {
    step "an upgrade keeps the line, while programs start" upgrade
}

# The other variant's line is none of its own, and the other way round.
remove_debug() {
    cp "$preload" "$work/preload"
    in_dnf remove hakmem-debug-libs > "$work/removed"
    cat "$work/removed"
    if grep 'removed .* from /etc/ld.so.preload' "$work/removed"; then fail "another variant's line"; fi
    cmp "$work/preload" "$preload"
    in_tree cat /proc/self/maps | grep '/libhakmem\.so\.1'
}

remove_all() {
    start_programs
    in_dnf remove 'hakmem-*' > "$work/removed"
    cat "$work/removed"
    stop_programs
    note "$(grep 'removed .* from /etc/ld.so.preload' "$work/removed")"
    [ "$(grep -v '^ *$' "$preload")" = $others ] || fail "left: $(cat "$preload")"
}

nothing_left() {
    rm "$preload"
    list_tree | diff "$work/before" -
    in_tree ldconfig
}

# rpm tells in which order it does things.
order() {
    in_dnf install hakmem-debug-libs hakmem-libs
    in_tree ldconfig
    echo libhakmem-debug.so.1 > "$preload"
    in_rpm -e -vv hakmem-debug-libs > "$work/order" 2>&1
    said=$(grep -n 'removed .*libhakmem-debug.so.1 from /etc/ld.so.preload' "$work/order" | head -n 1 | cut -d : -f 1)
    gone=$(grep -nE 'D: (erase|fini) .*[ /]libhakmem-debug\.so\.1' "$work/order" |
        head -n 1 | cut -d : -f 1)
    if [ -z "$said" ] || [ -z "$gone" ]; then fail "$(cat "$work/order")"; fi
    [ "$said" -lt "$gone" ] || fail "the files went first"
    [ ! -e "$preload" ] || fail "an empty file is left"
}

remove_packages() {
    step "hakmem-debug-libs goes, the release library stays in the file" remove_debug
    step "all go: the line first, that of others stays, while programs start" remove_all
    step "nothing is left" nothing_left
    step "rpm -e: the line goes before the files" order
}

# Where the library ends every program only what is inside rpm can still do something.
broken() {
    in_rpm -q hakmem-libs
    echo /usr/lib64/libhakmem.so.1 > "$preload"
    gcc -shared -fPIC -DKIND=crash -o "$work/crash.so" "$source/tests/tools/crash.c"
    cat "$work/crash.so" > "$(readlink -f "$tree/usr/lib64")/libhakmem.so.1.0.0"
    if in_tree true; then fail "programs run in spite of it"; fi
    in_rpm -e hakmem-libs
    in_tree true
    [ ! -e "$preload" ]
}

remove_broken() {
    step "removed from outside where no program starts any more" broken
    step "nothing is left" nothing_left_at_end
}

nothing_left_at_end() {
    list_tree | diff "$work/before" -
}
