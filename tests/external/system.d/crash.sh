# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# The same system with libraries that crash: they are refused, and if they got in, taken out.

library_file=/usr/lib/$multiarch/libhakmem.so.1.7.0

# break_library MACRO: the installed library is one of broken.c now
break_library() {
    cp "$parts/broken.c" "$tree/root/"
    in_tree gcc -shared -fPIC -fno-builtin -Wall -Wl,-soname,libhakmem.so.1 "-D$1" -o /root/broken.so /root/broken.c
    mv -f "$tree/root/broken.so" "$tree$library_file"
}

# refused MACRO [OPTION ...]: enable says no and the file, with what others have in it, is as it was
refused() {
    break_library "$1"
    shift
    for before in '' '# ours\n'; do
        rm -f "$tree/etc/ld.so.preload"
        [ -z "$before" ] || printf '%b' "$before" > "$tree/etc/ld.so.preload"
        code=0
        in_tree hakmem preload enable "$@" || code=$?
        [ $code -eq 1 ] || fail "enable returns $code"
        if [ -z "$before" ]; then
            [ ! -e "$tree/etc/ld.so.preload" ] || fail "it wrote $(cat "$tree/etc/ld.so.preload")"
        else
            [ "$(cat "$tree/etc/ld.so.preload")" = '# ours' ] || fail "it changed the file"
        fi
        [ -z "$(find "$tree/etc" -maxdepth 1 -name '.ld.so.preload*')" ] || fail "left a file"
        in_tree true
    done
    rm -f "$tree/etc/ld.so.preload"
}

everything_fails() {
    for command in true 'ls /' 'su - guest -c id' 'dpkg --version' 'hakmem preload disable'; do
        # shellcheck disable=SC2086
        ! in_tree $command || fail "runs: $command"
    done
}

everything_runs() {
    expect_status 1
    [ ! -e "$tree/etc/ld.so.preload" ] || [ ! -s "$tree/etc/ld.so.preload" ] ||
        grep -qx '# ours' "$tree/etc/ld.so.preload"
    in_tree ls / > "$work/ls"
    [ "$(in_tree su - guest -c 'id -un')" = guest ]
    in_tree dpkg --audit
}

force() {
    printf '# ours\n' > "$tree/etc/ld.so.preload"
    # shellcheck disable=SC2016
    echo '/usr/$LIB/libhakmem.so.1' >> "$tree/etc/ld.so.preload"
}

# repaired MACRO: put in by hand it stops everything; the static command takes it out, in the tree
repaired() {
    break_library "$1"
    force
    everything_fails
    code=0
    in_tree /usr/sbin/hakmem-static preload status || code=$?
    [ $code -eq 2 ] || fail "hakmem-static preload status returns $code"
    in_tree /usr/sbin/hakmem-static preload disable
    everything_runs
}

# The same from the system that has the tree in a folder, as a rescue system has.
repaired_outside() {
    break_library IN_CONSTRUCTOR
    force
    cp "$tree/usr/sbin/hakmem-static" "$work/hakmem-static"
    everything_fails
    code=0
    "$work/hakmem-static" preload status --root "$tree" || code=$?
    [ $code -eq 2 ] || fail "status --root returns $code"
    "$work/hakmem-static" preload disable --root "$tree"
    everything_runs
    [ ! -e /etc/ld.so.preload ] || ! grep hakmem /etc/ld.so.preload
}

enabled_outside() {
    ! "$work/hakmem-static" preload enable --root "$tree" || fail "a crashing library is enabled"
    in_tree dpkg -i /srv/hakmem_1.2.deb
    "$work/hakmem-static" preload enable --root "$tree" --canary
    expect_status 0
    in_tree true
    "$work/hakmem-static" preload disable --root "$tree"
    expect_status 1
}

# What no trial can know is taken back, in time, by hand.
let_in() {
    break_library 'ONE_PROGRAM="factor"'
    in_tree hakmem preload enable --canary
    in_tree true
    ! in_tree factor 12 || fail "runs"
    in_tree hakmem preload disable
    in_tree factor 12
    everything_runs
}

crash_libraries() {
    step "the package again, to be broken" install_package 1.2
    step "refused: crashes when loaded" refused IN_CONSTRUCTOR
    step "refused: cannot be loaded" refused MISSING_SYMBOL
    step "refused: has no memory" refused NO_MEMORY
    step "refused: its blocks lie 8 bytes beside 16" refused MISALIGNED
    step "refused: crashes in one program" refused 'ONE_PROGRAM="sort"'
    step "refused by the canary: crashes in set-user-ID programs" refused MORE_RIGHTS --canary
    step "let in: crashes in a program that is not tried; disable works" let_in
    step "repaired in the tree: crashes when loaded" repaired IN_CONSTRUCTOR
    step "repaired in the tree: cannot be loaded" repaired MISSING_SYMBOL
    step "repaired from outside by --root" repaired_outside
    step "enable and disable from outside" enabled_outside
    step "programs write the same at the end" compare_programs end
}
