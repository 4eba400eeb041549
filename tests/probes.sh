#!/bin/sh
# SPDX-License-Identifier: MIT
# The probes of lib/base/probe.def, as tracers find them in the shared library and in programs with
# the archive: providers, names, arguments, the place of each, and the counter of its listeners.
set -eu
fail() { echo "$1" >&2; exit 1; }
READELF=${READELF:-readelf}
archive=$(echo "$builddir"/libhakmem*.a)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is expected: PROVIDER NAME ARGUMENTS
case $("$READELF" -hW "$HAK_LIBRARY" | awk '/Class:|Machine:/ { printf "%s ", $NF }') in
"ELF64 X86-64 ") first='8@%rdi' second='8@%rsi' third='8@%rdx' ;;
"ELF32 80386 ") first='4@%eax' second='4@%edx' third='4@%ecx' ;;
"ELF64 AArch64 ") first='8@x0' second='8@x1' third='8@x2' ;;
*)
    ! "$READELF" -nW "$HAK_LIBRARY" | grep -q stapsdt || fail "probes on an architecture without them"
    echo "no probes on this architecture"
    exit 77
    ;;
esac
sed -n 's/^HAK_PROBE_ROW(\([a-z_]*\), \([a-z_]*\), \([1-3]\))$/\1 \2 \3/p' "$srcdir/lib/base/probe.def" |
    while read -r provider name count; do
        case $count in
        1) echo "$provider $name $first" ;;
        2) echo "$provider $name $first $second" ;;
        3) echo "$provider $name $first $second $third" ;;
        esac
    done | sort > "$work/expected"
[ -s "$work/expected" ] || fail "lib/base/probe.def: no probes found"

# notes FILE: PROVIDER NAME LOCATION BASE SEMAPHORE ARGUMENTS
notes() {
    "$READELF" -nW "$1" | awk '
        /[ \t]Provider: / { provider = $NF } # with what comes before it on a line or not
        $1 == "Name:" { name = $2 }
        $1 == "Location:" { gsub(",", ""); place = $2 " " $4 " " $6 }
        $1 == "Arguments:" { sub(/^ *Arguments: */, ""); print provider, name, place, $0 }'
}
# section FILE ADDRESS: NAME TYPE START OFFSET FLAGS of the section that has it
section() {
    "$READELF" -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] \([^ ].*\)/\1/p' |
        while read -r name type start offset size rest; do
            [ $((0x$start)) -ne 0 ] || continue
            [ $(($2)) -ge $((0x$start)) ] && [ $(($2)) -lt $((0x$start + 0x$size)) ] || continue
            # thread-local variables have no memory there
            case ${rest#* } in *T*) continue ;; esac
            echo "$name $type 0x$start 0x$offset ${rest#* }"
        done
}
# bytes FILE OFFSET COUNT
bytes() { od -An -v -tx1 -j "$(($2))" -N "$3" "$1" | tr -d ' \n'; }

# check_place FILE LOCATION: a nop in code
check_place() {
    # shellcheck disable=SC2046
    set -- "$1" "$2" $(section "$1" "$2")
    case ${7-} in *X*) ;; *) fail "$1: a probe at $2, in the section '${3-}', which is no code" ;; esac
    found=$(bytes "$1" "$(($2 - $5 + $6))" 4)
    case $found in 90* | 1f2003d5) ;; *) fail "$1: no nop at $2 but $found" ;; esac
}
# check_semaphore FILE ADDRESS: writable, in the file, and zero
check_semaphore() {
    # shellcheck disable=SC2046
    set -- "$1" "$2" $(section "$1" "$2")
    [ "${3-} ${4-}" = ".probes PROGBITS" ] || fail "$1: the counter $2 is in the section '${3-}'"
    case $7 in *W*) ;; *) fail "$1: .probes is not writable" ;; esac
    found=$(bytes "$1" "$(($2 - $5 + $6))" 2)
    [ "$found" = 0000 ] || fail "$1: the counter at $2 begins as $found"
    "$READELF" -lW "$1" | awk '$1 == "GNU_RELRO" { print $3, $6 }' | while read -r start size; do
        [ $(($2)) -lt $((start)) ] || [ $(($2)) -ge $((start + size)) ] ||
            fail "$1: the counter at $2 becomes read-only"
    done
}
# check FILE [OTHER]: also has the probe OTHER of its own
check() {
    notes "$1" > "$work/notes"
    if [ $# -gt 1 ]; then
        grep -q "^program $2 " "$work/notes" || fail "$1: has lost its own probe"
    fi
    grep -v '^program ' "$work/notes" | cut -d' ' -f1,2,6- | sort -u > "$work/found"
    diff "$work/expected" "$work/found" || fail "$1: other probes (< expected, > found)"
    base=$("$READELF" -SW "$1" | sed -n 's/.* \.stapsdt\.base  *PROGBITS  *\([0-9a-f]*\) .*/0x\1/p')
    [ -n "$base" ] || fail "$1: no section .stapsdt.base"
    while read -r provider name location stated semaphore _; do
        [ $((stated)) -eq $((base)) ] || fail "$1: $provider:$name has the base $stated, not $base"
        check_place "$1" "$location"
        [ "$provider" = program ] || check_semaphore "$1" "$semaphore"
    done < "$work/notes"
    # one counter a probe, however many places it has
    counters=$(grep -v '^program ' "$work/notes" | cut -d' ' -f1,2,5 | sort -u | cut -d' ' -f3 | sort -u | wc -l)
    [ "$counters" -eq "$(wc -l < "$work/expected")" ] || fail "$1: $counters counters"
    echo "${1##*/}: $(wc -l < "$work/notes") places"
}

cp "$HAK_LIBRARY" "$work/library.so"
check "$work/library.so"
if command -v strip > /dev/null && strip -o "$work/stripped.so" "$HAK_LIBRARY" 2> /dev/null; then
    check "$work/stripped.so"
fi

# A program with a probe of its own, as sys/sdt.h would write it; its file comes before the archive or after.
cat > "$work/own.c" << 'END'
#include <stdint.h>
#define WORD (UINTPTR_MAX > UINT32_MAX ? 8 : 4)
void own(void);
void own(void)
{
    __asm__ volatile(".pushsection .stapsdt.base, \"aG\", %%progbits, .stapsdt.base, comdat\n"
                     ".weak _.stapsdt.base\n"
                     ".hidden _.stapsdt.base\n"
                     "_.stapsdt.base: .space 1\n"
                     ".size _.stapsdt.base, 1\n"
                     ".popsection\n"
                     "991: nop\n"
                     ".pushsection .note.stapsdt, \"\", %%note\n"
                     ".balign 4\n"
                     ".4byte 993f - 992f, 995f - 994f, 3\n"
                     "992: .asciz \"stapsdt\"\n"
                     "993: .balign 4\n"
                     "994: .dc.a 991b, _.stapsdt.base, 0\n"
                     ".asciz \"program\"\n.asciz \"own\"\n.asciz \"%c[word]@$5\"\n"
                     "995: .balign 4\n"
                     ".popsection"
                     :
                     : [word] "i"(WORD));
}
END
cat > "$work/program.c" << 'END'
#include <stdlib.h>
#ifdef OWN
void own(void);
#endif
int main(void)
{
    void *block = malloc(100);
    free(block);
#ifdef OWN
    own();
#endif
    return block == NULL;
}
END
# build NAME FILES AND FLAGS: a program with the archive
build() {
    name=$1
    shift
    # CC may hold options
    # shellcheck disable=SC2086
    $CC -O1 -fno-builtin -o "$work/$name" "$@" -pthread > "$work/log" 2>&1
}
if [ -e "$archive" ]; then
    build plain "$work/program.c" "$archive" || { cat "$work/log"; fail "does not link"; }
    check "$work/plain"
    "$work/plain" || fail "does not run"
    # shellcheck disable=SC2086
    $CC -O1 -c -o "$work/own.o" "$work/own.c"
    build before -DOWN "$work/program.c" "$work/own.o" "$archive" || { cat "$work/log"; fail "does not link"; }
    check "$work/before" own
    build after -DOWN "$work/program.c" -Wl,-u,malloc "$archive" "$work/own.o" ||
        { cat "$work/log"; fail "does not link"; }
    check "$work/after" own
    echo 'int nothing;' > "$work/nothing.c"
    for linker in bfd gold lld; do
        build nothing -shared -fPIC "-fuse-ld=$linker" "$work/nothing.c" || { echo "no linker $linker"; continue; }
        build "collected-$linker" -DOWN "$work/program.c" "$work/own.o" "$archive" "-fuse-ld=$linker" \
            -ffunction-sections -Wl,--gc-sections || { cat "$work/log"; fail "does not link with $linker"; }
        check "$work/collected-$linker" own
    done
    build static -static "$work/program.c" "$archive" && "$work/static" && check "$work/static"
    build part.so -shared -fPIC "$work/program.c" "$archive" || { cat "$work/log"; fail "no shared library"; }
    check "$work/part.so"
    ! "$READELF" --dyn-syms -W "$work/part.so" | grep stapsdt || fail "part.so: the base is exported"
else
    echo "no archive: configured with --disable-static"
fi

# Tracers list them: PROVIDER:NAME
cut -d' ' -f1,2 "$work/expected" | tr ' ' : | sort > "$work/names"
if command -v bpftrace > /dev/null; then
    # needs no rights where it only reads a file; some versions ask for root all the same
    if bpftrace -l "usdt:$work/library.so:*" > "$work/list" 2> "$work/log"; then
        sed 's/.*:\([a-z_]*:[a-z_]*\)$/\1/' "$work/list" | sort -u > "$work/listed"
        diff "$work/names" "$work/listed" || fail "bpftrace lists other probes (< expected, > listed)"
        echo "bpftrace lists $(wc -l < "$work/listed") probes"
    else
        echo "bpftrace skipped: $(head -n 1 "$work/log")"
    fi
else
    echo "bpftrace skipped: not installed"
fi
# What is installed may be a wrapper that finds no perf for this kernel. perf caches by build ID, and
# knows those of 20 bytes; lld makes shorter ones.
id=$("$READELF" -nW "$work/library.so" | sed -n 's/.*Build ID: *//p')
if ! perf version > /dev/null 2>&1; then
    echo "perf skipped: not installed"
elif [ ${#id} -ne 40 ]; then
    echo "perf skipped: the library's build ID '$id' is not of 20 bytes"
else
    if perf --buildid-dir "$work/cache" buildid-cache --add "$work/library.so" > "$work/log" 2>&1; then
        perf --buildid-dir "$work/cache" list sdt 2> "$work/log" |
            sed -n 's/^ *sdt_\([a-z_]*:[a-z_]*\) .*/\1/p' | sort -u > "$work/listed"
        diff "$work/names" "$work/listed" || fail "perf lists other probes (< expected, > listed)"
        echo "perf lists $(wc -l < "$work/listed") probes"
    else
        echo "perf skipped: $(head -n 1 "$work/log")"
    fi
fi
