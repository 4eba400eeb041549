#!/bin/sh
# SPDX-License-Identifier: MIT
# A program with more rights than its user has other environments than its own for advisers: it heeds none.
. "${srcdir:?}/tests/traps/common.sh"
[ "$(id -u)" -eq 0 ] || skip "only root can make a set-user-ID program of root's and be somebody else"
command -v setpriv > /dev/null || skip "no setpriv"
somebody='setpriv --reuid 65534 --clear-groups'
# the build may be in a folder that only root can enter
cp "$HAK_LIBRARY" "$WORK/"
compile secure secure.c -I"$srcdir/include" "$WORK/${HAK_LIBRARY##*/}" -Wl,-rpath,"$WORK"
chmod 755 "$WORK"
echo 'decay_ms = 7' > "$WORK/hakmem.conf"
chmod 644 "$WORK/hakmem.conf"

# says EXPECTED COMMAND...: just this, on both outputs
says() {
    _expected=$1
    shift
    run '' "$@"
    [ "$STATUS" -ne 77 ] || skip "$(cat "$WORK/said")"
    [ "$STATUS" -eq 0 ] || fail "$*: ends with $STATUS: $(cat "$WORK/said")"
    [ "$(cat "$WORK/said")" = "$_expected" ] || fail "$*: says '$(cat "$WORK/said")', not '$_expected'"
}

unset HAKMEM_CONF HAKMEM_CONF_FILE HAKMEM_DISABLE
usual=$("$WORK/secure")
case $usual in '7 '* | *libc) fail "the usual is $usual" ;; esac
for adviser in HAKMEM_CONF=decay_ms=7 "HAKMEM_CONF_FILE=$WORK/hakmem.conf"; do
    says '7 hakmem' env "$adviser" "$WORK/secure"
done
says "${usual% *} libc" env HAKMEM_DISABLE=1 "$WORK/secure"

chmod u+s "$WORK/secure"
for adviser in HAKMEM_CONF=decay_ms=7 HAKMEM_CONF=stats=text HAKMEM_CONF=unknown=1 HAKMEM_DISABLE=1 \
    "HAKMEM_CONF_FILE=$WORK/hakmem.conf"; do
    # shellcheck disable=SC2086
    says "$usual" env "$adviser" $somebody "$WORK/secure" secure
done

# exclude goes by the file that the kernel runs, not by the link by which the user starts it. The
# installed configuration is replaced in a mount namespace.
conf=$(grep -aoE '/[[:alnum:]/._-]*/hakmem\.conf' "$HAK_LIBRARY" | head -n 1)
ln -s secure "$WORK/link"
# shellcheck disable=SC2016
inner='folder=${1%/*}
    while [ ! -d "$folder" ]; do folder=${folder%/*}; done
    mount -t tmpfs -o mode=755 none "${folder:-/}" && mkdir -p "${1%/*}" || exit 125
    printf "%s\n" "$2" > "$1"
    shift 2
    exec "$@"'
# excluding WORD PROGRAM EXPECTED
excluding() {
    # shellcheck disable=SC2086
    says "$3" unshare -m sh -c "$inner" sh "$conf" "exclude = $1" $somebody "$WORK/$2" secure
}
if [ "${conf#/*/}" = "$conf" ] || ! unshare -m sh -c "$inner" sh "$conf" '' true 2> "$WORK/said"; then
    echo "left out: excluded programs, since nothing can be mounted for $conf: $(cat "$WORK/said")"
    exit 0
fi
excluding none secure "$usual"
excluding secure secure "${usual% *} libc"
excluding link link "$usual"
excluding "$WORK/link" link "$usual"
excluding secure link "${usual% *} libc"
excluding "$WORK/secure" link "${usual% *} libc"

# statistics go to no file that the user names, but to standard error
cp "$WORK/secure" "$WORK/usual"
mkdir -m 777 "$WORK/users"
for program in usual secure; do
    # shellcheck disable=SC2086
    run '' unshare -m sh -c "$inner" sh "$conf" 'stats = text' $somebody env "HAKMEM_STATS_FILE=$WORK/users/$program" \
        "$WORK/$program"
done
[ -s "$WORK/users/usual" ] || fail "no statistics in the file"
[ ! -e "$WORK/users/secure" ] || fail "a program with more rights than its user writes to a file that the user names"
grep -q 'live_bytes' "$WORK/said" || fail "no statistics on standard error: $(cat "$WORK/said")"
