#!/bin/sh
# SPDX-License-Identifier: MIT
# Options from the environment: what is unknown is reported once, the rest takes effect.
set -eu
fail() { echo "$1" >&2; exit 1; }
victim() { LD_PRELOAD=$HAK_LIBRARY perl -e 'my %h = map { $_ => "x" x $_ } 1 .. 2000; print STDERR "";' 2>&1; }
expected="hakmem: HAKMEM_CONF: unknown option 'no_such' ignored
hakmem: HAKMEM_CONF: bad value 'zz' for 'cache_max' ignored
hakmem: HAKMEM_CONF: bad value '' for 'decay_ms' ignored"
got=$(HAKMEM_CONF=no_such=1,cache_max=zz,retain_min=1M,,decay_ms victim)
[ "$got" = "$expected" ] || fail "wrong reports: $got"
[ -z "$(HAKMEM_CONF='' victim)" ] || fail "says something without being asked"
HAKMEM_CONF=stats=text victim | grep -q 'STAGE3 ' || fail "no statistics as text"
# also where the program closes its standard error first, as the core utilities do
closed=$(HAKMEM_CONF=stats=text LD_PRELOAD=$HAK_LIBRARY ls / 2>&1 > /dev/null)
case $closed in *'STAGE3 '*) ;; *) fail "no statistics of ls: $closed" ;; esac
# and nothing where there was none from the start
[ -z "$(HAKMEM_CONF=stats=text LD_PRELOAD=$HAK_LIBRARY ls / 2>&- > /dev/null)" ] ||
    fail "statistics without a standard error"
json=$(HAKMEM_CONF=stats=json victim)
case $json in '{"version":'*'"counters":{'*'"lock_waits":'*']}') ;; *) fail "no statistics as JSON: $json" ;; esac
printf '%s' "$json" | perl -MJSON::PP -0777 -ne 'JSON::PP::decode_json($_)' 2> /dev/null ||
    ! perl -MJSON::PP -e 1 2> /dev/null || fail "not JSON: $json"
[ -z "$(HAKMEM_DISABLE=1 HAKMEM_CONF=stats=text,no_such=1 victim)" ] || fail "not disabled"
traced=$(HAKMEM_CONF=trace=1 victim)
case $HAK_LIBRARY in
*-debug.so*)
    for what in STAGE2_LOCKFREE STAGE3; do
        printf '%s\n' "$traced" | grep -q "^hakmem: pool: $what slab 0x" || fail "$what is not traced"
    done
    grep -q 'hakmem: pool: ' "$HAK_LIBRARY" || fail "a debug build has no lines to trace with" ;;
*)
    [ -z "$traced" ] || fail "a release build traces"
    # not even the words are there, so that no path can print them
    ! grep -q 'hakmem: pool: ' "$HAK_LIBRARY" || fail "a release build holds trace lines" ;;
esac
