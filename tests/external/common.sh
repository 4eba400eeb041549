# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the suites have in common. A suite is a script that reads this file, sets
#   packages  what it needs from Debian, the program it is about first
#   about     what is done and compared, in a few words
#   limit     seconds that one pass may take
# defines work, and calls suite "$@" last. work runs twice, each time in an empty directory $work:
# first on the C library's malloc, then with the library preloaded. What it writes to
# $work/result must be the same both times, and every process that it shows to mapped must have
# the library the second time and must not the first time: a pass in which the library was never
# loaded fails.
#
#   suite [--install]     one line: PASS, FAIL or SKIP; exit status 0, 1 or 77
#
# HAK_LIBRARY is the library, HAK_EXTERNAL_LOGS where logs are kept.
set -eu
case ${1-} in
-h | --help)
    sed -n '3s/^# //p' "$0"
    echo "HAK_LIBRARY=LIBRARY $0 [--install]"
    echo "--install fetches what is missing from Debian, for root; HAK_EXTERNAL_LOGS is a folder for logs"
    exit 0
    ;;
esac
umask 022
unset MAKEFLAGS MAKELEVEL MFLAGS MAKEOVERRIDES LD_PRELOAD HAKMEM_CONF HAKMEM_DISABLE DISPLAY
export LC_ALL=C.UTF-8 TZ=UTC
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0" .sh)
limit=120
packages=
about=
root_needed=
servers=

# --- for work ----------------------------------------------------------------------------------

# under COMMAND...: runs it as an unprivileged user, on the malloc of this pass
under() { unprivileged env ${preload:+"LD_PRELOAD=$preload"} "$@"; }
under_root() { env ${preload:+"LD_PRELOAD=$preload"} "$@"; }
# $become is exec in a shell of its own that is to become the command
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        ${become-} setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"
    else
        ${become-} "$@"
    fi
}
account() { if [ "$(id -u)" -eq 0 ]; then echo nobody; else id -un; fi; }
# own PATH...: gives files to the user that under runs as
own() { if [ "$(id -u)" -eq 0 ]; then chown -R nobody:nogroup "$@"; fi; }

# start LOG COMMAND...: a server, stopped at the end of the pass; its process is $server
start() {
    log=$work/$1
    shift
    (become='exec'; under "$@") > "$log" 2>&1 &
    server=$!
    servers="$server $servers"
}
stop() {
    for pid in $servers; do
        kill "$pid" 2> /dev/null || continue
        # a server that does not heed this is killed
        (sleep 15; kill -9 "$pid" 2> /dev/null) > /dev/null 2>&1 &
        watch=$!
        wait "$pid" || true
        kill "$watch" 2> /dev/null || true
    done
    servers=
}

# await SECONDS COMMAND...: until the command succeeds
await() {
    left=$(($1 * 10))
    shift
    until "$@" > /dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "waited in vain for: $*" >&2; return 1; }
        sleep 0.1
    done
}

free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# mapped PID...: notes whether the library is in these processes
mapped() {
    for pid in "$@"; do
        # one that has ended in the meantime shows nothing
        [ -n "$(head -c 1 "/proc/$pid/maps" 2> /dev/null)" ] || continue
        if grep -q libhakmem "/proc/$pid/maps"; then here_is=with; else here_is=without; fi
        echo "$here_is $pid $(tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c 1-80)" >> "$work/loaded"
    done
}
# mapped_text FILE: the same for a program that wrote its own /proc/self/maps there
mapped_text() {
    if grep -q libhakmem "$1"; then echo "with $1" >> "$work/loaded"; else echo "without $1" >> "$work/loaded"; fi
}
# children PID...: all that descend from these
children() {
    for parent in "$@"; do
        cat "/proc/$parent/task/"*/children 2> /dev/null | tr " " "\n" | while read -r child; do
            echo "$child"
            children "$child"
        done
    done
}

# private_etc: an /etc, /run and ld.so.preload for this pass alone; nothing of the machine's changes
private_etc() {
    [ -n "$apart" ] || { echo 'no mount namespace' >&2; return 1; }
    mkdir "$work/etc"
    mount -t tmpfs -o mode=755 tmpfs "$work/etc"
    cp -a /etc/. "$work/etc/"
    mount --bind "$work/etc" /etc
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/sshd /run/lock
    [ -z "$preload" ] || echo "$preload" > /etc/ld.so.preload
}
# person NAME: an account in the private /etc, with a home
person() {
    echo "$1:x:4242:4242:$1:$work/home:/bin/sh" >> /etc/passwd
    echo "$1:x:4242:" >> /etc/group
    echo "$1:*:19000:0:99999:7:::" >> /etc/shadow
    mkdir "$work/home"
    chown 4242:4242 "$work/home"
}

# result WORDS...: a line that must be the same in both passes
result() { echo "$*" >> "$work/result"; }
# note WORDS...: what the line of the suite says at its end
note() { echo "$*" > "$work/note"; }

version() {
    dpkg-query -W -f '${Version}' "${packages%% *}" | sed -e 's/^[0-9]*://' -e 's/-[^-]*$//' -e 's/+dfsg.*//'
}

# --- the two passes ----------------------------------------------------------------------------

pass() {
    mode=$1
    work=$2
    preload=
    [ "$mode" = libc ] || preload=$3
    export HOME="$work" TMPDIR="$work/tmp" XDG_RUNTIME_DIR="$work/run"
    mkdir "$work/tmp" "$work/run"
    chmod 700 "$work/run"
    : > "$work/result"
    : > "$work/loaded"
    own "$work"
    cd "$work"
    trap stop EXIT
    trap 'exit 143' INT TERM HUP
    work
}

# run_pass MODE: with a process namespace of its own when root, so that nothing of it remains
run_pass() {
    mkdir "$scratch/$1"
    alone=
    apart=
    if [ "$(id -u)" -eq 0 ] && unshare --pid --fork --mount-proc --kill-child true 2> /dev/null; then
        alone='unshare --pid --fork --mount-proc --kill-child'
        apart=yes
    fi
    status=0
    # shellcheck disable=SC2086
    apart=$apart $alone timeout -k 20 "$limit" \
        sh "$here/$name.sh" --pass "$1" "$scratch/$1" "$scratch/libhakmem.so.1" \
        > "$scratch/$1/pass.log" 2>&1 < /dev/null || status=$?
    mkdir -p "$logs/$1"
    find "$scratch/$1" -maxdepth 1 -type f \( -name '*.log' -o -name result -o -name loaded -o -name note \) \
        -exec cp {} "$logs/$1/" \;
    [ "$status" -ne 124 ] || return 124
    return "$status"
}

say() { printf '%s %s: %s\n' "$1" "$name${known:+ $known}" "$2"; }
fails() {
    say FAIL "$1; logs in $logs"
    exit 1
}

missing() {
    for package in $packages; do
        case $(dpkg-query -W -f '${Status}' "$package" 2> /dev/null) in
        *' installed') ;;
        *) printf ' %s' "$package" ;;
        esac
    done
}

install() {
    # services that a package brings are not to be started
    # shellcheck disable=SC2086
    env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends $packages > "$logs/install.log" 2>&1 || fails 'cannot be installed'
}

compare() {
    status=0
    run_pass libc || status=$?
    [ "$status" -eq 0 ] || fails "fails without the library (exit $status)"
    ! grep -q '^with ' "$scratch/libc/loaded" || fails 'the library is there in the pass without it'
    [ -s "$scratch/libc/result" ] || fails 'has nothing to compare'
    run_pass library || status=$?
    reports=$(grep -las '^hakmem\[' "$scratch"/library/*.log | wc -l)
    [ "$reports" -eq 0 ] || fails "the library reported a mistake, exit $status"
    [ "$status" -ne 124 ] || fails "not ready after $limit seconds"
    # the two work in places of different names
    sed -i "s|$scratch/libc||g" "$scratch/libc/result"
    sed -i "s|$scratch/library||g" "$scratch/library/result"
    if ! diff -u "$scratch/libc/result" "$scratch/library/result" > "$logs/diff"; then
        fails "results differ, exit $status"
    fi
    [ "$status" -eq 0 ] || fails "exit $status"
    grep -q '^with ' "$scratch/library/loaded" || fails 'the library was not loaded'
    ! grep -q '^without ' "$scratch/library/loaded" || fails 'the library was not loaded in all processes'
}

suite() {
    if [ "${1-}" = --pass ]; then
        shift
        pass "$@"
        return
    fi
    known=
    logs=${HAK_EXTERNAL_LOGS:-${TMPDIR:-/tmp}/hakmem-external}/$name
    rm -rf "$logs"
    mkdir -p "$logs"
    [ "${1-}" != --install ] || [ -z "$(missing)" ] || [ "$(id -u)" -ne 0 ] || install
    absent=$(missing)
    if [ -n "$absent" ]; then
        say SKIP "needs$absent"
        exit 77
    fi
    known=$(version)
    if [ -n "$root_needed" ] && ! unshare --mount --pid --fork true 2> /dev/null; then
        say SKIP 'needs root and namespaces'
        exit 77
    fi
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    chmod 755 "$scratch"
    # where an unprivileged user can read it
    cp "$HAK_LIBRARY" "$scratch/libhakmem.so.1"
    compare
    say PASS "$about$(sed 's/^/, /' "$scratch/library/note" 2> /dev/null || true)"
}
