#!/bin/sh
# SPDX-License-Identifier: MIT
# sshd: its listener, the sandboxed process before the login, and what a session starts.
. "$(dirname "$0")/common.sh"
packages='openssh-server openssh-client'
about='logins by key on loopback with the seccomp sandbox, commands, data both ways, sftp, a wrong key'
root_needed=yes

configuration() {
    cat << END
ListenAddress 127.0.0.1:$port
HostKey $work/host
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
MaxStartups 50
Subsystem sftp internal-sftp
END
}
remote() {
    key=$work/$1
    shift
    ssh -F none -i "$key" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR -o IdentitiesOnly=yes -p "$port" tester@127.0.0.1 "$@"
}
listening() { remote key true; }
work() {
    private_etc
    person tester
    for key in host key wrong; do ssh-keygen -q -t ed25519 -N '' -f "$work/$key"; done
    mkdir home/.ssh
    cp key.pub home/.ssh/authorized_keys
    port=$(free_port)
    configuration > sshd.conf
    /usr/sbin/sshd -D -e -f "$work/sshd.conf" > server.log 2>&1 &
    server=$!
    servers=$server
    await 20 listening
    result "$(remote key 'id -un; pwd; umask')"
    awk 'BEGIN { for (i = 0; i < 200000; i++) print i * 7 }' > data
    result "$(remote key 'cat | tee copy | cksum; cksum < copy' < data) $(remote key 'cat copy' | cksum)"
    echo 'get copy fetched' | sftp -F none -q -b - -i key -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -P "$port" tester@127.0.0.1 > sftp.log 2>&1
    result "$(cksum < fetched)"
    if remote wrong true 2> /dev/null; then result 'a wrong key was let in'; fi
    for n in 1 2 3 4 5 6; do remote key "echo session $n; seq 20000 | sort | cksum" > "out.$n" & done
    remote key 'sleep 4' &
    await 20 pgrep -x sleep
    # shellcheck disable=SC2046
    mapped "$server" $(pgrep -u tester)
    for client in $(jobs -p); do [ "$client" = "$server" ] || wait "$client"; done
    result "$(cat out.*)"
    ! grep -i -e 'fatal' -e 'violation' server.log || result 'a process of sshd failed'
    note '6 sessions at once'
}
suite "$@"
