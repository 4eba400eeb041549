#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # the variables are those of the program that is started
# hakmem run: what a program finds when it is started, what keeps the library from it, what fails.
set -eu
fail() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hakmem=$builddir/tools/hakmem
unset HAKMEM_CONF HAKMEM_DISABLE LD_PRELOAD
export HAKMEM_CONF_FILE="$work/hakmem.conf" HAKMEM_LIBRARY="$HAK_LIBRARY"
: > "$HAKMEM_CONF_FILE"
# says EXPECTED COMMAND ...: the output of both kinds
says() {
    expected=$1
    shift
    got=$("$@" 2>&1) || true
    [ "$got" = "$expected" ] || fail "$*
wrote    $got
not      $expected"
}
# ends STATUS COMMAND ...
ends() {
    expected=$1
    shift
    status=0
    "$@" > /dev/null 2>&1 || status=$?
    [ "$status" -eq "$expected" ] || fail "$* ended with $status, not $expected"
}

# the library is there, and the statistics are its own
says "$HAK_LIBRARY" "$hakmem" run sh -c 'printf %s "$LD_PRELOAD"'
case $("$hakmem" run --stats perl -e 1 2>&1) in hakmem*live_bytes*) ;; *) fail "no statistics" ;; esac
case $("$hakmem" run --stats=json perl -e 1 2>&1) in *\"live_bytes\"*) ;; *) fail "no JSON" ;; esac
case $(HAKMEM_LIBRARY='' "$hakmem" run --library="$HAK_LIBRARY" -s perl -e 1 2>&1) in
hakmem*live_bytes*) ;;
*) fail "not the library that was given" ;;
esac

# each process says which it is; or each has a file of its own
case $("$hakmem" run --stats perl -e '1' 2>&1) in
"hakmem "*" statistics of perl (process "[1-9]*")"*) ;;
*) fail "the statistics do not say of which process they are" ;;
esac
mkdir "$work/stats"
(cd "$work" && "$hakmem" run --stats=json --stats-file=stats/%n-%p-%% sh -c 'cd / && perl -e 1; perl -e 1') 2> "$work/err"
[ ! -s "$work/err" ] || fail "statistics that go to a file are said as well: $(cat "$work/err")"
[ "$(find "$work/stats" -name 'perl-[1-9]*-%' | wc -l)" -eq 2 ] || fail "files: $(ls "$work/stats")"
for file in "$work/stats/perl"-*; do
    pid=${file##*/perl-}
    grep -q "^{\"version\":.*\"program\":\"perl\",\"pid\":${pid%-%}," "$file" || fail "$file is another's"
done
"$hakmem" run -o "$work/stats/text" perl -e 1
grep -q 'live_bytes' "$work/stats/text" || fail "--stats-file alone writes no statistics"
case $("$hakmem" run --stats-file="$work/no/such" perl -e 1 2>&1) in
"hakmem[perl:"*"]: cannot write statistics to $work/no/such (error 2)") ;;
*) fail "nothing said of a file that cannot be written" ;;
esac
ends 125 "$hakmem" run --stats=text --stats=json true
ends 125 "$hakmem" run --stats-file= true

# in front of what is preloaded, behind what is set
libc=$(LD_TRACE_LOADED_OBJECTS=1 "$hakmem" | sed -n 's/.*libc\.so.* => \([^ ]*\) .*/\1/p')
[ -z "$libc" ] || says "$HAK_LIBRARY:$libc" env LD_PRELOAD="$libc" "$hakmem" run -- sh -c 'printf %s "$LD_PRELOAD"'
says "decay_ms=1,trace=0,stats=text,decay_ms=2" env HAKMEM_CONF=decay_ms=1 \
    "$hakmem" run --conf trace=0 --stats --conf decay_ms=2 sh -c 'printf %s "$HAKMEM_CONF"; exec 2>&-'
says "-x --conf" "$hakmem" run echo -x --conf

# the test of the allocator finds what is wrong with one, and nothing with this one or libc's
says "$("$hakmem" selftest)" "$hakmem" run -- "$hakmem" selftest
ends 0 "$hakmem" run -- "$hakmem" selftest
ends 2 "$hakmem" selftest all
# CC may hold options
# shellcheck disable=SC2086
${CC:-cc} -shared -fPIC -fno-builtin -DMISALIGNED -o "$work/broken.so" "$srcdir/tests/external/system.d/broken.c"
ends 1 env LD_PRELOAD="$work/broken.so" "$hakmem" selftest

# the status is the program's; what cannot be started has env's
ends 7 "$hakmem" run sh -c 'exit 7'
ends 137 "$hakmem" run sh -c 'kill -9 $$'
ends 125 "$hakmem" run
ends 125 "$hakmem" run --no-such true
ends 125 "$hakmem" run --conf no_such=1 true
ends 125 "$hakmem" run --conf decay_ms=x true
ends 125 "$hakmem" run --stats=xml true
ends 125 "$hakmem" run --library=/no/such true
says "hakmem: --conf: unknown option 'no_such'" "$hakmem" run --conf decay_ms=1,no_such=1 true
says "hakmem: --conf: invalid value 'x' for option decay_ms (allowed: -1 to 2147483647)" "$hakmem" run --conf decay_ms=x true
says "hakmem: /no/such: No such file or directory" "$hakmem" run --library=/no/such true
says "hakmem run: unrecognized option '--no-such'" "$hakmem" run --no-such true
says "hakmem: $work: not a shared library" "$hakmem" run --library="$work" true
head -c 20000 "$HAK_LIBRARY" > "$work/cut.so"
says "hakmem: $work/cut.so: the library file is incomplete" "$hakmem" run --library="$work/cut.so" true
ends 127 "$hakmem" run /no/such
ends 127 env PATH=/no/such "$hakmem" run no-such-command
says "hakmem: no-such-command: No such file or directory" env PATH=/no/such "$hakmem" run no-such-command
ends 126 "$hakmem" run "$work"
: > "$work/not-executable"
ends 126 "$hakmem" run "$work/not-executable"
mkdir "$work/a b"
cp "$HAK_LIBRARY" "$work/a b/lib.so"
ends 125 "$hakmem" run --library="$work/a b/lib.so" true

# as the system finds programs
mkdir "$work/1" "$work/2" "$work/2/dir"
: > "$work/1/prog"
printf 'echo second "$@"\n' > "$work/2/prog"
chmod +x "$work/2/prog"
says "second -a b" env PATH="$work/1:$work/2:$PATH" "$hakmem" run prog -a b
ends 126 env PATH="$work/1" "$hakmem" run prog
ends 126 env PATH="$work/2" "$hakmem" run dir
says "second" env PATH=":$PATH" sh -c "cd '$work/2' && '$hakmem' run prog"
printf '#!/no/interpreter -x\n' > "$work/script"
chmod +x "$work/script"
says "hakmem: $work/script: needs /no/interpreter, which does not exist" "$hakmem" run "$work/script"
ends 127 "$hakmem" run "$work/script"

# told beforehand: who will not have the library
printf 'stats=text\nexclude = true\n' > "$HAKMEM_CONF_FILE"
says "hakmem: warning: $HAKMEM_CONF_FILE:2 excludes true, so the C library's allocator is used" "$hakmem" run true
rm "$HAKMEM_CONF_FILE"
says "hakmem: warning: $HAKMEM_CONF_FILE: No such file or directory; using the default options" "$hakmem" run true
: > "$HAKMEM_CONF_FILE"
says "hakmem: warning: HAKMEM_DISABLE=1 is set, so the C library's allocator is used" env HAKMEM_DISABLE=1 "$hakmem" run true
static=$builddir/tools/hakmem-static
if [ -x "$static" ]; then
    says "hakmem: warning: $static is statically linked, so libhakmem is not loaded into it; programs that it starts may load libhakmem
$("$static" --version)" "$hakmem" run "$static" --version
fi
# nobody is missing where it is linked in
archive=$(echo "$builddir"/libhakmem*.a)
printf '#include <stdlib.h>\nint main(void) { void *volatile block = malloc(9); free(block); return 0; }\n' > "$work/linked.c"
# shellcheck disable=SC2086
if [ -e "$archive" ] && $CC -static -o "$work/linked" "$work/linked.c" -Wl,-u,malloc -L"$builddir" "-l:${archive##*/}" \
    -pthread 2> /dev/null; then
    says "" "$hakmem" run "$work/linked"
fi
true=$(command -v perl)
cp "$true" "$work/foreign"
printf '\355\376' | dd of="$work/foreign" bs=1 seek=18 conv=notrunc 2> /dev/null
says "hakmem: warning: $work/foreign is built for another architecture, so libhakmem is not loaded into it
hakmem: $work/foreign: Exec format error" "$hakmem" run "$work/foreign"
ends 126 "$hakmem" run "$work/foreign"
echo 'int main(void) { return 0; }' > "$work/main.c"
# shellcheck disable=SC2086
if $CC -o "$work/musl" "$work/main.c" -Wl,--dynamic-linker=/no/ld-musl-x.so.1 2> /dev/null; then
    says "hakmem: warning: $work/musl uses a C library that cannot load libhakmem, so libhakmem is not loaded into it
hakmem: $work/musl: needs /no/ld-musl-x.so.1, which does not exist" "$hakmem" run "$work/musl"
fi
# the library and hakmem conf complain of the same
printf '%s\n' 'no_such = 1' 'just words' 'cache_max=zz' > "$HAKMEM_CONF_FILE"
complaints=$(HAKMEM_CONF=other=1,trace "$hakmem" conf 2>&1 > /dev/null) || true
[ "$(echo "$complaints" | wc -l)" -eq 5 ] || fail "hakmem conf complains of $complaints"
complaints=$(echo "$complaints" | sed 's/^hakmem: /hakmem[perl]: /')
numberless() { "$@" 2>&1 | sed 's/^hakmem\[perl:[0-9]*\]/hakmem[perl]/'; }
says "$complaints" numberless env HAKMEM_CONF=other=1,trace LD_PRELOAD="$HAK_LIBRARY" "$(command -v perl)" -e 1
: > "$HAKMEM_CONF_FILE"

# options of one variant, wherever in the line that is named
case $HAK_LIBRARY in
*-debug.so*) ends 0 "$hakmem" run --conf trace=1 --debug true ;;
*-hardened.so*) ends 0 "$hakmem" run --conf harden_zero=0 --hardened true ;;
*)
    ends 125 "$hakmem" run --conf trace=1 true
    says "hakmem: --debug and --hardened exclude each other" "$hakmem" run --debug --hardened true
    says "hakmem: --conf: option trace has no effect in this build (it needs the debug variant)" \
        "$hakmem" run --conf trace=1 true ;;
esac

# a file with more rights than we have: one of our own making, or one that is there
privileged=
if [ "$(id -u)" -eq 0 ]; then
    cp "$true" "$work/privileged"
    chown 65534 "$work/privileged"
    chmod 4755 "$work/privileged"
    chmod 755 "$work"
    privileged=$work/privileged
else
    for program in mount su passwd; do
        path=$(command -v $program) && [ -u "$path" ] && privileged=$path
    done
fi
case $(grep -E '^NoNewPrivs:' /proc/self/status) in *1) privileged= ;; esac
if [ -n "$privileged" ]; then
    case $("$hakmem" run "$privileged" --version 2>&1) in
    "hakmem: warning: $privileged is set-user-ID, or has file capabilities, so libhakmem is not loaded into it, nor into programs that it starts"*) ;;
    *) fail "nothing said of a set-user-ID program" ;;
    esac
fi
