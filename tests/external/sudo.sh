#!/bin/sh
# SPDX-License-Identifier: MIT
# sudo, su and passwd: programs with more rights than their user, through an ld.so.preload.
. "$(dirname "$0")/common.sh"
packages='sudo passwd util-linux'
about='sudo from root and from a user, su, passwd -S, visudo, sudo -l, through a private ld.so.preload'
root_needed=yes

as_tester() { setpriv --reuid=tester --regid=tester --init-groups "$@"; }
work() {
    private_etc
    person tester
    cat > /etc/sudoers << 'END'
Defaults env_reset, use_pty
Defaults:tester !lecture
root ALL=(ALL:ALL) ALL
tester ALL=(ALL:ALL) NOPASSWD: ALL
END
    chmod 440 /etc/sudoers
    result "$(visudo -c 2>&1)"
    result "$(sudo -n -u nobody id 2>&1)"
    result "$(as_tester sudo -n id 2>&1)"
    result "$(as_tester sudo -n -u nobody sh -c 'id -un; id -gn' 2>&1)"
    result "$(as_tester sudo -n -l 2>&1)"
    result "$(as_tester env HAKMEM_CONF=stats=text sudo -n true 2>&1)"
    result "$(as_tester env HAKMEM_DISABLE=1 HAKMEM_CONF_FILE=/dev/zero sudo -n true 2>&1)"
    result "$(su -s /bin/sh -c 'id -un; echo ok' nobody 2>&1)"
    result "$(as_tester passwd -S 2>&1)"
    for n in 1 2 3 4 5 6 7 8; do result "$(as_tester sudo -n sh -c "seq $n""0000 | sort | cksum" 2>&1)"; done
    as_tester sudo -n sleep 5 > sleep.log 2>&1 &
    await 20 pgrep -x sleep
    # shellcheck disable=SC2046
    mapped $(pgrep -x 'sudo|sleep')
    wait
}
suite "$@"
