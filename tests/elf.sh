#!/bin/sh
# SPDX-License-Identifier: MIT
# What the shared library shows to the loader.
set -eu
fail() { echo "$1" >&2; exit 1; }
NM=${NM:-nm}
READELF=${READELF:-readelf}
needed=$("$READELF" -dW "$HAK_LIBRARY" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
[ "$needed" = libc.so.6 ] || fail "needs more than libc: $needed"
tls=$("$READELF" -lW "$HAK_LIBRARY" | awk '$1 == "TLS" { print $6 }')
[ $((tls)) -le 64 ] || fail "static TLS: $tls bytes"
"$READELF" -dW "$HAK_LIBRARY" | grep -q NODELETE || fail "can be unloaded"
"$READELF" -dW "$HAK_LIBRARY" | grep -q 'BIND_NOW\|NOW' || fail "binds lazily"
"$READELF" -lW "$HAK_LIBRARY" | grep -q GNU_RELRO || fail "relocations stay writable"
"$READELF" -lW "$HAK_LIBRARY" | awk '$1 == "GNU_STACK" { print $7 }' | grep -qx RW || fail "executable stack"
! "$READELF" -lW "$HAK_LIBRARY" | grep -q 'LOAD.*RWE' || fail "writable code"
! "$READELF" -dW "$HAK_LIBRARY" | grep -q 'RPATH\|RUNPATH\|TEXTREL' || fail "a search path or text relocations"

# What every free reads stands apart from what is written all the time: no variable from outside of
# it begins or ends in a cache line of the section of the one, or of the page map.
$NM -n -S "$HAK_LIBRARY" | awk '
    function number(hex,   i, sum) {
        for (i = 1; i <= length(hex); i++) sum = sum * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
        return sum
    }
    NF == 4 && $3 ~ /^[bBdD]$/ && $4 !~ /^hak__(heap|counters|thread_anchor)$/ {
        first[++count] = int(number($1) / 64)
        last[count] = int((number($1) + number($2) - 1) / 64)
        name[count] = $4
        calm[count] = $4 ~ /^hak__(harden|heap_secret|slab_link_secret|heaps|heaps_in_use|flushes_requested|lock_forker|disabled|oom_handler|options|pagemap|memory_is_locked|purger|starter|guards|guard_interval)$/ ||
                      $4 ~ /^(initialised|libc_is_ready)$/
        found += calm[count]
    }
    END {
        if (found < 12) { print "only " found + 0 " of the variables that are read all the time"; exit 1 }
        for (i = 1; i <= count; i++)
            for (j = 1; calm[i] && j <= count; j++)
                if (!calm[j] && first[i] <= last[j] && first[j] <= last[i]) {
                    print name[i] " shares a cache line with " name[j]
                    bad = 1
                }
        exit bad
    }' || fail "what is read all the time is not alone"

# No symbol needs a newer C library than it must. Those that were in libraries of their own before
# 2.34 cannot be older: nothing but libc is needed here, and so they have to be in it. Before 2.35
# nothing leads from code to its tables without a lock.
# shellcheck disable=SC2086
for symbol in $($NM -D --undefined-only "$HAK_LIBRARY" | sed -n 's/^ *[Uw] \(.*\)@GLIBC_/\1=/p'); do
    case $symbol in dlsym=2.34 | dlvsym=2.34 | dladdr=2.34 | dladdr1=2.34 | dlclose=2.34 | pthread_*=2.34 | _dl_find_object=2.35 | pthread_sigmask=2.32) continue ;; esac
    newest=$(printf '%s\n2.17\n' "${symbol#*=}" | sort -V | tail -n 1)
    [ "$newest" = 2.17 ] || fail "$symbol: an older version of it would do"
done

# Protection of indirect jumps (x86: -fcf-protection, ARM: -mbranch-protection) is the compiler's
# affair, and the library has it if an empty one has it: start files without it, as Debian's, take
# it from all. What could lose it is assembly, so each file that has some is compiled with it.
protection() { "$READELF" -nW "$1" | sed -n 's/.*Properties: .*feature: //p'; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo 'int nothing(void) { return 0; }' > "$work/empty.c"
flags=$(sed -n 's/^CFLAGS = //p' "$builddir/Makefile")
# shellcheck disable=SC2086
$CC $flags -fPIC -shared -o "$work/empty.so" "$work/empty.c"
found=$(protection "$HAK_LIBRARY") possible=$(protection "$work/empty.so")
echo "indirect jumps: library '$found', start files '$possible'"
[ "$found" = "$possible" ] || fail "not protected"
for flag in -fcf-protection -mbranch-protection=standard; do
    $CC -Werror $flag -c -o "$work/empty.o" "$work/empty.c" 2> /dev/null || continue
    grep -l '^__asm__("\.text' "$srcdir"/lib/*/*.c > "$work/files"
    [ -s "$work/files" ] || fail "no assembly found"
    while read -r file; do
        $CC $flag -std=gnu11 -I"$srcdir/include" -I"$srcdir/lib" -I"$builddir" \
            -O1 -fPIC -c -o "$work/object.o" "$file"
        echo "$flag: ${file#"$srcdir/"} '$(protection "$work/object.o")'"
        [ "$(protection "$work/object.o")" = "$(protection "$work/empty.o")" ] ||
            fail "$file loses '$(protection "$work/empty.o")'"
    done < "$work/files"
done

! "$READELF" -rW "$HAK_LIBRARY" | grep -q __tls_get_addr || fail "calls __tls_get_addr"
# NM may hold options
# shellcheck disable=SC2086
symbols=$($NM -D --defined-only "$HAK_LIBRARY" | awk '{ print $NF }')
long=m
[ "$("$READELF" -hW "$HAK_LIBRARY" | awk '/Class:/ { print $2 }')" = ELF64 ] || long=j
expected=$(sed -n "s/[# ].*//; s/@/$long/g; /./p" "$srcdir/tests/symbols.txt")
for name in $expected; do
    case $name in
    hak_*) echo "$symbols" | grep -qx "$name@@HAKMEM_1" || fail "$name: missing or not @@HAKMEM_1" ;;
    *) echo "$symbols" | grep -qx "$name" || fail "$name: missing, or versioned" ;;
    esac
done
for name in $symbols; do
    case $name in HAKMEM_1 | HAKMEM_1@*) continue ;; esac
    echo "$expected" | grep -qx "${name%%@*}" || fail "$name: exported but not in symbols.txt"
done
for name in $(sed -n 's/^HAK_API .*\(hak_[a-z_]*\)(.*/\1/p' "$srcdir/include/hakmem/hakmem.h"); do
    echo "$expected" | grep -qx "$name" || fail "$name: in the header but not in symbols.txt"
done
