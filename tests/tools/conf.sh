#!/bin/sh
# SPDX-License-Identifier: MIT
# hakmem conf shows what the library would do, and where that comes from.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
file=$work/hakmem.conf
unset HAKMEM_CONF HAKMEM_DISABLE
export HAKMEM_CONF_FILE="$file"
# shows OPTION VALUE ORIGIN
shows() {
    got=$("$hakmem" conf 2> /dev/null | awk -v option="$1" '$1 == option { print $2 "|" $3 }')
    [ "$got" = "$2|$3" ] || fail "$1 is shown as $got, not $2|$3"
}

status=0
said=$("$hakmem" conf 2>&1 > /dev/null) || status=$?
[ "$status" -eq 1 ] && [ "$said" = "hakmem: $file: No such file or directory" ] ||
    fail "a missing file that was named: status $status, '$said'"
[ "$("$hakmem" conf 2> /dev/null | head -n 1)" = "# $file: does not exist; defaults apply" ] ||
    fail "a missing file: $("$hakmem" conf 2> /dev/null | head -n 1)"
mkdir "$file"
! "$hakmem" conf > /dev/null 2>&1 || fail "a folder in the file's place is accepted"
rmdir "$file"
# the file where it is by default may be missing
if [ "$(env -u HAKMEM_CONF_FILE "$hakmem" conf 2>&1 | sed -n 's/^# .*: does not exist; defaults apply$/none/p')" = none ]; then
    env -u HAKMEM_CONF_FILE "$hakmem" conf > /dev/null || fail "a missing default file is a fault"
fi
: > "$file"
options=$(sed -n 's/^HAK_OPTION([A-Z_]*, "\([a-z_0-9]*\)".*/\1/p' "$srcdir/lib/core/options.def")
[ "$("$hakmem" conf | awk '!/^#/ { print $1 }')" = "$options" ] || fail "not every option is shown"
[ "$("$hakmem" conf | awk '!/^#/ { print $3 }' | sort -u)" = default ] || fail "not all options are at their defaults"
shows cache_max 16M default
shows crash_report 0 default
[ "$("$hakmem" conf --debug | awk '$1 == "crash_report" { print $2 }')" = 1 ] || fail "not the debug variant's default"

# the later line counts, the environment most; what is wrong is reported, and is the status
printf '%s\n' '# a comment' 'decay_ms = 5' 'retain_min = 3K' 'decay_ms=7' 'exclude = cat /usr/bin/env' \
    'exclude=' 'stats = text' > "$file"
shows decay_ms 7 "$file:4"
shows retain_min 3K "$file:3"
shows exclude cat /usr/bin/env
"$hakmem" conf | grep -q "^exclude  *cat /usr/bin/env $file:5\$" || fail "the excluded programs are not shown"
[ "$("$hakmem" conf | grep -c ^exclude)" -eq 1 ] || fail "nothing is shown as excluded"
export HAKMEM_CONF=decay_ms=9,,stats=json
shows decay_ms 9 HAKMEM_CONF
shows stats json HAKMEM_CONF
shows retain_min 3K "$file:3"
"$hakmem" conf > /dev/null || fail "complains of nothing"
printf '%s\n' 'no_such = 1' 'just words' 'cache_max=zz' 'cache_max=1M' 'cache_max=yy' > "$file"
export HAKMEM_CONF=other=1,decay_ms=x,trace
status=0
complaints=$("$hakmem" conf 2>&1 > "$work/shown") || status=$?
[ "$status" -eq 1 ] || fail "status $status for a file with mistakes"
expected="hakmem: $file:1: unknown option 'no_such'; ignored
hakmem: $file:2: no '=' in 'just words'; ignored
hakmem: $file:3: invalid value 'zz' for option cache_max (allowed: 0 to 1G); using 16M
hakmem: $file:5: invalid value 'yy' for option cache_max (allowed: 0 to 1G); using 1M
hakmem: HAKMEM_CONF: unknown option 'other'; ignored
hakmem: HAKMEM_CONF: invalid value 'x' for option decay_ms (allowed: -1 to 2147483647); using 10000
hakmem: HAKMEM_CONF: no '=' in 'trace'; ignored"
[ "$complaints" = "$expected" ] || fail "complains of $complaints"
grep -q "^cache_max  *1M  *$file:4\$" "$work/shown" || fail "a bad value took the place of a good one"
grep -q '^decay_ms  *10000  *default$' "$work/shown" || fail "a bad value has an origin"

# what only one variant has
: > "$file"
export HAKMEM_CONF=trace=1
said=$("$hakmem" conf 2>&1 > /dev/null) || true
[ "$said" = "hakmem: HAKMEM_CONF: option trace has no effect in this build (it needs the debug variant); ignored" ] ||
    fail "trace without the debug variant: $said"
"$hakmem" conf --debug > /dev/null || fail "trace with the debug variant is a fault"
export HAKMEM_CONF=harden_zero=0
said=$("$hakmem" conf 2>&1 > /dev/null) || true
[ "$said" = "hakmem: HAKMEM_CONF: option harden_zero has no effect in this build (it needs the hardened variant); ignored" ] ||
    fail "harden_zero without the hardened variant: $said"
"$hakmem" conf --hardened > /dev/null || fail "harden_zero with the hardened variant is a fault"
said=$("$hakmem" conf --hardened --debug 2>&1) && fail "two variants at once"
[ "$said" = "hakmem: --debug and --hardened exclude each other" ] || fail "two variants: $said"
unset HAKMEM_CONF
awk 'BEGIN { for (i = 0; i < 3000; i++) print "# 0123456789" }' > "$file"
[ "$("$hakmem" conf 2>&1 > /dev/null)" = "hakmem: $file: longer than 32 KiB; ignored" ] || fail "wrong about a long file"
chmod 666 "$file"
"$hakmem" conf 2> /dev/null | head -n 1 | grep -q "not owned by root, or writable by others" || fail "nothing said of a file that others may write"
HAKMEM_DISABLE=1 "$hakmem" conf 2> /dev/null | grep -q '^# HAKMEM_DISABLE=1 is set' || fail "nothing said of HAKMEM_DISABLE"
status=0
"$hakmem" conf surplus 2> /dev/null || status=$?
[ "$status" -eq 2 ] || fail "status $status for an argument"
[ "$("$hakmem" --version)" = "hakmem $(sed -n 's/^AC_INIT(\[hakmem\], \[\(.*\)\])/\1/p' "$srcdir/configure.ac")" ] || fail "wrong version"
rm "$file"
if [ -w /dev/full ]; then
    ! "$hakmem" conf > /dev/full 2>&1 || fail "does not notice that it cannot write"
fi
