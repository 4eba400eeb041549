# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# Users in the tree: their passwords, su, sudo, cron, ssh.

add_users() {
    in_tree adduser --disabled-password --gecos '' lodger
    in_tree adduser --disabled-password --gecos '' guest
    script_in_tree 'echo "lodger:first secret" | chpasswd; echo "guest:second secret" | chpasswd'
    in_tree adduser lodger users
    in_tree id lodger
    [ "$(in_tree su - lodger -c 'id -un; pwd' | tr '\n' ' ')" = "lodger /home/lodger " ]
    # with the password, as somebody who needs it
    [ "$(script_in_tree 'echo "second secret" | su lodger -c "su guest -c \"id -un\""')" = guest ]
    ! script_in_tree 'echo "wrong" | su lodger -c "su guest -c \"id -un\""' || fail "any password"
    script_in_tree 'passwd -S lodger; chage -l lodger; usermod -c Lodger lodger; groups lodger'
}

# One of the processes with this name has other users' rights and the library.
runs_with_library() {
    found=$(processes_named "$1" | head -n 1)
    [ -n "$found" ] && has_library "$found"
}

setuid_programs() {
    printf 'lodger ALL=(ALL) NOPASSWD: ALL\n' > "$tree/etc/sudoers.d/lodger"
    chmod 440 "$tree/etc/sudoers.d/lodger"
    in_tree visudo -c
    [ "$(in_tree su lodger -c 'sudo -n id -u')" = 0 ]
    [ "$(in_tree su lodger -c 'sudo -n -u guest id -un')" = guest ]
    in_tree su lodger -c 'sudo -n -l'
    ! in_tree su guest -c 'sudo -n id -u' || fail "sudo for anybody"
    # LD_PRELOAD would be ignored here; the file is not
    start_in_tree setuid su lodger -c 'sudo -n -u guest sleep 600'
    await runs_with_library su
    await runs_with_library sudo
    note "su: $(grep -c libhakmem "/proc/$(processes_named su | head -n 1)/maps") mappings," \
        "sudo: $(grep -c libhakmem "/proc/$(processes_named sudo | head -n 1)/maps")"
    all_have_library
    for name in sleep sudo su; do
        for process in $(processes_named $name); do
            [ "$process" = "$(pid_of sleep)" ] || kill -9 "$process"
        done
    done
}

# The daemon reads its tables each minute; what it did is looked at later.
start_cron() {
    cat > "$tree/etc/cron.d/local" << 'END'
* * * * * root grep -c /libhakmem /proc/self/maps > /var/log/by-cron 2>&1
* * * * * lodger perl -e 'print "$^V\n"' > /tmp/by-cron-user 2>&1
END
    start_in_tree cron cron -f
    await has_library "$(pid_of cron)"
}

run_parts() {
    mkdir -p "$tree/root/daily"
    for number in 1 2 3; do
        # shellcheck disable=SC2016
        printf '#!/bin/sh\necho part %s: $(seq 100 | sort -rn | head -n 1)\n' $number \
            > "$tree/root/daily/part$number"
        chmod +x "$tree/root/daily/part$number"
    done
    [ "$(in_tree run-parts /root/daily | tr '\n' ' ')" = "part 1: 100 part 2: 100 part 3: 100 " ]
    # what the system itself has for each day; apt's would sleep up to half an hour first
    echo 'APT::Periodic::RandomSleep "0";' > "$tree/etc/apt/apt.conf.d/99no-sleep"
    in_tree run-parts --verbose /etc/cron.daily
}

cron_ran() {
    for _ in $(seq 75); do
        [ ! -s "$tree/tmp/by-cron-user" ] || [ ! -s "$tree/var/log/by-cron" ] || break
        sleep 1
    done
    is_alive cron
    [ -s "$tree/var/log/by-cron" ] || fail "no job of root"
    [ "$(cat "$tree/var/log/by-cron")" -gt 0 ]
    grep '^v5' "$tree/tmp/by-cron-user"
}

# A port that nothing here has.
free_port() {
    for port in $(seq 42022 42099); do
        grep -q ":$(printf %04X "$port") 00000000:0000 0A" /proc/net/tcp || break
    done
    echo "$port"
}

login_by_ssh() {
    [ -x "$tree/usr/sbin/sshd" ] || skip "no openssh-server"
    port=$(free_port)
    in_tree ssh-keygen -q -t ed25519 -N '' -f /root/key
    script_in_tree 'install -d -m 700 -o lodger -g lodger /home/lodger/.ssh
        install -m 600 -o lodger -g lodger /root/key.pub /home/lodger/.ssh/authorized_keys'
    start_in_tree sshd /usr/sbin/sshd -D -e -p "$port" -o ListenAddress=127.0.0.1 -o PidFile=none
    await grep -q 'Server listening' "$work/log/sshd.out"
    for _ in 1 2 3; do
        in_tree ssh -i /root/key -p "$port" -o StrictHostKeyChecking=no -o BatchMode=yes \
            lodger@127.0.0.1 'id -un; grep -c /libhakmem /proc/self/maps' > "$work/ssh.out"
        [ "$(head -n 1 "$work/ssh.out")" = lodger ]
        [ "$(tail -n 1 "$work/ssh.out")" -gt 0 ]
    done
    in_tree scp -q -i /root/key -P "$port" -o StrictHostKeyChecking=no /etc/profile \
        lodger@127.0.0.1:copy
    cmp "$tree/etc/profile" "$tree/home/lodger/copy"
    is_alive sshd
    cat "$work/log/sshd.out"
    all_have_library
}

live_as_users() {
    step "adduser, chpasswd, su with and without a password" add_users
    step "cron is started" start_cron
    step "set-user-ID programs work and have the library" setuid_programs
    step "run-parts, the daily scripts of the system" run_parts
    step "sshd: logins on the loopback, scp" login_by_ssh
    step "cron has run jobs of root and of a user" cron_ran
    step "all running programs have the library" all_have_library
}
