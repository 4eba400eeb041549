# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# Life in the tree, first without the library, then with it.

apt_get() {
    in_tree apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

# apt-get update of a copy of what the mirror has, from a file: no network in the figures.
prepare_large_update() {
    apt_get update
    mkdir -p "$tree/srv/large"
    cat "$tree"/var/lib/apt/lists/*_main_binary-amd64_Packages > "$tree/srv/large/Packages"
    echo 'deb [trusted=yes] file:/srv/large ./' > "$tree/root/large.list"
    grep -c '^Package:' "$tree/srv/large/Packages"
}

large_update() {
    rm -rf "$tree/root/state"
    mkdir -p "$tree/root/state/lists/partial"
    measure 'apt-get update' apt-get -q update -o Dir::Etc::SourceList=/root/large.list \
        -o Dir::Etc::SourceParts=- -o Dir::State::Lists=/root/state/lists \
        -o Dir::Cache=/root/state -o APT::Sandbox::User=root
}

perl_work() {
    # shellcheck disable=SC2016
    measure 'perl with a large hash' perl -e 'my %h;
        $h{$_ % 50000} .= "x" x ($_ % 40) for 1 .. 800000; print length join "", values %h'
}

python_work() {
    measure 'python3 with a large dictionary' env PYTHONMALLOC=malloc python3 -c \
        'd = {str(i): [str(j) for j in range(i % 30)] for i in range(30000)}; print(len(str(d)))'
}

exec_work() {
    # shellcheck disable=SC2016
    measure '500 programs started' sh -c 'i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i + 1)); done'
}

figures() {
    for work_name in large_update perl_work python_work exec_work; do
        $work_name
        $work_name
    done
}

# expect_status NUMBER: of hakmem preload status, which is shown
expect_status() {
    code=0
    in_tree hakmem preload status || code=$?
    [ $code -eq "$1" ] || fail "hakmem preload status returns $code, not $1"
}

is_off() {
    expect_status 1
    [ ! -e "$tree/etc/ld.so.preload" ]
    none_has_library
}

live_without() {
    step "without the library: apt-get update of the mirror" prepare_large_update
    step "programs write what they write" run_programs before
    step "and write the same again" compare_programs again
    step "time and memory" figures
    step "the package is installed, nothing is enabled" eval 'install_package 1.0; is_off'
}

enable() {
    in_tree hakmem preload check -v
    is_off
    in_tree hakmem preload enable --canary
    cat "$tree/etc/ld.so.preload"
    # shellcheck disable=SC2016
    grep -qx '/usr/$LIB/libhakmem.so.1' "$tree/etc/ld.so.preload"
    expect_status 0
    before=$(cat "$tree/etc/ld.so.preload")
    in_tree hakmem preload enable
    [ "$before" = "$(cat "$tree/etc/ld.so.preload")" ] || fail "enabled twice, written twice"
}

# Each kind of program, by what the kernel says of it.
are_mapped() {
    start_in_tree sleep sleep 600
    start_in_tree perl perl -e 'sleep 600'
    start_in_tree python python3 -c 'import time; time.sleep(600)'
    start_in_tree bash bash -c 'sleep 600; :'
    for name in sleep perl python bash; do
        await has_library "$(pid_of $name)"
    done
    all_have_library
    end perl python bash
}

enable_library() {
    step "hakmem preload check, enable --canary, enable again" enable
    must
    step "new programs have it mapped" are_mapped
}

scripts_ran() {
    for script in "$@"; do
        grep -q "^$(echo "$script" | tr : ' '):* [1-9]" "$tree/var/log/scripts" ||
            fail "no script with the library: $script"
    done
}

install_local() {
    apt_get update
    apt_get install lodging
    [ "$(in_tree breakfast)" = "breakfast runs" ]
    [ "$(in_tree lodging)" = "lodging runs" ]
    apt_get install --reinstall lodging
    apt_get remove breakfast
    [ ! -e "$tree/usr/bin/lodging" ]
    [ -e "$tree/etc/lodging/conf" ]
    apt_get purge lodging breakfast
    [ ! -e "$tree/etc/lodging" ]
    [ ! -e "$tree/etc/breakfast" ]
    cat "$tree/var/log/scripts"
    scripts_ran lodging:preinst:install lodging:postinst:configure lodging:prerm:remove \
        lodging:postrm:remove lodging:postrm:purge breakfast:postrm:purge
    [ -z "$(in_tree dpkg --audit)" ]
}

install_from_mirror() {
    apt_get install openssh-server git man-db || skip "the mirror does not give them"
    in_tree git -c init.defaultBranch=main init -q /root/history
    script_in_tree 'cd /root/history; cp -r /etc/pam.d .; git add .; git -c user.name=a \
        -c user.email=a@b commit -qm first; git gc -q; git fsck; git log --stat | wc -l'
    script_in_tree 'man -P cat hakmem.conf | head -n 3'
    apt_get purge --autoremove git man-db
    [ ! -e "$tree/usr/bin/git" ]
    apt_get install --reinstall perl-base coreutils dpkg sed
    [ -z "$(in_tree dpkg --audit)" ]
    in_tree dpkg --verify coreutils perl-base dpkg
}

static_program() {
    cat > "$tree/root/static.c" << 'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
    char *block = malloc(100000);
    memset(block, 1, 100000);
    pause();
    free(block);
    return 0;
}
END
    in_tree gcc -static -o /root/static /root/static.c
    start_in_tree static /root/static
    sleep 0.5
    is_alive static
    ! has_library "$(pid_of static)" || fail "mapped"
    end static
    in_tree ldconfig
}

# A kernel may run no 32-bit programs: then qemu does, which itself has the 64-bit library.
run_32() {
    # shellcheck disable=SC2046
    in_tree $(cat "$work/emulator") "$@"
}

program_32() {
    cat > "$tree/root/small.c" << 'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    static char *blocks[5000];
    long sum = 0;
    for (int round = 0; round < 50; round++)
        for (int i = 0; i < 5000; i++) {
            free(blocks[i]);
            size_t size = (size_t)(i * 37 + round) % 3000 + 1;
            blocks[i] = malloc(size);
            memset(blocks[i], i, size);
            sum += blocks[i][size - 1];
        }
    char line[4096], *kept = NULL;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        if (strstr(line, "/libhakmem"))
            kept = strdup(strchr(line, '/'));
    fclose(maps);
    printf("%d bits, sum %ld, %s\n", (int)sizeof(void *) * 8, sum, kept ? kept : "without");
    return 0;
}
END
    in_tree gcc -m32 -O2 -o /root/small /root/small.c
    : > "$work/emulator"
    if ! run_32 /root/small 2> /dev/null | grep '^32 bits'; then
        apt_get install qemu-user || skip "neither the kernel runs 32-bit programs nor qemu-i386"
        echo qemu-i386 > "$work/emulator"
        run_32 /root/small 2> /dev/null | grep '^32 bits'
        note "32-bit programs by qemu-i386"
    fi
}

# Without a library of their own the loader complains, and they run.
without_32() {
    run_32 /root/small > "$work/small.out" 2> "$work/small.err"
    cat "$work/small.out" "$work/small.err"
    grep -q '^32 bits.*without' "$work/small.out"
    grep 'cannot be preloaded' "$work/small.err"
    in_tree hakmem preload status
    note "$(grep -h 'cannot be preloaded' "$work/small.err" | head -n 1)"
}

build_32() {
    build build32 "--host=i686-linux-gnu --libdir=/usr/lib32 CC='gcc -m32' CXX='g++ -m32'"
    script_in_tree "cd /root/build32 && make -s -j$(nproc) install-libLTLIBRARIES"
    in_tree readelf -h /usr/lib32/libhakmem.so.1 | grep -q ELF32
}

with_32() {
    run_32 /root/small | tee "$work/small.out"
    grep -q '^32 bits.*/lib32/libhakmem' "$work/small.out"
}

live_32() {
    step "a 32-bit program" program_32
    [ "$status" = 0 ] || return 0
    complaints_allowed=yes
    step "32-bit programs run without a library of theirs, with a complaint" without_32
    complaints_allowed=''
    step "an i386 library is built, under the library" build_32
    [ "$status" = 77 ] ||
        step "32-bit programs have the 32-bit library by the same line" with_32
}

live_with() {
    step "apt-get: own packages with scripts: install, reinstall, remove, purge" install_local
    step "apt-get: packages of the mirror: install, use, purge, reinstall" install_from_mirror
    step "programs write the same as without" compare_programs with
    step "static programs run and have nothing of it" static_program
    live_32
    step "time and memory" figures
}
