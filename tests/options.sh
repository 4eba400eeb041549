#!/bin/sh
# SPDX-License-Identifier: MIT
# Options from the environment: what is unknown is reported once, the rest takes effect.
set -eu
fail() { echo "$1" >&2; exit 1; }
victim() { LD_PRELOAD=$HAK_LIBRARY perl -e 'my %h = map { $_ => "x" x $_ } 1 .. 2000; print STDERR "";' 2>&1; }
# the process is named, by a number that is another each time
numberless() { sed 's/^hakmem\[\([^]:]*\):[1-9][0-9]*\]: /hakmem[\1]: /'; }
expected="hakmem[perl]: HAKMEM_CONF: unknown option 'no_such'; ignored
hakmem[perl]: HAKMEM_CONF: invalid value 'zz' for option cache_max (allowed: 0 to 1G); using 16M
hakmem[perl]: HAKMEM_CONF: invalid value '-2' for option decay_ms (allowed: -1 to 2147483647); using 10000
hakmem[perl]: HAKMEM_CONF: invalid value '' for option populate (allowed: 0 or 1); using 1
hakmem[perl]: HAKMEM_CONF: invalid value 'a?[2J' for option limit_hard (allowed: 0 or more, also with K, M or G); using 1G
hakmem[perl]: HAKMEM_CONF: invalid value 'xml' for option stats (allowed: none, text or json); using none
hakmem[perl]: HAKMEM_CONF: no '=' in 'decay_ms'; ignored"
got=$(HAKMEM_CONF=no_such=1,cache_max=zz,decay_ms=-2,populate=,retain_min=1M,limit_hard=1G,limit_hard="$(printf 'a\033[2J')",stats=xml,,decay_ms victim | numberless)
[ "$got" = "$expected" ] || fail "wrong reports: $got"
# the process's own number, and a name that cannot write on a terminal
[ "$(HAKMEM_CONF=no_such=1 LD_PRELOAD=$HAK_LIBRARY perl -e 'print STDERR $$' 2>&1 |
    sed 's/^hakmem\[perl:\([0-9]*\)\].*/\1/' | uniq | wc -l)" -eq 1 ] || fail "not the number of the process"
odd=$(mktemp -d)
trap 'rm -rf "$odd"' EXIT
ln -s "$(command -v perl)" "$odd/$(printf 'p\033\nq')"
got=$(HAKMEM_CONF=no_such=1 LD_PRELOAD=$HAK_LIBRARY "$odd/$(printf 'p\033\nq')" -e 1 2>&1 | numberless)
[ "$got" = "hakmem[p??q]: HAKMEM_CONF: unknown option 'no_such'; ignored" ] || fail "wrong name: $got"
[ -z "$(HAKMEM_CONF='' victim)" ] || fail "says something without being asked"
HAKMEM_CONF=stats=text victim | grep -q 'stage3 ' || fail "no statistics as text"
# also where the program closes its standard error first, as the core utilities do
closed=$(HAKMEM_CONF=stats=text LD_PRELOAD=$HAK_LIBRARY ls / 2>&1 > /dev/null)
case $closed in *'stage3 '*) ;; *) fail "no statistics of ls: $closed" ;; esac
# and nothing where there was none from the start
[ -z "$(HAKMEM_CONF=stats=text LD_PRELOAD=$HAK_LIBRARY ls / 2>&- > /dev/null)" ] ||
    fail "statistics without a standard error"
json=$(HAKMEM_CONF=stats=json victim)
case $json in '{"version":'*'"counters":{'*'"lock_waits":'*']}') ;; *) fail "no statistics as JSON: $json" ;; esac
printf '%s' "$json" | perl -MJSON::PP -0777 -ne 'JSON::PP::decode_json($_)' 2> /dev/null ||
    ! perl -MJSON::PP -e 1 2> /dev/null || fail "not JSON: $json"
for word in 1 true yes on; do
    [ -z "$(HAKMEM_DISABLE=$word HAKMEM_CONF=stats=text,no_such=1 victim)" ] || fail "not disabled by $word"
done
for word in 0 false no off ''; do
    said=$(HAKMEM_DISABLE=$word HAKMEM_CONF=stats=text victim)
    case $said in hakmem\ *stage3*) ;; *) fail "not served with HAKMEM_DISABLE=$word: $said" ;; esac
done
said=$(HAKMEM_DISABLE=2 victim | numberless)
[ "$said" = "hakmem[perl]: HAKMEM_DISABLE: invalid value '2' (allowed: 0 or 1); not disabled" ] || fail "HAKMEM_DISABLE=2: $said"
traced=$(HAKMEM_CONF=trace=1 victim)
case $HAK_LIBRARY in
*-debug.so*)
    for what in STAGE2_LOCKFREE STAGE3; do
        printf '%s\n' "$traced" | numberless | grep -q "^hakmem\[perl\]: pool: $what slab 0x" || fail "$what is not traced"
    done
    grep -q 'pool: ' "$HAK_LIBRARY" || fail "a debug build has no lines to trace with" ;;
*)
    said="option trace has no effect in this build (it needs the debug variant); ignored"
    [ "$(printf '%s\n' "$traced" | numberless)" = "hakmem[perl]: HAKMEM_CONF: $said" ] ||
        fail "a release build traces, or does not say that it cannot: $traced"
    [ -z "$(HAKMEM_CONF=trace=0,race_seed=0 victim)" ] || fail "complains of a default"
    # not even the words are there, so that no path can print them
    ! grep -q 'pool: ' "$HAK_LIBRARY" || fail "a release build holds trace lines" ;;
esac
# the library has a dlopen of its own where the option deepbind says that it has an effect
if nm -D "$HAK_LIBRARY" | grep -q ' T dlopen'; then said=; else
    said="hakmem[perl]: HAKMEM_CONF: option deepbind has no effect in this build (dlopen is the C library's own); ignored"
fi
got=$(HAKMEM_CONF=deepbind=1 victim | numberless)
[ "$got" = "$said" ] || fail "deepbind: says '$got', not '$said'"
