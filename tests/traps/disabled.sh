#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that is to run on another allocator does so with every public function, whoever says so
# and however the library came into it; and all go to one: libc's, the program's, a sanitizer's.
. "${srcdir:?}/tests/traps/common.sh"
# flags are several words
# shellcheck disable=SC2086
export HAKMEM_CONF_FILE="$WORK/hakmem.conf"
archive=${HAK_LIBRARY%/.libs/*}/$(basename "$HAK_LIBRARY" .so.1).a
headers="-I$srcdir/include -Wno-deprecated-declarations"
: > "$HAKMEM_CONF_FILE"

compile disabled disabled.c $headers "$HAK_LIBRARY" -Wl,-rpath,"${HAK_LIBRARY%/*}"
"$WORK/disabled" --list | sed 's/_\(zero\|pages\|0\)$//' | sort -u > "$WORK/tried"
sed -n 's/@/m/g; s/^\([a-z_A-Z][^ ]*\).*/\1/p' "$srcdir/tests/symbols.txt" |
    grep -vx 'dlopen\|mlockall\|munlockall\|prctl\|la_version\|__register_atfork' | sort -u > "$WORK/public"
if ! diff "$WORK/public" "$WORK/tried"; then
    fail 'these functions are not tried'
fi

passes 'enabled' '' "$WORK/disabled" hakmem
breaks 'enabled is not libc' '' "$WORK/disabled" libc
passes 'linked' '' env HAKMEM_DISABLE=1 "$WORK/disabled" libc
passes 'preloaded' "$HAK_LIBRARY" env HAKMEM_DISABLE=1 "$WORK/disabled" libc
if [ -f "$archive" ]; then
    compile archive disabled.c $headers "$archive" -lm
    passes 'archive' '' env HAKMEM_DISABLE=1 "$WORK/archive" libc
    compile static disabled.c $headers -static "$archive" -lm
    passes 'static' '' "$WORK/static" hakmem
    passes 'static, which has no other' '' env HAKMEM_DISABLE=1 "$WORK/static" hakmem
    grep -q 'hakmem.*not disabled' "$WORK/said" || fail 'static: does not say that it is not disabled'
fi
echo 'exclude = disabled' > "$HAKMEM_CONF_FILE"
passes 'excluded' "$HAK_LIBRARY" "$WORK/disabled" libc
echo 'exclude = another' > "$HAKMEM_CONF_FILE"
passes 'another excluded' "$HAK_LIBRARY" "$WORK/disabled" hakmem

# Linked behind the library and in front of it, and preloaded in front of it.
for kind in plain other; do
    aligned=
    [ $kind = plain ] || aligned=-DOTHER_ALIGNED
    compile_library lib$kind.so other.c $aligned
    compile behind-$kind disabled.c $headers "$HAK_LIBRARY" -Wl,--no-as-needed "$WORK/lib$kind.so" \
        -Wl,-rpath,"${HAK_LIBRARY%/*}"
    compile before-$kind disabled.c $headers -Wl,--no-as-needed "$WORK/lib$kind.so" "$HAK_LIBRARY" \
        -Wl,-rpath,"${HAK_LIBRARY%/*}"
    passes "behind, $kind, enabled" '' "$WORK/behind-$kind" hakmem
    passes "behind, $kind" '' env HAKMEM_DISABLE=1 "$WORK/behind-$kind" $kind
    passes "before, $kind, preloaded" "$HAK_LIBRARY" env HAKMEM_DISABLE=1 "$WORK/before-$kind" $kind
done

# sanitizer NAME COMPILER WHAT: it finds the mistake, in blocks that are its own.
sanitizer() {
    _made=$WORK/sanitized-$1-$(basename "$2")
    if ! "$2" -std=gnu11 -O1 -fno-builtin -fsanitize="$1" -o "$_made" \
        "$srcdir/tests/traps/sanitized.c" 2> /dev/null || ! "$_made" right > /dev/null 2>&1; then
        echo "$2 -fsanitize=$1: not here"
        return
    fi
    export ASAN_OPTIONS=verify_asan_link_order=0
    passes "$2 -fsanitize=$1" "$HAK_LIBRARY" "$_made" right
    breaks "$2 -fsanitize=$1" "$HAK_LIBRARY" "$_made" "$3"
    grep -q 'Sanitizer: ' "$WORK/said" || fail "$2 -fsanitize=$1 does not find $3: $(cat "$WORK/said")"
}

for compiler in gcc clang; do
    command -v $compiler > /dev/null || continue
    sanitizer address $compiler after-free
    sanitizer thread $compiler after-free
    sanitizer leak $compiler leak
    sanitizer memory $compiler after-free
    sanitizer hwaddress $compiler after-free
done
